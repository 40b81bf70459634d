"""Branch and bound: the largest norm of the derivative, in ever smaller parts of the input space."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from time import perf_counter
from typing import NamedTuple

import numpy as np

from ..affine import ROUNDING, Bend, Smooth
from ..geometry import Network
from ._monotone_ask import Asked
from ._monotone_parts import cut, enclosed
from ._monotone_relax import Aim, Part, relaxed
from ._monotone_slopes import Interval, back, backward, bounds_back, ranges_of, slope_at
from ._program import EXTRA, gamma
from ._telling import Told

DRAWN, KEPT, ROUNDS, EACH = 2048, 16, 24, 8  # points at first, kept, rounds from these, and points around each
SPARE, ROUGH = 1e-11, 1e-7  # of a bound by intervals and by a program, that a checker may round otherwise
CLEAR = 1e-9  # of the sizes on the way: a point nearer to a kink is not counted on either side
COST = 1e3  # of going beyond a row, where a program has no point


def norms(jacobian: np.ndarray, norm: float) -> np.ndarray:
    """The operator norms of matrices (points, n_out, n_in), from inputs to outputs in the same norm."""
    if norm == 2:
        return np.linalg.norm(jacobian, 2, axis=(1, 2))
    return abs(jacobian).sum(1 if norm == 1 else 2).max(1)


def at_most(size: np.ndarray, norm: float) -> np.ndarray:
    """The largest norms of matrices whose entries are no larger than these, (parts, rows, n_in), rounded up.

    In norm 2 that is `min(‖·‖_F, √(‖·‖_1 ‖·‖_∞))`.
    """
    rows, columns = size.sum(2).max(1), size.sum(1).max(1)
    up = 1 + 4 * gamma(size[0].size + EXTRA, ROUNDING)
    if norm == 2:
        return up * np.minimum(np.sqrt((size**2).sum((1, 2))), np.sqrt(rows) * np.sqrt(columns))
    return up * (columns if norm == 1 else rows)


def enclosed_norms(low: np.ndarray, high: np.ndarray, norm: float) -> np.ndarray:
    """The largest norms of matrices between these two, (parts, rows, n_in), rounded up; in norm 2 also by
    `‖middle‖ + ‖half the width‖_F`."""
    most = at_most(np.maximum(abs(low), abs(high)), norm)
    if norm != 2 or not np.isfinite(most).all():
        return most
    middle, half = low / 2 + high / 2, (high / 2 - low / 2) * (1 + 8 * ROUNDING) + 2 * ROUNDING * abs(low)
    off = 64 * sum(low.shape[1:]) * ROUNDING  # of a singular value
    return np.minimum(most, norms(middle, 2) + off * at_most(abs(middle), 2) + at_most(half, 2))


def jacobians(network: Network, x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The derivatives of `rows · outputs` at points, (points, rows, n_in), in float64; and whether each point is clear
    of all kinks, so that they are those of a whole neighbourhood."""
    values, slopes, clear = {0: x}, [], np.ones(len(x), bool)
    for i, step in enumerate(network.steps):
        given = [values[number] for number in step.inputs]
        if isinstance(step.operator, Bend | Smooth):
            slopes.append(slope_at(step.operator, given[0]))
        if isinstance(step.operator, Bend):
            size = 1e-300 + abs(given[0]).max(1, keepdims=True)
            away = abs(given[0][..., None] - step.operator.kinks).min(-1, initial=np.inf)
            clear &= (away > CLEAR * size).all(1)
        values[step.output] = step.operator(*given)
        network.forget(values, i)
    made = []
    for row in rows:
        dy = np.tile(row, (len(x), 1))
        done = backward(network, dy, lambda k, d: slopes[k] * d, back, np.add)
        made.append(done.get(0, np.zeros((len(x), network.n_in))))
    return np.stack(made, 1), clear


class Node(NamedTuple):
    """A part, what its slopes, derivatives and the Jacobian lie between, (rows, n_in), and its number in the tree."""

    part: Part
    ranges: list[Interval]
    blames: dict[int, Interval]
    number: int


@dataclass
class Known:
    """What is known of a node of the tree: the bound of its norm by intervals, and by a program, with the row that it
    is about, its weights and multipliers; and how it was cut, its parts being from `first` on."""

    most: float
    program: float = np.inf
    row: int = 0
    weights: np.ndarray | None = None
    told: tuple[np.ndarray, ...] = ()
    cut: tuple[int, int, float] | None = None
    first: int = -1


