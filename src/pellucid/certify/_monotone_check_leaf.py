"""One part of a proof that an output rises with a feature: what is proven of the derivative g there.

By intervals, backward; or by multipliers of true inequalities, which prove `g ≥ bound` whatever they are. The sum of g
and of what they multiply is affine in the units' values y, in the numbers a from 0 to 1 that say whether units are past
their kinks, in the derivatives p before curves, and in the input; each of these lies between its own bounds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..affine import Add, Bend, Join, Smooth, Sparse
from ..geometry import Network
from ._recheck_bounds import State
from ._recheck_curves import slopes_between

OFF = 2.0**-40  # of the magnitudes of sums of up to 2^12 numbers: what rounding may have done
LEAST = 1e-200  # a derivative that is not 0 counts for so much at least: products of it are not lost
RISING = ("tanh", "sigmoid", "softplus", "exponential", "softsign", "elu")


class WrongError(Exception):
    """Why a proof does not hold."""


class Sum:
    """Sums of numbers, each beside that of their magnitudes: (2, units)."""

    def __init__(self, n: int):
        self.both = np.zeros((2, n))

    def add(self, value: Any) -> None:
        self.both += np.stack([value, abs(value)])

    def least(self, low: np.ndarray, high: np.ndarray) -> float:
        """What `sums · v` is not below, for v between low and high."""
        if not self.both[1].any():
            return 0.0
        ends = np.minimum(self.both[0] * low, self.both[0] * high)
        return float(ends.sum()) - OFF * float((self.both[1] * np.maximum(abs(low), abs(high))).sum())


class Turn:
    """The units of a curve with one kink in reach: the slopes and offsets on both sides, in the direction in which the
    curve bends up, and how far it is to either end."""

    def __init__(self, curve: Any, low: np.ndarray, high: np.ndarray):
        n, kinks = len(low), curve.kinks if isinstance(curve, Bend) else np.zeros(0)
        inside = (kinks > low[:, None]) & (kinks < high[:, None])
        inside = inside if len(kinks) > 1 else np.ones((n, len(kinks)), bool)
        self.there = inside.sum(1) == 1
        m = inside.argmax(1) if len(kinks) else np.zeros(n, int)
        pieces = (
            [np.zeros(n)] * 4 if not len(kinks) else [f(m + k) for f in (curve.slope, curve.offset) for k in (0, 1)]
        )
        self.s, self.t, self.c, self.d = (np.where(self.there, piece, 0.0) for piece in pieces)
        kink = np.where(self.there, kinks[m] if len(kinks) else 0.0, 0.0)
        self.up, steep = np.sign(self.t - self.s), abs(self.t - self.s) * (1 + OFF)
        self.right = steep * np.maximum(high - kink, 0) * (1 + OFF)
        self.left = steep * np.maximum(kink - low, 0) * (1 + OFF)
        size = (abs(self.s) + abs(self.t)) * abs(kink) + abs(self.c) + abs(self.d)
        self.loose = abs(self.s * kink + self.c - self.t * kink - self.d) + OFF * size


class Leaf:
    """A part that is said to be proven: its bounds, the weights of the derivatives by the inputs, the sum of outputs,
    and multipliers by the names of what they multiply."""

    def __init__(
        self, network: Network, state: State, weights: np.ndarray, row: np.ndarray,
        given: dict[str, tuple[np.ndarray, np.ndarray]], groups: list[list[int]],
    ):  # fmt: skip
        self.network, self.state, self.weights, self.row, self.given, self.groups = (
            network, state, weights, row, given, groups
        )  # fmt: skip
        self.curves: list[Any] = [step.operator for step in network.curves]
        self.ends = np.cumsum([0, *(step.width for step in network.curves)])
        self.slopes = [self.slope(k) for k in range(len(self.curves))]
        self.behind: dict[int, Any] = {}
        self.before: dict[int, Any] = {}
        self.at_input = self.intervals()

    def slope(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest slope of the units of a curve strictly between their bounds."""
        curve, (low, high) = self.curves[k], (side[0] for side in self.state.inputs[k])
        if isinstance(curve, Smooth):
            least, most = (side[0] for side in slopes_between(curve, low[None], high[None]))
            off = OFF * (abs(curve.b) + np.maximum(abs(least), abs(most)))
            rises = curve.kind in RISING and min(curve.a, curve.b) >= 0
            return np.maximum(least - off, 0.0) if rises else least - off, most + off
        ends = np.concatenate([[-np.inf], curve.kinks, [np.inf]])
        inside = (np.maximum(low[:, None], ends[:-1]) < np.minimum(high[:, None], ends[1:])) | (low == high)[:, None]
        pieces = [np.broadcast_to(curve.slope(np.full(len(low), m)), low.shape) for m in range(len(ends) - 1)]
        table = np.stack(pieces, 1)
        return np.where(inside, table, np.inf).min(1), np.where(inside, table, -np.inf).max(1)

    def holds(self) -> bool:
        """Whether the derivative is nowhere below 0."""
        low, high = self.at_input
        some = self.weights != 0
        if float(np.where(self.weights > 0, self.weights * low, self.weights * high)[some].sum()) >= 0:
            return True
        return any(len(unit) for unit, _ in self.given.values()) and self.proven() > 0

    def intervals(self) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the derivatives by the inputs, from the outputs back; those at the curves are kept."""
        found = {self.network.output.number: (self.row, self.row)}
        k = len(self.curves)
        for step in reversed(self.network.steps):
            bent = isinstance(step.operator, Bend | Smooth)
            k -= bent
            d = found.pop(step.output, None)
            if d is None:
                d = np.zeros((2, step.width)) if bent else None
                if d is None:
                    continue
            if bent:
                self.behind[k], self.before[k] = d, products(self.slopes[k], d)
                parts = [self.before[k]]
            elif isinstance(step.operator, Add):
                parts = [d] * len(step.inputs)
            elif isinstance(step.operator, Join):
                ends = np.cumsum([self.network.width(n) for n in step.inputs])[:-1]
                parts = list(zip(*(np.split(side, ends) for side in d), strict=True))
            else:
                parts = [taken_back(step.operator, d)]
            for n, (low, high) in zip(step.inputs, parts, strict=True):
                a, b = found.get(n, (np.zeros(len(low)), np.zeros(len(low))))
                found[n] = (a + low) * (1 - OFF * np.sign(a + low)), (b + high) * (1 + OFF * np.sign(b + high))
        return found.get(0, (np.zeros(self.network.n_in), np.zeros(self.network.n_in)))

    def of(self, name: str, k: int) -> np.ndarray:
        """The multipliers of a name for the units of a curve."""
        unit, value = self.given.get(name, (np.zeros(0, int), np.zeros(0)))
        found = np.zeros(self.ends[k + 1] - self.ends[k])
        here = (self.ends[k] <= unit) & (unit < self.ends[k + 1])
        np.add.at(found, unit[here] - self.ends[k], value[here])
        return found

    def proven(self) -> float:
        """A number that the derivative is not below, by the multipliers."""
        widths = [step.width for step in self.network.curves]
        self.z, self.y, self.a, self.p, self.d = ([Sum(n) for n in widths] for _ in range(5))
        self.x, self.rest = Sum(self.network.n_in), Sum(1)
        for k in range(len(widths)):
            turn = Turn(self.curves[k], *(side[0] for side in self.state.inputs[k]))
            self.forwards(k, turn)
            self.backwards(k, turn)
        unit, value = self.given.get("group", (np.zeros(0, int), np.zeros(0)))
        for g, v in zip(unit.tolist(), value.tolist(), strict=True):
            self.x.add(v * np.isin(np.arange(self.network.n_in), self.groups[g]))
            self.rest.add(np.array([-v]))
        self.pushed()
        total = self.pulled() + float(self.rest.both[0, 0] - OFF * self.rest.both[1, 0])
        for k in range(len(widths)):
            total += self.a[k].least(np.zeros(widths[k]), np.ones(widths[k])) + self.p[k].least(*self.before[k])
        return total - OFF * abs(total)

    def add(self, k: int, constant: np.ndarray, **of: np.ndarray) -> None:
        """Add what multiplied inequalities are made of: a constant for each unit of a curve, and what they weigh z, y,
        a, p and d with."""
        self.rest.both += [[constant.sum()], [abs(constant).sum()]]
        for name, weight in of.items():
            getattr(self, name)[k].add(weight)

    def above(self, name: str, k: int, where: Any = 1.0) -> np.ndarray:
        """The multipliers of an inequality: those that are above 0."""
        return np.maximum(self.of(name, k), 0) * where

    def forwards(self, k: int, turn: Turn) -> None:
        """What is true of values before and behind a curve, multiplied."""
        (low, high), curve, t = (side[0] for side in self.state.inputs[k]), self.curves[k], turn
        up, over, down, under = (side[0] for side in self.state.lines[self.network.curves[k].output])
        m = self.above("z_low", k)
        self.add(k, m * low, z=-m)
        m = self.above("z_high", k)
        self.add(k, -m * high, z=m)
        m = self.above("line_up", k)
        self.add(k, -m * over, y=m, z=-m * up)
        m = self.above("line_down", k)
        self.add(k, m * under, y=-m, z=m * down)
        if isinstance(curve, Bend):
            piece = curve.piece(np.nextafter(low, np.inf))
            last = curve.piece(np.where(high > low, np.nextafter(high, -np.inf), low))
            m = self.of("straight", k) * (piece == last)
            self.add(k, -m * curve.offset(piece), y=m, z=-m * curve.slope(piece))
        for name, slope, offset in (("first", t.s, t.c), ("last", t.t, t.d)):
            m = self.above(name, k, t.there)
            self.add(k, m * (t.up * offset - t.loose), y=-m * t.up, z=m * t.up * slope)
        m = self.above("right", k, t.there)
        self.add(k, -m * (t.up * t.c + t.loose), y=m * t.up, z=-m * t.up * t.s, a=-m * t.right)
        m = self.above("left", k, t.there)
        self.add(k, -m * (t.up * t.d + t.left + t.loose), y=m * t.up, z=-m * t.up * t.t, a=m * t.left)

    def backwards(self, k: int, turn: Turn) -> None:
        """What is true of the derivatives behind a curve (d) and before it (p), multiplied."""
        (low, high), (least, most), t = self.behind[k], self.slopes[k], turn
        m = self.above("d_low", k)
        self.add(k, m * low, d=-m)
        m = self.above("d_high", k)
        self.add(k, -m * high, d=m)
        m = self.of("flat", k) * (least == most)
        self.add(k, 0 * m, p=m, d=-m * least)
        more = t.t - t.s
        below, over = np.minimum(more * low, more * high), np.maximum(more * low, more * high)
        loose = OFF * (abs(t.s) + abs(t.t)) * np.maximum(abs(low), abs(high))
        m = self.above("plane_0", k, t.there)
        self.add(k, -m * loose, p=m, d=-m * t.s, a=-m * over)
        m = (np.maximum(-self.of("plane_0", k), 0) + self.above("plane_1", k)) * t.there
        self.add(k, -m * loose, p=-m, d=m * t.s, a=m * below)
        m = self.above("plane_2", k, t.there)
        self.add(k, m * (below - loose), p=m, d=-m * t.t, a=-m * below)
        m = self.above("plane_3", k, t.there)
        self.add(k, -m * (over + loose), p=-m, d=m * t.t, a=m * over)
        self.chords(k, least, most, low, high)

    def chords(self, k: int, s: np.ndarray, t: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        """`p` of any slope from s to t lies between `s d` and `t d`, or the chords from one of them to the other."""
        wide, both = np.where(high > low, high - low, 1.0), (low < 0) & (high > 0)
        off = 4 * OFF * (abs(s) + abs(t)) * np.maximum(abs(low), abs(high))
        up = np.where(low >= 0, t, np.where(both, (t * high - s * low) / wide, s))
        m = self.above("wild_up", k)
        self.add(k, -m * (np.where(both, (s - up) * low, 0.0) + off), p=m, d=-m * up)
        down = np.where(low >= 0, s, np.where(both, (s * high - t * low) / wide, t))
        m = self.above("wild_down", k)
        self.add(k, m * (np.where(both, (t - down) * low, 0.0) - off), p=-m, d=m * down)

    def pushed(self) -> None:
        """The derivatives behind curves, and those by the inputs, in terms of the p of later curves."""
        values, k = {0: np.stack([self.weights, abs(self.weights)])}, 0
        for step in self.network.steps:
            given = [values[n] for n in step.inputs]
            if isinstance(step.operator, Bend | Smooth):
                self.p[k].both += given[0]
                made = self.d[k].both
                k += 1
            elif isinstance(step.operator, Add | Join):
                made = step.operator(*given)
            else:
                made = np.concatenate(
                    [step.operator.linear(given[0][:1]), absolute(step.operator).linear(given[0][1:])]
                )
            values[step.output] = made
        last = values[self.network.output.number]
        self.rest.both += [[last[0] @ self.row], [last[1] @ abs(self.row)]]

    def pulled(self) -> float:
        """What all y, and the input, make of it at least: what goes into curves in terms of what is before."""
        found: dict[int, np.ndarray] = {}
        total, k = 0.0, len(self.curves)
        for step in reversed(self.network.steps):
            c = found.pop(step.output, None)
            if isinstance(step.operator, Bend | Smooth):
                k -= 1
                if c is not None:
                    self.y[k].both += c
                low, high = self.state.bounds[step.output]
                total += self.y[k].least(low[0], high[0])
                parts = [self.z[k].both]
            elif c is None:
                continue
            elif isinstance(step.operator, Add):
                parts = [c] * len(step.inputs)
            elif isinstance(step.operator, Join):
                parts = np.split(c, np.cumsum([self.network.width(n) for n in step.inputs])[:-1], 1)
            else:
                shift = step.operator.shift
                self.rest.both += [[c[0] @ shift], [c[1] @ abs(shift)]]
                back = step.operator.transposed(c[:1]), absolute(step.operator).transposed(c[1:])
                parts = [np.concatenate(back)]
            for n, part in zip(step.inputs, parts, strict=True):
                found[n] = found[n] + part if n in found else part
        if 0 in found:
            self.x.both += found[0]
        return total + self.x.least(self.state.low[0], self.state.high[0])


def absolute(operator: Any) -> Any:
    """The operator with the magnitudes of its weights."""
    if isinstance(operator, Sparse):
        return replace(operator, matrix=abs(operator.matrix))
    return replace(operator, weight=abs(operator.weight))


def signed(operator: Any, sign: int) -> Any:
    """The operator with its weights of one sign alone, without their sign."""
    if isinstance(operator, Sparse):
        matrix = operator.matrix.copy()
        matrix.data = np.maximum(sign * matrix.data, 0)
        return replace(operator, matrix=matrix)
    return replace(operator, weight=np.maximum(sign * operator.weight, 0))


def products(s: tuple[np.ndarray, np.ndarray], d: Any) -> tuple[np.ndarray, np.ndarray]:
    ends = np.stack([a * b for a in s for b in d])
    low, high = ends.min(0), ends.max(0)
    return low - OFF * abs(low), high + OFF * abs(high)


def taken_back(operator: Any, d: Any) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of `d Wᵀ`; what is above 0 and what is below are summed apart, so that neither hides the other."""
    low, high = np.where(d[0] < 0, np.minimum(d[0], -LEAST), d[0]), np.where(d[1] > 0, np.maximum(d[1], LEAST), d[1])
    parts = np.stack([np.maximum(low, 0), np.maximum(-low, 0), np.maximum(high, 0), np.maximum(-high, 0)])
    plus, minus = (signed(operator, sign).transposed(parts) for sign in (1, -1))
    least = (plus[0] + minus[3]) * (1 - OFF) - (plus[1] + minus[2]) * (1 + OFF)
    most = (plus[2] + minus[1]) * (1 + OFF) - (plus[3] + minus[0]) * (1 - OFF)
    return least - OFF * abs(least), most + OFF * abs(most)
