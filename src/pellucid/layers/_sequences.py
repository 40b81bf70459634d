"""Sequences of different lengths: how they are told apart from their padding, and how layers hand the lengths on."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax.numpy as jnp
from jax import Array

from ..module import Layer
from ..shapes import expect


class Sequences(NamedTuple):
    """Values (batch, time, ...) and how many of each example's steps count, (batch,)."""

    values: Any
    lengths: Array

    @property
    def mask(self) -> Array:
        """True where a step counts, (batch, time)."""
        return jnp.arange(self.values.shape[1]) < self.lengths[:, None]


def values_of(x: Any) -> Any:
    """The array alone, whether or not it came with lengths; of each where there are several."""
    if isinstance(x, Sequences):
        return x.values
    return tuple(values_of(part) for part in x) if isinstance(x, tuple) else x


def like(x: Any, y: Any) -> Any:
    """y with the lengths that x came with, where it still has the (batch, time) axes."""
    given = x if isinstance(x, Sequences) or not isinstance(x, tuple) else next(iter(x), None)
    if not isinstance(given, Sequences) or isinstance(y, Sequences):
        return y
    shape = given.values.shape
    return Sequences(y, given.lengths) if y.ndim >= len(shape) and y.shape[:2] == shape[:2] else y


def counted(x: Any) -> Array | None:
    """Which values of sequences count, (batch, time) or (batch, time, ..., 1); None where all do."""
    if not isinstance(x, Sequences):
        return None
    shape = x.values.shape
    own = x.mask.reshape(*shape[:2], *(1,) * (len(shape) - 2))
    return jnp.broadcast_to(own, (*shape[:-1], 1)) if len(shape) > 2 else own


def where(counts: Array | None, x: Any) -> Array:
    """x where it counts, 0 elsewhere."""
    return x if counts is None else jnp.where(counts, x, 0)


def run(layer: Layer, x: Any, key: Array | None) -> tuple[Any, Any]:
    """`layer.forward(x)`, with the lengths kept apart from a layer that does not read them. Blame has no lengths."""
    if layer.reads_lengths:
        return layer.forward(x, key=key)
    y, saved = layer.forward(values_of(x), key=key)
    return like(x, y), saved


class Masking(Layer):
    """Sequences padded with NaN at the end become values and lengths: `y = (x where it counts, 0 elsewhere; lengths)`.

    A step counts up to the last one that is not all NaN; a NaN before that stays, and is found as one.

    Shapes: x (batch, time) or (batch, time, features) -> y, Sequences of the same shape; lengths (batch,).
    Blame:  dx = dy where a step counts, 0 elsewhere.
    Raises: ShapeError where x has no time axis.
    Example:
        >>> y = Masking()(jnp.array([[1.0, 2.0, jnp.nan], [3.0, jnp.nan, jnp.nan]]))
        >>> y.values.tolist(), y.lengths.tolist()
        ([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]], [2, 1])
    """

    reads_lengths: ClassVar[bool] = True

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Sequences, Array | None]:
        if getattr(x, "ndim", 0) < 2:
            expect(self, x, ("batch", "time", "..."))
        there = ~jnp.isnan(x).reshape(*x.shape[:2], -1).all(-1)
        lengths = (there * jnp.arange(1, x.shape[1] + 1)).max(1, initial=0)
        counts = counted(Sequences(x, lengths))
        return Sequences(where(counts, x), lengths), counts

    def backward(self, saved: Array | None, dy: Array) -> tuple[Array, Masking]:
        return where(saved, dy), self
