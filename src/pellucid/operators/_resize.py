"""Resizing: along each axis a matrix of shares, or the nearest place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ._shape import listed
from ._table import Call, operator


class Along(NamedTuple):
    """What happens along one axis: its lengths, by how much it grows, and the part of it that is looked at."""

    places: int
    wanted: int
    scale: float
    start: float
    end: float


def origins(at: Call, mode: str, along: Along) -> np.ndarray:
    """Where each new place lies among the old ones."""
    places, wanted, scale, start, end = along
    y, length = np.arange(wanted, dtype=np.float64), scale * places
    match mode:
        case "half_pixel":
            return (y + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (y + 0.5) / scale - 0.5 if length != 1 else np.full(wanted, -0.5)
        case "half_pixel_symmetric":
            return places / 2 * (1 - wanted / length) + (y + 0.5) / scale - 0.5
        case "asymmetric":
            return y / scale
        case "align_corners":
            return y * (places - 1) / (length - 1) if length != 1 else np.zeros(wanted)
        case "tf_crop_and_resize":
            if length == 1:
                return np.full(wanted, (start + end) * (places - 1) / 2)
            return start * (places - 1) + y * (end - start) * (places - 1) / (length - 1)
    raise at.refuse(f"there is no coordinate_transformation_mode {mode!r}")


def nearest(at: Call, mode: str, x: np.ndarray, places: int) -> np.ndarray:
    """The place nearest to each x."""
    ways = {
        "round_prefer_floor": lambda: np.ceil(x - 0.5), "round_prefer_ceil": lambda: np.floor(x + 0.5),
        "floor": lambda: np.floor(x), "ceil": lambda: np.ceil(x),
    }  # fmt: skip
    if mode not in ways:
        raise at.refuse(f"there is no nearest_mode {mode!r}")
    return np.clip(ways[mode](), 0, places - 1).astype(int)


def hat(x: np.ndarray, a: float) -> np.ndarray:
    return np.maximum(0, 1 - abs(x))


def cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys's kernel."""
    x = abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    return np.where(x <= 1, near, np.where(x < 2, a * (x**3 - 5 * x**2 + 8 * x - 4), 0))


def shares(along: Along, x: np.ndarray, mode: str, a: float, antialias: bool, exclude_outside: bool) -> np.ndarray:
    """How much of each old place is in each new one, (wanted, places)."""
    kernel, reach = (hat, 1) if mode == "linear" else (cubic, 2)
    narrow = min(along.scale, 1.0) if antialias else 1.0
    steps = int(np.ceil(reach / narrow)) + 1
    index = np.floor(x).astype(int)[:, None] + np.arange(-steps, steps + 1)
    weight = kernel((index - x[:, None]) * narrow, a)
    if exclude_outside:
        weight = np.where((index >= 0) & (index < along.places), weight, 0)
    if antialias or exclude_outside:
        weight = weight / weight.sum(1, keepdims=True)
    matrix = np.zeros((along.wanted, along.places))
    rows = np.arange(along.wanted)[:, None]
    np.add.at(matrix, (rows, np.clip(index, 0, along.places - 1)), weight)
    return matrix


def lengths(
    at: Call, shape: Sequence[int], axes: Sequence[int], scales: Any, sizes: Any, roi: Any, policy: str
) -> dict[int, Along]:
    """What happens along each axis that is resized."""
    if sizes is not None:
        wanted = listed(sizes)
        scale = [w / shape[axis] for w, axis in zip(wanted, axes, strict=True)]
        if policy != "stretch":
            one = {"not_larger": min, "not_smaller": max}[policy](scale)
            scale, wanted = [one] * len(axes), [int(one * shape[axis] + 0.5) for axis in axes]
    else:
        scale = np.asarray(scales).reshape(-1).astype(float).tolist()
        wanted = [int(np.floor(s * shape[axis])) for s, axis in zip(scale, axes, strict=True)]
    part = [0.0] * len(axes) + [1.0] * len(axes) if roi is None or len(roi) == 0 else np.asarray(roi, float).tolist()
    return {axis: Along(shape[axis], wanted[i], scale[i], part[i], part[len(axes) + i]) for i, axis in enumerate(axes)}


@operator("Resize", known=(1, 2, 3))
def resize(
    at: Call, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None, *,
    antialias: int = 0, axes: Sequence[int] | None = None, coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75, exclude_outside: int = 0, extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch", mode: str = "nearest", nearest_mode: str = "round_prefer_floor",
) -> Any:  # fmt: skip
    """x with other lengths, by the nearest place, or by straight lines or cubics between places, axis by axis."""
    if at.opset < 11:
        return upsample(at, x, roi, mode=mode)
    if mode not in ("nearest", "linear", "cubic"):
        raise at.refuse(f"there is no mode {mode!r}")
    over = [a % x.ndim for a in (range(x.ndim) if axes is None else axes)]
    scales, sizes = (None if a is None or a.size == 0 else a for a in (scales, sizes))
    cropped = coordinate_transformation_mode == "tf_crop_and_resize"
    part = roi if cropped else None
    y, beyond = x, np.zeros((1,) * x.ndim, bool)
    for axis, along in lengths(at, x.shape, over, scales, sizes, part, keep_aspect_ratio_policy).items():
        if along.places == along.wanted and along.scale == 1 and (along.start, along.end) == (0, 1):
            continue
        origin = origins(at, coordinate_transformation_mode, along)
        if mode == "nearest":
            y = at.xp.take(y, nearest(at, nearest_mode, origin, along.places), axis)
        else:
            matrix = shares(along, origin, mode, cubic_coeff_a, bool(antialias), bool(exclude_outside))
            y = spread(at, y, matrix, axis)
        out = (origin < 0) | (origin > along.places - 1)
        beyond = beyond | out.reshape([-1 if i == axis else 1 for i in range(x.ndim)])
    if cropped:
        y = at.xp.where(beyond, at.xp.asarray(extrapolation_value, y.dtype), y)
    return cut_off(at, y, x.dtype)


def spread(at: Call, x: Any, matrix: np.ndarray, axis: int) -> Any:
    """The matrix times x along one axis."""
    exact = at.type(np.float64) if np.issubdtype(x.dtype, np.integer) or at.xp is np else x.dtype
    y = at.xp.tensordot(at.xp.asarray(matrix, exact), x.astype(exact), (1, axis))
    return at.xp.moveaxis(y, 0, axis)


def cut_off(at: Call, x: Any, dtype: Any) -> Any:
    """x in a type; whole numbers are rounded, and end at the largest there is."""
    if not np.issubdtype(dtype, np.integer) or x.dtype == dtype:
        return x.astype(dtype)
    info = np.iinfo(dtype)
    return at.xp.clip(at.xp.round(x), info.min, info.max).astype(dtype)


@operator("Upsample", known=(1,))
def upsample(
    at: Call, x: Any, given: Any = None, *, mode: str = "nearest", scales: Any = None, height_scale: float = 1.0,
    width_scale: float = 1.0,
) -> Any:  # fmt: skip
    """Resizing as it was before opset 11: place i comes from i / scale, rounded down."""
    factors = next((f for f in (given, scales) if f is not None), (1.0, 1.0, height_scale, width_scale))
    later = Call(at.kind, 11, 1, at.xp)
    return resize(
        later, x, None, np.asarray(factors), mode="nearest" if mode == "nearest" else "linear",
        coordinate_transformation_mode="asymmetric", nearest_mode="floor",
    )  # fmt: skip
