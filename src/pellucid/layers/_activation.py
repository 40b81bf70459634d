from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..activations import curve
from ..errors import unknown
from ..module import Layer, static
from ..shapes import expect


class Activation(Layer):
    """A curve applied to every number by itself: `y = f(x)`; the curves are the table in `activations`.

    Shapes: x (any) -> y (the same).
    Blame:  dx = f'(x) dy.
    Raises: SettingError where there is no such curve, or it has no such setting.
    Example:
        >>> Activation("relu")(jnp.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
        >>> Activation("leaky_relu", slope=0.5)(jnp.array([-1.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    name: str = static()
    settings: tuple[tuple[str, float], ...] = static()

    def __init__(self, name: str, **settings: float):
        known = dict(curve(name).settings)
        for setting in settings:
            if setting not in known:
                raise unknown(f"setting of {name}", setting, known)
        self.name = name
        self.settings = tuple(sorted(settings.items()))

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        y = curve(self.name).value(x, **dict(self.settings))
        return y, (x, y)

    def backward(self, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Activation]:
        return curve(self.name).derivative(*saved, **dict(self.settings)) * dy, self


class Softmax(Layer):
    """Numbers to shares that sum to one: `y_i = exp(x_i) / Σ_j exp(x_j)`, over the last axis.

    Shapes: x (..., classes) -> y (..., classes).
    Blame:  dx = y (dy − Σ_j y_j dy_j).
    Raises: ShapeError where x has no axis.
    """

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        expect(self, x, ("...", "classes"))
        y = jax.nn.softmax(x)
        return y, y

    def backward(self, saved: Array, dy: Array) -> tuple[Array, Softmax]:
        return saved * (dy - (saved * dy).sum(-1, keepdims=True)), self


class LogSoftmax(Layer):
    """The logarithm of the shares: `y_i = x_i − log Σ_j exp(x_j)`, over the last axis.

    Shapes: x (..., classes) -> y (..., classes).
    Blame:  dx = dy − exp(y) Σ_j dy_j.
    Raises: ShapeError where x has no axis.
    """

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        expect(self, x, ("...", "classes"))
        y = jax.nn.log_softmax(x)
        return y, y

    def backward(self, saved: Array, dy: Array) -> tuple[Array, LogSoftmax]:
        return dy - jnp.exp(saved) * dy.sum(-1, keepdims=True), self
