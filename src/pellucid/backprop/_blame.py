from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DataError, SettingError, unknown
from ..losses import Loss
from ..losses import loss as loss_named
from ..module import Layer, parameters
from ..records import Record, unlisted
from ..shapes import words
from ._chain import Chain, Signal, chain_of
from ._check import GradientCheck, check_gradient
from ._pass import backpropagate
from ._tap import Trace, places, tapped, traces, untapped


@dataclass(frozen=True)
class Blame(Record):
    """Who is to blame for the loss on these examples: every layer's signal, every parameter's gradient.

    `shares[path] = ‖gradient‖² / Σ ‖gradient‖²`; gradients are of the mean loss over the examples.
    """

    loss: float
    losses: np.ndarray
    output: np.ndarray
    signals: dict[str, Signal]
    gradients: dict[str, np.ndarray]
    shares: dict[str, float]
    net: Layer = unlisted()
    criterion: Loss = unlisted()
    x: Any = unlisted()
    y: Any = unlisted()

    def per_example(self, path: str) -> np.ndarray:
        """The gradient of each example's own loss to one parameter, (batch, *shape of the parameter)."""
        if path not in self.gradients:
            raise unknown("parameter", path, self.gradients)
        return np.asarray(gradients_alone(self.net, self.criterion, self.x, self.y, path))

    def check(self, *, samples: int = 25) -> GradientCheck:
        """The gradient beside finite differences in float64, for up to `samples` weights of every parameter."""
        return check_gradient(self.net, self.criterion, self.x, self.y, samples=samples)

    def chain(self, parameter: str, index: tuple[int, ...] | None = None, row: int = 0) -> Chain:
        """The factors of the chain rule for one weight and one example, with their numbers.

        `index` is the weight's place in the parameter, (input, unit) for a Dense weight; by default the one that this
        example blames most.

        Raises: SettingError where there is no such parameter, place or example.
        """
        if parameter not in self.gradients:
            raise unknown("parameter", parameter, self.gradients)
        n, shape = len(self.losses), self.gradients[parameter].shape
        if not 0 <= row < n:
            raise SettingError(f"There are {n} examples, 0 to {n - 1}; got row={row}.")
        one = slice(row, row + 1)
        gradient = np.asarray(gradients_alone(self.net, self.criterion, self.x[one], self.y[one], parameter))[0]
        if index is None:
            index = tuple(int(i) for i in np.unravel_index(np.abs(gradient).argmax(), shape))
        if len(index) != len(shape) or any(not 0 <= i < size for i, size in zip(index, shape, strict=True)):
            raise SettingError(f"{parameter} has the shape {shape}; there is no weight {list(index)} in it.")
        return chain_of(self.net, self.signals, parameter, tuple(index), row, float(gradient[index]))


def blame(net: Layer, x: Any, y: Any, *, loss: str | Loss) -> Blame:
    """Who is to blame for the loss on these examples, layer by layer and weight by weight (at inference: no dropout).

    Shapes: x (batch, ...); y as the loss wants it.
    Raises: DataError where there is no example, or a target that the loss cannot meet.
    Source: Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors, eq. 4-7.
    Example:
        >>> from pellucid import mlp
        >>> found = blame(mlp([2, 3, 1], key=0), np.ones((4, 2)), np.ones((4, 1)), loss="binary_cross_entropy")
        >>> list(found.signals), round(sum(found.shares.values()), 6)
        (['layers[0]', 'layers[1]', 'layers[2]'], 1.0)
    """
    criterion = loss_named(loss)
    x, y = jnp.asarray(x), jnp.asarray(y)
    if x.shape[:1] != y.shape[:1] or not x.shape or not len(x):
        raise DataError(f"Blame wants examples and as many targets, got x {words(x.shape)} and y {words(y.shape)}.")
    value, z, _, dnet = one_pass(tapped(net), criterion, x, y)
    criterion.check(np.asarray(y), z.shape[-1] if z.ndim > 1 else 1)
    kinds = {place.at: type(place.layer).__name__ for place in places(net)}
    signals = {at: signal_of(at, kinds[at], trace, len(x)) for at, trace in traces(dnet).items()}
    gradients = {path: np.asarray(g) for path, g in parameters(untapped(dnet, net)).items()}
    squares = {path: float(np.square(g, dtype=np.float64).sum()) for path, g in gradients.items()}
    whole = sum(squares.values()) or 1.0
    losses = np.asarray(criterion.per_example(z, y))
    shares = {path: square / whole for path, square in squares.items()}
    return Blame(float(value), losses, np.asarray(z), signals, gradients, shares, net, criterion, x, y)


one_pass = jax.jit(backpropagate, static_argnums=1)


@partial(jax.jit, static_argnames=("loss", "path"))
def gradients_alone(net: Layer, loss: Loss, x: jax.Array, y: jax.Array, path: str) -> jax.Array:
    """The gradient of each example's own loss to the parameter at `path`."""

    def alone(x: jax.Array, y: jax.Array) -> jax.Array:
        return parameters(backpropagate(net, loss, x[None], y[None]).dnet)[path]

    return jax.vmap(alone)(x, y)


def signal_of(path: str, kind: str, trace: Trace, n: int) -> Signal:
    """The trace of a pass over n examples, whose loss is their mean, as each example's own."""
    x, y = jax.tree.map(np.asarray, (trace.x, trace.y))
    delta_in, delta_out = jax.tree.map(lambda delta: np.asarray(delta) * n, (trace.dx, trace.dy))
    return Signal(path, kind, x, y, delta_in, delta_out)
