from __future__ import annotations

from math import prod

from jax import Array

from ..affine import Lowering, Value
from ..module import Layer
from ..shapes import expect


class Flatten(Layer):
    """All axes but the first become one: `y[n] = (x[n, 0, …], …)`.

    Shapes: x (batch, ...) -> y (batch, features).
    Blame:  dx = dy in the shape of x.
    Raises: ShapeError where x has no axis behind the first.
    """

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        if getattr(x, "ndim", 0) < 2:
            expect(self, x, ("batch", "..."))
        return x.reshape(x.shape[0], -1), x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, Flatten]:
        return dy.reshape(saved.shape), self

    def lower(self, at: Lowering, x: Value) -> Value:
        return at.reshape(x, (prod(x.shape),))
