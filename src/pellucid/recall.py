"""Our texts read back from a file as plain English, told again in another language."""

from __future__ import annotations

import re
import string
from functools import cache
from typing import Any, NamedTuple

from .language import Phrase, spoken, tables, translated

LONG, SHORT = 12, 6  # letters around the {places} of a text: so many tell it, or tell it with what stands there
WORD = re.compile(r"[^\W\d_]{3,}")


class Opened(NamedTuple):
    """A text with {places}, the pieces between these and their letters, and the pattern of it, its places as groups."""

    key: str
    pieces: tuple[str, ...]
    letters: int
    pattern: re.Pattern[str]


def recalled(text: str) -> str:
    """One of our texts in the language at hand, also where it was read back from a file as plain English.

    Which text it was is told by its words; what is no text of ours stays as it is. For texts that we wrote, not for
    names that a user gave, which may be words of ours by chance.

    Example:
        >>> recalled("no text of ours")
        'no text of ours'
    """
    if spoken() == "en":
        return translated(text)
    if isinstance(text, Phrase):
        return translated(Phrase(text, text.key, {name: part(value) for name, value in text.values.items()}))
    return told(text) or put_together(text) or text


def told(text: str) -> str | None:
    """A text that is known by its own words, in the language at hand."""
    table = tables(spoken())
    if text in table:
        return table[text]
    return next((filled(one.key, values) for one in opened(spoken())[0] if (values := held(one, text))), None)


def put_together(text: str) -> str | None:
    """One of few words, or two with a mark between them, where what stands in its places is known too."""
    for one in opened(spoken())[1]:
        values = held(one, text)
        several = [value for value in values.values() if len(WORD.findall(value)) > 1]
        if values and (several or one.letters >= SHORT) and all(map(told, several)):
            return filled(one.key, values)
    return None


@cache
def opened(language: str) -> tuple[list[Opened], list[Opened]]:
    """The texts with places: those that their words tell, and those of few words or a mark; the longest first."""
    found: tuple[list[Opened], list[Opened]] = [], []
    for key in tables(language):
        parts = [*string.Formatter().parse(key)]
        pieces = tuple(before for before, *_ in parts if before)
        letters = sum(map(str.isalpha, "".join(pieces)))
        if pieces == (key,) or (letters < SHORT and not any(mark in "".join(pieces) for mark in ";:")):
            continue
        # A number has no blanks in it.
        places = (("" if name is None else r"(\S+?)" if form else "(.+?)") for _, name, form, _ in parts)
        pattern = "".join(re.escape(before) + place for (before, *_), place in zip(parts, places, strict=True))
        found[letters < LONG].append(Opened(key, pieces, letters, re.compile(pattern, re.DOTALL)))
    for some in found:
        some.sort(key=lambda one: -sum(map(len, one.pieces)))
    return found


def held(one: Opened, text: str) -> dict[tuple[str, str | None], str]:
    """What stands in the places of a text, by their names and forms; empty where it is another text."""
    found = one.pattern.fullmatch(text) if all(piece in text for piece in one.pieces) else None
    places = [(name, form) for _, name, form, _ in string.Formatter().parse(one.key) if name is not None]
    return {} if found is None else dict(zip(places, found.groups(), strict=True))


def filled(key: str, values: dict[tuple[str, str | None], str]) -> str:
    """A text in the language at hand, its places filled by what stood there before."""
    parts = []
    for before, name, form, _ in string.Formatter().parse(tables(spoken())[key]):
        parts += [before, "" if name is None else part(values[name, form])]
    return "".join(parts)


def part(value: Any) -> Any:
    """What stands in a place: of several words it may be a text itself."""
    return recalled(value) if isinstance(value, str) and (" " in value or isinstance(value, Phrase)) else value
