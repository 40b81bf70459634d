"""Branch and bound: a space is cut in two until each part is proven, or a counterexample or the end of the time comes.

With few inputs an input of a box is cut, the one along which the lines change most; with many, or in a ball, a unit,
the one whose line is farthest off, and what is known of it counts with a multiplier.
Source: Wang and others 2018, ReluVal; Bunel and others 2020; Wang and others 2021, beta-CROWN.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from ..affine import Bend, Value
from ..geometry import Network
from ..machine import cores, one_thread_each
from . import _boxes as kernels
from ._certificate import Counterexample
from ._claim import Claim, Clause
from ._program import FORMATS, Writer
from ._tree import Tree

FEW = 12  # inputs, up to which inputs are cut
BATCH, LEAST = 512, 8  # nodes that are bounded at a time, and at least
PAUSE = 0.25  # seconds that a batch may take, about
ROUNDS = {True: (2, 2), False: (20, 10)}  # of better lines, at the first node and behind it, by whether inputs are cut
THIN = 2.0**-40  # of the whole: an input that is not cut any more
SLACK = 1e-7  # of the outputs: by how much a proof is to be more than just enough, so that it can be checked again


@cache
def ready() -> None:
    """Have the kernels compiled, which the first time on a machine takes about a minute, before any clock runs."""
    stats: Any = kernels.bound_nodes.stats
    if not any(Path(stats.cache_path).glob("_boxes.bound_nodes-*.nbi")):
        print("Compiling the bounds, once: about a minute.", file=sys.stderr)
    net = Network((1,), (), Value(0, (1,)), "")
    program, one, none = Writer(net, FORMATS["real"]).program(), np.zeros((1, 1)), np.zeros((1, 0))
    spaces = one, one, one, np.zeros(1), np.inf
    kernels.bound_boxes(program, spaces, (none[:0], none[:0]), one, 1)
    kernels.bound_nodes(program, spaces, (none, none), one, NO_MARKS, NO_LIFT, np.zeros((1, 0), bool), 1)


NO_MARKS, NO_LIFT = np.zeros((0, 2, 0, 0), np.uint8), np.zeros((0, 0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Nodes:
    """Nodes that are open: their number in the tree, the share of the whole that they are, the bound of their margins,
    their boxes, the units' bounds, slopes and multipliers to begin with, and which units were cut."""

    number: np.ndarray
    share: np.ndarray
    bound: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit_low: np.ndarray
    unit_high: np.ndarray
    marks: np.ndarray
    lift: np.ndarray
    pinned: np.ndarray

    def __len__(self) -> int:
        return len(self.number)

    def part(self, which: Any) -> Nodes:
        return Nodes(*(getattr(self, f.name)[which] for f in fields(self)))

    @staticmethod
    def together(parts: list[Nodes]) -> Nodes:
        return Nodes(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Nodes)))


