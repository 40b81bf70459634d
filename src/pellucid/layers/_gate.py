from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import ShapeError
from ..module import Layer
from ..shapes import expect, words
from ._containers import check_parts


class Gate(Layer):
    """A learnable tap, a sigmoid times a signal: `y = σ(g) ⊙ s`, for a Graph that makes both.

    Where σ(g) is near 0 the tap is shut, and neither signal nor blame comes through; near 1 both do.

    Shapes: x, a tuple of two arrays of one shape, the gate g and the signal s -> y of that shape.
    Blame:  dg = dy · s σ(g)(1 − σ(g));  ds = dy · σ(g).
    Raises: ShapeError where x is not a tuple of two arrays of one shape.
    Source: Hochreiter and Schmidhuber 1997, Long short-term memory, section 4 (multiplicative gate units).
    Example:
        >>> Gate()((jnp.array([0.0, 100.0, -100.0]), jnp.array([2.0, 2.0, 2.0]))).tolist()
        [1.0, 2.0, 0.0]
    """

    def forward(self, x: tuple[Array, Array], *, key: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        check_parts(self, x, "two inputs of one shape", slice(None))
        if len(x) != 2:
            raise ShapeError("Gate", "two inputs, the gate and the signal", f"{len(x)}")
        opening = jax.nn.sigmoid(x[0])
        return opening * x[1], (opening, x[1])

    def backward(self, saved: tuple[Array, Array], dy: Array) -> tuple[tuple[Array, Array], Gate]:
        opening, signal = saved
        return (dy * signal * opening * (1 - opening), dy * opening), self


class GatedLinear(Layer):
    """The second half of the features gates the first: `y = a ⊙ σ(b)` with x = [a, b], the gated linear unit.

    Shapes: x (..., 2 n) -> y (..., n).
    Blame:  da = dy · σ(b);  db = dy · a σ(b)(1 − σ(b));  dx = [da, db].
    Raises: ShapeError where the number of features is odd.
    Source: Dauphin et al. 2017, Language modeling with gated convolutional networks, section 2.
    Example:
        >>> GatedLinear()(jnp.array([[3.0, 0.0]])).tolist()
        [[1.5]]
    """

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        expect(self, x, ("...", "features"))
        if x.shape[-1] % 2:
            raise ShapeError("GatedLinear", "an even number of features", words(x.shape), "half of them are the gates")
        signal, gate = jnp.split(x, 2, axis=-1)
        opening = jax.nn.sigmoid(gate)
        return signal * opening, (signal, opening)

    def backward(self, saved: tuple[Array, Array], dy: Array) -> tuple[Array, GatedLinear]:
        signal, opening = saved
        return jnp.concatenate([dy * opening, dy * signal * opening * (1 - opening)], axis=-1), self
