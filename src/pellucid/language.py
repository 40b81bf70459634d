"""The language of texts: the English text is the key, and a package's zh.toml files say it in Chinese."""

from __future__ import annotations

import re
import string
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from .errors import unknown

LANGUAGES = {"en": "English", "zh": "简体中文"}
SURE = 6  # letters beside its {places}, by which a text is known for sure
SPOKEN = ContextVar("language", default="en")


class Phrase(str):
    """A text in the language at hand that can be told again in another: `key` is its English, with {places}."""

    __slots__ = ("key", "values")
    key: str
    values: dict[str, Any]

    def __new__(cls, text: str, key: str, values: dict[str, Any]) -> Phrase:
        made = super().__new__(cls, text)
        made.key, made.values = key, values
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return Phrase, (str(self), self.key, self.values)


def phrase(key: str, **values: Any) -> Phrase:
    """A text for people, in the language at hand, with values in its {places}.

    `key` is written out where this is called, in English, so that a test can find it and its Chinese. Without values it
    is taken as it is.

    Example:
        >>> found = phrase("{n:,} rows", n=1200)
        >>> found, translated(found)
        ('1,200 rows', '1,200 rows')
    """
    text = open_text(key)
    if values:
        text = text.format(**{name: translated(v) if isinstance(v, str) else v for name, v in values.items()})
    return Phrase(text, key, values)


def translated(text: str) -> str:
    """What was said before, in the language at hand; a text that is nobody's translation stays as it is."""
    return phrase(text.key, **text.values) if isinstance(text, Phrase) else text


@contextmanager
def speaking(language: str | None) -> Iterator[None]:
    """In which language texts are said inside; None leaves it as it is.

    Raises: SettingError for a language that is not spoken.
    Example:
        >>> with speaking("en"):
        ...     spoken()
        'en'
    """
    if language is not None and language not in LANGUAGES:
        raise unknown("language", language, LANGUAGES)
    before = SPOKEN.set(language or spoken())
    try:
        yield
    finally:
        SPOKEN.reset(before)


def spoken() -> str:
    """The language at hand."""
    return SPOKEN.get()


def open_text(key: str) -> str:
    """The text in the language at hand, with its {places} still open."""
    if spoken() == "en":
        return key
    found = tables(spoken()).get(key)
    if found is None:
        warnings.warn(f"There is no {LANGUAGES[spoken()]} for {key!r}.", stacklevel=4)
    return key if found is None else found


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
        return phrase(text.key, **{name: part(value) for name, value in text.values.items()})
    table = tables(spoken())
    if text in table:
        return table[text]
    for key, pieces, sure in patterns(spoken()):
        values = held(key, text) if all(piece in text for piece in pieces) else None
        if values is not None and (sure or consists_of_ours(values.values())):
            return filled(table[key], values)
    return text


@cache
def patterns(language: str) -> list[tuple[str, list[str], bool]]:
    """The texts with {places}, the pieces between these, and whether they tell a text for sure, the longest first."""
    known = {key: [before for before, *_ in string.Formatter().parse(key) if before] for key in tables(language)}
    letters = {key: sum(map(str.isalpha, "".join(pieces))) for key, pieces in known.items()}
    open_ones = [(key, pieces, letters[key] >= SURE) for key, pieces in known.items() if pieces and [key] != pieces]
    return sorted(open_ones, key=lambda one: -sum(map(len, one[1])))


def consists_of_ours(values: Iterable[str]) -> bool:
    """Whether what stands in the places are texts of ours, one at least, beside single words."""
    several = [value for value in values if " " in value]
    return bool(several) and all(recalled(value) != value for value in several)


def held(key: str, text: str) -> dict[tuple[str, str | None], str] | None:
    """What stands in the {places} of a text, by their names and forms; None where it is another text."""
    parts = [*string.Formatter().parse(key)]
    pattern = "".join(re.escape(before) + ("(.+?)" if name is not None else "") for before, name, *_ in parts)
    found = re.fullmatch(pattern, text, re.DOTALL)
    places = [(name, form) for _, name, form, _ in parts if name is not None]
    return None if found is None else dict(zip(places, found.groups(), strict=True))


def filled(text: str, values: dict[tuple[str, str | None], str]) -> str:
    """A text with its {places} filled by what stood there before."""
    parts = []
    for before, name, form, _ in string.Formatter().parse(text):
        value = "" if name is None else values[name, form]
        parts += [before, part(value)]
    return "".join(parts)


def key_of(text: str) -> str:
    """The English of a text, its {places} open, whatever the language; a text that is none of ours as it is."""
    return text.key if isinstance(text, Phrase) else text


def message_of(problem: Exception) -> str:
    """What an error says, as it was said: `str` would forget which text of ours it is."""
    said = problem.args[0] if problem.args else ""
    return said if isinstance(said, Phrase) else str(problem)


def part(value: Any) -> Any:
    """What stands in a place: of several words it may be a text itself."""
    return recalled(value) if isinstance(value, str) and (" " in value or isinstance(value, Phrase)) else value


@cache
def tables(language: str) -> dict[str, str]:
    """Every text by its English, from the tables of all packages."""
    import tomllib
    from importlib.resources import files

    whole: dict[str, str] = {}
    root = files("pellucid")
    for folder in (root, *root.iterdir()):
        for table in folder.iterdir() if folder.is_dir() else ():
            if table.name == f"{language}.toml" or table.name.endswith(f".{language}.toml"):
                whole |= tomllib.loads(table.read_text("utf-8"))
    return whole
