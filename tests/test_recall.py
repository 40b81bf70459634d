"""Texts of ours that were read back as plain English are told again; what is no text of ours stays as it is."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.language import phrase, speaking, tables, translated
from pellucid.recall import opened, recalled

SAMPLES = {",": "1,234", "%": "97%"}


def filled(key: str) -> dict[str, str]:
    """Something for each place of a text, as it stands in a file."""
    found = {}
    for i, (_, name, form, _) in enumerate(string.Formatter().parse(key)):
        if name is not None:
            found[name] = SAMPLES.get((form or "")[-1:], f"{i}.5") if form else f"layers[{i}]"
    return found


def bare(key: str) -> str:
    """A text whose places take any text."""
    parts = string.Formatter().parse(key)
    return "".join(before + ("" if name is None else f"{{{name}}}") for before, name, *_ in parts)


def test_every_text_that_its_words_tell_is_told_again_with_what_stood_in_it():
    wrong = []
    with speaking("zh"):
        for one in opened("zh")[0]:
            values = filled(one.key)
            wanted = bare(tables("zh")[one.key]).format(**values)
            if recalled(bare(one.key).format(**values)) != wanted:
                wrong.append(one.key)
    assert wrong == []


@given(st.text())
def test_nothing_is_recalled_in_english(text):
    assert recalled(text) == text


@pytest.mark.parametrize("text", ["y[p] = Σ_k x[p · stride] W[k] + b", "some words; that nobody knows", "a: b, c", ""])
def test_what_is_no_text_of_ours_stays_as_it_is(text):
    with speaking("zh"):
        assert recalled(text) == text


def test_a_text_in_a_text_is_told_again_too_and_a_name_is_not():
    done = phrase("a tenth of the learning rate")
    note = phrase("Mended after epoch {epoch}: {done}.", epoch=3, done=done)
    column = phrase("column {name!r} is left out: {why}.", name="number", why=phrase("every value is missing"))
    with speaking("zh"):
        assert recalled(str(note)) == recalled(note) == translated(note) == "第 3 轮之后已修正：学习率降为十分之一。"
        assert recalled(str(column)) == translated(column) == "列 'number' 已舍弃（全部缺失）。"
        assert recalled(phrase("Mended after epoch {epoch}: {done}.", epoch=3, done=str(done))) == translated(note)
