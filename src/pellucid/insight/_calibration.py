from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..language import phrase
from ..records import Record
from ..train import Evaluation


@dataclass(frozen=True)
class Calibration(Record):
    """Whether a stated probability is the frequency: `stated[b]` and `observed[b]` are the means of bin b.

    `of` says what the probability is of. `error` is the expected calibration error
    `Σ_b count_b / n · |observed_b − stated_b|`; empty bins have NaN.

    Source: Guo and others 2017, On calibration of modern neural networks, eq. 3.
    """

    of: str
    edges: np.ndarray
    stated: np.ndarray
    observed: np.ndarray
    count: np.ndarray
    error: float


def calibration(evaluation: Evaluation, bins: int = 10) -> Calibration | None:
    """The reliability of the probabilities in bins of equal width; None where there are none (regression, hinge).

    For two classes it is the probability of the second one, for more that of the class answered.
    """
    if evaluation.score is None:
        return None
    if len(evaluation.classes) == 2:
        of, stated = phrase("the probability of {name}", name=str(evaluation.classes[1])), evaluation.score[:, 1]
        happened = evaluation.truth == evaluation.classes[1]
    else:
        of, stated = phrase("the probability of the answer"), evaluation.score.max(1)
        happened = evaluation.truth == evaluation.prediction
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, stated, side="right") - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(place, weights=a, minlength=bins) / count for a in (stated, happened)]
    error = float(np.nansum(count * np.abs(means[1] - means[0])) / len(stated))
    return Calibration(of, edges, means[0], means[1], count, error)
