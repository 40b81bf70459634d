"""The numbers that findings give to their pictures, taken from what was measured already."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PellucidError
from ..language import phrase
from ..train import outputs
from ._task import flat

if TYPE_CHECKING:
    from ._patient import Patient

MOST = 200
RATE = {"rate × 100": 100, "rate × 10": 10, "rate × 3": 3, "rate / 3": 1 / 3, "rate / 10": 0.1, "rate / 100": 0.01}


def few(values: Any) -> list[float]:
    """At most 200 of some numbers, spread over their order."""
    values = np.ravel(values)
    return values[np.linspace(0, len(values) - 1, min(len(values), MOST)).astype(int)].astype(float).tolist()


def scores_of(patient: Patient, changes: Iterable[str]) -> dict[str, Any]:
    """What the trials of these changes reached, beside the training as it is; nothing where none was tried."""
    wanted = set(changes)
    done = {
        " and ".join(names): patient.above(trial.score)
        for names, trial in patient.tries.items()
        if trial and set(names) <= wanted and not patient.asks_for_more(trial.program)
    }
    if not done or patient.longer is None or patient.base is None:
        return {}
    steps = patient.longer.steps
    as_it_is = phrase("as it is").key
    if steps != patient.base.steps:
        as_it_is = phrase("as it is, {n} steps", n=steps).key.format(n=steps)
    own = {phrase("a constant answer").key: patient.trivial, as_it_is: patient.above(patient.longer.score)}
    return {"reached": own | done} | scale_of(patient)


def scale_of(patient: Patient) -> dict[str, Any]:
    return {"metric": patient.task.words if patient.task else "score", "trivial": patient.trivial}


def rates_of(patient: Patient) -> dict[str, Any]:
    """The learning rates that were tried, each with what it reached."""
    rate = patient.settings.rate()
    tried = {rate * factor: patient.tries.get((name,)) for name, factor in RATE.items()}
    pairs = [[at, patient.above(trial.score)] for at, trial in tried.items() if trial]
    if not pairs or patient.longer is None:
        return {}
    return {"rates": [*pairs, [rate, patient.above(patient.longer.score)]]} | scale_of(patient)


def answers_of(patient: Patient) -> dict[str, Any]:
    """The output and loss of a classifier, and how far on the right side the logits of some rows lie.

    With p the probability that a sigmoid or a softmax gives the right answer, that is log p / (1 − p); where nothing
    stands at the end it is the output itself, its sign turned where the answer is no.
    """
    curve, row, net = patient.structure.output_curve, patient.criterion.row, patient.ended
    if (curve, row) not in PAIRS or net is None or patient.task is None:
        return {}
    x, y = (part[np.linspace(0, len(part) - 1, min(len(part), MOST)).astype(int)] for part in patient.some)
    try:
        z = np.asarray(outputs(net, x), np.float64)
    except (PellucidError, TypeError, ValueError):
        return {}
    right = right_answers(z, flat(np.asarray(y)))
    if right is None:
        return {}
    if curve == "identity":
        return {"clipped": few(right), "loss": row}
    p = np.clip(right, 1e-7, 1 - 1e-7)
    return {"pair": [curve, row], "margins": few(np.log(p) - np.log1p(-p))}


def right_answers(z: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Each row's output for its own class; of one output, turned to the class's side. None where they do not fit."""
    if y.ndim == 2 and y.shape == z.shape:
        y = y.argmax(-1)
    if y.ndim != 1 or z.ndim != 2 or len(y) != len(z):
        return None
    if z.shape[-1] == 1:
        return np.where(y > 0.5, z[:, 0], 1 - z[:, 0])
    known = (y >= 0) & (y < z.shape[-1])
    return z[known, y[known].astype(int)]


# The pairs of output activation and loss whose blame is drawn, in closed form.
PAIRS = {
    ("sigmoid", "squared_error"),
    ("softmax", "squared_error"),
    ("sigmoid", "absolute_error"),
    ("sigmoid", "binary_cross_entropy"),
    ("softmax", "cross_entropy"),
    ("identity", "binary_cross_entropy_of_probabilities"),
}
