"""One hidden layer of one input: the units, and what they make piece by piece."""

from __future__ import annotations

from math import fsum
from typing import NamedTuple

import numpy as np

from ._chain import Chain, hidden, single
from ._links import Path

TRIED, KEPT = 20, 32  # units whose sides are tried in every combination; the best of these


class Units(NamedTuple):
    """`c + Σ w_i relu(side_i (x − t_i))`."""

    knots: np.ndarray
    sides: np.ndarray
    weights: np.ndarray
    shift: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.maximum(self.sides * (x[:, None] - self.knots), 0) @ self.weights + self.shift

    def chain(self) -> Chain:
        return hidden(self.sides[None], -self.sides * self.knots, self.weights[:, None], [self.shift])

    def rounded(self) -> Units:
        """The same with the numbers that float32 has."""
        return Units(single(self.knots), self.sides, single(self.weights), float(single(self.shift)))

    def ends(self, low: float, high: float) -> np.ndarray:
        """The ends of the pieces between two places."""
        return np.unique(np.concatenate([[low, high], self.knots[(self.knots > low) & (self.knots < high)]]))

    def path(self, low: float, high: float) -> Path:
        """The same from piece to piece, its sums rounded once."""
        ends = self.ends(low, high)
        on = self.sides * ((ends[1:] + ends[:-1])[:, None] / 2 - self.knots) > 0
        slopes = np.array([fsum(row) for row in on * (self.weights * self.sides)])
        terms = np.maximum(self.sides * (ends[:, None] - self.knots), 0) * self.weights
        values = np.array([fsum([*row, self.shift]) for row in terms])
        return Path(ends, values, slopes, 4 * 2.0**-53 * float(abs(terms).sum(1).max(initial=0.0)))


def on_both_sides(path: Path, choice: int = 0) -> Units:
    """A unit for each kink; their sides are chosen so that the slopes of those that look left sum to the first slope.

    Left of the piece that is the flattest they look left; then units next to it are turned, in all combinations, until
    the sum is as near as it gets, or for another `choice` the next nearest.
    """
    jumps, k = np.diff(path.slopes), int(abs(path.slopes).argmin())
    left = np.arange(len(jumps)) < k
    near = np.argsort(abs(np.arange(len(jumps)) + 0.5 - k), kind="stable")[:TRIED]
    turned = near_sums(np.where(left, -jumps, jumps)[near], -float(path.slopes[k]))[choice]
    left[near[turned]] = ~left[near[turned]]
    sides = np.where(left, -1.0, 1.0)
    return Units(path.ends[1:-1], sides, jumps, 0.0)


def near_sums(numbers: np.ndarray, wanted: float) -> list[np.ndarray]:
    """Which of the numbers to add up for a sum near to the one wanted: the best ways, the nearest first.

    The sums of one half of them are sought among those of the other, in order.
    """
    halves = np.array_split(np.arange(len(numbers)), 2)
    bits = [(np.arange(2 ** len(half))[:, None] >> np.arange(len(half))) & 1 for half in halves]
    first, second = (b @ numbers[half] for b, half in zip(bits, halves, strict=True))
    order = np.argsort(second)
    behind = np.searchsorted(second[order], wanted - first)
    ways = [(i, int(order[j])) for i, at in enumerate(behind) for j in range(max(0, at - 8), min(len(order), at + 8))]
    off = np.array([abs(first[i] + second[j] - wanted) for i, j in ways])
    return [
        np.concatenate([half[b[i].astype(bool)] for half, b, i in zip(halves, bits, ways[at], strict=True)])
        for at in np.argsort(off, kind="stable")[:KEPT]
    ]


def with_slope(path: Path) -> Units:
    """One unit is on in the whole interval and has the slope of the flattest piece, from which the others look away."""
    k = int(abs(path.slopes).argmin())
    start = np.float32(path.ends[0])
    start = start if start <= path.ends[0] else np.nextafter(start, np.float32(-np.inf))
    sides = np.concatenate([[1.0], np.where(np.arange(len(path.slopes) - 1) < k, -1.0, 1.0)])
    weights = np.concatenate([path.slopes[k : k + 1], np.diff(path.slopes)])
    return Units(np.concatenate([[float(start)], path.ends[1:-1]]), sides, weights, 0.0)
