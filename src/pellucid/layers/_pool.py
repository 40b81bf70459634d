"""Pooling: what a window, or a whole picture, comes down to."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..affine import Lowering, Value
from ..errors import SettingError
from ..module import Layer, static
from ..shapes import expect
from ._conv import one_of
from ._sequences import counted, values_of, where
from ._sums import summed
from ._windows import Sizes, Window, check_fits, each, sizes, spatial


class MaxPool(Layer):
    """The largest value in each window: `y = max over the window of x`; of equal ones the first counts.

    `size`, `stride` (as `size` where it is None) and `padding` are one number for all axes, or one for each.

    Shapes: x (batch, ..., channels), with one to three axes between -> y (batch, ..., channels); each axis becomes
        ⌊(n + 2 padding − size) / stride⌋ + 1.
    Blame:  dx = Σ over the windows that chose x of dy.
    Raises: SettingError where the padding is more than half a window; ShapeError where a window does not fit.
    Example:
        >>> MaxPool(2)(jnp.array([1.0, 5.0, 2.0, 3.0, 9.0]).reshape(1, 5, 1)).ravel().tolist()
        [5.0, 3.0]
    """

    size: int | tuple[int, ...] = static()
    stride: int | tuple[int, ...] | None = static()
    padding: int | tuple[int, ...] = static()

    def __init__(self, size: Sizes, stride: Sizes | None = None, padding: Sizes = 0):
        self.size, self.stride, self.padding = pooled("MaxPool", size, stride, padding)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, tuple[Array, tuple[Array, ...]]]:
        # One axis after the other: of equal values the first in the window is still the one that counts.
        y, winners = x, []
        for window in reversed(windows(self, x)):
            y, winner = first_largest(places(y, window, -jnp.inf), window)
            winners.append(winner)
        return y, (x, tuple(winners))

    def backward(self, saved: tuple[Array, tuple[Array, ...]], dy: Array) -> tuple[Array, MaxPool]:
        x, winners = saved
        for window, winner in zip(windows(self, x), reversed(winners), strict=True):
            dy = spread(dy, window, winner)
        return dy, self

    def lower(self, at: Lowering, x: Value) -> Value:
        channels: Any = np.arange(prod(x.shape), dtype=np.int32).reshape(1, *x.shape)
        taps: list[Any] = [channels + 1]  # so that 0 is a place outside
        for window in windows(self, channels):
            taps = [part for tap in taps for part in places(tap, window, 0)]
        index = np.stack([np.asarray(tap)[0] for tap in taps], -1) - 1
        return at.largest(x, index.reshape(-1, len(taps)), index.shape[:-1])


class AvgPool(Layer):
    """The mean of each window: `y = (1/n) Σ over the window of x`.

    `size`, `stride` (as `size` where it is None) and `padding` are one number for all axes, or one for each. With
    `count_padding` the zeros around the picture count in the mean.

    Shapes: x (batch, ..., channels), with one to three axes between -> y (batch, ..., channels); each axis becomes
        ⌊(n + 2 padding − size) / stride⌋ + 1.
    Blame:  dx = Σ over the windows that hold x of dy / n.
    Raises: SettingError where the padding is more than half a window; ShapeError where a window does not fit.
    Example:
        >>> AvgPool(2)(jnp.array([1.0, 5.0, 2.0, 3.0, 9.0]).reshape(1, 5, 1)).ravel().tolist()
        [3.0, 2.5]
    """

    size: int | tuple[int, ...] = static()
    stride: int | tuple[int, ...] | None = static()
    padding: int | tuple[int, ...] = static()
    count_padding: bool = static()

    def __init__(self, size: Sizes, stride: Sizes | None = None, padding: Sizes = 0, count_padding: bool = True):
        self.size, self.stride, self.padding = pooled("AvgPool", size, stride, padding)
        self.count_padding = count_padding

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        y = x
        for window in windows(self, x):
            y = sum(places(y, window, 0)) * self.share(window, x)
        return y, x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, AvgPool]:
        for window in windows(self, saved):
            dy = spread(dy * self.share(window, saved), window)
        return dy, self

    def lower(self, at: Lowering, x: Value) -> Value:
        return at.along(x, [means(window, self.count_padding) for window in windows(self, one_of(x))])

    def share(self, window: Window, x: Array) -> Any:
        """1/n for every window along one axis."""
        if self.count_padding or not window.before:
            return 1 / window.size
        starts = jnp.arange(window.positions) * window.stride - window.before
        inside = jnp.minimum(starts + window.size, window.n) - jnp.maximum(starts, 0)
        return 1 / inside.astype(x.dtype).reshape(-1, *(1,) * (x.ndim - window.axis - 1))


class GlobalAveragePool(Layer):
    """The mean over all axes between batch and channels: `y = (1/n) Σ x`; of sequences, over the steps that count.

    Shapes: x (batch, ..., channels) -> y (batch, channels); a sequence without a step gives 0.
    Blame:  dx = dy / n, at the steps that count.
    Raises: ShapeError where x has no axis between batch and channels.
    """

    reads_lengths: ClassVar[bool] = True

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Array, tuple[Array, Any]]:
        values, counts = values_and_counts(self, x)
        axes = tuple(range(1, values.ndim - 1))
        if counts is None:
            share = 1 / prod(values.shape[1:-1])
            return summed(values, axes).reshape(len(values), -1) * share, (values, share)
        share = counts / jnp.maximum(counts.sum(axes, values.dtype, keepdims=True), 1)
        return summed(where(counts, values) * share, axes).reshape(len(values), -1), (values, share)

    def backward(self, saved: tuple[Array, Any], dy: Array) -> tuple[Array, GlobalAveragePool]:
        x, share = saved
        return jnp.broadcast_to(jnp.expand_dims(dy, tuple(range(1, x.ndim - 1))) * share, x.shape), self

    def lower(self, at: Lowering, x: Value) -> Value:
        mean = at.along(x, [np.full((1, n), 1 / n) for n in x.shape[:-1]])
        return at.reshape(mean, x.shape[-1:])


class GlobalMaxPool(Layer):
    """The largest value over all axes between batch and channels: `y = max x`; of sequences, over the steps that count.

    Shapes: x (batch, ..., channels) -> y (batch, channels); a sequence without a step gives 0.
    Blame:  dx = dy where x is the first of the largest, 0 elsewhere.
    Raises: ShapeError where x has no axis between batch and channels.
    """

    reads_lengths: ClassVar[bool] = True

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Array, tuple[Array, Array]]:
        values, counts = values_and_counts(self, x)
        flat = values.reshape(values.shape[0], -1, values.shape[-1])
        if counts is not None:
            counts = counts.reshape(*flat.shape[:2], 1)
            flat = jnp.where(counts, flat, -jnp.inf)
        # The least place that has the largest value: much faster than argmax on a CPU. The compiler may compute a value
        # twice, and not to the same bit: then no place has it, and argmax tells.
        largest = lax.stop_gradient(flat).max(1, keepdims=True)
        place = jnp.arange(flat.shape[1])[:, None]
        winner = jnp.where((flat == largest) | jnp.isnan(flat), place, flat.shape[1]).min(1, keepdims=True)
        lost = (winner == flat.shape[1]).any()
        winner = lax.cond(lost, lambda: flat.argmax(1, keepdims=True).astype(winner.dtype), lambda: winner)
        y = jnp.take_along_axis(flat, winner, 1)
        if counts is not None:
            empty = ~counts.any(1, keepdims=True)
            y, winner = jnp.where(empty, 0, y), jnp.where(empty, -1, winner)
        return y[:, 0], (values, winner)

    def backward(self, saved: tuple[Array, Array], dy: Array) -> tuple[Array, GlobalMaxPool]:
        x, winner = saved
        place = jnp.arange(prod(x.shape[1:-1]))[:, None]
        return jnp.where(place == winner, dy[:, None], 0).reshape(x.shape), self

    def lower(self, at: Lowering, x: Value) -> Value:
        return at.largest(x, np.arange(prod(x.shape)).reshape(-1, x.shape[-1]).T, x.shape[-1:])


class AdaptiveAveragePool(Layer):
    """The mean of each of `size` parts of every axis: `y_i = mean x[⌊i n / size⌋ : ⌈(i + 1) n / size⌉]`.

    `size` is one number for all axes between batch and channels, or one for each. Parts overlap where n is no multiple.

    Shapes: x (batch, ..., channels), with one to three axes between -> y (batch, *size, channels).
    Blame:  dx = Σ over the parts that hold x of dy / length of the part.
    Raises: ShapeError where x has another number of axes.
    """

    size: int | tuple[int, ...] = static()

    def __init__(self, size: Sizes):
        self.size = sizes("AdaptiveAveragePool", "size", size, 1)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        y = x
        for axis, size in enumerate(each(self.size, spatial(self, x, self.size)), 1):
            y = jnp.stack([lax.slice_in_dim(y, a, b, 1, axis).mean(axis) for a, b in bins(x.shape[axis], size)], axis)
        return y, x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, AdaptiveAveragePool]:
        for axis in range(1, dy.ndim - 1):
            n = saved.shape[axis]
            dx = jnp.zeros((n, *jnp.moveaxis(dy, axis, 0).shape[1:]), dy.dtype)
            for (a, b), part in zip(bins(n, dy.shape[axis]), jnp.moveaxis(dy, axis, 0), strict=True):
                dx = dx.at[a:b].add(part / (b - a))
            dy = jnp.moveaxis(dx, 0, axis)
        return dy, self

    def lower(self, at: Lowering, x: Value) -> Value:
        along = zip(x.shape[:-1], each(self.size, spatial(self, one_of(x), self.size)), strict=True)
        return at.along(x, [rows_of(n, bins(n, size)) for n, size in along])


def pooled(who: str, size: Sizes, stride: Sizes | None, padding: Sizes) -> tuple[Sizes, Sizes | None, Sizes]:
    """The settings of a pooling layer, checked."""
    size, padding = sizes(who, "size", size, 1), sizes(who, "padding", padding, 0)
    stride = None if stride is None else sizes(who, "stride", stride, 1)
    ranks = {len(setting) for setting in (size, stride, padding) if isinstance(setting, tuple)}
    if len(ranks) > 1:
        raise SettingError(f"{who}: size, stride and padding are for different numbers of axes: {sorted(ranks)}.")
    rank = ranks.pop() if ranks else 1
    if any(2 * p > s for p, s in zip(each(padding, rank), each(size, rank), strict=True)):
        raise SettingError(f"{who}: padding is at most half of the window; got padding={padding} and size={size}.")
    return size, stride, padding


def windows(layer: MaxPool | AvgPool, x: Array) -> list[Window]:
    """The layer's window along every axis between batch and channels."""
    stride = layer.size if layer.stride is None else layer.stride
    rank = spatial(layer, x, layer.size, stride, layer.padding)
    settings = zip(each(layer.size, rank), each(stride, rank), each(layer.padding, rank), strict=True)
    found = [Window(i, x.shape[i], size, step, pad, pad) for i, (size, step, pad) in enumerate(settings, 1)]
    check_fits(layer, x, found)
    return found


