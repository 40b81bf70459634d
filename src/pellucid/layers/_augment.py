"""Layers that change the examples a little in training, each in its own way, and leave them alone without a key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError, ShapeError, unknown
from ..module import Layer, static
from ..shapes import expect, words
from ._sequences import counted, like, values_of, where

AXES = {"time": 1, "height": 1, "width": 2}


class RandomShift(Layer):
    """Each example moves by up to so many places in training, zeros behind it: `y[i] = x[i − s], s in −n … n`.

    `axes` are some of "height" and "width", or "time" for sequences (behind `Masking` where they are padded). To pad
    by n and crop at random back to the old size is the same.

    Shapes: x (batch, height, width, ...) or (batch, time, ...) -> y (the same).
    Blame:  dx[i] = dy[i + s], 0 where i + s lies outside.
    Raises: ShapeError where x lacks an axis or is not longer than n; SettingError for n below 1 or an unknown axis.
    Example:
        >>> x = jnp.arange(1.0, 5.0).reshape(1, 4)
        >>> RandomShift(1, axes=["time"]).forward(x, key=jax.random.key(2))[0].tolist()
        [[0.0, 1.0, 2.0, 3.0]]
    """

    reads_lengths: ClassVar[bool] = True
    places: int = static()
    axes: tuple[str, ...] = static()

    def __init__(self, places: int, axes: Sequence[str] = ("height", "width")):
        if places < 1:
            raise SettingError(f"RandomShift moves by at least one place; got {places}.")
        for axis in axes:
            if axis not in AXES:
                raise unknown("axis for RandomShift", axis, AXES)
        self.places, self.axes = places, tuple(axes)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        values = checked(self, values_of(x), self.axes, self.places)
        if key is None:
            return x, None
        steps = jax.random.randint(key, (len(self.axes), len(values)), -self.places, self.places + 1)
        counts = counted(x)
        return like(x, where(counts, self.moved(values, steps))), (steps, counts)

    def backward(self, saved: Any, dy: Array) -> tuple[Array, RandomShift]:
        if saved is None:
            return dy, self
        steps, counts = saved
        return self.moved(where(counts, dy), -steps), self

    def lower(self, at: Lowering, x: Value) -> Value:
        return x

    def moved(self, x: Array, steps: Array) -> Array:
        for axis, step in zip(self.axes, steps, strict=True):
            x = shifted(x, AXES[axis], step)
        return x


class RandomFlip(Layer):
    """Half of the examples are mirrored in training: `y[i] = x[n − 1 − i]` for these.

    `axis` is "width" (left and right) or "height" (top and bottom).

    Shapes: x (batch, height, width, ...) -> y (the same).
    Blame:  dx[i] = dy[n − 1 − i] for these, dy for the others.
    Raises: ShapeError where x lacks the axis; SettingError for an unknown one.
    Example:
        >>> x = jnp.arange(1.0, 5.0).reshape(1, 1, 4)
        >>> RandomFlip().forward(x, key=jax.random.key(1))[0].tolist()
        [[[4.0, 3.0, 2.0, 1.0]]]
    """

    axis: str = static()

    def __init__(self, axis: str = "width"):
        if axis not in ("height", "width"):
            raise unknown("axis for RandomFlip", axis, ("height", "width"))
        self.axis = axis

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array | None]:
        checked(self, x, (self.axis,))
        if key is None:
            return x, None
        flips = jax.random.bernoulli(key, 0.5, (len(x), *[1] * (x.ndim - 1)))
        return self.mirrored(x, flips), flips

    def backward(self, saved: Array | None, dy: Array) -> tuple[Array, RandomFlip]:
        return dy if saved is None else self.mirrored(dy, saved), self

    def lower(self, at: Lowering, x: Value) -> Value:
        return x

    def mirrored(self, x: Array, flips: Array) -> Array:
        return jnp.where(flips, jnp.flip(x, AXES[self.axis]), x)


class GaussianNoise(Layer):
    """Noise is added to every number in training: `y = x + s ε, ε ~ N(0, 1)`; padding stays 0.

    Shapes: x (any) -> y (the same).
    Blame:  dx = dy.
    Raises: SettingError where the deviation s is not above 0.
    Source: Bishop 1995, Training with noise is equivalent to Tikhonov regularization.
    """

    reads_lengths: ClassVar[bool] = True
    deviation: float = static()

    def __init__(self, deviation: float):
        if not 0 < deviation < float("inf"):
            raise SettingError(f"GaussianNoise has a deviation above 0; got {deviation}.")
        self.deviation = float(deviation)

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Array | None]:
        if key is None:
            return x, None
        values, counts = values_of(x), counted(x)
        noise = self.deviation * jax.random.normal(key, values.shape, jnp.result_type(values))
        return like(x, where(counts, values + noise)), counts

    def backward(self, saved: Array | None, dy: Array) -> tuple[Array, GaussianNoise]:
        return where(saved, dy), self

    def lower(self, at: Lowering, x: Value) -> Value:
        return x


def shifted(x: Array, axis: int, steps: Array) -> Array:
    """Each example moved along an axis by its own number of steps, with zeros behind it."""
    n = x.shape[axis]
    source = jnp.arange(n) - steps[:, None]
    fits = (len(x), *(n if a == axis else 1 for a in range(1, x.ndim)))
    moved = jnp.take_along_axis(x, jnp.clip(source, 0, n - 1).reshape(fits), axis, mode="promise_in_bounds")
    return jnp.where(((source >= 0) & (source < n)).reshape(fits), moved, 0)


def checked(layer: Layer, x: Array, axes: Sequence[str], places: int = 0) -> Array:
    """x, known to have these axes and to be longer than `places` there."""
    last = max(AXES[axis] for axis in axes)
    if getattr(x, "ndim", 0) <= last:
        expect(layer, x, ("batch", *(("time",) if axes == ("time",) else ("height", "width")[:last]), "..."))
    for axis in axes:
        if x.shape[AXES[axis]] <= places:
            raise ShapeError(type(layer).__name__, f"more than {places} places of {axis}", words(x.shape))
    return x