@dataclass
class Steepest:
    """The search for the largest norm of the Jacobian of `rows · outputs`: `low` was met at the input `at`, and nowhere
    is it above `high`. Parts that are not above `level` are done with, too."""

    asked: Asked
    rows: np.ndarray
    norm: float
    level: float = 0.0
    low: float = 0.0
    at: np.ndarray | None = None
    floor: float = 0.0
    open: list[tuple[float, int, Node]] = field(default_factory=list)
    tree: list[Known] = field(default_factory=list)

    @property
    def parts(self) -> int:
        return len(self.tree)

    def __post_init__(self) -> None:
        self.network = self.asked.it.network
        self.free = self.asked.low < self.asked.high  # the others do not change, whatever the derivative by them
        self.look()
        self.add(enclosed(self.asked, self.asked.low[None], self.asked.high[None]), np.inf)

    @property
    def high(self) -> float:
        return max(self.floor, -self.open[0][0] if self.open else 0.0, self.low)

    def run(self, end: float, tolerance: float, told: Told | None = None) -> None:
        """Go on until both ends are within the tolerance of each other, the time is up, or Ctrl-C."""
        while self.open and perf_counter() < end and self.high > max(self.low * (1 + tolerance), self.level) + 1e-300:
            most, count, node = heappop(self.open)
            try:
                self.one(node, -most)
            except KeyboardInterrupt:
                heappush(self.open, (most, count, node))
                return
            if told:
                told(self.low / self.high if self.high < np.inf else 0.0, self.parts)

    def look(self) -> None:
        """Steep places, by chance and then near the steepest."""
        low, high, random = self.asked.low, self.asked.high, np.random.default_rng(0)
        x = random.uniform(low, high, (DRAWN, len(low)))
        for _ in range(ROUNDS):
            found = self.meet(x)
            best = x[np.argsort(-found, kind="stable")[:KEPT]]
            away = random.normal(size=(KEPT * EACH, len(low))) * random.choice([0.3, 0.03], (KEPT * EACH, 1))
            x = np.clip(np.repeat(best, EACH, 0) + away * (high - low), low, high)
            x = np.concatenate([best, x])

    def meet(self, x: np.ndarray) -> np.ndarray:
        """The norms at points; the largest that is one of a whole neighbourhood is kept."""
        jacobian, clear = jacobians(self.network, x, self.rows)
        jacobian = jacobian * self.free
        found = np.where(clear, norms(jacobian, self.norm), 0.0)
        i = int(found.argmax())
        if found[i] * (1 - 1e-12) > self.low:
            self.low, self.at = float(found[i] * (1 - 1e-12)), x[i]
        return found

    def add(self, parts: list[Part | None], most: float) -> None:
        for part in parts:
            self.tree.append(Known(0.0))
            if part is None:
                continue
            ranges = ranges_of(self.network, part.low[None], part.high[None])
            blames = bounds_back(self.network, ranges, self.rows)
            low, high = (side * self.free for side in blames[0])
            own = float(enclosed_norms(low[None], high[None], self.norm)[0]) * (1 + SPARE)
            self.tree[-1].most, here = own, min(most, own)
            if here <= max(self.low, self.level):
                self.floor = max(self.floor, here)
            else:
                heappush(self.open, (-here, self.parts, Node(part, ranges, blames, self.parts - 1)))

    def one(self, node: Node, most: float) -> None:
        """Bound a part by a linear program where the norm is that of one row, and cut it."""
        low, high = (side * self.free for side in node.blames[0])
        sizes = np.maximum(abs(low), abs(high))
        ranked = (sizes**2).sum(1) if self.norm == 2 else sizes.max(1) if self.norm == 1 else sizes.sum(1)
        k = int(ranked.argmax())
        weights, shift = self.straight(low[k], high[k])
        weights = weights * self.free
        one = {number: Interval(d.low[k : k + 1], d.high[k : k + 1]) for number, d in node.blames.items()}
        made = relaxed(self.asked, node.part, node.ranges, one, Aim(self.rows[k], -weights))
        solved = made.program.solved() or made.program.elastic(COST * (1 + float(abs(made.program.c).max()))).solved()
        if solved is None:
            self.floor = max(self.floor, most)
            return
        point, multipliers = solved[0], solved[1].astype(np.float32)
        bound = -made.program.proven(multipliers)
        known = self.tree[node.number]
        known.program = self.with_row(ranked, k, sizes, bound, shift) * (1 + ROUGH)
        if known.program < most:
            known.row, known.weights, known.told = k, weights, made.program.told(multipliers)
        most = min(most, known.program)
        x = np.clip(point[: self.network.n_in], node.part.bottom, node.part.top)
        middle = node.part.bottom / 2 + node.part.top / 2
        self.meet(np.stack([x, x + 1e-6 * (middle - x), middle]))
        sides = cut(self.asked, node.part, made, point, Aim(self.rows[k], weights))
        if most <= max(self.low, self.level) or sides is None:
            self.floor = max(self.floor, most)
        else:
            known.cut, known.first = sides.cut, len(self.tree)
            self.add(enclosed(self.asked, *sides[:4]), most)

    def straight(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, float]:
        """Weights w and a shift with `w · g + shift` not below the dual norm of g, in norm 2 its square, where g is
        between low and high: chords; in norm 1 for the largest entry alone."""
        size = np.maximum(abs(low), abs(high))
        if self.norm == 2:
            return low + high, float(1e-12 * (size**2).sum() - (low * high).sum())
        wide = np.where(high > low, high - low, 1.0)
        crossing = (low < 0) & (high > 0)
        slope = np.where(crossing, (high + low) / wide, np.where(low >= 0, 1.0, -1.0))
        shift = np.where(crossing, np.maximum(high - slope * high, -low - slope * low) + 1e-12 * size, 0.0)
        if self.norm == 1:
            largest = np.arange(len(low)) == size.argmax()
            slope, shift = np.where(largest, slope, 0.0), np.where(largest, shift, 0.0)
        return slope, float(shift.sum()) * (1 + 1e-12)

    def with_row(self, ranked: np.ndarray, k: int, sizes: np.ndarray, bound: float, shift: float) -> float:
        """The bound of the norm where the program bounds row k; inf where several rows make it up together."""
        if not np.isfinite(bound) or (len(self.rows) > 1 and self.norm != np.inf):
            return np.inf
        if self.norm == 2:
            return float(np.sqrt(max(bound + shift, 0.0))) * (1 + 4 * ROUNDING)
        if self.norm == np.inf:
            return max([bound + shift, *(np.delete(ranked, k) * (1 + 1e-12))]) * (1 + 4 * ROUNDING)
        others = np.sort(sizes[0])[-2] if sizes.shape[1] > 1 else 0.0
        return max(bound + shift, float(others)) * (1 + 4 * ROUNDING)
