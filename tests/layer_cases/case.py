"""A row of the table of `test_every_layer.py`, and what the rows are made with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from pellucid.layers import Dense
from pellucid.module import Layer

F = torch.nn.functional
RNG = np.random.default_rng(0)
KINKS = np.array([[0.0, 1.0, -1.0], [6.0, 3.0, -3.0], [0.0, 0.0, 0.0], [-0.4, 0.7, 2.3], [-2.6, 0.2, -0.1]])
SMOOTH = RNG.uniform(0.05, 0.9, (5, 3)) * np.sign(RNG.normal(size=(5, 3))) + RNG.integers(-4, 5, (5, 3))
KEY = jax.random.key(7)
WIDE = jnp.ones((5, 4))


@dataclass(frozen=True)
class Case:
    """A layer, PyTorch's own from its parameters and input, an input it must refuse, and the words of the refusal.

    `smooth` and `kinks` are inputs away from and on the layer's kinks and ties; without `kinks`, half-integers in the
    shape of `smooth` meet them. `pytorch` is given the parameters by their path and the input. The input of a layer
    that takes whole numbers does not move (`moves`).
    """

    layer: Layer
    pytorch: Callable[[dict[str, torch.Tensor], Any], torch.Tensor] | None = None
    pair: bool = False
    key: jax.Array | None = None
    bad: Any = None
    refusal: str = ""
    saved: bool = True
    smooth: Any = None
    kinks: Any = None
    moves: bool = True

    def at_kinks(self) -> Any:
        if self.kinks is not None:
            return jnp.asarray(self.kinks)
        if self.smooth is not None:
            return jnp.asarray(np.random.default_rng(3).integers(-3, 4, np.shape(self.smooth)) / 2)
        return self.inputs(KINKS)

    def away(self) -> Any:
        return self.inputs(SMOOTH) if self.smooth is None else jnp.asarray(self.smooth)

    def inputs(self, x: np.ndarray) -> Any:
        x = jnp.asarray(x)
        return (x, 2 * x[::-1] - 0.5) if self.pair else x


def draw(*shape: int) -> np.ndarray:
    """Normal numbers that are the same in every run."""
    return RNG.normal(size=shape)


def dense(n_in: int, n_out: int, bias: bool = True) -> Dense:
    return Dense(draw(n_in, n_out), draw(n_out) if bias else None)


def linear(p: dict[str, torch.Tensor], at: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, p[f"{at}weight"].T, p.get(f"{at}bias"))
