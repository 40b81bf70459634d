"""Shapes: what is moved, joined, cut, repeated and made, without arithmetic on the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ._table import Call, operator
from ._types import type_of


def listed(x: Any) -> list[int]:
    """Whole numbers, from an array or an attribute."""
    return [int(n) for n in np.asarray(x).reshape(-1)]


@operator("Identity")
def identity(at: Call, x: Any) -> Any:
    return x


@operator("Shape")
def shape(at: Call, x: Any, *, start: int = 0, end: int | None = None) -> Any:
    return np.array(x.shape[start:end], np.int64)


@operator("Size")
def size(at: Call, x: Any) -> Any:
    return np.array(prod(x.shape), np.int64)


@operator("Reshape", known=(1,))
def reshape(at: Call, x: Any, wanted: Any = None, *, shape: Any = (), allowzero: int = 0) -> Any:
    lengths = listed(shape if wanted is None else wanted)
    return x.reshape([x.shape[i] if n == 0 and not allowzero else n for i, n in enumerate(lengths)])


@operator("Flatten")
def flatten(at: Call, x: Any, *, axis: int = 1) -> Any:
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


@operator("Transpose")
def transpose(at: Call, x: Any, *, perm: Sequence[int] | None = None) -> Any:
    return at.xp.transpose(x, perm)


@operator("Squeeze", known=(1,))
def squeeze(at: Call, x: Any, over: Any = None, *, axes: Any = None) -> Any:
    named = over if over is not None else axes
    return at.xp.squeeze(x, None if named is None else tuple(listed(named)))


@operator("Unsqueeze", known=(1,))
def unsqueeze(at: Call, x: Any, over: Any = None, *, axes: Any = None) -> Any:
    return at.xp.expand_dims(x, tuple(listed(axes if over is None else over)))


@operator("Concat")
def concat(at: Call, *parts: Any, axis: int = 1) -> Any:
    return at.xp.concatenate(parts, axis)


@operator("Split", known=(1,))
def split(at: Call, x: Any, lengths: Any = None, *, axis: int = 0, split: Any = None, num_outputs: int | None = None):
    """Parts of the lengths given; else equal ones, the last being shorter where they do not fit."""
    lengths = split if lengths is None else lengths
    if lengths is None:
        count, n = num_outputs or at.outputs, x.shape[axis]
        each = -(-n // count)
        ends = [min(each * i, n) for i in range(1, count)]
    else:
        if sum(listed(lengths)) != x.shape[axis]:
            raise at.refuse(f"the parts {listed(lengths)} do not sum to {x.shape[axis]}")
        ends = np.cumsum(listed(lengths))[:-1].tolist()
    return tuple(at.xp.split(x, ends, axis))


@operator("Expand", known=(1,))
def expand(at: Call, x: Any, shape: Any) -> Any:
    return at.xp.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(listed(shape))))


@operator("Tile", known=(1, 2))
def tile(at: Call, x: Any, repeats: Any, axis: Any = None) -> Any:
    if axis is None:
        return at.xp.tile(x, tuple(listed(repeats)))
    return at.xp.concatenate([x] * listed(repeats)[0], listed(axis)[0])  # before opset 6


@operator("Pad", known=(1, 3))
def pad(
    at: Call, x: Any, wide: Any = None, fill: Any = None, over: Any = None, *,
    mode: str = "constant", value: float = 0.0, pads: Any = None, paddings: Any = None,
) -> Any:  # fmt: skip
    """Places before and behind along each axis; a negative number takes places away."""
    widths = listed(next(w for w in (wide, pads, paddings) if w is not None))
    axes = range(x.ndim) if over is None else listed(over)
    before, behind = [0] * x.ndim, [0] * x.ndim
    for i, axis in enumerate(axes):
        before[axis], behind[axis] = widths[i], widths[len(axes) + i]
    return padded(at, x, list(zip(before, behind, strict=True)), mode, value if fill is None else fill)


def padded(at: Call, x: Any, pairs: Sequence[tuple[int, int]], mode: str, fill: Any) -> Any:
    x = x[tuple(slice(max(0, -a), n - max(0, -b)) for (a, b), n in zip(pairs, x.shape, strict=True))]
    added = [(max(0, a), max(0, b)) for a, b in pairs]
    if mode != "constant":
        return at.xp.pad(x, added, mode)
    return at.xp.pad(x, added, constant_values=at.xp.asarray(fill, x.dtype).reshape(()))


@operator("CenterCropPad", known=(1,))
def center_crop_pad(at: Call, x: Any, lengths: Any, *, axes: Sequence[int] | None = None) -> Any:
    """The middle of x, or x in the middle of zeros, so that each axis has its length."""
    pairs = [(0, 0)] * x.ndim
    for axis, length in zip(range(x.ndim) if axes is None else axes, listed(lengths), strict=True):
        missing = length - x.shape[axis]
        first = abs(missing) // 2 * (1 if missing > 0 else -1)
        pairs[axis] = (first, missing - first)
    return padded(at, x, pairs, "constant", 0)


@operator("ConstantOfShape", known=(0,))
def constant_of_shape(at: Call, shape: Any, *, value: Any = None) -> Any:
    value = np.zeros(1, np.float32) if value is None else np.asarray(value)
    return np.full(listed(shape), value.reshape(()), value.dtype)


@operator("Constant")
def constant(
    at: Call, *, value: Any = None, value_float: float | None = None, value_floats: Any = None,
    value_int: int | None = None, value_ints: Any = None, value_string: str | None = None, value_strings: Any = None,
) -> Any:  # fmt: skip
    kinds = (
        (value_float, np.float32), (value_floats, np.float32), (value_int, np.int64), (value_ints, np.int64),
        (value_string, object), (value_strings, object),
    )  # fmt: skip
    return value if value is not None else next(np.array(v, dtype) for v, dtype in kinds if v is not None)


@operator("Range", known=(0, 1, 2))
def count(at: Call, start: Any, limit: Any, delta: Any, *, stash_type: int = 1) -> Any:
    dtype = start.dtype
    if np.issubdtype(dtype, np.integer):
        return np.arange(*(x.item() for x in (start, limit, delta)), dtype=dtype)
    exact = np.float64 if dtype == np.float64 or stash_type == 11 else np.float32
    return np.arange(*(float(x.item()) for x in (start, limit, delta)), dtype=exact).astype(dtype)


@operator("EyeLike")
def eye_like(at: Call, x: Any, *, dtype: int | None = None, k: int = 0) -> Any:
    return np.eye(*x.shape, k=k, dtype=x.dtype if dtype is None else type_of(dtype))


@operator("Trilu", known=(1,))
def triangle(at: Call, x: Any, k: Any = None, *, upper: int = 1) -> Any:
    diagonal = 0 if k is None else listed(k)[0]
    below = np.arange(x.shape[-1])[None] - np.arange(x.shape[-2])[:, None]
    return at.xp.where(below >= diagonal if upper else below <= diagonal, x, at.xp.zeros_like(x))


@operator("DepthToSpace")
def depth_to_space(at: Call, x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    """Channels to places: (batch, c · b², h, w) -> (batch, c, h · b, w · b)."""
    n, c, h, w = x.shape
    b = blocksize
    if mode == "DCR":
        parts = x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        parts = x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return parts.reshape(n, c // b**2, h * b, w * b)


@operator("SpaceToDepth")
def space_to_depth(at: Call, x: Any, *, blocksize: int, mode: str = "DCR") -> Any:
    """Places to channels, (batch, c, h, w) -> (batch, c · b², h / b, w / b)."""
    n, c, h, w = x.shape
    b = blocksize
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return x.reshape(n, c, h // b, b, w // b, b).transpose(order).reshape(n, c * b * b, h // b, w // b)
