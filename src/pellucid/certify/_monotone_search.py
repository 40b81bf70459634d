"""Branch and bound: whether a derivative is nowhere below 0, in ever smaller parts of the input space."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ._monotone_ask import Asked, Goal
from ._monotone_parts import cut, enclosed, fraction
from ._monotone_relax import Aim, Part, relaxed
from ._monotone_slopes import Interval, bounds_back, ranges_of
from ._monotone_witness import Pair, pair_at, slopes_of

SPLIT, CLOSED, PROGRAM = range(3)  # of a part: it was cut, or what closed it, its bounds or a program
COST = 1e3  # of going beyond a row, where a program has no point


class Node(NamedTuple):
    """A part, what is proven of its derivative, its slopes and derivatives, and its number in the proof."""

    part: Part
    bound: float
    ranges: list[Interval]
    blames: dict[int, Interval]
    number: int


@dataclass
class Search:
    """The proof under way that `sign · d(row · outputs) / d input[feature] ≥ 0`.

    `least` is the lowest derivative met at an input, and `pair` two inputs that refute it; `floor` is the least bound
    of the parts that are done with, and `given_up` says whether some of them are not proven.
    """

    asked: Asked
    goal: Goal
    row: np.ndarray
    feature: int
    sign: int
    open: list[tuple[float, int, Node]] = field(default_factory=list)
    parts: int = 0
    least: float = np.inf
    pair: Pair | None = None
    floor: float = np.inf
    given_up: bool = False
    tree: list[list[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.network = self.asked.it.network
        self.aim = Aim(self.row, self.sign * np.eye(self.network.n_in)[self.feature])
        self.add(enclosed(self.asked, self.asked.low[None], self.asked.high[None]), -np.inf)

    @property
    def bound(self) -> float:
        """What is proven: the derivative is nowhere below it."""
        return min(self.floor, self.open[0][0] if self.open else np.inf)

    @property
    def proven(self) -> bool:
        return not self.open and not self.given_up

    @property
    def done(self) -> bool:
        return not self.open or self.pair is not None

    def run(self, seconds: float) -> None:
        """Go on for so long, or until it is proven or refuted."""
        start = perf_counter()
        while not self.done and perf_counter() - start < seconds:
            first = heappop(self.open)
            try:
                self.one(first[2])
            except KeyboardInterrupt:
                heappush(self.open, first)
                raise

    def add(self, parts: list[Part | None], bound: float) -> list[int]:
        """Take up the parts that are not done with by their slopes; the numbers of all of them in the tree."""
        numbers = list(range(len(self.tree), len(self.tree) + len(parts)))
        self.parts += len(parts)
        for number, part in zip(numbers, parts, strict=True):
            if part is None:
                self.tree.append([CLOSED])
                continue
            ranges = ranges_of(self.network, part.low[None], part.high[None])
            blames = bounds_back(self.network, ranges, self.aim.row[None])
            side = blames[0].low if self.sign > 0 else -blames[0].high
            here = max(bound, float(side[0, self.feature]))
            self.tree.append([CLOSED])
            if here >= 0:
                self.floor = min(self.floor, here)
            else:
                heappush(self.open, (here, number, Node(part, here, ranges, blames, number)))
        return numbers

    def one(self, node: Node) -> None:
        """Prove a part by its program, or cut it."""
        made = relaxed(self.asked, node.part, node.ranges, node.blames, self.aim)
        program, solved = made.program, made.program.solved()
        if solved is None:
            solved = program.elastic(COST * max(1.0, float(abs(program.c).max()))).solved()
        if solved is None:
            self.give_up(node.bound)
            return
        point, multipliers = solved
        multipliers = multipliers.astype(np.float32)
        bound = max(node.bound, program.proven(multipliers))
        if bound >= 0:
            self.tree[node.number] = [PROGRAM, *program.told(multipliers)]
            self.floor = min(self.floor, bound)
            return
        x = np.clip(point[: self.network.n_in], node.part.bottom, node.part.top)
        if fraction(self.asked, node.part, x) is None:
            self.meet(x)
        sides = cut(self.asked, node.part, made, point, self.aim) if self.pair is None else None
        if sides is not None:
            self.tree[node.number] = [SPLIT, *sides.cut, *self.add(enclosed(self.asked, *sides[:4]), bound)]
        elif self.pair is None:
            self.give_up(bound)

    def give_up(self, bound: float) -> None:
        """A part that can neither be proven nor cut."""
        self.floor, self.given_up = min(self.floor, bound), True

    def meet(self, x: np.ndarray) -> None:
        """See whether an input refutes it."""
        slope = self.sign * float(slopes_of(self.network, self.goal, x[None])[0, self.feature])
        self.least = min(self.least, slope)
        if slope < 0:
            pair = pair_at(self.asked, self.goal, x, self.feature, self.sign)
            self.pair = pair if pair.margin > 0 else None
