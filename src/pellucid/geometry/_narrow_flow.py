"""A narrowed network in stages, as the cutter wants it: what is still to be bent is carried summed up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..affine import ROUNDING, Bend
from ._flow import Rows, is_zero
from ._narrow import Narrow


@dataclass(frozen=True, eq=False)
class NarrowFirst:
    """Leads from the two coordinates to the columns of all units left and the outputs.

    `zero` are the columns that are exactly 0 so far.
    """

    narrow: Narrow
    zero: np.ndarray

    def advance(self, rows: np.ndarray) -> np.ndarray:
        affine = self.narrow.affine
        found = rows @ affine[1:] + affine[0]
        found[:, self.zero] = -0.0
        return found

    def bounds(self, rows: Rows, low: np.ndarray, high: np.ndarray, off: np.ndarray) -> np.ndarray:
        """How exactly the columns are known, as `Stage.bounds` says it."""
        size = abs(self.narrow.affine)
        most = np.maximum(rows.high, -rows.low)
        rounded = 16 * ROUNDING * (most @ size[1:] + size[0])
        found = rows.scale @ size[1:]
        return found + np.stack([rounded, np.zeros_like(rounded), self.narrow.error])


@dataclass(frozen=True, eq=False)
class NarrowStage:
    """The columns from one bend on: bent units are weighed by `mix` (units, columns behind) and added to those behind.

    Of these, the `pure` ones are so far sums of bent units alone: 0 where all of them are.
    """

    bend: Bend
    n: int
    mix: np.ndarray
    pure: np.ndarray

    @property
    def width(self) -> int:
        return self.mix.shape[1]

    @cached_property
    def pools(self) -> bool:
        return bool(len(self.pure)) and not (self.bend.slopes[0].any() or self.bend.offsets[0].any())

    @cached_property
    def magnitude(self) -> np.ndarray:
        return abs(self.mix)

    @cached_property
    def met(self) -> np.ndarray:
        """Which bent units go into each pure column."""
        return (self.mix[:, self.pure] != 0).astype(np.float32)

    @cached_property
    def terms(self) -> np.ndarray:
        return (self.mix != 0).sum(0)

    def advance(self, rows: np.ndarray) -> np.ndarray:
        found = self.bend(rows[:, : self.n]) @ self.mix
        found += rows[:, self.n :]
        return found

    def marked(self, rows: np.ndarray, off: np.ndarray) -> np.ndarray:
        """`advance`, with −0.0 for what is known to be exactly 0, as `Stage.marked` says it."""
        found = self.advance(rows)
        if not len(self.pure):
            return found
        known = is_zero(rows[:, self.n + self.pure])
        if self.pools:
            z = rows[:, : self.n]
            unsure = ~(is_zero(z) | (z + off <= self.bend.kinks[0]))
            known &= unsure.astype(np.float32) @ self.met == 0
        else:
            known &= ~self.met.any(0)
        part = found[:, self.pure] + 0.0
        part[known] = -0.0
        found[:, self.pure] = part
        return found

    def bounds(self, rows: Rows, low: np.ndarray, high: np.ndarray, off: np.ndarray) -> np.ndarray:
        """How exactly the next columns are known, as `Stage.bounds` says it."""
        n, bend = self.n, self.bend
        top, bottom = rows.high[:n], rows.low[:n]
        ends = np.stack([top, bottom, *(np.full(n, kink) for kink in bend.kinks)])
        size = abs(bend(ends)).max(0)
        flat = (top + off[:n] <= bend.kinks[0]) & (bend.slopes[0] == 0)
        steep = abs(bend.slopes).max(0)
        error = np.where(flat, 0, rows.scale[:, :n] * steep)
        error[0] += np.where(flat | bend.is_relu, 0, 4 * ROUNDING * size)
        added = np.where(flat, abs(bend.offsets[0]), size) @ self.magnitude
        before = np.maximum(rows.high, -rows.low)[n:]
        found = rows.scale[:, n:] + error @ self.magnitude
        found[0] += np.where(added > 0, 2 * (self.terms + 3) * ROUNDING * (added + before), 0)
        return found


class NarrowFlow:
    """The stages of a narrowed network, one for each bend of which units are left: `bends` are their numbers."""

    def __init__(self, narrow: Narrow):
        zero = (narrow.error == 0) & (narrow.affine == 0).all(0)
        self.first = NarrowFirst(narrow, zero)
        self.bends = [b for b, units in enumerate(narrow.left) if len(units)]
        self.stages = []
        for b in self.bends:
            stop = int(narrow.starts[b + 1])
            pure = np.flatnonzero(zero[stop:])
            self.stages.append(NarrowStage(narrow.bends[b], len(narrow.left[b]), narrow.mixes[b], pure))
