"""Sums, products, extremes and other summaries over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ._table import Call, operator

Axes = tuple[int, ...]


def least(dtype: Any) -> Any:
    """What the largest of nothing is."""
    if np.dtype(dtype) == bool:
        return False
    return np.iinfo(dtype).min if np.issubdtype(dtype, np.integer) else -np.inf


def most(dtype: Any) -> Any:
    """What the smallest of nothing is."""
    if np.dtype(dtype) == bool:
        return True
    return np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else np.inf


def total(at: Call, x: Any, axes: Axes) -> Any:
    return at.xp.sum(x, axis=axes, keepdims=True, dtype=x.dtype)


def log_sum_exp(at: Call, x: Any, axes: Axes) -> Any:
    """log Σ exp(x), whose largest term is taken out so that none overflows."""
    top = at.xp.max(x, axis=axes, keepdims=True, initial=least(x.dtype))
    top = at.xp.where(at.xp.isfinite(top), top, at.xp.zeros_like(top))
    return at.xp.log(total(at, at.xp.exp(x - top), axes)) + top


def root(at: Call, squares: Any) -> Any:
    if np.issubdtype(squares.dtype, np.integer):
        return at.xp.sqrt(squares.astype(at.type(np.float64))).astype(squares.dtype)
    return at.xp.sqrt(squares)


REDUCTIONS: dict[str, Callable[[Call, Any, Axes], Any]] = {
    "ReduceSum": total,
    "ReduceMean": lambda at, x, axes: at.xp.mean(x, axis=axes, keepdims=True).astype(x.dtype),
    "ReduceProd": lambda at, x, axes: at.xp.prod(x, axis=axes, keepdims=True, dtype=x.dtype),
    "ReduceMax": lambda at, x, axes: at.xp.max(x, axis=axes, keepdims=True, initial=least(x.dtype)),
    "ReduceMin": lambda at, x, axes: at.xp.min(x, axis=axes, keepdims=True, initial=most(x.dtype)),
    "ReduceL1": lambda at, x, axes: total(at, at.xp.abs(x), axes),
    "ReduceL2": lambda at, x, axes: root(at, total(at, x * x, axes)),
    "ReduceLogSum": lambda at, x, axes: at.xp.log(total(at, x, axes)),
    "ReduceLogSumExp": log_sum_exp,
    "ReduceSumSquare": lambda at, x, axes: total(at, x * x, axes),
}


def put_reduction(kind: str, function: Callable[[Call, Any, Axes], Any]) -> None:
    """A reduction: its axes are an attribute, and since opset 13 or 18 an input; none means all of them."""

    def reduced(
        at: Call, x: Any, over: Any = None, *,
        axes: Sequence[int] | None = None, keepdims: int = 1, noop_with_empty_axes: int = 0,
    ) -> Any:  # fmt: skip
        named = axes if over is None else over
        named = [] if named is None else [int(axis) % x.ndim for axis in named]
        along = tuple(named) if named or noop_with_empty_axes else tuple(range(x.ndim))
        y = function(at, x, along)
        return y if keepdims else y.reshape([n for i, n in enumerate(y.shape) if i not in along])

    operator(kind, known=(1,))(reduced)


for name, function in REDUCTIONS.items():
    put_reduction(name, function)


def put_extreme(kind: str, name: str) -> None:
    """The place of an extreme along an axis: the first of equal ones, or the last."""

    def place(at: Call, x: Any, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> Any:
        found = getattr(at.xp, name)(at.xp.flip(x, axis) if select_last_index else x, axis=axis)
        found = x.shape[axis] - 1 - found if select_last_index else found
        return (at.xp.expand_dims(found, axis) if keepdims else found).astype(at.type(np.int64))

    operator(kind)(place)


put_extreme("ArgMax", "argmax")
put_extreme("ArgMin", "argmin")
