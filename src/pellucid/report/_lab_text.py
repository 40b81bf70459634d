"""The lab in plain text: a line for each claim, and each claim with all its checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unicodedata import east_asian_width

from ..lab import Check, Lab, Result, claim
from ..language import phrase, translated
from .words import number, seconds

RELATIONS = {"=": "", "≤": "≤ ", "≥": "≥ "}


def lab(record: Lab) -> str:
    """A line for each claim: what is expected, what was found, how far apart they are, and the verdict."""
    head = [*map(translated, (phrase("claim"), "", phrase("expected"), phrase("found"), phrase("residual"),
                              phrase("verdict"), phrase("time")))]  # fmt: skip
    rows = [[r.claim, claim(r.claim).title, *numbers(r.shown), verdict(r), seconds(r.seconds)] for r in record.results]
    wide = [max(width(row[i]) for row in (head, *rows)) for i in range(len(head))]
    right = (2, 3, 4)
    lines = ["  ".join(padded(cell, wide[i], i in right) for i, cell in enumerate(row)) for row in (head, *rows)]
    return "\n".join([*map(str.rstrip, lines), *(f"\n{failing(r)}" for r in record.failed)])


def failing(record: Result) -> str:
    """Which check of a claim fails."""
    check = record.shown
    return f"{record.claim}: {translated(check.what)}" if check else record.claim


def result(record: Result) -> str:
    """One claim: the paragraph, and every check."""
    said = claim(record.claim)
    head = f"{record.claim}  {said.title}: {verdict(record)}"
    if record.fault:
        head += phrase(" (with the fault {fault})", fault=record.fault)
    rows = [[*numbers(check), phrase("holds") if check.holds else phrase("fails"), translated(check.what)]
            for check in record.checks]  # fmt: skip
    wide = [max((width(row[i]) for row in rows), default=0) for i in range(5)]
    lines = ["  " + "  ".join(padded(cell, wide[i], i < 3) for i, cell in enumerate(row)).rstrip() for row in rows]
    plain = record.words.replace("`", "")
    more = [phrase("  faults: {names}", names=", ".join(record.faults))] if record.faults else []
    return "\n".join([head, f"  {said.formula}", f"  {plain}", *lines, *more])


def numbers(check: Check | None) -> list[str]:
    """What is expected, what was found, and the difference."""
    if check is None:
        return ["", "", ""]
    return [RELATIONS[check.relation] + number(check.expected), number(check.found), number(check.residual, 2)]


def verdict(record: Result) -> str:
    """The verdict in the language at hand."""
    words = {
        "holds": phrase("holds"),
        "fails": phrase("fails"),
        "not yet": phrase("not yet"),
        "not put": phrase("not put"),
    }
    return words[record.verdict]


def width(text: str) -> int:
    """How many columns of a terminal a text takes: a Chinese character takes two.

    Example:
        >>> width("abc"), width("神经元")
        (3, 6)
    """
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def padded(text: str, wide: int, right: bool) -> str:
    """A text filled up to so many columns."""
    room = " " * (wide - width(text))
    return room + text if right else text + room


TEXTS: dict[type, Callable[[Any], str]] = {Lab: lab, Result: result}
