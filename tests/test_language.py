"""Texts in two languages: every text that is said has its Chinese, with the same places, and no table holds more."""

import ast
import copy
import pickle
import string
import tomllib
from pathlib import Path

import pytest

import pellucid
from pellucid import language
from pellucid.errors import SettingError
from pellucid.language import Phrase, phrase, speaking, translated

SOURCE = Path(pellucid.__file__).parent
TABLES = [*SOURCE.glob("zh.toml"), *SOURCE.glob("*/zh.toml"), *SOURCE.glob("*/*.zh.toml")]  # of one package several


def keys_in(path):
    """The texts that a file says, and the lines where one is said that is not written out."""
    found, hidden = set(), []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "phrase"):
            continue
        first = node.args[0] if len(node.args) == 1 else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            found.add(first.value)
        else:
            hidden.append(f"{path.name}:{node.lineno}")
    return found, hidden


@pytest.fixture(scope="module")
def marked():
    """The texts of each package, and where one cannot be read from the code."""
    texts, hidden = {}, []
    for path in SOURCE.rglob("*.py"):
        if path.name != "language.py":
            found, lost = keys_in(path)
            hidden += lost
            if found:
                area = (SOURCE.name, *path.relative_to(SOURCE.parent).parts[1:-1])[-1]
                texts.setdefault(area, set()).update(found)
    return texts, hidden


def places(text):
    return sorted((name, form, how) for _, name, form, how in string.Formatter().parse(text) if name is not None)


def test_every_text_is_written_out_where_it_is_said(marked):
    assert marked[1] == []


def test_every_text_of_a_package_is_in_its_table_and_every_row_of_the_table_is_said(marked):
    tables: dict[str, set[str]] = {}
    for path in TABLES:
        tables.setdefault(path.parent.name, set()).update(tomllib.loads(path.read_text("utf-8")))
    missing = {area: sorted(texts - tables.get(area, set())) for area, texts in marked[0].items()}
    unused = {area: sorted(table - marked[0].get(area, set())) for area, table in tables.items()}
    assert {area: texts for area, texts in missing.items() if texts} == {}
    assert {area: texts for area, texts in unused.items() if texts} == {}


def test_a_text_and_its_chinese_have_the_same_places_and_one_meaning_in_all_tables():
    whole = {}
    for path in TABLES:
        for english, chinese in tomllib.loads(path.read_text("utf-8")).items():
            assert places(english) == places(chinese), english
            assert whole.setdefault(english, chinese) == chinese, english


@pytest.fixture
def bilingual(monkeypatch):
    table = {"{n:,} rows of {what}": "{what}的 {n:,} 行", "sheep": "绵羊"}
    monkeypatch.setattr(language, "tables", lambda _: table)


def test_a_text_is_said_in_the_language_at_hand_and_can_be_told_again_in_another(bilingual):
    english = phrase("{n:,} rows of {what}", n=1200, what=phrase("sheep"))
    with speaking("zh"):
        chinese = phrase("{n:,} rows of {what}", n=1200, what=phrase("sheep"))
        assert chinese == translated(english) == "绵羊的 1,200 行"
    assert translated(chinese) == english == "1,200 rows of sheep"
    assert translated("a name that nobody translates") == "a name that nobody translates"


def test_what_was_said_travels_as_a_plain_text_does(bilingual):
    english = phrase("{n:,} rows of {what}", n=2, what="sheep")
    for again in (pickle.loads(pickle.dumps(english)), copy.deepcopy(english)):
        assert isinstance(again, Phrase)
        assert (again, again.key, again.values) == (english, english.key, english.values)


def test_a_text_without_its_chinese_is_said_in_english_and_not_in_silence(bilingual):
    with speaking("zh"), pytest.warns(UserWarning, match=r"There is no 简体中文 for 'goats'\."):
        assert phrase("goats") == "goats"


def test_the_language_is_that_of_before_when_it_is_left_and_must_be_one_that_is_spoken(bilingual):
    with pytest.raises(SettingError, match="There is no language 'de': Known: en, zh"), speaking("de"):
        pass
    with speaking("zh"), speaking(None):
        assert language.spoken() == "zh"
    assert language.spoken() == "en"
