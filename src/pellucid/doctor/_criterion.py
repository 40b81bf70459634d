"""A loss as the doctor reads it: one of the table, or a user's own function recognized by what it computes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import jax.numpy as jnp
import numpy as np

from ..losses import LOSSES, Loss

ON_PROBABILITIES = ("binary_cross_entropy_of_probabilities", "cross_entropy_of_probabilities")
ON_LOGITS = ("binary_cross_entropy", "cross_entropy", "kl_divergence")
FOR_NUMBERS = ("squared_error", "absolute_error", "huber", "log_cosh", "quantile", "gaussian_nll", "poisson")
CLOSE = 1e-4


@dataclass(frozen=True)
class Criterion:
    """What a loss computes: the row of the table it equals (None: none), and how it puts the rows of a batch together.

    `times` is its size beside the row's mean: 1, −1 where the sign is turned, the number of terms where it is a sum.
    `reduction` is "mean", "sum", "broadcast" (every output against every other row's target) or "unknown".
    """

    row: str | None
    reduction: str = "mean"
    times: float = 1.0

    @property
    def wants(self) -> str:
        """What it wants of the outputs: "probabilities", "logits", "numbers" or "unknown"."""
        if self.row in ON_PROBABILITIES:
            return "probabilities"
        if self.row in ON_LOGITS:
            return "logits"
        return "numbers" if self.row in FOR_NUMBERS else "unknown"

    @property
    def classifies(self) -> bool:
        return self.wants in ("probabilities", "logits") or self.row == "hinge"

    @property
    def exclusive(self) -> bool:
        """Whether it is for one class out of several."""
        return self.row in ("cross_entropy", "kl_divergence", "cross_entropy_of_probabilities")


def criterion_of(loss: Loss, n_outputs: int, y: np.ndarray) -> Criterion:
    """What this loss computes, for a network of so many outputs and targets like y."""
    if loss.name in LOSSES:
        return Criterion(loss.name)
    some = np.asarray(y[np.linspace(0, len(y) - 1, min(len(y), 6)).astype(int)])
    return recognized(loss, n_outputs, some.shape, some.tobytes(), str(some.dtype))


@lru_cache(maxsize=64)
def recognized(loss: Loss, n_outputs: int, shape: tuple[int, ...], held: bytes, dtype: str) -> Criterion:
    """Compare a function with every row of the table, at random outputs between 0 and 1 for a few of the targets."""
    y = np.frombuffer(held, dtype).reshape(shape)
    rng = np.random.default_rng(0)
    draws = [rng.uniform(0.05, 0.95, (*shape[: max(1, y.ndim - 1)], n_outputs)).astype(np.float32) for _ in range(3)]
    if y.ndim == 1:
        draws = [z.reshape(len(y), n_outputs) for z in draws]
    got = [value_of(loss, z, y) for z in draws]
    for row in LOSSES.values():
        if (times := ratio(got, [value_of(row, z, y) for z in draws])) is not None:
            return Criterion(row.name, "sum" if times > 1.5 else "mean", times)
    for row in LOSSES.values():
        if (times := ratio(got, [every_pair(row, z, y) for z in draws])) is not None:
            return Criterion(row.name, "broadcast", times)
    return Criterion(None, "unknown")


def ratio(got: list[float | None], wanted: list[float | None]) -> float | None:
    """How many times the wanted values the others are, where that is the same for all of them."""
    found = [g / w for g, w in zip(got, wanted, strict=True) if g is not None and w is not None and abs(w) > 1e-9]
    if len(found) < len(got) or max(found) - min(found) > CLOSE * abs(found[0]):
        return None
    return float(np.mean(found))


def value_of(loss: Loss, z: np.ndarray, y: np.ndarray) -> float | None:
    """The loss's value, None where it does not take these."""
    try:
        found = float(loss.evaluate(jnp.asarray(z), jnp.asarray(y))[0])
    except Exception:  # a user's function may raise anything
        return None
    return found if np.isfinite(found) else None


def every_pair(loss: Loss, z: np.ndarray, y: np.ndarray) -> float | None:
    """The loss of every row's output against every row's target, as (n,) beside (n, 1) gives it."""
    if z.shape[-1] != 1 or y.size != len(y) or len(y) < 2:
        return None
    n = len(y)
    return value_of(loss, np.repeat(z.reshape(n, 1), n, 0), np.tile(y.reshape(n, 1), (n, 1)))
