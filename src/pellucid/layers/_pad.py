"""Making pictures and sequences larger: a margin around them, or more places between."""

from __future__ import annotations

from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError, ShapeError, unknown
from ..module import Layer, static
from ..shapes import words
from ._conv import one_of
from ._windows import Sizes, each, sizes, spatial

Widths = int | tuple[int | tuple[int, int], ...]
MODES = ("constant", "edge", "reflect")


class Pad(Layer):
    """A margin around every example: `y = [margin, x, margin]` along each axis between batch and channels.

    `widths` is one number for all sides, or for each axis a number or a pair (before, behind). The margin holds `value`
    ("constant"), the nearest number ("edge"), or what a mirror at the outermost number shows ("reflect").

    Shapes: x (batch, ..., channels), with one to three axes between -> y (batch, ..., channels).
    Blame:  dx = dy of x itself; with "edge" and "reflect" each number also has the dy of its copies.
    Raises: SettingError for widths or a mode there are not; ShapeError where a mirror is too short for its margin.
    Example:
        >>> Pad(2, mode="reflect")(jnp.array([1.0, 2.0, 3.0]).reshape(1, 3, 1)).ravel().tolist()
        [3.0, 2.0, 1.0, 2.0, 3.0, 2.0, 1.0]
    """

    widths: Any = static()
    value: float = static()
    mode: str = static()

    def __init__(self, widths: Widths, value: float = 0.0, mode: str = "constant"):
        if mode not in MODES:
            raise unknown("way to pad", mode, MODES)
        if isinstance(widths, tuple | list):
            pairs = tuple(w if isinstance(w, tuple | list) else (w, w) for w in widths)
            if any(len(pair) != 2 for pair in pairs):
                raise SettingError(f"Pad: widths are numbers or pairs (before, behind); got {widths!r}.")
            sizes("Pad", "widths", tuple(pair[0] for pair in pairs), 0)
            sizes("Pad", "widths", tuple(pair[1] for pair in pairs), 0)
            self.widths = tuple(map(tuple, pairs))
        else:
            self.widths = sizes("Pad", "widths", widths, 0)
        self.value, self.mode = float(value), mode

    def margins(self, x: Array) -> list[tuple[int, int]]:
        rank = spatial(self, x, self.widths)
        return list(self.widths) if isinstance(self.widths, tuple) else [(self.widths, self.widths)] * rank

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        margins = self.margins(x)
        least = [max(pair) + 1 if self.mode == "reflect" else 1 for pair in margins]
        if self.mode != "constant" and any(n < wanted for n, wanted in zip(x.shape[1:-1], least, strict=True)):
            wanted = words(("batch", *least, "channels"))
            raise ShapeError("Pad", f"x of at least {wanted}", words(x.shape), "a mirror is longer than its margin")
        values: dict[str, Any] = {"constant_values": self.value} if self.mode == "constant" else {}
        return jnp.pad(x, [(0, 0), *margins, (0, 0)], mode=self.mode, **values), x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, Pad]:
        for axis, (before, behind) in enumerate(self.margins(saved), 1):
            n = saved.shape[axis]
            d = jnp.moveaxis(dy, axis, 0)
            head, d, tail = d[:before], d[before : before + n], d[before + n :]
            if self.mode == "edge":
                d = d.at[0].add(head.sum(0)).at[-1].add(tail.sum(0))
            elif self.mode == "reflect":
                d = d.at[1 : before + 1].add(head[::-1]).at[n - 1 - behind : n - 1].add(tail[::-1])
            dy = jnp.moveaxis(d, 0, axis)
        return dy, self

    def lower(self, at: Lowering, x: Value) -> Value:
        units = np.arange(prod(x.shape)).reshape(x.shape)
        margins: Any = [*self.margins(one_of(x)), (0, 0)]
        if self.mode == "constant":
            index = np.pad(units, margins, constant_values=-1)
            return at.select(x, index, index.shape, self.value)
        mode: Any = self.mode
        index = np.pad(units, margins, mode=mode)
        return at.select(x, index, index.shape)


