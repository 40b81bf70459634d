"""Exact signs for a narrowed network, of the network itself: what is 0 by its form need not be worked out."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

from ..affine import ROUNDING
from ._alike import Forms
from ._exact import Exact, Point
from ._narrow import Narrow
from ._whole import Whole

AT_KINK = 127  # in place of a piece


class Original:
    """Exact arithmetic of the network itself for the units that are left; one thread at a time.

    Of units that are 0 on all of a line nothing is to be worked out there.
    """

    def __init__(self, whole: Whole, exact: Exact, lock: Lock, narrow: Narrow, bends: list[int]):
        self.whole, self.lock, self.narrow, self.bends = whole, lock, narrow, bends
        known = whole.known(narrow, [np.full(len(units), -1) for units in narrow.left])
        self.exact = exact.within(known)
        self.known = {step.output: part for step, part in zip(whole.network.bends, known, strict=True)}
        self.columns = {
            (b, unit): int(narrow.starts[b]) + i
            for b, units in enumerate(narrow.left)
            for i, unit in enumerate(units.tolist())
        }
        self.led: dict[tuple[int, int], list[int]] = {}
        for group in narrow.led:
            for unit, pieces in zip(group.units.tolist(), group.pieces.T.tolist(), strict=True):
                self.led[group.bend, unit] = pieces
                self.columns[group.bend, unit] = self.columns[group.leader]
        self.lines = whole.crossed(narrow.box)
        self.units = [(b, narrow.left[b].tolist()) for b in bends]

    def kinked(self, point: Point, stage: int, unit: int, kink: int) -> tuple[int, int]:
        """How far a unit is above one of its kinks, as a numerator and a denominator above 0."""
        bend, units = self.units[stage]
        number = units[unit]
        with self.lock:
            if self.exact.network.bends[bend].bend.kinks[kink] == 0:
                for line in self.lines:
                    if line.zero[bend][number] and line.has(point):
                        return 0, 1
            return self.exact.kinked(point, bend, number, kink)

    def sign(self, point: Point, stage: int, unit: int, kink: int) -> int:
        n, _ = self.kinked(point, stage, unit, kink)
        return (n > 0) - (n < 0)

    def zeros(
        self, xy: np.ndarray, away: np.ndarray, stage: int, units: np.ndarray, points: Callable[[int], Point]
    ) -> np.ndarray:
        """Which units are 0, one at each place (places, 2), known to within `away` and exactly by `points(place)`.

        That is so where a unit is written as 0 on the pieces that the place is on, or is 0 at three corners of a
        triangle on which it is straight. Those of which this is not known are not told.
        """
        bend = self.bends[stage]
        pieces = self.pieces(xy, away, bend)
        found = np.zeros(len(xy), bool)
        for unit in np.unique(units).tolist():
            number, here = self.units[stage][1][unit], np.flatnonzero(units == unit)
            met = self.met(bend, number)
            columns = np.array([column for _, _, column in met], int)
            rows, group = np.unique(pieces[np.ix_(here, columns)], axis=0, return_inverse=True)
            found[here] = np.array([self.zero(bend, number, met, row) for row in rows])[group.reshape(-1)]
            here = here[~found[here]]
            columns = self.hangs_on(int(self.narrow.starts[bend]) + unit)
            rows = self.settled(pieces[np.ix_(here, columns)], columns, here, xy, away, points)
            for row, size in zip(*np.unique(rows[(rows >= 0).all(1)], axis=0, return_counts=True), strict=True):
                of_row = here[(rows == row).all(1) & ~found[here]]
                if size > 3 and self.straight_zero(xy[of_row], of_row, stage, unit, points):
                    found[here[((rows == row) | (rows == AT_KINK)).all(1)]] = True
        return found

    def settled(
        self, rows: np.ndarray, columns: np.ndarray, here: np.ndarray, xy: np.ndarray, away: np.ndarray, points: Any
    ) -> np.ndarray:
        """Pieces (places, columns) where a unit that is exactly at its kink is known to be so: on either piece."""
        for i in np.flatnonzero((rows < 0).any(0)).tolist():
            bend = int(np.searchsorted(self.narrow.starts, columns[i], side="right")) - 1
            if self.narrow.bends[bend].kinks.tolist() != [0]:
                continue
            open_ = np.flatnonzero(rows[:, i] < 0)
            at = here[open_]
            units = np.full(len(at), columns[i] - self.narrow.starts[bend])
            stage = self.bends.index(bend)
            zero = self.zeros(xy[at], away[at], stage, units, lambda k, at=at: points(int(at[k])))
            rows[open_[zero], i] = AT_KINK
        return rows

    def straight_zero(
        self, xy: np.ndarray, places: np.ndarray, stage: int, unit: int, points: Callable[[int], Point]
    ) -> bool:
        """Whether a unit that is straight around these places is 0 at three of them that lie on no line."""
        if len(xy) < 3:
            return False
        a = int(((xy - xy[0]) ** 2).sum(1).argmax())
        side = xy - xy[a]
        b = int((side**2).sum(1).argmax())
        c = int(abs(side[:, 0] * side[b, 1] - side[:, 1] * side[b, 0]).argmax())
        corners = [points(int(places[i])) for i in (a, b, c)]
        return bool(turn(*corners)) and all(self.sign(corner, stage, unit, 0) == 0 for corner in corners)

    def hangs_on(self, column: int) -> np.ndarray:
        """The columns of units left that a column is made of."""
        narrow = self.narrow
        wanted = np.zeros(len(narrow.error), bool)
        wanted[column] = True
        for b in reversed(range(len(narrow.left))):
            start, stop = narrow.starts[b : b + 2]
            wanted[start:stop] |= (narrow.mixes[b][:, wanted[stop:]] != 0).any(1)
        wanted[column] = False
        return np.flatnonzero(wanted)

    def zero(self, bend: int, unit: int, met: list[tuple[int, int, int]], row: np.ndarray) -> bool:
        """Whether a unit is written as 0 where those it hangs on are on these pieces."""
        forms = Forms(self.whole.network, self.whole.numbers, self.known)
        outputs = self.whole.network.bends
        for (b, u, _), piece in zip(met, row.tolist(), strict=True):
            led = self.led.get((b, u))
            self.known[outputs[b].output][u] = piece if led is None or piece < 0 else led[piece]
        found = forms.zero(bend, unit)
        for b, u, _ in met:
            self.known[outputs[b].output][u] = -1
        return found

    def met(self, bend: int, unit: int) -> list[tuple[int, int, int]]:
        """The bent units that the form of a unit has and that are on no one piece: bend, unit, and the column of the
        unit left that says the piece."""
        forms = Forms(self.whole.network, self.whole.numbers, self.known)
        forms.zero(bend, unit)
        found = []
        for number, u in forms.known:
            b = self.whole.bend_of.get(number, bend)
            column = self.columns.get((b, int(self.whole.speaks[b][u]))) if b < bend else None
            if column is not None and self.known[number][u] < 0:
                found.append((b, u, column))
        return found

    def pieces(self, xy: np.ndarray, away: np.ndarray, bend: int) -> np.ndarray:
        """The pieces of the units left at points, (points, columns), of bends before this one; −1 where a unit is too
        near a kink to tell."""
        narrow = self.narrow
        z = narrow.affine[0] + xy @ narrow.affine[1:]
        size = abs(narrow.affine[0]) + abs(xy) @ abs(narrow.affine[1:])
        off = narrow.error + away[:, None] * abs(narrow.affine[1:]).sum(0)
        found = np.full(z.shape, -1, np.int8)
        for b in range(bend):
            here, behind = slice(*narrow.starts[b : b + 2]), slice(narrow.starts[b + 1], None)
            curve, mix, magnitude = narrow.bends[b], narrow.mixes[b], narrow.magnitudes[b]
            unsure = off[:, here] + narrow.rounded * size[:, here]
            low, high = curve.piece(z[:, here] - unsure), curve.piece(z[:, here] + unsure)
            found[:, here] = np.where(low == high, low, -1)
            steep, h = abs(curve.slopes).max(0), curve(z[:, here])
            z[:, behind] += h @ mix
            size[:, behind] += (abs(h) + steep * size[:, here]) @ magnitude
            off[:, behind] += (unsure * steep + 4 * ROUNDING * abs(h)) @ magnitude
        return found


def turn(a: Point, b: Point, c: Point) -> int:
    """Above or below 0 as c lies left or right of the way from a to b, 0 on it."""
    (ax, ay, aq), (bx, by, bq), (cx, cy, cq) = a, b, c
    return aq * (bx * cy - by * cx) - bq * (ax * cy - ay * cx) + cq * (ax * by - ay * bx)
