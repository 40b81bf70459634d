from __future__ import annotations

from functools import partial

import jax.numpy as jnp
from jax import Array

from ..errors import SettingError
from ..initializers import Initializer, normal
from ..module import Layer
from ..shapes import expect

STANDARD = partial(normal, std=1.0)


class Embedding(Layer):
    """A row of numbers of its own for every whole number from 0 to n − 1: `y[t] = W[x[t]]`.

    x may be of any type that holds whole numbers. A number that is not one of these n gives a row of NaN, so that
    training stops there instead of learning from another's row.

    Shapes: x (batch,) or (batch, time) -> y (..., features); weight (n, features).
    Blame:  dW[i] = Σ dy[t] over all t with x[t] = i;  dx = 0, as a whole number has no slope.
    Raises: ShapeError where x has no axis.
    Example:
        >>> net = Embedding(jnp.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))
        >>> net(jnp.array([[2, 0, 3]])).tolist()
        [[[0.5, 0.5], [1.0, 0.0], [nan, nan]]]
    """

    weight: Array

    @classmethod
    def create(cls, n: int, features: int, *, key: Array, init: Initializer = STANDARD) -> Embedding:
        if n < 1 or features < 1:
            raise SettingError(f"Embedding wants at least one row and one feature, got n={n}, features={features}.")
        return cls(init(key, (n, features)))

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        if getattr(x, "ndim", 0) < 1:
            expect(self, x, ("batch", "..."))
        known = self.knows(x)
        rows = jnp.where(known, x, 0).astype(jnp.int32)
        return jnp.where(known[..., None], self.weight[rows], jnp.nan), (rows, known)

    def backward(self, saved: tuple[Array, Array], dy: Array) -> tuple[Array, Embedding]:
        rows, known = saved
        dweight = jnp.zeros_like(self.weight).at[rows].add(jnp.where(known[..., None], dy, 0))
        return jnp.zeros(rows.shape, dy.dtype), Embedding(dweight)

    def knows(self, x: Array) -> Array:
        """Whether there is a row for each number."""
        x = x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.int32)  # 8 bits cannot hold n to compare with
        return (x >= 0) & (x < len(self.weight)) & (x == jnp.floor(x))
