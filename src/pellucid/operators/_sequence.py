"""Sequences of tensors, which are lists; and values that may be missing, which are then None."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._shape import listed
from ._table import Call, operator


@operator("SequenceConstruct")
def construct(at: Call, *parts: Any) -> list[Any]:
    return list(parts)


@operator("SequenceEmpty")
def empty(at: Call, *, dtype: int = 1) -> list[Any]:
    return []


@operator("SequenceAt", known=(1,))
def one_of(at: Call, parts: list[Any], position: Any) -> Any:
    return parts[listed(position)[0]]


@operator("SequenceInsert", known=(2,))
def insert(at: Call, parts: list[Any], x: Any, position: Any = None) -> list[Any]:
    place = len(parts) if position is None else listed(position)[0]
    if not -len(parts) <= place <= len(parts):
        raise at.refuse(f"there is no place {place} among {len(parts)} parts")
    return [*parts[:place], x, *parts[place:]]


@operator("SequenceErase", known=(1,))
def erase(at: Call, parts: list[Any], position: Any = None) -> list[Any]:
    place = range(len(parts))[-1 if position is None else listed(position)[0]]
    return [part for i, part in enumerate(parts) if i != place]


@operator("SequenceLength")
def length(at: Call, parts: list[Any]) -> Any:
    return np.array(len(parts), np.int64)


@operator("SplitToSequence", known=(1,))
def split_to_sequence(at: Call, x: Any, split: Any = None, *, axis: int = 0, keepdims: int = 1) -> list[Any]:
    """Parts of the lengths given, or all of one length but the last; single places where none is given."""
    n = x.shape[axis]
    if split is not None and split.ndim:
        ends = np.cumsum(listed(split))[:-1]
    else:
        ends = np.arange(0, n, 1 if split is None else int(split))[1:]
    parts = at.xp.split(x, ends.tolist(), axis)
    return [at.xp.squeeze(p, axis) for p in parts] if split is None and not keepdims else list(parts)


@operator("ConcatFromSequence")
def concat_from_sequence(at: Call, parts: list[Any], *, axis: int, new_axis: int = 0) -> Any:
    return at.xp.stack(parts, axis) if new_axis else at.xp.concatenate(parts, axis)


@operator("Optional")
def optional(at: Call, x: Any = None, *, type: Any = None) -> Any:
    return x


@operator("OptionalGetElement")
def get_element(at: Call, x: Any) -> Any:
    if x is None:
        raise at.refuse("there is no value")
    return x


@operator("OptionalHasElement")
def has_element(at: Call, x: Any = None) -> Any:
    return np.array(x is not None)