class Upsample(Layer):
    """Every place becomes `factor` places: `y[i] = x[⌊i / factor⌋]`, or between the centres of two of them.

    `factor` is one number for all axes between batch and channels, or one for each. With mode "linear" place i lies at
    (i + ½) / factor − ½ between its neighbours, and the outermost go on beyond the edge (PyTorch's bilinear with
    align_corners=False).

    Shapes: x (batch, ..., channels), with one to three axes between -> y (batch, ..., channels),
        each axis times factor.
    Blame:  dx = Σ of the dy of the places x was copied to, or of each its share.
    Raises: SettingError for a factor below 1, or a mode there is not; ShapeError where x has another number of axes.
    Example:
        >>> Upsample(2, mode="linear")(jnp.array([0.0, 4.0]).reshape(1, 2, 1)).ravel().tolist()
        [0.0, 1.0, 3.0, 4.0]
    """

    factor: int | tuple[int, ...] = static()
    mode: str = static()

    def __init__(self, factor: Sizes, mode: str = "nearest"):
        if mode not in WAYS:
            raise unknown("way to upsample", mode, WAYS)
        self.factor, self.mode = sizes("Upsample", "factor", factor, 1), mode

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        y, (finer, _) = x, WAYS[self.mode]
        for axis, factor in enumerate(each(self.factor, spatial(self, x, self.factor)), 1):
            places = finer(jnp.moveaxis(y, axis, 0), factor)
            y = jnp.moveaxis(places.reshape(-1, *places.shape[2:]), 0, axis)
        return y, x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, Upsample]:
        _, coarser = WAYS[self.mode]
        for axis, factor in enumerate(each(self.factor, saved.ndim - 2), 1):
            d = jnp.moveaxis(dy, axis, 0)
            dy = jnp.moveaxis(coarser(d.reshape(-1, factor, *d.shape[1:])), 0, axis)
        return dy, self

    def lower(self, at: Lowering, x: Value) -> Value:
        factors = each(self.factor, spatial(self, one_of(x), self.factor))
        return at.along(
            x, [finer_matrix(n, factor, self.mode) for n, factor in zip(x.shape[:-1], factors, strict=True)]
        )


def copies(x: Array, factor: int) -> Array:
    """`factor` times each place, (n, ...) -> (n, factor, ...)."""
    return jnp.broadcast_to(x[:, None], (len(x), factor, *x.shape[1:]))


def sum_of_copies(dy: Array) -> Array:
    return dy.sum(1)


def between_centres(x: Array, factor: int) -> Array:
    """`factor` places around each old one, each a mean of its two neighbours, (n, ...) -> (n, factor, ...)."""
    before, itself, behind = shares(factor, x)
    left, right = jnp.concatenate([x[:1], x[:-1]]), jnp.concatenate([x[1:], x[-1:]])
    return before * left[:, None] + itself * x[:, None] + behind * right[:, None]


def sum_of_shares(dy: Array) -> Array:
    left, itself, right = ((share * dy).sum(1) for share in shares(dy.shape[1], dy[0]))
    return itself.at[:-1].add(left[1:]).at[0].add(left[0]).at[1:].add(right[:-1]).at[-1].add(right[-1])


def shares(factor: int, x: Array) -> tuple[Array, Array, Array]:
    """What the place before, the old place itself and the place behind give to each of the new places."""
    behind = ((jnp.arange(factor, dtype=x.dtype) + 0.5) / factor - 0.5).reshape(-1, *(1,) * (x.ndim - 1))
    return jnp.maximum(-behind, 0), 1 - abs(behind), jnp.maximum(behind, 0)


def finer_matrix(n: int, factor: int, mode: str) -> np.ndarray:
    """Upsampling along one axis of length n as a matrix, (n · factor, n)."""
    if mode == "nearest":
        return np.repeat(np.eye(n), factor, 0)
    at = np.clip((np.arange(n * factor) + 0.5) / factor - 0.5, 0, n - 1)
    return np.maximum(1 - abs(at[:, None] - np.arange(n)), 0)


WAYS = {"nearest": (copies, sum_of_copies), "linear": (between_centres, sum_of_shares)}