class Search:
    """The search for one clause. With a `tolerance` it is for the least margin itself, up to that; without, it ends
    where all margins are above 0, or one is not.

    `lowest` is the least margin found, at the input `at`; `tree` is the proof so far, `boxes` how much was bounded.
    """

    def __init__(self, claim: Claim, clause: Clause, end: float, tolerance: float | None = None):
        self.claim, self.clause, self.end, self.tolerance = claim, clause, end, tolerance
        self.program, self.threads = claim.it.program, cores()
        self.inputs = claim.it.network.n_in <= FEW and claim.space.whole
        self.tree, self.open = Tree(), [self.first()]
        self.boxes, self.done = 0, 0.0
        self.at = claim.space.centre[0]
        self.lowest = np.inf
        self.closed = np.inf  # the least bound of what is proven, and of what is too thin to be cut
        self.stuck = False
        self.counterexample: Counterexample | None = None
        self.each = 1e-3  # seconds that a node takes
        self.slack = SLACK * clause.size(claim.it.network(self.at[None])[0])

    def first(self) -> Nodes:
        space, units = self.claim.space, int(self.program.unit[-1])
        marks, lift = np.zeros((1, 0, 0, 0), np.uint8), np.zeros((1, 0, 0), np.float32)
        return Nodes(
            np.zeros(1, int), np.ones(1), np.full(1, -np.inf), space.low, space.high, np.full((1, units), -np.inf),
            np.full((1, units), np.inf), marks, lift, np.zeros((1, units), bool),
        )  # fmt: skip

    @property
    def bound(self) -> float:
        """What the least margin is not below, by what is proven and what is open."""
        return float(min([self.closed, *(nodes.bound.min() for nodes in self.open)]))

    @property
    def target(self) -> float:
        """A part whose margins are above is not looked at any more."""
        return self.slack if self.tolerance is None else self.lowest - self.tolerance

    def run(self, told: Callable[[float, int], None] | None = None) -> None:
        """Cut until all is above the target, an input refutes it, or the time is up."""
        with one_thread_each(), ThreadPoolExecutor(self.threads) as pool:
            while self.open and self.counterexample is None and perf_counter() < self.end:
                self.step(pool, self.taken())
                if told:
                    told(self.done, self.boxes)

    def taken(self) -> Nodes:
        """The next nodes: those made last, or in search of the least margin those that may be lowest."""
        most = int(np.clip(PAUSE * self.threads / self.each, LEAST, BATCH))
        nodes = self.open.pop()
        while self.open and (self.tolerance is not None or len(nodes) < most // 2):
            nodes = Nodes.together([self.open.pop(), nodes])
        if len(nodes) > most:
            order = np.argsort(-nodes.bound) if self.tolerance is not None else np.arange(len(nodes))
            self.open.append(nodes.part(order[:-most]))
            nodes = nodes.part(order[-most:])
        return nodes

    def step(self, pool: ThreadPoolExecutor, nodes: Nodes) -> None:
        """Bound nodes, try where the lines are worst, close what is proven and cut the rest."""
        began = perf_counter()
        low, high, top, line, x, gap, marks, lift = self.bounded(pool, nodes)
        margins = self.clause.shift - top
        margins[self.claim.space.beside(nodes.low, nodes.high)] = np.inf
        row, here = margins.argmax(1), np.arange(len(nodes))
        bound = np.maximum(margins[here, row], nodes.bound)
        self.boxes += len(nodes)
        self.tried(x[np.isfinite(bound)])
        shut = margins[here, row] > self.target
        self.closed = min(self.closed, margins[here, row][shut].min(initial=np.inf))
        self.done += float(nodes.share[shut].sum())
        own = marks[here, :, :, row], lift[here, :, row]
        self.tree.close(nodes.number[shut], row[shut], *(part[shut] for part in own))
        rest = ~shut
        if rest.any() and self.counterexample is None:
            fresh = nodes.number, nodes.share, bound, nodes.low, nodes.high, low, high, marks, lift, nodes.pinned
            self.cut(Nodes(*(part[rest] for part in fresh)), line[rest], gap[rest])
        self.each = 0.5 * self.each + 0.5 * (perf_counter() - began) / len(nodes) * self.threads

    def bounded(self, pool: ThreadPoolExecutor, nodes: Nodes) -> list[np.ndarray]:
        """What `bound_nodes` says, side by side on several threads."""
        space, count, warm = self.claim.space, len(nodes), nodes.marks.size > 0
        size = max(1, -(-count // (4 * self.threads)))
        columns, rounds = np.ascontiguousarray(-self.clause.rows.T), ROUNDS[self.inputs][warm]

        def some(first: int) -> Any:
            part = nodes.part(slice(first, first + size))
            n = len(part)
            centre, radius = np.repeat(space.centre, n, 0), np.repeat(space.radius, n)
            spaces = *map(np.ascontiguousarray, (part.low, part.high)), centre, radius, space.norm
            given = np.ascontiguousarray(part.unit_low), np.ascontiguousarray(part.unit_high)
            marks, lift = (np.ascontiguousarray(a if warm else a[:0]) for a in (part.marks, part.lift))
            return kernels.bound_nodes(
                self.program, spaces, given, columns, marks, lift, np.ascontiguousarray(part.pinned), rounds
            )

        parts = list(pool.map(some, range(0, count, size)))
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def tried(self, x: np.ndarray) -> None:
        """The inputs where the lines are worst may be lower than any so far, or refute the claim."""
        if not len(x):
            return
        x = self.claim.space.inside(x[None])[0]
        margin = self.clause.margin(self.claim.it.network(x))
        i = int(margin.argmin())
        if margin[i] < self.lowest:
            self.lowest, self.at = float(margin[i]), x[i]
        if margin[i] <= 0 and self.tolerance is None:
            self.counterexample = self.claim.refuted(x[i])

    def cut(self, nodes: Nodes, line: np.ndarray, gap: np.ndarray) -> None:
        """Both parts of each node, on the side of what is cut; those that are too thin stay as they are."""
        n, here = nodes.low.shape[1], np.arange(len(nodes))
        wide = nodes.high - nodes.low
        whole = np.maximum(self.claim.space.high - self.claim.space.low, 1e-300)
        steep = abs(line).max(1) * wide
        steep = np.where(wide / whole > THIN, steep + 1e-12 * wide / whole * steep.max(1, keepdims=True), -1.0)
        var = steep.argmax(1)
        at = nodes.low[here, var] + wide[here, var] / 2
        thin = steep[here, var] < 0
        if not self.inputs:
            unit, place, there = self.units(nodes, gap)
            var, at, thin = np.where(there, n + unit, var), np.where(there, place, at), thin & ~there
        if thin.any():
            self.stuck = True
            self.closed = min(self.closed, float(nodes.bound[thin].min()))
            nodes, var, at, here = nodes.part(~thin), var[~thin], at[~thin], here[: int((~thin).sum())]
            if not len(nodes):
                return
        first = self.tree.split(nodes.number, var, at)
        parts = []
        for side in (0, 1):
            low, high, unit_low, unit_high = (
                a.copy() for a in (nodes.low, nodes.high, nodes.unit_low, nodes.unit_high)
            )
            pinned, of_unit = nodes.pinned.copy(), var >= n
            i, u = (here[~of_unit], var[~of_unit]), (here[of_unit], var[of_unit] - n)
            (low if side else high)[i] = at[~of_unit]
            (unit_low if side else unit_high)[u] = at[of_unit]
            pinned[u] = True
            made = first + side, nodes.share / 2, nodes.bound, low, high, unit_low, unit_high, nodes.marks, nodes.lift
            parts.append(Nodes(*made, pinned))
        self.open.append(Nodes.together(parts))

    def units(self, nodes: Nodes, gap: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For each node the unit whose line is farthest off, where to cut it, and whether there is one: at the kink
        nearest to its middle, and where the curve is smooth at the middle."""
        unit, here = gap.argmax(1), np.arange(len(nodes))
        low, high = nodes.unit_low[here, unit], nodes.unit_high[here, unit]
        place = low + (high - low) / 2
        for k, step in enumerate(self.claim.it.network.curves):
            of_step = (unit >= self.starts[k]) & (unit < self.starts[k + 1])
            if isinstance(step.operator, Bend) and of_step.any():
                kinks = step.operator.kinks
                near = kinks[abs(place[of_step, None] - kinks).argmin(1)]
                place[of_step] = near
        there = (gap[here, unit] > 0) & (low < place) & (place < high)
        return unit, place, there

    @property
    def starts(self) -> np.ndarray:
        """Where the units of each curve begin among those of all."""
        return np.cumsum([0, *(step.width for step in self.claim.it.network.curves)])
