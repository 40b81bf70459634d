"""Affine lines above and below what a network computes, near one input, for many subsets of it at a time.

A subset is told by bounds of the bends' inputs: `low` and `high` (subsets, units), the units of all bends side by side.
On such an interval a bend lies between two lines; taken back from the end to the start (Zhang and others 2018, CROWN;
Singh and others 2019, DeepPoly) they make a line above any sum of units: `d · value ≤ a · δ + c` with δ = z − x.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..affine import Add, Bend, Join
from . import _closest_kernels as kernels
from ._network import Network

MOST = 2**23  # numbers in the rows that are taken back at a time


class Lines(NamedTuple):
    """`a · δ + c` for several rows of several subsets; a (subsets, rows, n_in), c (subsets, rows)."""

    a: np.ndarray
    c: np.ndarray


class Between(NamedTuple):
    """The lines above and below a bend: slopes and offsets (subsets, units)."""

    up: np.ndarray
    up_offset: np.ndarray
    down: np.ndarray
    down_offset: np.ndarray


@dataclass(frozen=True)
class Ball:
    """The δ with `‖δ‖ ≤ radius` in the norm 1, 2 or inf, and `low ≤ δ ≤ high`, which holds 0."""

    norm: float
    radius: float
    low: np.ndarray
    high: np.ndarray

    def largest(self, a: np.ndarray, h: np.ndarray, k: np.ndarray) -> np.ndarray:
        """An upper bound of `a · δ` for each row (subsets, rows, n) where also `h · δ + k ≥ 0`, of each subset."""
        if self.norm == 2 and not (np.isfinite(self.low).any() or np.isfinite(self.high).any()):
            return self.cap(a, h, k)
        return kernels.reach(np.ascontiguousarray(a), h, k, self.low, self.high, self.radius, float(self.norm))

    def cap(self, a: np.ndarray, h: np.ndarray, k: np.ndarray) -> np.ndarray:
        """`max a · δ` over a cap of the round ball: at `r a / |a|` where that lies in it, and else on its rim."""
        size = np.sqrt((h**2).sum(1))
        unit = h / np.where(size > 0, size, 1.0)[:, None]
        depth = np.clip(-k / np.where(size > 0, size, 1.0), 0.0, self.radius)[:, None]
        rising = np.matmul(a, unit[:, :, None])[:, :, 0]
        length = np.sqrt(np.einsum("sri,sri->sr", a, a))
        across = np.sqrt(np.maximum(length**2 - rising**2, 0))
        rim = rising * depth + across * np.sqrt(np.maximum(self.radius**2 - depth**2, 0))
        return np.where((depth <= 0) | (self.radius * rising >= depth * length), self.radius * length, rim)


def between(bend: Bend, low: np.ndarray, high: np.ndarray) -> Between:
    """The lines above and below a bend on the intervals `low … high`, each of the slope that leaves the least middle.

    For a slope s the line above has the offset `max f(p) − s p` over the ends and the kinks between them, since
    `f − s p` is straight from one of those to the next; the line below has the least.
    """
    points = [low, high, *(np.clip(kink, low, high) for kink in bend.kinks)]
    values = [bend(p) for p in points]
    middle, wide = (low + high) / 2, high > low
    first, last = (np.broadcast_to(bend.slope(bend.piece(p)), low.shape) for p in (low, high))
    chord = np.where(wide, (values[1] - values[0]) / np.where(wide, high - low, 1.0), last)
    above: Any = None
    below: Any = None
    for s in (chord, first, last):
        gaps = [v - s * p for v, p in zip(values, points, strict=True)]
        up, down = np.maximum.reduce(gaps), np.minimum.reduce(gaps)
        above = lesser(above, (s, up, up + s * middle))
        below = lesser(below, (s, down, -(down + s * middle)))
    return Between(*above[:2], *below[:2])


def lesser(best: Any, other: Any) -> Any:
    """Of two lines, unit by unit, the one with the lesser last entry."""
    if best is None:
        return other
    better = other[2] < best[2] - 1e-12 * abs(best[2])
    return tuple(np.where(better, new, old) for new, old in zip(other, best, strict=True))


class Relaxation:
    """The lines of a network around one point x."""

    def __init__(self, network: Network, x: np.ndarray):
        self.network, self.x = network, x
        self.number = {step.output: k for k, step in enumerate(network.bends)}
        self.bends = [step.operator for step in network.bends if isinstance(step.operator, Bend)]
        self.starts = np.cumsum([0, *(step.width for step in network.bends)])
        self.units = int(self.starts[-1])
        self.widest = max([network.n_in, *(step.width for step in network.steps)])

    def part(self, k: int) -> slice:
        """Where the units of bend k are among those of all bends."""
        return slice(int(self.starts[k]), int(self.starts[k + 1]))

    def of(self, unit: int) -> tuple[int, int]:
        """The bend of a unit, and its number there."""
        k = int(np.searchsorted(self.starts, unit, side="right")) - 1
        return k, unit - int(self.starts[k])

    @cached_property
    def kinks(self) -> np.ndarray:
        """The kinks of all units (units, most kinks of one), NaN where it has fewer."""
        table = np.full((self.units, max([0, *(len(bend.kinks) for bend in self.bends)])), np.nan)
        for k, bend in enumerate(self.bends):
            table[self.part(k), : len(bend.kinks)] = bend.kinks
        return table

    def undecided(self, low: np.ndarray, high: np.ndarray, k: int | None = None) -> np.ndarray:
        """Whether a kink of the unit lies strictly between its bounds."""
        table = self.kinks if k is None else self.kinks[self.part(k)]
        return np.any((table > low[..., None]) & (table < high[..., None]), -1)

    def interval(self, ball: Ball) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of all bends' inputs, (1, units), handed on step by step from the cube that holds the ball."""
        low, high = np.maximum(ball.low, -ball.radius), np.minimum(ball.high, ball.radius)
        values: dict[int, Any] = {0: (self.x + low[None], self.x + high[None])}
        lows, highs = [np.zeros((1, 0))], [np.zeros((1, 0))]
        for i, step in enumerate(self.network.steps):
            least, most = zip(*(values[number] for number in step.inputs), strict=True)
            match step.operator:
                case Bend() as bend:
                    lows.append(least[0])
                    highs.append(most[0])
                    ends = [bend(p) for p in (least[0], most[0], *(np.clip(q, least[0], most[0]) for q in bend.kinks))]
                    made = np.minimum.reduce(ends), np.maximum.reduce(ends)
                case Add() | Join() as joined:
                    made = joined(*least), joined(*most)
                case operator:
                    middle = operator((least[0] + most[0]) / 2)
                    wide = operator.magnitude((most[0] - least[0]) / 2) * (1 + 1e-12) + 1e-12 * abs(middle)
                    made = middle - wide, middle + wide
            values[step.output] = made
            self.network.forget(values, i)
        return np.concatenate(lows, 1), np.concatenate(highs, 1)

    def above(self, number: int, d: np.ndarray, lines: list[Between]) -> tuple[Lines, dict[int, np.ndarray]]:
        """A line above `d · value` of this number, and what d became at each bend; d (subsets, rows, width)."""
        size, rows, _ = d.shape
        blames, c, met = {number: d}, np.zeros((size, rows)), {}
        for step in reversed(self.network.steps[:number]):
            if step.output not in blames:
                continue
            d = blames.pop(step.output)
            match step.operator:
                case Bend():
                    k = self.number[step.output]
                    met[k] = d
                    d, shift = weighed(d, lines[k])
                    c, parts = c + shift, [d]
                case Add():
                    parts = [d] * len(step.inputs)
                case Join():
                    parts = np.split(d, np.cumsum([self.network.width(n) for n in step.inputs])[:-1], 2)
                case operator:
                    c = c + d @ operator.shift
                    parts = [operator.transposed(d.reshape(size * rows, -1)).reshape(size, rows, -1)]
            for n, part in zip(step.inputs, parts, strict=True):
                blames[n] = blames[n] + part if n in blames else part
        a = blames.get(0)
        a = np.zeros((size, rows, self.network.n_in)) if a is None else a
        return Lines(a, c + a @ self.x), met

    def of_units(self, k: int, units: np.ndarray, lines: list[Between]) -> Iterator[tuple[slice, Lines]]:
        """The lines above the inputs of some units of bend k, and behind them those above the negatives: part by part.

        Shapes: units (subsets, units).
        """
        step, (size, count) = self.network.bends[k], units.shape
        most = max(1, MOST // (2 * self.widest * max(size, 1)))
        for first in range(0, count, most):
            part = slice(first, min(first + most, count))
            n = part.stop - first
            d, rows = np.zeros((size, 2 * n, step.width)), np.arange(n)
            at = np.arange(size)[:, None]
            d[at, rows, units[:, part]], d[at, n + rows, units[:, part]] = 1.0, -1.0
            yield part, self.above(step.inputs[0], d, lines)[0]

    def tangent(self, z: np.ndarray) -> list[Between]:
        """The lines of the region of each point: what is above is the network itself."""
        found = []
        for bend, piece in zip(self.bends, self.network.pieces(z), strict=True):
            slope, offset = (np.broadcast_to(part, piece.shape) for part in (bend.slope(piece), bend.offset(piece)))
            found.append(Between(slope, offset, slope, offset))
        return found


def weighed(d: np.ndarray, line: Between) -> tuple[np.ndarray, np.ndarray]:
    """`d · bend ≤ d' · input + shift`: the line above where d is positive, else that below. Most units are decided, and
    have one line for both."""
    shift, made = over(d, line.up_offset), d * line.up[:, None]
    units = np.flatnonzero(((line.up != line.down) | (line.up_offset != line.down_offset)).any(0))
    if len(units):
        falling = np.minimum(d[:, :, units], 0)
        shift = shift + over(falling, (line.down_offset - line.up_offset)[:, units])
        made[:, :, units] += falling * (line.down - line.up)[:, None, units]
    return made, shift


def over(d: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """`Σ_i d[s, r, i] offset[s, i]`."""
    return np.matmul(d, offset[:, :, None])[:, :, 0]
