"""A network narrowed to a rectangle of the plane: only the units that may bend there are left.

What the others add is affine, so a unit z of a later bend is `z = a0 + a1 s + a2 t + Σ M h` over the units h of
earlier bends that are left. In a small rectangle these are some hundreds, of any number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..affine import ROUNDING, Bend
from ._lines import Led
from ._tile_bounds import Bent, Box, Enclosed, Middle, Range, bent, some


@dataclass(frozen=True, eq=False)
class Narrow:
    """The network in `box`.

    Columns are the units left of each bend in turn, and behind them the network's outputs. A column is
    `affine[:, j] · (1, s, t)` plus `mixes[b][:, j − start]` times the bent units of bend b, for every bend before its
    own; the columns of `mixes[b]` begin behind those of bend b itself. That is off from the network by at most
    `error[j]`, rounding of weights that were multiplied beforehand; where `error` is 0 nothing was rounded.

    `left` are the units left of each bend, and `pieces` the pieces of all units, of those left any. Units that are
    `led` are not among those left: what they add is written as their leader's, and so is their piece.
    """

    box: Box
    bends: tuple[Bend, ...]  # of the units left
    left: tuple[np.ndarray, ...]
    pieces: tuple[np.ndarray, ...]
    affine: np.ndarray
    mixes: tuple[np.ndarray, ...]
    error: np.ndarray
    led: tuple[Led, ...] = ()

    @cached_property
    def starts(self) -> np.ndarray:
        """Where the columns of each bend begin, and at last the outputs."""
        return np.cumsum([0, *(len(units) for units in self.left)])

    @property
    def size(self) -> int:
        """How many units are left."""
        return int(self.starts[-1])

    @cached_property
    def rounded(self) -> float:
        """How much of the magnitudes that are summed for a column may be rounding."""
        return 2 * (len(self.error) + 8) * ROUNDING

    @cached_property
    def magnitudes(self) -> tuple[np.ndarray, ...]:
        return tuple(map(abs, self.mixes))

    def look(self, middle: Middle) -> list[Bent]:
        """What every bend can do in a part of the rectangle."""
        g, loose = self.affine.copy(), self.error.copy()
        size = abs(g[0]) + middle.most @ abs(g[1:])
        found = []
        for b, bend in enumerate(self.bends):
            start, stop = self.starts[b : b + 2]
            error = self.error[start:stop]
            z = Enclosed(g[:, start:stop], loose[start:stop], size[start:stop], error == 0)
            low, high, rounding = middle.range(z, self.rounded)
            part = bent(bend, Range(low, high, rounding + error))
            found.append(part)
            h, mix, magnitude = part.of(z), self.mixes[b], self.magnitudes[b]
            g[:, stop:] += h.g @ mix
            loose[stop:] += h.loose @ magnitude
            size[stop:] += h.size @ magnitude
        return found

    def on_one(self, b: int, column: int) -> tuple[int, int] | None:
        """The affine unit, by its bend and place there, of which a column of a bend, by its place in it, is a multiple:
        of the bent unit less its input."""
        at = self.starts[b] + column
        for e, unit in self.adding(b, column):
            z = self.mixes[e][unit, at - self.starts[e + 1]] * self.affine[:, self.starts[e] + unit]
            if abs(self.affine[:, at] + z).max() <= 1e-9 * abs(z).max() and self.free[self.starts[e] + unit]:
                return e, unit
        return None

    def adding(self, b: int, column: int) -> list[tuple[int, int]]:
        """The units left that add to a column of a bend, by their bends and their places there."""
        at = self.starts[b] + column
        mixes = enumerate(zip(self.mixes[:b], self.starts[1:], strict=False))
        return [(e, unit) for e, (mix, first) in mixes for unit in np.flatnonzero(mix[:, at - first]).tolist()]

    @cached_property
    def free(self) -> np.ndarray:
        """The columns to which no unit that is left adds anything."""
        found = np.ones(len(self.error), bool)
        for mix, first in zip(self.mixes, self.starts[1:], strict=True):
            found[first:] &= ~mix.any(0)
        return found

    def taken(self, box: Box, middle: Middle, looked: list[Bent], more: Sequence[Led] = ()) -> Narrow:
        """The same in a part of the rectangle, where fewer units may bend.

        What is decided is put into what comes behind it, as rows over the units that are left; of what is led its
        leader says the piece.
        """
        outputs = self.affine.shape[1] - self.size
        # A unit on a flat piece that is 0 adds nothing to others.
        adds = [part.open | (part.slope != 0) | (part.offset != 0) for part in looked]
        used = np.concatenate([*adds, np.ones(outputs, bool)])
        open_ = np.concatenate([*(part.open for part in looked), np.ones(outputs, bool)])[used]
        starts = np.cumsum([0, *(int(here.sum()) for here in adds)])
        rows, error, most = self.affine[:, used], self.error[used], np.concatenate([[1.0], middle.most])
        firsts: list[int] = []
        for b, (part, here) in enumerate(zip(looked, adds, strict=True)):
            mix = self.mixes[b][np.ix_(here, used[self.starts[b + 1] :])]
            stays, behind = part.open[here], slice(starts[b + 1], None)
            columns, gone = starts[b] + np.flatnonzero(~stays), mix[~stays]
            slope = part.slope[here][~stays]
            h = rows[:, columns] * slope
            h[0] += part.offset[here][~stays]
            rows[:, behind] += h @ gone
            rounded = self.rounded * (most @ abs(rows[:, behind]) + (most @ abs(h)) @ abs(gone)) * gone.any(0)
            error[behind] += (error[columns] * abs(slope)) @ abs(gone) + rounded
            firsts.append(len(rows))
            new = np.zeros((int(stays.sum()), rows.shape[1]))
            new[:, behind] = mix[stays]
            rows, most = np.concatenate([rows, new]), np.concatenate([most, part.most[part.open]])
        rows, error = rows[:, open_], error[open_]
        left = tuple(units[part.open] for units, part in zip(self.left, looked, strict=True))
        stops = np.cumsum([0, *map(len, left)])[1:]
        cut = zip(firsts, left, stops, strict=True)
        mixes = tuple(np.ascontiguousarray(rows[first : first + len(units), stop:]) for first, units, stop in cut)
        pieces = [whole.copy() for whole in self.pieces]
        for whole, units, part in zip(pieces, self.left, looked, strict=True):
            whole[units] = part.first
        for group in more:
            pieces[group.bend][group.units] = -1
        others = {(group.bend, unit): (group, i) for group in more for i, unit in enumerate(group.units.tolist())}
        groups = (group.behind(others) for group in (*self.led, *more))
        led = tuple(group for group in groups if self.still(group, looked, pieces))
        bends = tuple(some(bend, part.open) for bend, part in zip(self.bends, looked, strict=True))
        affine = np.ascontiguousarray(rows[:3])
        return replace(
            self, box=box, bends=bends, left=left, pieces=tuple(pieces), affine=affine, mixes=mixes, error=error,
            led=led,
        )  # fmt: skip

    def still(self, led: Led, looked: list[Bent], pieces: list[np.ndarray]) -> bool:
        """Whether a leader may still bend; else those it leads are on one piece."""
        bend, unit = led.leader
        part, i = looked[bend], int(np.searchsorted(self.left[bend], unit))
        if part.open[i]:
            return True
        pieces[led.bend][led.units] = led.pieces[int(part.first[i])]
        return False
