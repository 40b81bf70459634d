"""Two networks' answers to the same rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import DataError
from ..language import phrase
from ..module import Layer
from ..records import Record
from ..train import Run, outputs, predicted, probabilities, true_names
from ._judged import Judged


@dataclass(frozen=True)
class AnswerChange(Record):
    """The answers of b beside those of a, row by row.

    `what` is compared: "probability", "value" (in the target's own unit) or "output" (of a network alone). `apart` (n,)
    is the largest difference in each row, `order` the rows by it, the largest first. `before` and `after` are the
    answers, classes where the networks tell classes apart, and `disagree` the rows where these differ. Where the truth
    is known, `scores` are accuracy, or root mean square error, of a and b, and `mended` and `broken` the rows that only
    b, or only a, has right. `numbers` are those of the rows in what was given.
    """

    what: str
    apart: np.ndarray
    order: np.ndarray
    before: np.ndarray
    after: np.ndarray
    disagree: np.ndarray
    metric: str
    scores: tuple[float, float] | None
    mended: np.ndarray
    broken: np.ndarray
    numbers: np.ndarray

    @property
    def mean(self) -> float:
        return float(self.apart.mean())

    @property
    def largest(self) -> float:
        return float(self.apart.max())


class Answered(NamedTuple):
    """One network's answers: numbers (n, k) of some kind, the answer of each row, and the truth, where it is known."""

    what: str
    values: np.ndarray
    answers: np.ndarray
    classes: bool
    truth: np.ndarray | None


def answered(net: Layer | Run, rows: Judged) -> Answered:
    """What a network says of rows: a run in its users' terms, a network alone by its outputs."""
    x, y = np.asarray(rows.block.x), rows.block.y
    known = y.size > 0
    if not isinstance(net, Run):
        z = np.asarray(outputs(net, x), float)
        values = z.reshape(len(z), -1)
        classes = z.ndim == 2 and z.shape[1] > 1 and (not known or y.dtype.kind not in "fc")
        answers = values.argmax(1) if classes else values[:, 0] if values.shape[1] == 1 else values
        return Answered("output", values, answers, classes, y.reshape(len(y), -1).squeeze(1) if one(y) else None)
    loss, preprocess = net.settings.loss, net.preprocess
    p = predicted(loss, outputs(net.net, x))
    names = preprocess.names(p)
    if not preprocess.target.classes or preprocess.target.steps:
        truth = preprocess.names(y).reshape(len(y), -1) if known else None
        return Answered("value", np.asarray(names, float).reshape(len(x), -1), names, False, truth)
    score = probabilities(loss, p)
    what, values = (
        (phrase("output").key, p.reshape(len(p), -1)) if score is None else (phrase("probability").key, score)
    )
    return Answered(what, values, names, True, true_names(preprocess, y) if known else None)


def one(y: np.ndarray) -> bool:
    """Whether there is one target a row."""
    return y.size == len(y) > 0


def compared(a: Answered, b: Answered, numbers: np.ndarray | None, notes: list[str]) -> AnswerChange | None:
    """The two side by side; None, and a note, where they answer different questions.

    Raises: DataError where they have been asked about different rows.
    """
    if len(a.values) != len(b.values):
        raise DataError(f"a has {len(a.values):,} rows to answer and b {len(b.values):,}: give the same to both.")
    if a.what != b.what or a.values.shape != b.values.shape or a.classes != b.classes:
        said = [f"{found.values.shape[1]} {found.what}{'s' * (found.values.shape[1] > 1)} a row" for found in (a, b)]
        notes.append(f"Answers: a gives {said[0]} and b {said[1]}, which are not compared.")
        return None
    apart = np.abs(b.values - a.values).max(1)
    none = np.zeros(0, int)
    disagree, scores, mended, broken = none, None, none, none
    if a.classes:
        disagree = np.flatnonzero(a.answers != b.answers)
        if a.truth is not None:
            right = a.answers == a.truth, b.answers == a.truth
            scores = float(right[0].mean()), float(right[1].mean())
            mended, broken = np.flatnonzero(~right[0] & right[1]), np.flatnonzero(right[0] & ~right[1])
    elif a.truth is not None and a.truth.reshape(len(a.truth), -1).shape == a.values.shape:
        truth = a.truth.reshape(a.values.shape).astype(float)
        scores = rmse(a.values, truth), rmse(b.values, truth)
    return AnswerChange(
        a.what, apart, np.argsort(-apart, kind="stable"), a.answers, b.answers, disagree,
        "accuracy" if a.classes else "root mean square error", scores, mended, broken,
        np.arange(len(apart)) if numbers is None else numbers,
    )  # fmt: skip


def rmse(values: np.ndarray, truth: np.ndarray) -> float:
    return float(np.sqrt(np.square(values - truth).mean()))
