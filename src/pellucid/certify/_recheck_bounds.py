"""The bounds of `recheck`, in NumPy, for many parts at a time; it uses nothing of the kernels that find proofs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from ..affine import Add, Bend, Join, Smooth, Sparse
from ..errors import CertifyError
from ..geometry import Network
from ._recheck_curves import lines_of, lines_with, ranged, slopes_between

UNIT = 2.0**-53
RUNS = {  # half the spacing at 1, what is lost near 0, and how large numbers get
    "float16": (2.0**-11, 2.0**-24, 2.0**15), "bfloat16": (2.0**-8, 2.0**-126, 2.0**127),
    "float32": (2.0**-24, 2.0**-126, 2.0**127), "float64": (UNIT, 2.0**-1022, 2.0**900), "real": (0.0, 0.0, 2.0**900),
}  # fmt: skip
ROUNDINGS, CURVED = 10, 32  # of a run's step beside its sum, and of its smooth curves: as the certificate says
ROOM = 2**23  # numbers in the rows taken back at a time


class Ball(NamedTuple):
    norm: float
    centre: np.ndarray
    radius: float


class Marks(NamedTuple):
    """Slopes above and below, as shares of what the curve has, and multipliers: (parts, units)."""

    up: np.ndarray
    down: np.ndarray
    lift: np.ndarray


@dataclass(eq=False)
class State:
    """What is known of some parts: boxes, bounds and allowed rounding of every value by number, the lines of every
    curve by the value it makes, bounds of the curves' inputs, and which parts hold nothing."""

    low: np.ndarray
    high: np.ndarray
    bounds: dict[int, tuple[np.ndarray, np.ndarray]]
    rho: dict[int, np.ndarray]
    lines: dict[int, tuple[np.ndarray, ...]]
    inputs: list[tuple[np.ndarray, np.ndarray]]
    empty: np.ndarray

    def units(self) -> tuple[np.ndarray, np.ndarray]:
        """The bounds of all curves' inputs, side by side."""
        n = len(self.low)
        return tuple(np.concatenate([np.zeros((n, 0)), *(pair[k] for pair in self.inputs)], 1) for k in (0, 1))  # pyright: ignore[reportReturnType]

    def of(self, which: np.ndarray) -> State:
        return State(*(picked(getattr(self, f.name), which) for f in fields(self)))


def picked(value: Any, which: np.ndarray) -> Any:
    if isinstance(value, np.ndarray):
        return value[which]
    if isinstance(value, dict):
        return {key: picked(part, which) for key, part in value.items()}
    return type(value)(picked(part, which) for part in value)


def gamma(terms: int, unit: float) -> float:
    return terms * unit / (1 - terms * unit) * (1 + 1e-10) if terms * unit < 0.5 else np.inf


