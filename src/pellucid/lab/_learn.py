"""Trainings of an experiment: so many steps of Adam, with the losses on the way."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..layers import values_of
from ..losses import Loss
from ..module import Layer
from ..train import Settings, Short, outputs, short


def learned(
    net: Layer, x: np.ndarray, y: np.ndarray, loss: Loss, steps: int, *, rate: float = 0.01, batch: int = 32,
    seed: int = 0, **settings: Any,
) -> Short:  # fmt: skip
    """The network after so many steps, by the same compiled program as `pl.fit`."""
    return short(net, x, y, Settings(loss, learning_rate=rate, batch_size=batch, seed=seed, **settings), steps)


def accuracy(net: Layer, x: np.ndarray, y: np.ndarray) -> float:
    """The share of rows answered rightly: the largest output, or a single one above 0."""
    z = np.asarray(values_of(outputs(net, x)))
    told = z[:, 0] > 0 if z.shape[1] == 1 else z.argmax(1)
    return float((told == np.reshape(y, -1)).mean())
