"""What is taken from places and put into places."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._shape import listed
from ._table import Call, operator


@operator("Gather")
def gather(at: Call, x: Any, index: Any, *, axis: int = 0) -> Any:
    return at.xp.take(x, index, axis)


@operator("GatherElements")
def gather_elements(at: Call, x: Any, index: Any, *, axis: int = 0) -> Any:
    return at.xp.take_along_axis(x, index, axis)


@operator("GatherND")
def gather_nd(at: Call, x: Any, index: Any, *, batch_dims: int = 0) -> Any:
    """`y[p] = x[index[p]]`, for each example of the first `batch_dims` axes by itself."""
    b = batch_dims
    grids = np.meshgrid(*map(np.arange, x.shape[:b]), indexing="ij", sparse=True)
    batch = tuple(g.reshape(g.shape + (1,) * (index.ndim - 1 - b)) for g in grids)
    return x[(*batch, *(index[..., i] for i in range(index.shape[-1])))]


def put(at: Call, x: Any, index: tuple[Any, ...], new: Any, reduction: str) -> Any:
    """x with new numbers at places; what is there is replaced, or joined by a reduction."""
    ways = {"none": "set", "add": "add", "mul": "multiply", "min": "min", "max": "max"}
    if reduction not in ways:
        raise at.refuse(f"there is no reduction {reduction!r}")
    if at.xp is not np:
        return getattr(at.xp.asarray(x).at[index], ways[reduction])(new)
    y = x.copy()
    if reduction == "none":
        y[index] = new
    else:
        {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}[reduction].at(y, index, new)
    return y


@operator("ScatterElements")
def scatter_elements(at: Call, x: Any, index: Any, new: Any, *, axis: int = 0, reduction: str = "none") -> Any:
    places = list(np.meshgrid(*map(np.arange, index.shape), indexing="ij", sparse=True))
    places[axis] = at.xp.where(index < 0, index + x.shape[axis], index)
    return put(at, x, tuple(places), new, reduction)


@operator("Scatter")
def scatter(at: Call, x: Any, index: Any, new: Any, *, axis: int = 0) -> Any:
    """What is now ScatterElements."""
    return scatter_elements(at, x, index, new, axis=axis)


@operator("ScatterND")
def scatter_nd(at: Call, x: Any, index: Any, new: Any, *, reduction: str = "none") -> Any:
    return put(at, x, tuple(index[..., i] for i in range(index.shape[-1])), new, reduction)


@operator("TensorScatter")
def tensor_scatter(at: Call, x: Any, new: Any, first: Any = None, *, mode: str = "linear", axis: int = -2) -> Any:
    """New steps written into a cache, for each example from its own first place on; "circular" begins again at 0."""
    n, steps = x.shape[axis], new.shape[axis]
    first = np.zeros(x.shape[0], np.int64) if first is None else first
    places = first[:, None] + np.arange(steps)
    places = places % n if mode == "circular" else places
    x, new = (at.xp.moveaxis(a, axis, 1) for a in (x, new))
    return at.xp.moveaxis(put(at, x, (np.arange(x.shape[0])[:, None], places), new, "none"), 1, axis)


@operator("Slice", known=(1, 2, 3, 4))
def cut(
    at: Call, x: Any, begin: Any = None, end: Any = None, over: Any = None, steps: Any = None, *,
    starts: Any = None, ends: Any = None, axes: Any = None,
) -> Any:  # fmt: skip
    """`x[start:end:step]` along axes, with Python's own rules for numbers beyond the ends."""
    begin = listed(starts if begin is None else begin)
    end = listed(ends if end is None else end)
    over = axes if over is None else over
    over = range(len(begin)) if over is None else listed(over)
    steps = [1] * len(begin) if steps is None else listed(steps)
    parts = [slice(None)] * x.ndim
    for axis, *numbers in zip(over, begin, end, steps, strict=True):
        parts[axis] = slice(*numbers)
    return x[tuple(parts)]


@operator("OneHot", known=(1,))
def one_hot(at: Call, index: Any, depth: Any, values: Any, *, axis: int = -1) -> Any:
    """The second of the two values at the place that the index names along a new axis, the first elsewhere."""
    n = listed(depth)[0]
    index = at.xp.expand_dims(at.xp.where(index < 0, index + n, index), axis)
    places = np.arange(n).reshape([n if i == axis % index.ndim else 1 for i in range(index.ndim)])
    return at.xp.where(index == places, values[1], values[0])


@operator("Compress", known=(1,))
def compress(at: Call, x: Any, condition: Any, *, axis: int | None = None) -> Any:
    places = np.flatnonzero(condition)
    return at.xp.take(x.reshape(-1) if axis is None else x, places, 0 if axis is None else axis)


@operator("NonZero", known=(0,))
def non_zero(at: Call, x: Any) -> Any:
    return np.array(np.nonzero(x), np.int64).reshape(x.ndim, -1)


@operator("Unique", known=(0,))
def unique(at: Call, x: Any, *, axis: int | None = None, sorted: int = 1) -> Any:
    """The different values, where each was first, which one stands at each place, and how often each is there."""
    values, first, which, number = np.unique(x, True, True, True, axis=axis)
    which = which.reshape(-1)
    if not sorted:
        order = np.argsort(first)
        values = np.take(values, order, 0 if axis is None else axis)
        first, number, which = first[order], number[order], np.argsort(order)[which]
    return values, first.astype(np.int64), which.astype(np.int64), number.astype(np.int64)


@operator("TopK", known=(1,))
def top(
    at: Call, x: Any, number: Any = None, *, k: int | None = None, axis: int = -1, largest: int = 1, sorted: int = 1
) -> Any:
    """The k largest or smallest along an axis, in order, and their places; of equal ones the first comes first."""
    n, wanted = x.shape[axis], k if number is None else listed(number)[0]
    if largest:
        order = n - 1 - at.xp.flip(stable_order(at, at.xp.flip(x, axis), axis), axis)
    else:
        order = stable_order(at, x, axis)
    order = at.xp.moveaxis(at.xp.moveaxis(order, axis, 0)[:wanted], 0, axis)
    return at.xp.take_along_axis(x, order, axis), order.astype(at.type(np.int64))


def stable_order(at: Call, x: Any, axis: int) -> Any:
    return at.xp.argsort(x, axis, stable=True)


@operator("ReverseSequence")
def reverse_sequence(at: Call, x: Any, lengths: Any, *, batch_axis: int = 1, time_axis: int = 0) -> Any:
    """Each example's first steps in the opposite order, as many as its length says."""
    x = at.xp.moveaxis(x, (batch_axis, time_axis), (0, 1))
    steps, lengths = np.arange(x.shape[1]), lengths[:, None]
    order = at.xp.where(steps < lengths, lengths - 1 - steps, steps)
    y = at.xp.take_along_axis(x, order.reshape(order.shape + (1,) * (x.ndim - 2)), 1)
    return at.xp.moveaxis(y, (0, 1), (batch_axis, time_axis))
