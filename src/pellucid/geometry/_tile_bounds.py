"""What every unit of a network can be in a rectangle of the plane: an affine function, give or take a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..affine import ROUNDING, Bend

Box = tuple[tuple[float, float], tuple[float, float]]


class Enclosed(NamedTuple):
    """Units as affine functions of the two coordinates: `g[0] + g[1] s + g[2] t`, off by at most `loose`.

    `size` is not below any sum of magnitudes that was rounded on the way; `pure` are sums and differences of units that
    may bend, in which nothing was. Shapes: g (3, units), the others (units,).
    """

    g: np.ndarray
    loose: np.ndarray
    size: np.ndarray
    pure: np.ndarray


class Bent(NamedTuple):
    """What a bend makes of units between bounds: `slope · z + offset`, off by at most `loose`."""

    slope: np.ndarray
    offset: np.ndarray
    loose: np.ndarray
    first: np.ndarray  # the lowest and the highest piece that a unit can be on
    last: np.ndarray
    most: np.ndarray  # the largest magnitude of what comes out of those that may be on several pieces
    tiny: np.ndarray  # which of those may be 0 everywhere but for rounding

    @property
    def open(self) -> np.ndarray:
        """The units that may be on several pieces."""
        return self.first != self.last

    def on(self, bend: Bend, units: Any, piece: int) -> None:
        """Take units for being on a piece, in place."""
        self.first[units] = self.last[units] = piece
        self.loose[units] = 0
        for whole, table in ((self.slope, bend.slopes), (self.offset, bend.offsets)):
            whole[units] = table[piece] if table.ndim == 1 else table[piece, units]

    def of(self, z: Enclosed) -> Enclosed:
        """What comes out of the bend."""
        g = z.g * self.slope
        g[0] += self.offset
        steep = abs(self.slope)
        pure = self.open | (self.offset == 0) & ((self.slope == 0) | (self.slope == 1) & z.pure)
        return Enclosed(g, steep * z.loose + self.loose, steep * z.size + abs(self.offset) + self.loose, pure)


@dataclass(frozen=True)
class Middle:
    """A rectangle by its middle, its half sides, and the largest magnitude of its coordinates."""

    at: np.ndarray
    half: np.ndarray
    most: np.ndarray

    @staticmethod
    def of(box: Box) -> Middle:
        sides = np.array(box, float)
        at = sides.mean(1)
        half = np.maximum(sides[:, 1] - at, at - sides[:, 0]) * (1 + 4 * ROUNDING)
        return Middle(at, half, abs(sides).max(1))

    def range(self, z: Enclosed, rounded: float) -> Range:
        """Between which numbers units lie; `rounded` of their size may be rounding."""
        middle = z.g[0] + self.at @ z.g[1:]
        rounding = rounded * (z.size + abs(z.g[0]) + self.most @ abs(z.g[1:]))
        wide = self.half @ abs(z.g[1:]) + z.loose + rounding
        return Range(middle - wide, middle + wide, rounding)


class Range(NamedTuple):
    """Between which numbers units lie, and how much of that is rounding."""

    low: np.ndarray
    high: np.ndarray
    rounding: np.ndarray

    @property
    def tiny(self) -> np.ndarray:
        """The units that may be 0 everywhere but for rounding."""
        return np.maximum(self.high, -self.low) <= 16 * self.rounding


def bent(bend: Bend, range_: Range) -> Bent:
    """A bend of units in a range.

    Between its bounds a bend of several pieces is taken for its chord: it is off by what the kinks stand out.
    """
    low, high, _ = range_
    first, last = bend.piece(low), bend.piece(high)
    slope, offset = (np.array(np.broadcast_to(part, low.shape)) for part in (bend.slope(first), bend.offset(first)))
    loose, most = np.zeros(len(low)), np.zeros(len(low))
    units = np.flatnonzero(first != last)
    if len(units):
        part, a, b = some(bend, units), low[units], high[units]
        points = np.stack([a, b, *(np.clip(kink, a, b) for kink in part.kinks)])
        values = part(points)
        chord = (values[1] - values[0]) / (b - a)
        beside = values - chord * points
        top, bottom = beside.max(0), beside.min(0)
        rounding = 16 * ROUNDING * (abs(values).max(0) + abs(chord) * abs(points).max(0))
        slope[units], offset[units], loose[units] = chord, (top + bottom) / 2, (top - bottom) / 2 + rounding
        most[units] = abs(values).max(0)
    return Bent(slope, offset, loose, first, last, most, np.flatnonzero(range_.tiny & (first != last)))


def some(bend: Bend, units: Any) -> Bend:
    """The bend of some of its units."""
    slopes, offsets = (part if part.ndim == 1 else part[:, units] for part in (bend.slopes, bend.offsets))
    return Bend(bend.kinks, slopes, offsets)
