"""Two networks' regions on one slice: which are in both, which are gone, which are new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GeometryError
from ..geometry import Complex, complex_of, lowered, slice_of
from ..module import Layer
from ..records import Record, unlisted

MOST = 200_000  # regions of each


@dataclass(frozen=True)
class RegionChange(Record):
    """The regions of a and of b in a rectangle of one plane. A region is known by the pieces that all units are on.

    `kept` are in both, wherever they lie; `lost` only in a, `gained` only in b. `lost_area` and `gained_area` are the
    shares of the rectangle that these cover. None where the networks have different units.
    """

    box: tuple[tuple[float, float], tuple[float, float]]
    before: int
    after: int
    kept: int | None
    lost: int | None
    gained: int | None
    lost_area: float | None
    gained_area: float | None
    a: Complex = unlisted(repr=False)
    b: Complex = unlisted(repr=False)
    only_a: np.ndarray = unlisted(repr=False)  # of each face of a, whether b has no such region
    only_b: np.ndarray = unlisted(repr=False)


def region_change(a: Layer, b: Layer, x: np.ndarray | None, points: Any, box: Any) -> RegionChange:
    """The regions of both in one rectangle.

    Raises: GeometryError where one is not piecewise linear, there is no plane, or there are too many regions.
    """
    first, second = on_one_slice(a, b, x, points, box)
    for name, found in (("a", first), ("b", second)):
        if not found.complete:
            raise GeometryError(f"{name} has more than {MOST:,} regions there: give a smaller box.")
    mine, other = patterns(first), patterns(second)
    if mine.shape[1] != other.shape[1]:
        none = np.zeros(0, bool)
        nothing = (None,) * 5
        return RegionChange(first.box, first.count, second.count, *nothing, a=first, b=second, only_a=none, only_b=none)
    keys, others = ([row.tobytes() for row in rows] for rows in (mine, other))
    only_a, only_b = (
        np.array([key not in known for key in given], bool)
        for given, known in ((keys, set(others)), (others, set(keys)))
    )
    lost, gained = (
        len({k for k, gone in zip(keys, only_a, strict=True) if gone}),
        len({k for k, new in zip(others, only_b, strict=True) if new}),
    )
    shares = (float(found.areas[gone].sum() / found.areas.sum()) for found, gone in ((first, only_a), (second, only_b)))
    return RegionChange(
        first.box, first.count, second.count, len(set(keys) & set(others)), lost, gained, *shares,
        a=first, b=second, only_a=only_a, only_b=only_b,
    )  # fmt: skip


def on_one_slice(a: Layer, b: Layer, x: np.ndarray | None, points: Any, box: Any) -> tuple[Complex, Complex]:
    """The complexes of both over one rectangle: of their two inputs, or of a plane through more."""
    options: dict[str, Any] = {"limit": MOST, "progress": False}
    if points is None and two_inputs(a, x):
        box = around(x) if box is None else box
        first, second = complex_of(a, box, **options), complex_of(b, box, **options)
        return first, second
    if points is None and x is None:
        raise GeometryError("A slice through more than two inputs wants rows (data=), or three points=.")
    shape = None if x is None else x.shape[1:]
    given: dict[str, Any] = {"pca": x} if points is None else {"points": points}
    first = slice_of(a, **given, box=box, shape=shape, **options)
    plane = first.plane
    assert plane is not None  # a slice has one
    second = slice_of(b, origin=plane.origin, directions=plane.directions, box=first.box, shape=shape, **options)
    return first, second


def two_inputs(net: Layer, x: np.ndarray | None) -> bool:
    if x is not None:
        return x.shape[1:] == (2,)
    try:
        return lowered(net, (2,)).n_in == 2
    except (GeometryError, ValueError):
        return False


def around(x: np.ndarray | None) -> list[tuple[float, float]]:
    """The range of the rows, and a quarter of it on every side."""
    assert x is not None  # without rows the box is given
    low, high = np.asarray(x, float).min(0), np.asarray(x, float).max(0)
    wide = 0.25 * np.maximum(high - low, 1e-12)
    return list(zip((low - wide).tolist(), (high + wide).tolist(), strict=True))


def patterns(found: Complex) -> np.ndarray:
    """The pieces of all units in every face, (faces, units)."""
    pieces = found.mesh.pieces(found.flat, np.arange(found.count))
    return np.hstack([part.astype(np.int8) for part in pieces]) if pieces else np.zeros((found.count, 0), np.int8)
