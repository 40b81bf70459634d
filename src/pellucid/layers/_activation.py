from __future__ import annotations

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..activations import SELU_ALPHA, SELU_SCALE, curve
from ..affine import Lowering, Value, as_float
from ..errors import unknown
from ..language import phrase
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

    def lower(self, at: Lowering, x: Value) -> Value:
        row, settings = curve(self.name), dict(self.settings)
        if row.pieces is not None:
            return at.bend(x, row.kinks, row.pieces(**settings)) if row.kinks else x
        if not at.curves:
            raise at.refuse(self, phrase(" with {name}", name=self.name))
        if self.name == "selu":
            return at.smooth(x, "elu", SELU_ALPHA, SELU_SCALE)
        return at.smooth(x, self.name, settings.get("alpha", 1.0))


class PReLU(Layer):
    """A ReLU that learns how much of the negative side it lets through: `y = x if x ≥ 0 else a x`.

    Shapes: x (..., n) -> y (the same); slope (n,), one for each channel, or (1,), one for all.
    Blame:  dx = dy where x ≥ 0, else a dy;  da = Σ dy x over x < 0.
    Raises: ShapeError where x does not end in n channels.
    Source: He, Zhang, Ren and Sun 2015, Delving deep into rectifiers, eq. 1.
    Example:
        >>> PReLU.create(1)(jnp.array([[-1.0, 2.0]])).tolist()
        [[-0.25, 2.0]]
    """

    slope: Array

    @classmethod
    def create(cls, n: int = 1, *, slope: float = 0.25) -> PReLU:
        return cls(jnp.full(n, slope))

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        n = self.slope.shape[0]
        expect(self, x, ("...", "channels" if n == 1 else n))
        return jnp.where(x >= 0, x, self.slope * x), x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, PReLU]:
        below = jnp.where(saved < 0, dy * saved, 0)
        axes = tuple(range(saved.ndim if self.slope.shape[0] == 1 else saved.ndim - 1))
        return jnp.where(saved >= 0, dy, self.slope * dy), PReLU(below.sum(axes).reshape(self.slope.shape))

    def lower(self, at: Lowering, x: Value) -> Value:
        slope = np.resize(as_float(self.slope), prod(x.shape))
        return at.bend(x, [0.0], [(slope, 0.0), (1.0, 0.0)])


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