class Bounder:
    """Bounds of one network for one format of numbers."""

    def __init__(self, network: Network, format: str):
        if format not in RUNS:
            raise CertifyError(f"There are no numbers {format!r}.")
        self.network = network
        self.unit, self.least, self.most = RUNS[format]
        self.units = sum(step.width for step in network.curves)
        self.starts = dict(
            zip([s.output for s in network.curves], np.cumsum([0, *(s.width for s in network.curves)]), strict=False)
        )

    def allowance(self, step: Any) -> tuple[float, float]:
        """By which part of the magnitudes that it sums a step may be off, and by how much besides."""
        n_in, operator = self.network.width(step.inputs[0]), step.operator
        grain = 64 * n_in * self.least + 2.0**-1000
        own = 2 * gamma(max(n_in, step.width) + ROUNDINGS, UNIT)
        match operator:
            case Join():
                return 0.0, 0.0
            case Bend():
                return (0.0, 0.0) if operator.is_relu else (gamma(ROUNDINGS, self.unit), grain)
            case Smooth():
                return gamma(CURVED, self.unit), grain
            case Add():
                return gamma(len(step.inputs) + 1 + ROUNDINGS, self.unit) + own, grain
            case Sparse() if operator.terms <= 1 and (operator.matrix.data == 1).all():
                return own, grain
        return gamma(operator.terms + ROUNDINGS, self.unit) + own, grain

    def state(self, low: np.ndarray, high: np.ndarray, unit_low: Any, unit_high: Any, ball: Ball | None) -> State:
        """All bounds of some parts, from the start to the end; `unit` bounds are known of the curves' inputs."""
        s = State(low, high, {0: (low, high)}, {0: np.zeros_like(low)}, {}, [], np.zeros(len(low), bool))
        for step in self.network.steps:
            if isinstance(step.operator, Bend | Smooth):
                part = slice(self.starts[step.output], self.starts[step.output] + step.width)
                self.narrow(s, step, unit_low[:, part], unit_high[:, part], ball)
            rough, grain = self.allowance(step)
            least, most, size = self.reach(s, step)
            if not (size[~s.empty] < self.most).all():
                raise CertifyError("Numbers get too large for their format: nothing is proven.")
            rho = rough * size + grain if rough else np.zeros_like(least)
            s.bounds[step.output] = least - rho, most + rho
            s.rho[step.output] = rho
            if isinstance(step.operator, Bend | Smooth):
                s.lines[step.output] = lines_of(step.operator, *s.bounds[step.inputs[0]])
        return s

    def reach(self, s: State, step: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The least and the largest of a step but for rounding, and the magnitudes it sums."""
        lows, highs = zip(*(s.bounds[n] for n in step.inputs), strict=True)
        match step.operator:
            case Bend() | Smooth() as curve:
                least, most = ranged(curve, lows[0], highs[0])
                flat, steep = slopes_between(curve, lows[0], highs[0])
                part = (1 + np.maximum(-flat, steep)) * np.maximum(abs(lows[0]), abs(highs[0]))
                return least, most, np.maximum(abs(least), abs(most)) + part
            case Add() | Join() as joined:
                size = joined(*(np.maximum(abs(a), abs(b)) for a, b in zip(lows, highs, strict=True)))
                return joined(*lows), joined(*highs), size
        operator = step.operator
        middle = lows[0] + (highs[0] - lows[0]) / 2
        half = np.maximum(highs[0] - middle, middle - lows[0]) * (1 + 8 * UNIT)
        floor = self.least / self.unit if self.unit else 0.0
        most = np.maximum(np.maximum(abs(lows[0]), abs(highs[0])), floor)
        bias = abs(operator.shift)
        if isinstance(operator, Sparse) and operator.size is not None:
            bias = np.maximum(bias, operator.size)
        y, wide = operator(middle), operator.magnitude(half)
        return y - wide, y + wide, operator.magnitude(most) + bias

    def narrow(self, s: State, step: Any, unit_low: np.ndarray, unit_high: np.ndarray, ball: Ball | None) -> None:
        """The bounds of a curve's input: those known, and by lines those of its units that are not on one piece."""
        v = step.inputs[0]
        low, high = np.maximum(s.bounds[v][0], unit_low), np.minimum(s.bounds[v][1], unit_high)
        low, high = self.kept(s, low, high)
        s.bounds[v] = low, high
        open_ = low < high
        if isinstance(step.operator, Bend):
            open_ = ((step.operator.kinks > low[..., None]) & (step.operator.kinks < high[..., None])).any(-1)
        units = np.flatnonzero(open_.any(0))
        most = max(1, ROOM // (2 * len(low) * max(self.network.width(n) for n in range(v + 1))))
        for first in range(0, len(units), most):
            some = units[first : first + most]
            d = np.zeros((1, 2 * len(some), step.width))
            d[0, np.arange(len(some)), some], d[0, len(some) + np.arange(len(some)), some] = 1.0, -1.0
            top = self.top(s, v, d, ball, None)
            high[:, some] = np.minimum(high[:, some], top[:, : len(some)])
            low[:, some] = np.maximum(low[:, some], -top[:, len(some) :])
        s.bounds[v] = self.kept(s, low, high)
        s.inputs.append(s.bounds[v])

    def kept(self, s: State, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The bounds, with parts marked where they cross: no input is there."""
        crossed = (low > high).any(1)
        s.empty |= crossed
        return np.where(low > high, high, low), high

    def largest(self, s: State, rows: np.ndarray, ball: Ball | None, marks: Marks | None) -> np.ndarray:
        """The largest `row · output` of each part, rounded up; rows (parts, n_out)."""
        v = self.network.output.number
        return self.top(s, v, rows[:, None], ball, marks)[:, 0]

    def top(self, s: State, v: int, d: np.ndarray, ball: Ball | None, marks: Marks | None) -> np.ndarray:
        """The largest `d · value` of each part and row; d (parts or 1, rows, units)."""
        shape = len(s.low), d.shape[1]
        c, loose, blames = np.zeros(shape), np.zeros(shape), {v: d}
        for step in reversed(self.network.steps[:v]):
            if step.output not in blames:
                continue
            d = blames.pop(step.output)
            loose += dot(abs(d), s.rho[step.output])
            match step.operator:
                case Bend() | Smooth():
                    d, more, off = self.curved(s, step, d, marks)
                    c, loose, parts = c + more, loose + off, [d]
                case Add():
                    parts = [d] * len(step.inputs)
                case Join():
                    parts = np.split(d, np.cumsum([self.network.width(n) for n in step.inputs])[:-1], 2)
                case operator:
                    c = c + d @ operator.shift
                    parts = [operator.transposed(d.reshape(-1, d.shape[2])).reshape(*d.shape[:2], -1)]
            loose += UNIT * abs(c)
            for n, part in zip(step.inputs, parts, strict=True):
                if n in blames:
                    part = blames[n] + part
                    loose += UNIT * dot(abs(part), size(s, n))
                blames[n] = part
        a = blames.get(0, np.zeros((1, shape[1], self.network.n_in)))
        return support(a, s.low, s.high, ball, c, loose)

    def curved(self, s: State, step: Any, d: np.ndarray, marks: Marks | None) -> Any:
        """A curve replaced by its lines: the rows of its input, and what they add."""
        low, high = s.bounds[step.inputs[0]]
        lift = None
        if marks is None:
            up, up_offset, down, down_offset = s.lines[step.output]
        else:
            part = slice(self.starts[step.output], self.starts[step.output] + step.width)
            up, up_offset, down, down_offset = lines_with(
                step.operator, low, high, marks.up[:, part], marks.down[:, part]
            )
            lift = marks.lift[:, part]
        over, under = np.maximum(d, 0), np.minimum(d, 0)
        made = over * up[:, None] + under * down[:, None]
        c = dot(over, up_offset) + dot(under, down_offset)
        most, n = np.maximum(abs(low), abs(high)), step.width + 8
        sums = n * (np.maximum(abs(up_offset), abs(down_offset)) + np.maximum(abs(up), abs(down)) * most)
        loose = 4 * UNIT * dot(abs(d), sums)
        if lift is not None:
            side = lift * np.where(lift > 0, low, high)
            made = made + lift[:, None]
            c = c - side.sum(1)[:, None]
            loose = loose + 4 * UNIT * (dot(abs(made) + abs(lift[:, None]), most) + n * abs(side).sum(1)[:, None])
        return made, c, loose


def dot(d: np.ndarray, x: np.ndarray) -> np.ndarray:
    """`Σ_i d[p, r, i] x[p, i]`."""
    return np.matmul(d, x[:, :, None])[:, :, 0]


def size(s: State, n: int) -> np.ndarray:
    low, high = s.bounds[n]
    return np.maximum(abs(low), abs(high))


def support(a: np.ndarray, low: np.ndarray, high: np.ndarray, ball: Ball | None, c: Any, loose: Any) -> np.ndarray:
    """`max a · x + c` over boxes, or what of them lies in a ball, rounded up."""
    most = np.maximum(abs(low), abs(high))
    top = dot(np.maximum(a, 0), high) + dot(np.minimum(a, 0), low)
    sums = dot(abs(a), most)
    if ball is not None:
        most = abs(ball.centre) + ball.radius
        sums = np.maximum(sums, 4 * (abs(a) @ most))
        top = np.minimum(top, in_ball(a, low - ball.centre, high - ball.centre, ball) + a @ ball.centre)
    return top + c + loose * (1 + 1e-6) + UNIT * ((a.shape[2] + 32) * sums + 8 * (abs(top) + abs(c)))


def in_ball(a: np.ndarray, low: np.ndarray, high: np.ndarray, ball: Ball) -> np.ndarray:
    """An upper bound of `a · δ` for `‖δ‖ ≤ radius` and `low ≤ δ ≤ high`.

    In the norm 1, `Σ max(|a| − m, 0) · room + m r` for every m ≥ 0, m being one of the |a|. In the norm 2,
    `Σ max(|a| δ − m δ² / 2) + m r² / 2` for every m > 0; m is moved to where the δ that are largest have the length r.
    """
    steep, r = abs(a), ball.radius * (1 + 1e-9)
    if ball.norm == 1:
        room = np.where(a > 0, np.maximum(high, 0)[:, None], np.maximum(-low, 0)[:, None]) * (1 + 8 * UNIT)
        order = np.argsort(-steep, 2)
        steep, room = np.take_along_axis(steep, order, 2), np.take_along_axis(room, order, 2)
        used = np.cumsum(room, 2)
        m = np.max(np.where(used >= r, steep, 0), 2)  # the steepest that the radius does not fill
        return (np.maximum(steep - m[..., None], 0) * room).sum(2) + m * r
    room = np.where(a > 0, high[:, None], -low[:, None]) * (1 + 8 * UNIT)
    m = np.sqrt((a**2).sum(2)) / max(r, 1e-300) + 1e-300
    best = np.full(m.shape, np.inf)
    for _ in range(12):
        held = steep >= m[..., None] * room
        delta = np.where(held, room, steep / m[..., None])
        value = (steep * delta - m[..., None] * delta**2 / 2).sum(2) + m * r * r / 2
        best = np.minimum(best, value)
        left = r * r - (np.where(held, room, 0) ** 2).sum(2)
        rest = (np.where(held, 0, steep) ** 2).sum(2)
        m = np.where(left > 0, np.minimum(m, np.sqrt(rest / np.maximum(left, 1e-300)) + 1e-300), m)
    return best
