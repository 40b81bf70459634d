"""Pooling, channels first."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ._reduction import least
from ._table import Call, operator
from ._windows import counts, largest, numbered, slide, summed, windows

Lengths = Sequence[int] | None


@operator("MaxPool", in_jax=True)
def max_pool(
    at: Call, x: Array, *, kernel_shape: Sequence[int], auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: Lengths = None, pads: Lengths = None, storage_order: int = 0, strides: Lengths = None,
) -> Any:  # fmt: skip
    """The largest number of each window, and its place in x, counted from the first of the whole array."""
    places = x.shape[2:]
    by = slide(places, kernel_shape, strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )  # fmt: skip
    if at.outputs == 1:
        return largest(jnp.asarray(x), by, least(x.dtype))
    stacked = windows(x, by, least(x.dtype))
    index = jnp.broadcast_to(numbered(places, by, bool(storage_order)), stacked.shape)
    tap = jnp.argmax(stacked, 0)[None]
    start = np.arange(prod(x.shape[:2])).reshape(*x.shape[:2], *(1,) * len(places)) * prod(places)
    return stacked.max(0), (jnp.take_along_axis(index, tap, 0)[0] + start).astype(at.type(np.int64))


@operator("AveragePool", in_jax=True)
def average_pool(
    at: Call, x: Array, *, kernel_shape: Sequence[int], auto_pad: str = "NOTSET", ceil_mode: int = 0,
    count_include_pad: int = 0, dilations: Lengths = None, pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    """The mean of each window, over its places in x, or over the added ones too."""
    by = slide(x.shape[2:], kernel_shape, strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )  # fmt: skip
    return summed(jnp.asarray(x), by) / counts(x.shape[2:], by, bool(count_include_pad)).astype(x.dtype)


@operator("LpPool", in_jax=True)
def norm_pool(
    at: Call, x: Array, *, kernel_shape: Sequence[int], auto_pad: str = "NOTSET", ceil_mode: int = 0,
    dilations: Lengths = None, p: float = 2, pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    """(Σ |x|^p)^(1/p) over each window."""
    by = slide(x.shape[2:], kernel_shape, strides=strides, dilations=dilations, pads=pads, auto_pad=auto_pad,
        ceil_mode=ceil_mode,
    )  # fmt: skip
    return summed(jnp.abs(x) ** p, by) ** (1 / p)


@operator("GlobalAveragePool")
def global_average(at: Call, x: Any) -> Any:
    return at.xp.mean(x, axis=tuple(range(2, x.ndim)), keepdims=True)


@operator("GlobalMaxPool")
def global_max(at: Call, x: Any) -> Any:
    return at.xp.max(x, axis=tuple(range(2, x.ndim)), keepdims=True)


@operator("GlobalLpPool")
def global_norm(at: Call, x: Any, *, p: float = 2) -> Any:
    return (at.xp.abs(x) ** p).sum(tuple(range(2, x.ndim)), keepdims=True) ** (1 / p)


@operator("MaxUnpool", known=(2,), in_jax=True)
def max_unpool(
    at: Call, x: Array, index: Array, shape: Any = None, *,
    kernel_shape: Sequence[int], pads: Lengths = None, strides: Lengths = None,
) -> Array:  # fmt: skip
    """What MaxPool kept, put back at its places, 0 elsewhere."""
    axes = len(kernel_shape)
    stride, around = strides or (1,) * axes, pads or (0,) * 2 * axes
    places = [
        (n - 1) * s - around[i] - around[axes + i] + k
        for i, (n, s, k) in enumerate(zip(x.shape[2:], stride, kernel_shape, strict=True))
    ]
    whole = (*x.shape[:2], *places)
    y = jnp.zeros(prod(whole), x.dtype).at[jnp.ravel(index)].set(jnp.ravel(x)).reshape(whole)
    if shape is None:
        return y
    return jnp.pad(y, [(0, int(wanted) - n) for wanted, n in zip(shape, whole, strict=True)])
