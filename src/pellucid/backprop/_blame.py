from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DataError, SettingError, unknown
from ..losses import Loss
from ..losses import loss as loss_named
from ..module import Layer, parameters, walk
from ..records import Record, unlisted
from ._chain import Chain, Signal, chain_of
from ._check import GradientCheck, check_gradient
from ._pass import backpropagate
from ._tap import Tap, tapped, traces, untapped


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

        def alone(x: Any, y: Any) -> Any:
            dnet = backpropagate(self.net, self.criterion, x[None], y[None]).dnet
            return parameters(dnet)[path]

        return np.asarray(jax.vmap(alone)(jnp.asarray(self.x), jnp.asarray(self.y)))

    def check(self, *, samples: int = 25) -> GradientCheck:
        """The gradient beside finite differences in float64, for up to `samples` weights of every parameter."""
        return check_gradient(self.net, self.criterion, self.x, self.y, samples=samples)

    def chain(self, parameter: str, index: tuple[int, ...] | None = None, row: int = 0) -> Chain:
        """The factors of the chain rule for one weight and one example, with their numbers.

        `index` is the weight's place in the parameter, (input, unit) for a Dense weight; by default the one blamed most.

        Raises: SettingError where there is no such parameter, place or example.
        """
        if parameter not in self.gradients:
            raise unknown("parameter", parameter, self.gradients)
        gradient = self.gradients[parameter]
        if index is None:
            index = tuple(int(i) for i in np.unravel_index(np.abs(gradient).argmax(), gradient.shape))
        if len(index) != gradient.ndim or any(not 0 <= i < n for i, n in zip(index, gradient.shape, strict=True)):
            raise SettingError(f"{parameter} has the shape {gradient.shape}; there is no weight {list(index)} in it.")
        if not 0 <= row < len(self.losses):
            raise SettingError(f"There are {len(self.losses)} examples, 0 to {len(self.losses) - 1}; got row={row}.")
        return chain_of(self.net, self.signals, parameter, index, row, float(self.per_example(parameter)[(row, *index)]))


def blame(net: Layer, x: Any, y: Any, *, loss: str | Loss) -> Blame:
    """Who is to blame for the loss on these examples, layer by layer and weight by weight (at inference: no dropout).

    Shapes: x (batch, ...); y as the loss wants it.
    Source: Rumelhart, Hinton and Williams 1986, Learning representations by back-propagating errors, eq. 4-7.
    Example:
        >>> from pellucid import mlp
        >>> found = blame(mlp([2, 3, 1], key=0), np.ones((4, 2)), np.ones((4, 1)), loss="binary_cross_entropy")
        >>> list(found.signals), round(sum(found.shares.values()), 6)
        (['layers[0]', 'layers[1]', 'layers[2]'], 1.0)
    """
    criterion = loss_named(loss)
    x, y = jnp.asarray(x), jnp.asarray(y)
    if len(x) == 0 or len(x) != len(y):
        raise DataError(f"Blame wants as many targets as examples, at least one; got {len(x)} examples, {len(y)} targets.")
    listening = tapped(net)
    value, z, _, dnet = jax.jit(backpropagate, static_argnums=1)(listening, criterion, x, y)
    kinds = {path: type(layer).__name__ for path, layer in walk(net)}
    kinds |= {path: type(tap.layer).__name__ for path, tap in walk(listening) if isinstance(tap, Tap)}
    n = len(x)
    signals = {
        path: Signal(path, kinds[path], *(np.asarray(a) for a in (t.x, t.y, t.dx * n, t.dy * n)))
        for path, t in traces(dnet).items()
        if not isinstance(t.x, tuple)
    }
    gradients = {path: np.asarray(g) for path, g in parameters(untapped(dnet, net)).items()}
    squares = {path: float(np.square(g, dtype=np.float64).sum()) for path, g in gradients.items()}
    whole = sum(squares.values()) or 1.0
    losses = np.asarray(criterion.per_example(z, y))
    shares = {path: square / whole for path, square in squares.items()}
    return Blame(float(value), losses, np.asarray(z), signals, gradients, shares, net, criterion, x, y)
