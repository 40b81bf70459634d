"""Does every input near a row get the row's answer?"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from time import perf_counter
from typing import Any

import numpy as np

from ..affine import Smooth
from ..errors import CertifyError, SettingError
from ..geometry import Network
from ..language import phrase
from ..module import Layer
from ..records import Record, unlisted
from ._bounds import certified, enclose
from ._certificate import Certificate
from ._claim import Claim, Clause
from ._decide import checked, decide, is_number
from ._program import Certified
from ._space import Spaces, around
from ._telling import telling


@dataclass(frozen=True)
class Robustness(Record):
    """Which rows keep their answer within a radius.

    `verdicts` has "proven", "counterexample" or "unknown" for each row, `labels` the answer that is to be kept, and
    `margins` (rows, 2) what the least lead of that answer lies between. `share` is the proven share of the rows, and
    `refuted` that of those with a counterexample. `certificates` hold the proofs and the counterexamples.
    """

    verdicts: tuple[str, ...]
    labels: np.ndarray
    margins: np.ndarray
    radius: float
    norm: float
    share: float
    refuted: float
    seconds: float
    slowest: float
    arithmetic: str
    certificates: tuple[Certificate, ...] = unlisted(default=())

    @property
    def counterexamples(self) -> dict[int, np.ndarray]:
        """By row, an input within the radius that gets another answer."""
        found = ((i, c.counterexample) for i, c in enumerate(self.certificates))
        return {i: example.input for i, example in found if example is not None}


def robust(
    net: Layer | Network,
    x: Any,
    radius: float,
    norm: float = np.inf,
    *,
    labels: Any = None,
    within: Any = None,
    arithmetic: str | None = None,
    shape: tuple[int, ...] | None = None,
    seconds: float | None = 10.0,
    progress: bool | None = None,
) -> Robustness:
    """For each row of x whether all z with `‖z − x‖ ≤ radius` get the answer that x gets, in the norm 1, 2 or inf.

    The answer is the largest output; of one output whether it is above 0, or behind a sigmoid above 1/2. With `labels`
    it is to be the label, so a row that is wrong is refuted by itself. `within` is the range that inputs have, one pair
    or one for each; `seconds` is for each row.

    Raises: CertifyError where a part has no bound or a row lies outside of `within`; SettingError for another norm.
    Source: Wang and others 2021, beta-CROWN.
    Example:
        >>> from pellucid.layers import Dense, Sequential
        >>> net = Sequential([Dense(np.array([[1.0, -1.0]]), None)])
        >>> found = robust(net, [[0.3], [0.1]], 0.2)
        >>> found.verdicts, found.share
        (('proven', 'counterexample'), 0.5)
    """
    start = perf_counter()
    checked(seconds)
    if not is_number(radius):
        raise SettingError(f"radius is one number for all rows, from 0 on; got {radius!r}.")
    it = certified(net, shape, arithmetic)
    rows = as_rows(it, x)
    spaces = around(rows, radius, norm, within)
    answers = Answers.of(it, rows, labels)
    tops = first_tops(it, spaces, answers)
    found: list[Certificate] = []
    with telling(progress, "rows") as told:
        for i, label in enumerate(answers.labels.tolist()):
            claim = Claim(it, spaces.part(slice(i, i + 1)), answers.clauses(label))
            question = phrase("All inputs within {radius:g} of row {row} get the answer {label}", radius=radius, row=i,
                              label=label)  # fmt: skip
            found.append(decide([claim], question, seconds, progress=False, tops=[tops[i]]))
            if told:
                told((i + 1) / len(rows), sum(c.boxes for c in found))
    return summed(found, answers.labels, float(radius), float(norm), it.arithmetic, perf_counter() - start)


def as_rows(it: Certified, x: Any) -> np.ndarray:
    """Rows of numbers; one input alone is one row.

    Raises: CertifyError where there are none, or they are not as long as the network's input, or not of numbers.
    """
    try:
        x = np.asarray(x, float)
    except (TypeError, ValueError) as error:
        raise CertifyError(f"x is to be rows of numbers: {error}.") from None
    n = it.network.n_in
    one = x.size == n and x.shape in (it.network.shape, (n,))
    if not one and (x.ndim < 2 or prod(x.shape[1:]) != n):
        raise CertifyError(f"The network has {n} inputs, of shape {it.network.shape}; x is of shape {x.shape}.")
    if not x.size:
        raise CertifyError("There are no rows: x is empty.")
    return x.reshape(-1, n)


@dataclass(frozen=True, eq=False)
class Answers:
    """The answer of every row, and what would be another: a class, or with one output whether it is above `level`."""

    labels: np.ndarray
    n: int
    level: float

    @staticmethod
    def of(it: Certified, rows: np.ndarray, labels: Any) -> Answers:
        """Those that rows get, or the labels.

        Raises: CertifyError where there are not as many labels as rows, or one is no class.
        """
        n, last = it.network.n_out, it.network.steps[-1].operator if it.network.steps else None
        level = 0.5 if isinstance(last, Smooth) and last.kind == "sigmoid" else 0.0
        if labels is None:
            y = np.concatenate([it.network(rows[i : i + 256]) for i in range(0, len(rows), 256)])
            return Answers(y.argmax(1) if n > 1 else (y[:, 0] > level).astype(int), n, level)
        labels = np.asarray(labels).reshape(-1)
        if len(labels) != len(rows):
            raise CertifyError(f"There are {len(rows)} rows and {len(labels)} labels.")
        classes = max(n, 2)
        wrong = [label for label in labels.tolist() if label not in range(classes)]
        if wrong:
            raise CertifyError(f"A label is a class from 0 to {classes - 1}; got {wrong[0]!r}.")
        return Answers(labels.astype(int), n, level)

    def clauses(self, label: int) -> tuple[Clause, ...]:
        """Another class is as large, or the output is on the other side of the level."""
        if self.n == 1:
            sign = 1.0 if label else -1.0
            return (Clause(np.array([[sign]]), np.array([-sign * self.level])),)
        rows = np.eye(self.n)[label] - np.eye(self.n)
        return tuple(Clause(row[None], np.zeros(1)) for k, row in enumerate(rows) if k != label)


def first_tops(it: Certified, spaces: Spaces, answers: Answers) -> np.ndarray:
    """One bound for all rows of a label at a time: the largest of each clause's row, negated, (rows, clauses)."""
    tops = np.zeros((len(spaces.low), max(answers.n - 1, 1)))
    for label in np.unique(answers.labels).tolist():
        here = np.flatnonzero(answers.labels == label)
        rows = np.concatenate([clause.rows for clause in answers.clauses(label)])
        tops[here] = enclose(it, spaces.part(here), -rows).top
    return tops


def summed(
    found: list[Certificate], labels: np.ndarray, radius: float, norm: float, arithmetic: str, seconds: float
) -> Robustness:
    verdicts = tuple(c.verdict for c in found)
    share, refuted = (
        sum(v == verdict for v in verdicts) / max(len(found), 1) for verdict in ("proven", "counterexample")
    )
    margins = np.array([c.bounds for c in found]).reshape(-1, 2)
    slowest = max((c.seconds for c in found), default=0.0)
    return Robustness(
        verdicts, labels, margins, radius, norm, share, refuted, seconds, slowest, arithmetic, tuple(found)
    )
