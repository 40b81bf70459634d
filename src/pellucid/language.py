"""The language of texts: the English text is the key, and a package's zh.toml files say it in Chinese."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any

from .errors import unknown

LANGUAGES = {"en": "English", "zh": "简体中文"}
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


def key_of(text: str) -> str:
    """The English of a text, its {places} open, whatever the language; a text that is none of ours as it is."""
    return text.key if isinstance(text, Phrase) else text


def message_of(problem: Exception) -> str:
    """What an error says, as it was said: `str` would forget which text of ours it is."""
    said = problem.args[0] if problem.args else ""
    return said if isinstance(said, Phrase) else str(problem)


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
