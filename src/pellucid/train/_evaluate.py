from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DataError
from ..layers import counted
from ..losses import Loss
from ..module import Layer
from ..records import Record
from ._columns import Preprocess
from ._images import unit
from ._padding import counts

CHUNK, FEWEST = 4096, 16  # rows that go through the network at a time
# Numbers of rows of so many axes that go through at a time. What a network makes of images is many times larger:
# where it outgrows some 30 MB, its memory is new in every call, and clearing it was measured at a third of the time.
NUMBERS = {3: 2**19, 4: 2**16}


@dataclass(frozen=True)
class Evaluation(Record):
    """How good a network is on rows it did not learn from.

    Classification: `accuracy`, `balanced_accuracy`, `log_loss`; regression, in the target's own units: `r2`, `mae`,
    `rmse`. `score` holds probabilities (n, classes) or None; `truth` and `prediction` are in the user's terms.
    """

    task: str
    n: int
    loss: float
    metrics: dict[str, float]
    truth: np.ndarray
    prediction: np.ndarray
    score: np.ndarray | None
    classes: tuple[Any, ...]


@jax.jit
def forward(net: Layer, x: jax.Array) -> jax.Array:
    """The output at inference; where sequences end, NaN in place of an answer at every step."""
    z = net(unit(x))
    counts = counted(z)
    return z if counts is None else jnp.where(counts, z.values, jnp.nan)


@partial(jax.jit, static_argnames="loss")
def total_loss(loss: Loss, z: jax.Array, y: jax.Array, weights: jax.Array) -> jax.Array:
    return loss.evaluate(z, y, weights)[0] * weights.sum()


@partial(jax.jit, static_argnames="loss")
def linked(loss: Loss, z: jax.Array) -> jax.Array:
    return loss.predict(z)


def chunks(x: np.ndarray, numbers: int | None = None) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows in parts of at most 4,096, or of so many numbers: where each lies, and the part, filled up to its size.

    Sizes are powers of two, so that few shapes are ever compiled.
    """
    few = CHUNK if numbers is None else max(FEWEST, numbers // max(prod(x.shape[1:]), 1))
    most = 1 << (min(CHUNK, few).bit_length() - 1)
    size = min(most, 1 << (len(x) - 1).bit_length())
    for start in range(0, len(x), most):
        part = slice(start, min(start + most, len(x)))
        yield part, filled(x[part], size)


def by_chunks(function: Callable[[np.ndarray], Any], x: np.ndarray, numbers: int | None = None) -> np.ndarray:
    """What a function makes of all rows, a chunk at a time."""
    return np.concatenate([np.asarray(function(rows))[: part.stop - part.start] for part, rows in chunks(x, numbers)])


def filled(rows: np.ndarray, size: int) -> np.ndarray:
    """These rows, and as many of them again as make the size."""
    return rows if len(rows) == size else np.resize(rows, (size, *rows.shape[1:]))


def outputs(net: Layer, x: np.ndarray) -> np.ndarray:
    """The network's output for every row, at inference."""
    if not len(x):
        raise DataError("There are no rows to predict.")
    x = np.asarray(x)
    return by_chunks(lambda rows: forward(net, rows), x, NUMBERS.get(min(x.ndim, 4)))


def predicted(loss: Loss, z: np.ndarray) -> np.ndarray:
    """The loss's link applied to the network's outputs: probabilities, means, signs."""
    return by_chunks(lambda rows: linked(loss, rows), z)


def mean_loss(loss: Loss, z: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The loss over all rows, from the network's outputs."""
    weights = np.ones(len(z), np.float32) if weights is None else np.asarray(weights, np.float32)
    total = 0.0
    for part, rows in chunks(z):
        w = np.zeros(len(rows), np.float32)
        w[: part.stop - part.start] = weights[part]
        total += float(total_loss(loss, rows, filled(y[part], len(rows)), w))
    return total / max(float(weights.sum()), 1e-30)


def evaluate(net: Layer, loss: Loss, preprocess: Preprocess, x: np.ndarray, y: np.ndarray) -> Evaluation:
    """Loss, metrics and every row's (or every step's) answer for inputs x and targets y as the network takes them."""
    z = outputs(net, x)
    if preprocess.target.steps:
        there = counts(x)
        z, y = z[there], y[there]
    answer = predicted(loss, z)
    classification = bool(preprocess.target.classes)
    truth = true_names(preprocess, y) if classification else preprocess.names(y)
    prediction = preprocess.names(answer)
    score = probabilities(loss, answer) if classification else None
    return Evaluation(
        task="classification" if classification else "regression",
        n=len(z),
        loss=mean_loss(loss, z, y),
        metrics=metrics(truth, prediction, score, preprocess.target.classes),
        truth=truth,
        prediction=prediction,
        score=score,
        classes=preprocess.target.classes,
    )


def probabilities(loss: Loss, answer: np.ndarray) -> np.ndarray | None:
    if loss.link == "softmax":
        return answer
    if loss.link == "sigmoid" and answer.reshape(len(answer), -1).shape[1] == 1:
        positive = answer.reshape(-1)
        return np.stack([1 - positive, positive], 1)
    return None


def true_names(preprocess: Preprocess, y: np.ndarray) -> np.ndarray:
    """The names of class numbers, signs or one-hot rows."""
    numbers = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else np.maximum(y.reshape(len(y)), 0).astype(int)
    return np.array(preprocess.target.classes)[numbers]


def metrics(
    truth: np.ndarray, prediction: np.ndarray, score: np.ndarray | None, classes: tuple[Any, ...]
) -> dict[str, float]:
    """The few numbers people ask for first."""
    if classes:
        hit = truth == prediction
        present = [c for c in classes if (truth == c).any()]
        found = {
            "accuracy": float(hit.mean()),
            "balanced_accuracy": float(np.mean([hit[truth == c].mean() for c in present])),
        }
        if score is not None:
            found["log_loss"] = float(log_losses(truth, score, classes).mean())
        return found
    error = np.asarray(prediction, float) - np.asarray(truth, float)
    spread = float(np.square(truth - np.mean(truth, 0)).sum())
    r2 = 1 - float(np.square(error).sum()) / spread if spread else float("nan")
    return {"r2": r2, "mae": float(np.abs(error).mean()), "rmse": float(np.sqrt(np.square(error).mean()))}


def log_losses(truth: np.ndarray, score: np.ndarray, classes: tuple[Any, ...]) -> np.ndarray:
    """−log p of each row's true class."""
    own = score[np.arange(len(truth)), np.searchsorted(np.array(classes), truth)]
    return -np.log(np.maximum(own, 1e-15))
