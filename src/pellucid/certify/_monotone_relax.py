"""A linear program whose least is not above the derivative of an output anywhere in a part of the input space.

Forward, each unit that bends lies between lines; one with a single kink in reach has a number a from 0 (before it) to 1
with `z ≤ kink + (high − kink) a` and `z ≥ kink − (kink − low)(1 − a)`. Backward, the derivative behind a unit is `s d`,
s its slope and d that before it; of two slopes `s0 d + (s1 − s0) a d`, where the product `a d` lies between the four
planes that it touches at the ends of a and d.

Source: McCormick 1976, the planes; Tjeng, Xiao and Tedrake 2019, the units; Shi and others 2022, Efficiently computing
local Lipschitz constants of neural networks via bound propagation, which bounds the graph of derivatives too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array

from ..affine import ROUNDING, Add, Bend, Join, Smooth, Sparse, Windows
from ._monotone_ask import Asked
from ._monotone_sheet import WHOLE, Affine, Of, Program, Sheet
from ._monotone_slopes import Interval, backward, product
from ._monotone_units import Shape, lines_of, shape_of
from ._program import EXTRA, Certified, as_rows, gamma

UP = 1 + 8 * ROUNDING


class Part(NamedTuple):
    """A part of the input space: inputs between two ends, (n_in,), and so the units that go into curves, (units,)."""

    bottom: np.ndarray
    top: np.ndarray
    low: np.ndarray
    high: np.ndarray


class Aim(NamedTuple):
    """The sum of derivatives `Σ_i weights_i d(row · outputs) / d input_i`."""

    row: np.ndarray
    weights: np.ndarray


class Bent(NamedTuple):
    """A curve in a program: what its units are, what goes in, whether each is past its kink, and the derivatives by
    what comes out and by what goes in."""

    shape: Shape
    z: Affine
    turn: Affine
    behind: Affine
    before: Affine


class Relaxed(NamedTuple):
    """The program, whose first variables are the input, and its curves."""

    program: Program
    curves: list[Bent]


def relaxed(asked: Asked, part: Part, ranges: list[Interval], blames: dict[int, Interval], aim: Aim) -> Relaxed:
    """The program of a part; `ranges` are the slopes of the curves there, `blames` the derivatives by all values."""
    it = asked.it
    builder = Builder(it, part, ranges, blames)
    builder.forward(asked.groups)
    zeros = np.zeros(it.network.n_in)
    start = Affine({}, aim.row, np.zeros(len(aim.row)))
    found = backward(it.network, start, builder.curve_back, builder.affine_back, builder.total)
    program = builder.sheet.program(found.get(0, Affine({}, zeros, zeros)), aim.weights)
    parts = zip(builder.shapes, builder.given, builder.turns, builder.backed, strict=True)
    return Relaxed(program, [Bent(shape, z, turn, *both) for shape, z, turn, both in parts])


class Builder:
    """The program under way."""

    def __init__(self, it: Certified, part: Part, ranges: list[Interval], blames: dict[int, Interval]):
        self.it, self.part, self.ranges, self.blames = it, part, ranges, blames
        self.sheet, self.given, self.turns = Sheet(), list[Affine](), list[Affine]()
        ends = self.ends = np.cumsum([0, *(step.width for step in it.network.curves)])
        self.sides = [(part.low[a:b], part.high[a:b]) for a, b in pairwise(ends)]
        self.shapes = [
            shape_of(step.operator, *sides)  # pyright: ignore[reportArgumentType]
            for step, sides in zip(it.network.curves, self.sides, strict=True)
        ]
        none = [Affine({}, *(np.zeros((2, step.width)))) for step in it.network.curves]
        self.backed = list(zip(none, none, strict=True))  # of a curve that no output hangs on

    def forward(self, groups: Sequence[Sequence[int]]) -> None:
        network, x = self.it.network, self.sheet.values(self.part.bottom, self.part.top)
        if groups:  # of each, one input is 1 and the others are 0
            members = np.stack([np.isin(np.arange(network.n_in), group) for group in groups]).astype(float)
            none = np.zeros(len(groups))
            of = Of("group", np.arange(len(groups)))
            self.sheet.rows(of, [(Affine({0: csr_array(members)}, none, none), none + 1)], none + 1, equal=True)
        values = {0: x}
        for i, step in enumerate(network.steps):
            given = [values[number] for number in step.inputs]
            match step.operator:
                case Bend() | Smooth():
                    made = self.curve(i, given[0])
                case Add():
                    made = given[0]
                    for other in given[1:]:
                        made = self.total(made, other)
                case Join():
                    made = side_by_side(given)
                case operator:
                    made = self.weighed(matrix_of(operator), given[0])
                    made = made._replace(const=np.array(operator.shift))
            values[step.output] = made
            network.forget(values, i)

    def weighed(self, matrix: Any, value: Affine) -> Affine:
        """`M value` of what is a variable for each unit, or made so."""
        own = self.named(value)
        zeros = np.zeros(matrix.shape[0])
        return Affine({b: matrix @ chosen for b, chosen in own.parts.items()}, zeros, zeros)

    def named(self, value: Affine) -> Affine:
        """The same values as variables of their own."""
        of = Of("", np.zeros(len(value.const), int))
        return value if value.own is not None else self.sheet.named(value, *self.sheet.interval(value), of)

    def rows(
        self, name: str, k: int, at: np.ndarray, terms: Sequence[tuple[Affine, Any]], most: Any, equal: bool = False
    ) -> None:
        """Rows of some units of a curve; scales and right sides are those of these units, or one number."""
        scaled = [(value.take(at), np.broadcast_to(np.asarray(scale, float), len(at))) for value, scale in terms]
        most = np.broadcast_to(np.asarray(most, float), len(at))
        if len(at):
            self.sheet.rows(Of(name, self.ends[k] + at), scaled, most, equal)

    def total(self, a: Affine, b: Affine) -> Affine:
        """The sum of two values, exact but for the sum of their constants."""
        if a.parts.keys() & b.parts.keys():
            a = self.named(a)
        const = a.const + b.const
        return Affine(a.parts | b.parts, const, (a.slack + b.slack) * UP + 2 * ROUNDING * abs(const))

    def curve(self, i: int, z: Affine) -> Affine:
        """The values behind a curve: variables between lines."""
        k, sheet = len(self.turns), self.sheet
        shape, (low, high) = self.shapes[k], self.sides[k]
        lines = lines_of(self.it.program, i, low, high)
        if not shape.whole and z.own is None:
            z = sheet.named(z, low, high, Of("z_low", self.ends[k] + np.arange(len(low))))
        y = sheet.values(lines.least, lines.most, ~shape.zero)
        at = np.flatnonzero(shape.straight & ~shape.zero)
        self.rows("straight", k, at, [(y, 1), (z, -shape.before[at])], shape.rise[at], equal=True)
        if z.own is None and isinstance(curve := self.it.network.curves[k].operator, Bend):
            for name, side, sign in (("z_low", low, -1.0), ("z_high", high, 1.0)):
                at = np.flatnonzero(shape.straight & (shape.before == 0) & np.isin(side, curve.kinks))
                self.rows(name, k, at, [(z, sign)], sign * side[at])  # a flat unit stays on its side of a cut
        at = np.flatnonzero(shape.wild)
        self.rows("line_up", k, at, [(y, 1), (z, -lines.up[at])], lines.above[at])
        self.rows("line_down", k, at, [(y, -1), (z, lines.down[at])], -lines.below[at])
        self.given.append(z)
        self.turns.append(self.turned(k, low, high, y, z))
        return y

    def turned(self, k: int, low: np.ndarray, high: np.ndarray, y: Affine, z: Affine) -> Affine:
        """The rows of the units with one kink, and the variables that say whether they are past it."""
        shape = self.shapes[k]
        at = np.flatnonzero(shape.kinked)
        a = self.sheet.values(np.zeros(len(low)), np.ones(len(low)), shape.kinked)
        first, last, kink, loose = (side[at] for side in (shape.before, shape.past, shape.kink, shape.loose))
        up, steep = np.sign(last - first), abs(last - first) * UP
        right, left = steep * (high[at] - kink) * UP, steep * (kink - low[at]) * UP
        c, d = shape.rise[at], shape.later[at]
        self.rows("first", k, at, [(y, -up), (z, up * first)], loose - up * c)
        self.rows("last", k, at, [(y, -up), (z, up * last)], loose - up * d)
        self.rows("right", k, at, [(y, up), (z, -up * first), (a, -right)], loose + up * c)
        self.rows("left", k, at, [(y, up), (z, -up * last), (a, left)], (loose + left) * UP + up * d)
        return a

    def curve_back(self, k: int, d: Affine) -> Affine:
        """The derivatives before a curve, from those behind it: variables between planes."""
        step, shape, s = self.it.network.curves[k], self.shapes[k], self.ranges[k]
        bounds = self.blames[step.output]
        low, high = bounds.low[0], bounds.high[0]
        if not shape.whole and d.own is None:
            d = self.sheet.named(d, low, high, Of("d_low", self.ends[k] + np.arange(len(low))))
        ends, some = product(s, bounds), (s.low[0] != 0) | (s.high[0] != 0)
        p = self.sheet.values(ends.low[0], ends.high[0], some)
        at = np.flatnonzero(shape.straight & some)
        self.rows("flat", k, at, [(p, 1), (d, -shape.before[at])], 0, equal=True)
        self.turned_back(k, p, d, low, high)
        self.wild_back(k, p, d, low, high)
        self.backed[k] = d, p
        return p

    def turned_back(self, k: int, p: Affine, d: Affine, low: np.ndarray, high: np.ndarray) -> None:
        """Of units with two slopes: `p = s0 d + (s1 − s0) a d`, with the planes of the product."""
        shape, a = self.shapes[k], self.turns[k]
        first, last, more = shape.before, shape.past, shape.past - shape.before
        least, most = np.where(more > 0, more * low, more * high), np.where(more > 0, more * high, more * low)
        rough = ~np.isin(first, WHOLE) | ~np.isin(last, WHOLE)
        loose = np.where(rough, 8 * ROUNDING * (abs(first) + abs(last)) * np.maximum(abs(low), abs(high)), 0.0)
        known = (low == high) & (loose == 0)
        at = np.flatnonzero(shape.kinked & known)
        self.rows("plane_0", k, at, [(p, 1), (d, -first[at]), (a, -most[at])], 0, equal=True)
        at = np.flatnonzero(shape.kinked & ~known)
        s, t, least, most, loose = (side[at] for side in (first, last, least, most, loose))
        self.rows("plane_0", k, at, [(p, 1), (d, -s), (a, -most)], loose)
        self.rows("plane_1", k, at, [(p, -1), (d, s), (a, least)], loose)
        self.rows("plane_2", k, at, [(p, 1), (d, -t), (a, -least)], loose - least)
        self.rows("plane_3", k, at, [(p, -1), (d, t), (a, most)], loose + most)

    def wild_back(self, k: int, p: Affine, d: Affine, low: np.ndarray, high: np.ndarray) -> None:
        """Of units with any slope from s to t: `p` between `s d` and `t d`, or where d may have both signs between the
        chords from one of them to the other."""
        shape = self.shapes[k]
        at = np.flatnonzero(shape.wild)
        s, t, low, high = (side[at] for side in (shape.before, shape.past, low, high))
        crossing, wide = (low < 0) & (high > 0), np.where(high > low, high - low, 1.0)
        up = np.where(low >= 0, t, np.where(crossing, (t * high - s * low) / wide, s))
        down = np.where(low >= 0, s, np.where(crossing, (s * high - t * low) / wide, t))
        above, below = (np.where(crossing, (steep - slope) * low, 0.0) for steep, slope in ((s, up), (t, down)))
        size = (abs(s) + abs(t) + abs(up) + abs(down)) * np.maximum(abs(low), abs(high))
        loose = np.where(crossing, 16 * ROUNDING * size, 0.0)
        self.rows("wild_up", k, at, [(p, 1), (d, -up)], loose + above)
        self.rows("wild_down", k, at, [(p, -1), (d, down)], loose - below)

    def affine_back(self, operator: Windows | Sparse | slice, d: Affine) -> Affine:
        """The derivatives before an affine operator, from those behind it."""
        if isinstance(operator, slice):
            return d.take(np.arange(len(d.const))[operator])
        if not d.parts:
            const, size = operator.transposed(d.const[None])[0], matrix_back(operator, abs(d.const))
            exact = np.count_nonzero(d.const) == 1 and abs(d.const).max() == 1
            off = gamma(operator.width + EXTRA, ROUNDING) * size * (not exact)
            return Affine({}, const, (off + matrix_back(operator, d.slack)) * UP)
        return self.weighed(matrix_of(operator).T, d)


@lru_cache(64)
def matrix_of(operator: Windows | Sparse) -> Any:
    """The weights of an operator as a sparse matrix (units, units in)."""
    if isinstance(operator, Sparse):
        return csr_array(operator.matrix)
    return as_rows(operator, operator.places_in * operator.weight.shape[-2] * operator.groups)


def matrix_back(operator: Windows | Sparse, d: np.ndarray) -> np.ndarray:
    """`d |W|`, of numbers that are not below 0."""
    return abs(matrix_of(operator)).T @ d


def side_by_side(parts: list[Affine]) -> Affine:
    """Several values as one."""
    ends = np.cumsum([0, *(len(part.const) for part in parts)])
    found: dict[int, Any] = {}
    for part, start in zip(parts, ends[:-1], strict=True):
        for b, matrix in part.parts.items():
            rows = coo_array(matrix)
            moved = coo_array((rows.data, (start + rows.coords[0], rows.coords[1])), shape=(ends[-1], matrix.shape[1]))
            found[b] = found[b] + moved.tocsr() if b in found else moved.tocsr()
    const, slack = (np.concatenate(column) for column in zip(*((p.const, p.slack) for p in parts), strict=True))
    return Affine(found, const, slack)