def places(x: Array, window: Window, fill: float) -> list[Array]:
    """What the windows along one axis hold at their first place, at their second, and so on.

    The axis is cut into blocks of `stride` places, so that each of these is a plain slice.
    """
    axis, step = window.axis, window.stride
    widths = [(0, 0, 0)] * x.ndim
    widths[axis] = (window.before, step * window.blocks - window.n - window.before, 0)
    cut = lax.pad(x, jnp.asarray(fill, x.dtype), widths)
    cut = cut.reshape(*x.shape[:axis], window.blocks, step, *x.shape[axis + 1 :])
    parts = []
    for k in range(window.size):
        q, r = divmod(k, step)
        part = lax.slice_in_dim(cut, q, q + window.positions, 1, axis)
        parts.append(lax.index_in_dim(part, r, axis + 1, keepdims=False))
    return parts


def first_largest(parts: Iterable[Array], window: Window) -> tuple[Array, Array]:
    """The largest of several arrays, and which was the first to have it; NaN is larger than all."""
    best, *others = parts
    small = window.size + window.stride < 128
    winner = jnp.zeros(best.shape, jnp.int8 if small else jnp.int32)
    for k, part in enumerate(others, 1):
        larger = (part > best) | jnp.isnan(part)
        best, winner = jnp.where(larger, part, best), jnp.where(larger, jnp.asarray(k, winner.dtype), winner)
    return best, winner


