"""A network along the segment between two inputs: every point where it bends, and its slope on every piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..affine import Add, Bend, Join
from ..errors import GeometryError, SettingError
from ..module import Layer
from ..records import Record, unlisted
from ._blocks import Plan
from ._network import Network, flat, lowered

ROOM = 2**24  # numbers in the rows that are worked on at a time
ALIKE = 1e-9  # relative: slopes nearer to each other than this are one


@dataclass(frozen=True)
class Breakpoint(Record):
    """Where the pattern changes: at `a + t (b − a)`, and which unit goes from which of its pieces to which."""

    t: float
    bend: int
    unit: int
    name: str
    before: int
    after: int


@dataclass(frozen=True)
class Change(Record):
    """Where the answer changes: the largest output (or the sign of the only one) before t and after."""

    t: float
    before: int
    after: int


@dataclass(frozen=True)
class Pieces(Record):
    """A network along `x(t) = a + t (b − a)`, 0 ≤ t ≤ 1: from `ends[i]` to `ends[i + 1]` it is linear.

    `values` are the outputs at the ends, (pieces + 1, outputs), and `slopes` their change per unit of t on each piece,
    (pieces, outputs). `activation_pieces` counts patterns, `linear_pieces` what is left where neighbours with equal
    slopes are taken for one. `variation` is `Σ |slope after − slope before|` of each output. `flips` are the changes of
    the largest output, or of the sign of the only one (0 below or on 0, 1 above). Of `decisions` of a unit's sign
    `undecided` were within `tolerance` without being 0. `residual` is the largest deviation of the slopes from the
    values at the ends, relative to the largest output.
    """

    a: np.ndarray
    b: np.ndarray
    ends: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    breakpoints: tuple[Breakpoint, ...]
    activation_pieces: int
    linear_pieces: int
    variation: np.ndarray
    flips: tuple[Change, ...]
    tolerance: float
    decisions: int
    undecided: int
    residual: float
    network: Network = unlisted(repr=False)


@dataclass
class Section:
    """A part of the segment before one bend: the places so far, and the rows there."""

    stage: int
    t: np.ndarray
    rows: np.ndarray


def along(net: Layer | Network, a: Any, b: Any, *, tolerance: float = 1e-11) -> Pieces:
    """Every breakpoint of a network between two inputs, and the slope of every output on every piece.

    Bend by bend: between two neighbours of the breakpoints so far every unit is linear, so a kink of it lies there
    where it has other signs at both, `t = (z_a t_b − z_b t_a) / (z_a − z_b)`. A unit that only touches its kink does
    not bend.

    Raises: GeometryError where a layer is not piecewise linear, an input is not one of the network's or not finite;
        SettingError where a and b are the same.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> tent = Sequential([Dense(np.ones((1, 2)), np.array([0.0, -0.5])), Activation("relu"),
        ...                    Dense(np.array([[2.0], [-4.0]]), np.zeros(1))])
        >>> found = along(tent, [-1.0], [1.0])
        >>> [(at.t, at.name) for at in found.breakpoints], found.slopes[:, 0].tolist()
        ([(0.5, 'layers[1][0]'), (0.75, 'layers[1][1]')], [0.0, 4.0, -4.0])
    """
    start, end = np.asarray(a, float), np.asarray(b, float)
    network = lowered(net, start.shape if not isinstance(net, Network) and start.ndim > 1 else None)
    points = np.concatenate([flat(network, start.reshape(1, -1)), flat(network, end.reshape(1, -1))])
    if not np.isfinite(points).all():
        raise GeometryError("A segment goes between finite inputs; a or b holds NaN or infinity.")
    if (points[0] == points[1]).all():
        raise SettingError("a and b are the same input: a segment wants two.")
    plan, told = Plan(network, tolerance), np.zeros(2, np.int64)
    ends, values, crossings = walked(plan, points, told)
    breakpoints = named(network, crossings, ends)
    slopes = tangents(network, points, ends)
    off = abs(values[:-1] + slopes * np.diff(ends)[:, None] - values[1:]).max(initial=0.0)
    scale = np.maximum(abs(slopes).max(0), 1e-300)
    turns = (abs(np.diff(slopes, axis=0)) > ALIKE * scale).any(1)
    return Pieces(
        points[0], points[1], ends, values, slopes, breakpoints, len(slopes), 1 + int(turns.sum()),
        abs(np.diff(slopes, axis=0)).sum(0), flips_of(ends, values, slopes), tolerance, int(told[0]), int(told[1]),
        float(off / max(abs(values).max(initial=0.0), 1e-300)), network,
    )  # fmt: skip


def walked(plan: Plan, points: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, np.ndarray, Crossings]:
    """The ends of all pieces, the outputs there, and the crossings; long sections are cut in two."""
    stack, found = [Section(0, np.array([0.0, 1.0]), points)], Crossings()
    t, values = [], []
    while stack:
        part = stack.pop()
        wide = max(plan.widths[part.stage] if part.stage < len(plan.bends) else 1, part.rows.shape[1])
        if len(part.t) > 2 and len(part.t) * wide > ROOM:
            half = len(part.t) // 2
            stack.append(Section(part.stage, part.t[half:], part.rows[half:]))
            stack.append(Section(part.stage, part.t[: half + 1], part.rows[: half + 1]))
        elif part.stage < len(plan.bends):
            stack.append(bent(plan, part, found, told))
        else:
            t.append(part.t)
            values.append(plan.stages[-1].advance(part.rows))
    ends, first = np.unique(np.concatenate(t), return_index=True)
    return ends, np.concatenate(values)[first], found


class Crossings:
    """Which line of which bend goes up or down where. At the ends of a section only one side of a line is seen."""

    def __init__(self) -> None:
        self.t: list[float] = []
        self.bend: list[int] = []
        self.line: list[int] = []
        self.up: list[bool] = []
        self.half: dict[tuple[float, int, int], bool] = {}

    def add(self, bend: int, t: np.ndarray, line: np.ndarray, up: np.ndarray) -> None:
        self.t += t.tolist()
        self.bend += [bend] * len(t)
        self.line += line.tolist()
        self.up += up.tolist()

    def at_end(self, bend: int, t: float, lines: np.ndarray, above: np.ndarray, last: bool) -> None:
        """Lines that are on their kink at the end of a section, and whether they are above it inside."""
        for line, is_above in zip(lines.tolist(), above.tolist(), strict=True):
            key = (t, bend, line)
            if key not in self.half:
                self.half[key] = is_above
            elif self.half.pop(key) != is_above:
                up = is_above != last  # seen last from the left: going up if it is not above there
                self.add(bend, np.array([t]), np.array([line]), np.array([up]))


def bent(plan: Plan, part: Section, found: Crossings, told: np.ndarray) -> Section:
    """The section with the crossings of one more bend."""
    s, kinks, n = part.stage, plan.bends[part.stage].kinks, plan.widths[part.stage]
    size = plan.sizes(s, part.rows)
    rows = plan.stages[s].advance(part.rows)
    value = (rows[:, None, :n] - kinks[:, None]).reshape(len(rows), len(kinks) * n)
    sign = np.where(abs(value) <= plan.tolerance * size, 0, np.sign(value)).astype(np.int8)
    told += sign.size, int(((sign == 0) & (value != 0)).sum())
    i, line = np.nonzero(sign[:-1] * sign[1:] < 0)
    share = value[i, line] / (value[i, line] - value[i + 1, line])
    t = part.t[i] + share * (part.t[i + 1] - part.t[i])
    found.add(s, t, line, sign[i + 1, line] > 0)
    at, on = np.nonzero((sign[1:-1] == 0) & ((sign[:-2] > 0) != (sign[2:] > 0)))
    found.add(s, part.t[at + 1], on, sign[at + 2, on] > 0)
    for end, beside in ((0, 1), (-1, -2)):
        on = np.flatnonzero(sign[end] == 0)
        found.at_end(s, float(part.t[end]), on, sign[beside, on] > 0, end == -1)
    new = rows[i] + share[:, None] * (rows[i + 1] - rows[i])
    t, rows = np.concatenate([part.t, t]), np.concatenate([rows, new])
    order = np.argsort(t, kind="stable")
    order = order[apart(t[order], plan.tolerance)]
    return Section(s + 1, t[order], rows[order])


def apart(t: np.ndarray, least: float) -> np.ndarray:
    """Which places are further than this behind the one before, and both ends: one for all that bend in one point."""
    kept = np.append(True, np.diff(t) > least)
    if not kept[-1]:
        kept[np.flatnonzero(kept)[-1]] = False
    kept[[0, -1]] = True
    return kept


def named(network: Network, found: Crossings, ends: np.ndarray) -> tuple[Breakpoint, ...]:
    """The crossings in the order of their places, each at the end of the pieces it parts."""
    rows = []
    for t, bend, line, up in zip(found.t, found.bend, found.line, found.up, strict=True):
        kink, unit = divmod(line, network.bends[bend].width)
        i = int(np.searchsorted(ends, t))
        at = min(ends[max(0, i - 1) : i + 1].tolist(), key=lambda end: abs(end - t))
        if 0 < at < 1:
            rows.append((at, bend, unit, kink + (not up), kink + up))
    return tuple(Breakpoint(t, b, u, network.name(b, u), before, after) for t, b, u, before, after in sorted(rows))


def tangents(network: Network, points: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The change of every output per unit of t, in the middle of every piece."""
    middles = (ends[:-1] + ends[1:]) / 2
    widest = max([network.n_in, *(step.width for step in network.steps)])
    parts = np.array_split(middles, max(1, len(middles) * widest // ROOM))
    return np.concatenate([tangent(network, points[0] + t[:, None] * (points[1] - points[0]), points) for t in parts])


def tangent(network: Network, x: np.ndarray, points: np.ndarray) -> np.ndarray:
    values: dict[int, Any] = {0: (x, np.broadcast_to(points[1] - points[0], x.shape))}
    for i, step in enumerate(network.steps):
        value, slope = zip(*(values[number] for number in step.inputs), strict=True)
        match step.operator:
            case Bend() as bend:
                piece = bend.piece(value[0])
                made = bend.by_piece(value[0], piece), slope[0] * bend.slope(piece)
            case Add() | Join() as joined:
                made = joined(*value), joined(*slope)
            case operator:
                made = operator(value[0]), operator.linear(np.ascontiguousarray(slope[0]))
        values[step.output] = made
        network.forget(values, i)
    return np.asarray(values[network.output.number][1])


def flips_of(ends: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> tuple[Change, ...]:
    """Where the largest output changes, or the only one its sign: the upper envelope of lines on every piece."""
    if values.shape[1] == 1:  # the sign is the larger of 0 and the output
        values, slopes = (np.concatenate([np.zeros_like(a), a], 1) for a in (values, slopes))
    found: list[Change] = []
    tops = values.argmax(1)
    now = leading(values[0], slopes[0])
    for i in range(len(slopes)):
        if now == tops[i] == tops[i + 1] and values[i, now] > np.partition(values[i], -2)[-2]:
            continue
        t, at = ends[i], values[i]
        first = leading(at, slopes[i])
        if first != now:
            found.append(Change(float(t), now, first))
            now = first
        while True:
            gain = slopes[i] - slopes[i][now]
            with np.errstate(divide="ignore", invalid="ignore"):
                wait = np.where(gain > 0, np.maximum(values[i][now] - values[i], 0) / gain, np.inf)
            k = int(np.lexsort((-gain, wait))[0])
            reached = ends[i] + wait[k]
            if not reached < ends[i + 1]:
                break
            found.append(Change(float(reached), now, k))
            now = k
    return tuple(found)


def leading(value: np.ndarray, slope: np.ndarray) -> int:
    """The largest output just behind a point: of equal ones, that which rises most."""
    best = value.max()
    tied = np.flatnonzero(value >= best - 1e-13 * max(1.0, abs(value).max()))
    return int(tied[slope[tied].argmax()])
