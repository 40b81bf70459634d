"""What is asked of a network: classes, bits or numbers; and how well its outputs answer, whatever its loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_CLASSES, ROWS_PER_CLASS = 100, 3


@dataclass(frozen=True)
class Task:
    """`kind` is "binary", "labels" (one class number a row), "one-hot", "bits" (several at once) or "numbers".

    `classes` is how many there are, 0 for numbers. `trivial` is the score of the best constant answer.
    """

    kind: str
    classes: int
    trivial: float

    @property
    def classification(self) -> bool:
        return self.kind != "numbers"

    @property
    def words(self) -> str:
        return "accuracy" if self.classification else "R²"


def task_of(y: np.ndarray, *, labels: bool, classifying: bool) -> Task:
    """The task that targets y pose.

    `labels` says that the loss takes class numbers, `classifying` that loss or output are meant for classes.
    """
    y = flat(np.asarray(y))
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        y = y[np.isfinite(y).reshape(len(y), -1).all(1)]
    if not y.size:
        return Task("numbers", 0, 0.0)
    if y.ndim == 1:
        values, counts = np.unique(y, return_counts=True)
        if set(values.tolist()) <= {0, 1} and not (labels and len(values) > 2):
            return Task("binary", 2, float(counts.max() / len(y)))
        whole = bool((values == np.round(values)).all() and values.min() >= 0)
        few = len(values) <= min(MOST_CLASSES, len(y) / ROWS_PER_CLASS) and values.max() < 2 * len(values)
        if whole and (labels or (classifying and few)):
            return Task("labels", int(values.max()) + 1, float(counts.max() / len(y)))
        return Task("numbers", 0, 0.0)
    rows = y.reshape(-1, y.shape[-1])
    if bool(((rows == 0) | (rows == 1)).all()):
        if (rows.sum(1) == 1).all():
            return Task("one-hot", y.shape[-1], float(rows.mean(0).max()))
        share = rows.mean(0)
        return Task("bits", y.shape[-1], float(np.maximum(share, 1 - share).mean()))
    return Task("numbers", 0, 0.0)


def flat(y: np.ndarray) -> np.ndarray:
    """Targets without a last axis of 1."""
    return y[..., 0] if y.ndim > 1 and y.shape[-1] == 1 else y


def answers(task: Task, z: np.ndarray, threshold: float) -> np.ndarray:
    """The classes or numbers that outputs z stand for; where there is one output, 1 is what is above the threshold."""
    z = flat(np.asarray(z, float))
    match task.kind:
        case "binary":
            return z.argmax(-1) if z.ndim > 1 else (z > threshold).astype(int)
        case "labels":
            return z.argmax(-1) if z.ndim > 1 else np.round(z)
        case "one-hot":
            return z.argmax(-1) if z.ndim > 1 and z.shape[-1] == task.classes else np.round(z)
        case "bits":
            return (z > threshold).astype(int)
    return z


def score(task: Task, z: np.ndarray, y: np.ndarray, threshold: float) -> float:
    """Accuracy, or R² over all outputs together; the trivial score where numbers are not finite.

    R² is `1 − Σ (y − z)² / Σ (y − ȳ)²`, the means ȳ those of the columns.
    """
    z, y = flat(np.asarray(z, float)), flat(np.asarray(y))
    if not np.isfinite(z).all():
        return min(task.trivial, 0.0)
    found = answers(task, z, threshold)
    if task.classification:
        wanted = y.argmax(-1) if task.kind == "one-hot" else y
        if found.shape != wanted.shape:
            return 0.0
        return float((found == wanted).mean())
    y = y.astype(float)
    if found.shape != y.shape:
        if found.ndim <= y.ndim:
            return 0.0
        y = np.broadcast_to(y.reshape(*y.shape, *([1] * (found.ndim - y.ndim))), found.shape)
    spread = np.square(y - y.mean(0)).sum()
    return float(1 - np.square(y - found).sum() / spread) if spread else 0.0
