"""The answer to a question of proof: proven, refuted by an input, or not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import Record, unlisted

VERDICTS = ("proven", "counterexample", "unknown")


@dataclass(frozen=True)
class Counterexample(Record):
    """An input that refutes, and what the network makes of it: as it runs, and in float64.

    `margin` is the least by which both fail: how far they are beyond what was asked, 0 or more.
    """

    input: np.ndarray
    output: np.ndarray
    output64: np.ndarray
    margin: float


@dataclass(frozen=True)
class Proof:
    """What a checker reads to verify a certificate again: what kind of proof, what is said in words and numbers, and
    arrays by name."""

    kind: str
    about: dict[str, Any]
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True)
class Certificate(Record):
    """The answer to `question`: "proven", "counterexample" or "unknown".

    `bounds` are what the least margin lies between: the question holds where it is above 0; the first is proven, the
    second was found at an input, inf where none was run. `boxes` is how many parts were bounded. `advice` says what it
    would take where it is unknown. `arithmetic` says for what the proof holds; `proof` is read by `recheck`, and None
    where there is none.
    """

    question: str
    verdict: str
    bounds: tuple[float, float]
    counterexample: Counterexample | None
    boxes: int
    seconds: float
    advice: str
    arithmetic: str
    proof: Proof | None = unlisted(default=None)

    @property
    def holds(self) -> bool:
        """Whether it is proven."""
        return self.verdict == "proven"

    @property
    def sentence(self) -> str:
        """The answer in words."""
        match self.verdict:
            case "proven":
                return f"{self.question}: proven."
            case "counterexample" if self.counterexample is not None:
                return f"{self.question}: no, an input refutes it by {self.counterexample.margin:.4g}."
        return f"{self.question}: unknown. {self.advice}"
