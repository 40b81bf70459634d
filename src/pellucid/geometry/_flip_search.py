"""The search for the nearest change of the answer: branch and bound over the bends that are undecided."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..affine import Bend
from ._closest import closest, length, to_half_space
from ._first_flip import Found, settle
from ._network import Network
from ._question import Question
from ._relax import Ball, Between, Lines, Relaxation, between

TOLERANCE = 1e-7  # lower and upper bound count as equal from here on, relative
BATCH = 16  # subsets cut in two at a time
GROWTH, LARGEST = 2.0, 1e9  # of the ball that is searched where no flip is known, and its largest radius
STRIDE = 0.2  # of the way from what is proven to the best flip
HALVINGS = 5  # of the radius, for a lower bound without a cut
ROUNDING = 1e-9  # bounds that cross by more show that a subset is empty
NUDGE = 1e-9  # by how much a nearest point is pushed on, to be behind the boundary
ZERO = 1e-12  # a margin below 0 by less than this part of the largest output is 0
SMALL = 2**23  # numbers in the lines of all units, up to which subsets are cut


@dataclass(frozen=True, eq=False)
class Subset:
    """A part of the ball: bounds of all bends' inputs, and half-spaces `a · δ + c ≥ 0` that hold all of its flips.

    `marks` are the cuts that made it, (unit, kink, side); `row` is the goal. `cut` is the next, (unit, kink), and
    `above`, `below` the half-spaces of its two sides.
    """

    low: np.ndarray
    high: np.ndarray
    marks: tuple[tuple[int, float, int], ...]
    row: int
    a: np.ndarray
    c: np.ndarray
    cut: tuple[int, float]
    sides: tuple[tuple[np.ndarray, float], ...]


class Made(NamedTuple):
    """Several subsets at once: their bounds, cuts and rows; the line above the goal of each, and what the goal weighs
    the units of each bend with; the lines of the bends, and those of the units (see `Search.tighten`)."""

    low: np.ndarray
    high: np.ndarray
    marks: list[tuple[tuple[int, float, int], ...]]
    row: np.ndarray
    goal: Lines
    met: dict[int, np.ndarray]
    lines: list[Between]
    walls: list[Any]


class Search:
    """The state of one search: the best flip, the lower bound, and the subsets that are still open, nearest first."""

    def __init__(self, asked: Question, norm: float, best: Found, end: float):
        self.asked, self.norm, self.best, self.end = asked, norm, best, end
        self.relax = Relaxation(asked.network, asked.x)
        self.cutting = 2 * self.relax.units * len(asked.x) <= SMALL
        self.radius = best.distance
        self.lower = 0.0  # proven by balls that are done with
        self.closed = np.inf  # the least bound of what was put aside in this ball
        self.open: list[tuple[float, int, Subset]] = []
        self.count = self.pushed = 0
        self.slowest = 0.0  # seconds that one round took

    @property
    def reach(self) -> float:
        """No flip farther than this matters."""
        return min(self.best.distance, self.radius)

    @property
    def limit(self) -> float:
        return self.reach * (1 - TOLERANCE)

    @property
    def late(self) -> bool:
        return perf_counter() + self.slowest > self.end

    @property
    def proven(self) -> float:
        """No flip is nearer than this."""
        return min(self.reach, self.closed, self.open[0][0] if self.open else np.inf)

    def run(self) -> None:
        """Search the ball that the best flip leaves; where none is known, ever larger balls. Without one in the whole
        box, `lower` is inf."""
        whole = float(length(np.maximum(self.asked.high, -self.asked.low), self.norm))
        if whole == 0:
            self.lower = np.inf
            return
        if np.isinf(self.radius):
            self.radius = 0.1 * (1 + float(length(self.asked.x, self.norm)))
        while True:
            self.radius = min(self.radius, whole * (1 + 10 * TOLERANCE))
            self.halve()
            self.ball((perf_counter() + self.end) / 2)
            self.lower = max(self.lower, self.proven)
            if self.open:
                self.climb()
            if self.best.distance <= self.radius or self.late or self.radius >= min(whole, LARGEST):
                break
            self.radius = self.best.distance if np.isfinite(self.best.distance) else self.radius * GROWTH
        if np.isinf(self.best.distance) and self.lower > whole:
            self.lower = np.inf

    def climb(self) -> None:
        """Half of the time was not enough for the whole ball: raise the lower bound by balls a little larger than what
        is proven, where the lines are closer."""
        whole = self.radius
        while not self.late and self.lower < self.reach * (1 - TOLERANCE):
            self.radius = self.lower + STRIDE * (min(whole, self.best.distance) - self.lower)
            self.ball(self.end)
            self.lower = max(self.lower, self.proven)
            if self.open:
                break
            self.radius = whole
        self.radius = whole

    def halve(self) -> None:
        """A lower bound without a cut: the largest ball, of a few tried, whose own lines leave no flip in it."""
        whole, least, most = self.radius, self.lower, self.radius
        for _ in range(HALVINGS):
            if self.late:
                break
            self.radius = (least + most) / 2
            began = perf_counter()
            goal, *_ = self.goals()
            far, _ = to_half_space(goal.a[0], goal.c[0], self.norm, self.asked.low, self.asked.high)
            self.slowest = max(self.slowest, perf_counter() - began)
            bound = min(self.reach, float(far.min()))
            least = max(least, bound)
            if bound < self.reach:
                most = self.radius
        self.radius, self.lower = whole, max(self.lower, least)

    def ball(self, end: float) -> None:
        """Bound the ball of the present radius, then cut what is open until nothing is, or the time is up."""
        self.open, self.closed = [], np.inf
        if self.late or not self.cutting:
            self.closed = self.lower
            return
        self.root()
        while self.open and perf_counter() + self.slowest < end:
            began, batch = perf_counter(), []
            while self.open and len(batch) < 2 * BATCH:
                bound, _, subset = heapq.heappop(self.open)
                if bound >= self.limit:
                    self.closed = min(self.closed, bound)
                else:
                    batch += [(bound, subset, side) for side in (0, 1)]
            self.bound(batch)
            self.slowest = max(self.slowest, perf_counter() - began)

    def goals(self) -> tuple[Lines, dict[int, np.ndarray], tuple[np.ndarray, np.ndarray], list[Between], list[Any]]:
        """The lines above all rows of the question over the whole ball, and what led to them."""
        self.count += 1
        low, high = self.relax.interval(self.space)
        none = np.zeros((1, len(self.asked.x))), np.zeros(1)
        _, lines, walls = self.tighten(low, high, *none, np.zeros(low.shape, bool))
        goal, met = self.relax.above(self.asked.network.output.number, self.asked.rows[None], lines)
        return Lines(goal.a, goal.c + self.asked.shift), met, (low, high), lines, walls

    def root(self) -> None:
        """The whole ball, a subset for every row of the question."""
        goal, met, sides, lines, walls = self.goals()
        n = len(self.asked.rows)
        low, high = (np.repeat(side, n, 0) for side in sides)
        lines = [Between(*(np.repeat(part, n, 0) for part in line)) for line in lines]
        met = {b: d[0] for b, d in met.items()}
        self.keep(Made(low, high, [()] * n, np.arange(n), Lines(goal.a[0], goal.c[0]), met, lines, walls), np.zeros(n))

    @property
    def space(self) -> Ball:
        return Ball(self.norm, self.reach, self.asked.low, self.asked.high)

    def tighten(
        self, low: np.ndarray, high: np.ndarray, h: np.ndarray, k: np.ndarray, marked: np.ndarray
    ) -> tuple[np.ndarray, list[Between], list[Any]]:
        """Narrow the bounds of all bends, in place, over the ball and a half-space `h · δ + k ≥ 0` for each subset.

        Gives which subsets are not empty, the lines of every bend, and for every bend the lines of its units that are
        undecided or marked: which units these are, (subsets, n), the lines above them and those above their negatives.
        """
        ball, every = self.space, np.arange(len(low))[:, None]
        real, lines, walls = np.ones(len(low), bool), [], []
        for b in range(len(self.relax.bends)):
            part = self.relax.part(b)
            wanted = self.relax.undecided(low[:, part], high[:, part], b) | marked[:, part]
            units = np.argsort(~wanted, 1, kind="stable")[:, : int(wanted.sum(1).max(initial=0))]
            least, most = low[:, part], high[:, part]
            found = []
            for some, above in self.relax.of_units(b, units, lines):
                n, at = some.stop - some.start, (every, units[:, some])
                largest = above.c + ball.largest(above.a, h, k)
                most[at] = np.minimum(most[at], largest[:, :n])
                least[at] = np.maximum(least[at], -largest[:, n:])
                if self.cutting:
                    found.append((above.a[:, :n], above.c[:, :n], above.a[:, n:], above.c[:, n:]))
                elif perf_counter() > self.end:
                    break  # the others keep their bounds
            real &= (least <= most + ROUNDING * (abs(least) + abs(most))).all(1)
            crossed = least > most
            least[crossed] = most[crossed] = ((least + most) / 2)[crossed]
            lines.append(between(self.relax.bends[b], least, most))
            walls.append((units, *(np.concatenate(parts, 1) for parts in zip(*found, strict=True))))
        return real, lines, walls

    def bound(self, batch: list[tuple[float, Subset, int]]) -> None:
        """Both sides of subsets that are cut: first what their half-spaces leave, then new lines over that cap."""
        kept, caps, bounds = [], [], []
        for bound, subset, side in batch:
            self.count += 1
            a, c = subset.sides[side]
            rows = np.concatenate([subset.a, a[None]]), np.append(subset.c, c)
            near = closest(*rows, self.norm, self.asked.low, self.asked.high, self.reach)
            bound = max(bound, near.distance)
            if bound >= self.limit:
                self.closed = min(self.closed, bound)
                continue
            size = abs(near.h).max(initial=0.0) or 1.0
            kept.append((subset, side))
            caps.append((near.h / size, near.k / size))
            bounds.append(bound)
        if not kept:
            return
        low, high = np.stack([s.low for s, _ in kept]), np.stack([s.high for s, _ in kept])
        marked, marks = np.zeros(low.shape, bool), []
        for i, (subset, side) in enumerate(kept):
            unit, kink = subset.cut
            (high if side else low)[i, unit] = kink
            marks.append((*subset.marks, (unit, kink, side)))
            marked[i, [m[0] for m in marks[-1]]] = True
        h, k = np.stack([h for h, _ in caps]), np.array([k for _, k in caps])
        real, lines, walls = self.tighten(low, high, h, k, marked)
        row = np.array([s.row for s, _ in kept])
        goal, met = self.relax.above(self.asked.network.output.number, self.asked.rows[row][:, None], lines)
        flat = Lines(goal.a[:, 0], goal.c[:, 0] + self.asked.shift[row])
        real &= flat.c + self.space.largest(goal.a, h, k)[:, 0] >= 0
        bounds = np.where(real, bounds, np.inf)
        self.keep(Made(low, high, marks, row, flat, {b: d[:, 0] for b, d in met.items()}, lines, walls), bounds)

    def keep(self, made: Made, bounds: np.ndarray) -> None:
        """Put the subsets that may still hold a nearer flip among the open ones, each with its next cut."""
        asked, kept = self.asked, []
        alone, _ = to_half_space(made.goal.a, made.goal.c, self.norm, asked.low, asked.high)
        for i, bound in enumerate(np.maximum(alone, bounds)):
            a, c, point = made.goal.a[i], made.goal.c[i], None
            if bound < self.limit:
                sides = [self.wall(made, i, *mark) for mark in made.marks[i]]
                a, c = np.stack([a, *(s[0] for s in sides)]), np.array([c, *(s[1] for s in sides)])
                near = closest(a, c, self.norm, asked.low, asked.high, self.reach)
                bound, point = max(bound, near.distance), near.point
            if bound < self.limit:
                kept.append((i, bound, a, c, point))
            else:
                self.closed = min(self.closed, bound)
        if not kept:
            return
        points = asked.within(np.stack([k[-1] for k in kept]) * (1 + NUDGE))
        self.improve(points)
        cuts = self.cuts(points, made, np.array([k[0] for k in kept]))
        for (i, bound, a, c, point), cut in zip(kept, cuts, strict=True):
            if cut is None and bound < self.limit:
                self.corner(a, c, point)
            if bound >= self.limit or cut is None:
                self.closed = min(self.closed, bound)
                continue
            sides = tuple(self.wall(made, i, *cut, side) for side in (0, 1))
            subset = Subset(made.low[i], made.high[i], made.marks[i], int(made.row[i]), a, c, cut, sides)
            heapq.heappush(self.open, (bound, self.pushed, subset))
            self.pushed += 1

    def wall(self, made: Made, i: int, unit: int, kink: float, side: int) -> tuple[np.ndarray, float]:
        """The half-space that holds one side of a kink in subset i, 0 above it and 1 below."""
        b, j = self.relax.of(unit)
        units, up, up_offset, down, down_offset = made.walls[b]
        i = min(i, len(units) - 1)  # at the root there is one set of lines for all
        place = int(np.flatnonzero(units[i] == j)[0])
        if side:
            return down[i, place], float(down_offset[i, place] + kink)
        return up[i, place], float(up_offset[i, place] - kink)

    def improve(self, points: np.ndarray) -> None:
        """Take the nearest of these points that flips as the best."""
        margins = self.asked.margins(points)
        far = np.where((margins >= 0).any(1), length(points - self.asked.x, self.norm), np.inf)
        i = int(far.argmin())
        if far[i] < self.best.distance:
            found = settle(self.asked, self.norm, points[i] - self.asked.x)
            self.best = found if found.distance < self.best.distance else self.best

    def corner(self, a: np.ndarray, c: np.ndarray, point: np.ndarray) -> None:
        """Take the nearest point of a subset where nothing bends: a trifle inward from the half-spaces it lies on, or
        where they leave no room, itself, if the network's own forward is 0 there up to rounding."""
        sizes = np.maximum(length(a, 2), 1e-300)
        on = abs(a @ point + c) <= ROUNDING * sizes * self.reach
        inward = (a[on] / sizes[on, None]).sum(0)
        steps = self.reach * np.array([0.0, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9])
        z = self.asked.within(point + steps[:, None] * inward)
        margins = self.asked.margins(z).max(1)
        there = np.flatnonzero(margins >= 0)
        if not len(there):
            there = np.flatnonzero(margins[:1] >= -ZERO * abs(self.asked.network(z[:1])).max())
        if len(there):
            far = float(length(z[there[0]] - self.asked.x, self.norm))
            if far < self.best.distance:
                row = int(self.asked.margins(z[there[:1]])[0].argmax())
                self.best = Found(far, z[there[0]], row)

    def cuts(self, points: np.ndarray, made: Made, which: np.ndarray) -> list[tuple[int, float] | None]:
        """For each of some subsets the unit whose line is farthest off at its nearest point, and the kink to cut at.

        There the goal's line is above the network's own value by `Σ |d| · gap` over all units, d being what the goal
        weighs a unit with and gap how far its line is off at the network's own input: so the largest term is what
        loosens the bound. None where every bend is decided.
        """
        low, high = made.low[which], made.high[which]
        gaps, inputs = np.zeros_like(low), np.empty_like(low)
        for b, (z, y) in enumerate(bent(self.asked.network, points)):
            part, line = self.relax.part(b), Between(*(p[which] for p in made.lines[b]))
            d = made.met[b][which] if b in made.met else np.zeros_like(z)
            over, under = line.up * z + line.up_offset - y, line.down * z + line.down_offset - y
            gaps[:, part], inputs[:, part] = np.where(d > 0, d * over, d * under), z
        tie = 1e-12 * (abs(gaps).max(1, initial=0.0) + 1e-300)  # with no gap anywhere, the widest
        wide = (high - low) / (high - low).max(1, initial=1e-300)[:, None]
        score = np.where(self.relax.undecided(low, high), np.maximum(gaps, 0) + tie[:, None] * wide, -1.0)
        found: list[tuple[int, float] | None] = []
        for i, unit in enumerate(score.argmax(1)):
            inside = [float(q) for q in self.relax.kinks[unit] if low[i, unit] < q < high[i, unit]]
            nearest = min(inside, key=lambda q: abs(q - inputs[i, unit]), default=None)
            found.append(None if nearest is None else (int(unit), nearest))
        return found


def bent(network: Network, x: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """What goes into every bend at these points, and what comes out."""
    values, found = {0: x}, []
    for i, step in enumerate(network.steps):
        given = [values[number] for number in step.inputs]
        values[step.output] = step.operator(*given)
        if isinstance(step.operator, Bend):
            found.append((given[0], values[step.output]))
        network.forget(values, i)
    return found