def spread(dy: Array, window: Window, winner: Array | None = None) -> Array:
    """Every place's sum of the dy of the windows that hold it, or, given the winners, of those that chose it."""
    axis, step, reach = window.axis, window.stride, window.reach
    widths = [(0, 0, 0)] * dy.ndim
    widths[axis] = (reach, window.blocks - window.positions, 0)

    def block(padded: Array, strides: int) -> Array:
        """What each block of places finds so many strides back."""
        start = reach - strides
        return jnp.expand_dims(lax.slice_in_dim(padded, start, start + window.blocks, 1, axis), axis + 1)

    dy = lax.pad(dy, jnp.zeros((), dy.dtype), widths)
    winner = None if winner is None else lax.pad(winner, jnp.asarray(-1, winner.dtype), widths)
    dx = jnp.zeros((), dy.dtype)
    for strides in range(reach + 1):
        place = strides * step + jnp.arange(step).reshape(-1, *(1,) * (dy.ndim - axis - 1))
        chose = place < window.size if winner is None else block(winner, strides) == place.astype(winner.dtype)
        dx = dx + jnp.where(chose, block(dy, strides), 0)
    dx = dx.reshape(*dy.shape[:axis], window.blocks * step, *dy.shape[axis + 1 :])
    return lax.slice_in_dim(dx, window.before, window.before + window.n, 1, axis)


def means(window: Window, count_padding: bool) -> np.ndarray:
    """Mean pooling along one axis as a matrix, (places, n)."""
    starts = np.arange(window.positions) * window.stride - window.before
    parts = [(max(a, 0), min(a + window.size, window.n)) for a in starts.tolist()]
    return rows_of(window.n, parts, window.size if count_padding else None)


def rows_of(n: int, parts: list[tuple[int, int]], count: int | None = None) -> np.ndarray:
    """The means of these parts of an axis as a matrix; `count` divides in place of each part's own length."""
    matrix = np.zeros((len(parts), n))
    for row, (a, b) in zip(matrix, parts, strict=True):
        row[a:b] = 1 / (count or b - a)
    return matrix


def values_and_counts(layer: Layer, x: Any) -> tuple[Array, Array | None]:
    """The values, which have an axis between batch and channels, and which of them count."""
    values = values_of(x)
    if getattr(values, "ndim", 0) < 3:
        expect(layer, values, ("batch", "...", "channels"))
    return values, counted(x)


def bins(n: int, size: int) -> list[tuple[int, int]]:
    """The parts of an axis, from the first place to behind the last.

    Example:
        >>> bins(5, 2)
        [(0, 3), (2, 5)]
    """
    return [(i * n // size, -(-(i + 1) * n // size)) for i in range(size)]
