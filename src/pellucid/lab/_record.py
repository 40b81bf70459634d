"""What an experiment answers: numbers beside those a claim says, a verdict, and the code that did it."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..language import phrase, translated
from ..records import Record, unlisted
from ._texts import claim

HOLDS, FAILS, NOT_YET, NOT_PUT = "holds", "fails", "not yet", "not put"


@dataclass(frozen=True)
class Check(Record):
    """One number beside what the claim says of it: found = expected, found ≤ expected or found ≥ expected.

    `residual` is found − expected, or by how much a bound is missed, 0 where it is kept; it `holds` where that is no
    more than the `tolerance`.
    """

    what: str
    expected: float
    found: float
    residual: float
    relation: str
    tolerance: float
    holds: bool


def equal(what: str, expected: float, found: float, tolerance: float = 0.0) -> Check:
    """A number that must be the one expected."""
    return checked(what, expected, found, found - expected, "=", tolerance)


def at_most(what: str, bound: float, found: float) -> Check:
    """A number that must not be larger."""
    return checked(what, bound, found, max(found - bound, 0.0), "≤", 0.0)


def at_least(what: str, bound: float, found: float) -> Check:
    """A number that must not be smaller."""
    return checked(what, bound, found, min(found - bound, 0.0), "≥", 0.0)


def checked(what: str, expected: float, found: float, residual: float, relation: str, tolerance: float) -> Check:
    """A found number that is NaN holds nothing."""
    kept = math.isfinite(found) and abs(residual) <= tolerance
    return Check(what, float(expected), float(found), float(residual), relation, float(tolerance), kept)


def short(value: float | None) -> str:
    """A number with three digits, or that it is none.

    Example:
        >>> short(0.98765), short(None), short(1.5e44)
        ('0.988', 'not finite', '1.5e+44')
    """
    return f"{value:.3g}" if value is not None and math.isfinite(value) else phrase("not finite")


@dataclass(frozen=True)
class Code(Record):
    """A piece of the library that an experiment rests on, as it stands in the file now."""

    file: str
    line: int
    name: str
    text: str


def code_of(piece: Any) -> Code:
    """Where a function, a property or a class is written, and its lines, looked up in the source.

    Example:
        >>> found = code_of(code_of)
        >>> found.file, found.name, found.text.splitlines()[0]
        ('pellucid/lab/_record.py', 'code_of', 'def code_of(piece: Any) -> Code:')
    """
    piece = piece.fget if isinstance(piece, property) else piece
    lines, first = inspect.getsourcelines(piece)
    root = Path(__file__).parents[2]
    place = Path(inspect.getsourcefile(piece) or "").relative_to(root).as_posix()
    return Code(place, first, piece.__qualname__, inspect.cleandoc("\n" + "".join(lines)))


class Found(NamedTuple):
    """What an experiment hands back: what it was put to, its checks, its numbers by name, and what is drawn."""

    on: str
    checks: tuple[Check, ...]
    measured: dict[str, Any]
    evidence: Record


@dataclass(frozen=True)
class Result(Record):
    """One claim of the foundation put to the test.

    `expected`, `found` and `residual` are those of the first check that fails, or of the first check. The verdict is
    "holds" where every check does, or "fails"; "not yet" where what the claim is about is not there, "not put" where,
    one of several, it cannot be put to the network or rows that were given. `on` says which networks and rows it was
    put to, `measured` are the numbers that `words` puts into a paragraph; `faults` are the deliberate faults that can
    be switched in, `fault` is the one that was.

    Units: seconds of processor time.
    """

    claim: str
    title: str
    formula: str
    expected: float | None
    found: float | None
    residual: float | None
    verdict: str
    checks: tuple[Check, ...]
    on: str
    measured: dict[str, Any]
    faults: dict[str, str]
    fault: str | None
    code: tuple[Code, ...]
    seconds: float
    evidence: Record | None = unlisted(default=None, repr=False)

    @property
    def words(self) -> str:
        """What was found, as a paragraph in the language at hand."""
        told = {name: translated(v) if isinstance(v, str) else v for name, v in self.measured.items()}
        return told["why"] if "why" in told else claim(self.claim).words.format(**told)

    @property
    def shown(self) -> Check | None:
        """The check that decides: the first that fails, or the first."""
        return next((check for check in self.checks if not check.holds), self.checks[0] if self.checks else None)


@dataclass(frozen=True)
class Lab(Record):
    """Several claims put to the test, in their order."""

    results: tuple[Result, ...]
    seconds: float = field(default=0.0)

    def __getitem__(self, claim: str) -> Result:
        return next(result for result in self.results if result.claim == claim.upper())

    @property
    def failed(self) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.verdict == FAILS)

    def to_page(self, path: str | Path = "lab.html", lang: str | None = None) -> Path:
        """One page with all of it, in the language `lang`."""
        from importlib import import_module

        from ..store import write_text

        return write_text(path, import_module("pellucid.report").lab_page(self, lang))


Experiment = Callable[..., Found]
