from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..records import Record, unlisted
from ..train import Evaluation, log_losses
from ._judged import Judged


@dataclass(frozen=True)
class WorstRow(Record):
    """A row the network is most wrong about; `row` is its number in the data, `values` are its cells as given.

    `size` is −log p of the true class (1 or 0, wrong or right, where there are no probabilities), or |error| in the
    target's units; `confidence` the probability of the answer; `picture` an image in bytes.
    """

    row: int
    truth: Any
    prediction: Any
    size: float
    confidence: float | None
    values: dict[str, Any]
    picture: np.ndarray | None = unlisted(default=None, repr=False)


def worst_rows(
    evaluation: Evaluation, rows: Judged, names: tuple[str, ...] = (), most: int = 10
) -> tuple[WorstRow, ...]:
    """The rows with the largest loss, or for numbers the largest error, with the named columns (at most 6, the first
    ones where none are named) as they were given. Rows classified rightly are no worst rows."""
    size, confidence = wrongness(evaluation)
    order = np.argsort(-size, kind="stable")[:most]
    if evaluation.task == "classification":
        order = order[evaluation.truth[order] != evaluation.prediction[order]]
    return tuple(
        WorstRow(
            int(rows.numbers[i]),
            plainly(evaluation.truth[i]),
            plainly(evaluation.prediction[i]),
            float(size[i]),
            None if confidence is None else float(confidence[i]),
            cells(rows, int(i), names),
            picture(rows.block.x[i]),
        )
        for i in order
    )


def wrongness(evaluation: Evaluation) -> tuple[np.ndarray, np.ndarray | None]:
    """How wrong each row is, and how sure the network was of its answer."""
    truth, score = evaluation.truth, evaluation.score
    if evaluation.task == "regression":
        error = np.asarray(evaluation.prediction, float) - np.asarray(truth, float)
        return np.abs(error).reshape(len(error), -1).max(1), None
    if score is None:
        return (truth != evaluation.prediction).astype(float), None
    return log_losses(truth, score, evaluation.classes), score.max(1)


def cells(rows: Judged, i: int, names: tuple[str, ...]) -> dict[str, Any]:
    """Some cells of a row as they were given; of arrays, the inputs of a row of at most 6."""
    if rows.rows is not None:
        held = [name for name in names if name in rows.rows.columns] or rows.rows.columns
        return {name: rows.rows[name][i] for name in held[:6]}
    flat = np.asarray(rows.block.x[i]).reshape(-1)
    return {f"x[{j}]": float(value) for j, value in enumerate(flat)} if len(flat) <= 6 else {}


def picture(x: np.ndarray) -> np.ndarray | None:
    """An image in bytes, black at 0 or its lowest number, white at 1 or its highest; None of what is no image."""
    if x.ndim != 3 or x.shape[-1] not in (1, 3) or not np.isfinite(x).all():
        return None
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 1.0)
    shades = np.round(255 * (x - low) / (high - low)).astype(np.uint8)
    return shades[..., 0] if shades.shape[-1] == 1 else shades


def plainly(value: Any) -> Any:
    return np.asarray(value).tolist()
