"""The claims in two languages, their pages, and the code that a reader can run."""

import re
import runpy
import string
from importlib.resources import files
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont

from pellucid.lab import claim
from pellucid.lab._texts import CODES, PARTS, written
from pellucid.language import LANGUAGES

ROOT = Path(__file__).parent.parent.parent
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def numbers(text):
    """The numbers, `code` and {places} of a text, in any order."""
    fields = sorted(f"{name}:{form}" for _, name, form, _ in string.Formatter().parse(text) if name is not None)
    bare = re.sub(r"{[^}]*}", "", text)
    code = sorted(re.findall(r"`[^`]*`", bare))
    digits = sorted(re.findall(r"\d[\d,.]*\d|\d", re.sub(r"`[^`]*`", "", bare)))
    return fields, code, digits


@pytest.mark.parametrize("code", CODES)
def test_a_claim_says_the_same_in_both_languages(code):
    read = written(code)
    for part in PARTS:
        assert set(read[part]) == set(LANGUAGES)
        assert numbers(read[part]["en"]) == numbers(read[part]["zh"]), part
        assert not CHINESE.search(read[part]["en"])
        assert CHINESE.search(read[part]["zh"]) or read[part]["zh"] == read[part]["en"] == "{why}"
    assert not CHINESE.search(read["formula"] + read["try"]["code"])
    assert set(read) == {"formula", "try", *PARTS}


def test_a_claim_is_read_in_the_language_asked_for():
    assert claim("c6").title == "A saturated sigmoid is lazy; cross-entropy wakes it"
    assert claim("C6", "zh").title == "饱和的 sigmoid 是懒惰的，交叉熵把它唤醒"


@pytest.mark.parametrize("code", CODES)
def test_the_code_to_try_runs(code, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if code == "C10":
        monkeypatch.setattr("pellucid.lab._c10_universal.NEURONS", (8, 16))
    exec(compile(claim(code).code, f"{code}, try it", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out.strip()


def test_the_pages_of_the_claims_say_what_the_code_says():
    made = runpy.run_path(str(ROOT / "scripts" / "claims.py"))
    pages = made["pages"]()
    stale = [path.name for path, text in pages.items() if not path.exists() or path.read_text("utf-8") != text]
    assert stale == [], "run `.venv/bin/python scripts/claims.py`"
    assert len(pages) == 2 * (len(CODES) + 1)
    contents = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert [path for path in pages if path.relative_to(ROOT / "docs").as_posix() not in contents] == []
    for path, text in pages.items():
        for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", re.sub(r"```.*?```", "", text, flags=re.S)):
            assert (path.parent / link).exists(), (path, link)


def test_every_chinese_character_has_a_blank_glyph_an_em_wide_and_the_script_makes_that_font(tmp_path):
    path = files("pellucid.report").joinpath("em.ttf")
    font = TTFont(str(path))
    known, wide = font.getBestCmap(), font["head"].unitsPerEm
    tables = [*(ROOT / "src" / "pellucid").glob("*/*zh.toml"), *(ROOT / "src/pellucid/lab/claims").glob("*.toml")]
    text = "".join(table.read_text("utf-8") for table in tables)
    used = set(CHINESE.findall(text)) | set("，。；：！？（）、")
    assert used
    assert {font["hmtx"][known[ord(character)]][0] for character in used} == {wide}
    made = runpy.run_path(str(ROOT / "scripts" / "em_font.py"))
    made["write"].__globals__["FILE"] = tmp_path / "em.ttf"
    made["write"]()
    assert (tmp_path / "em.ttf").read_bytes() == path.read_bytes()
