"""All regions of a network in a box of any dimension, each with its corners, its pattern and an interior point."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GeometryError, SettingError
from ..machine import free_memory, one_thread_each
from ..module import Layer
from ..records import Record, unlisted
from ._blocks import Block, Done, Plan, Worked, curves, first_block, work
from ._network import Local, Network, input_shape, lowered, without_link

LIMIT = 1_000_000
MEMORY = 4 << 30  # bytes, where the system does not say how many are free
CORNERS = 12  # the most dimensions in which cells are kept as their corners
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Extreme(Record):
    """The least or the largest that an output takes on the regions found, and a corner where it does."""

    output: int
    value: float
    at: tuple[float, ...]


@dataclass(frozen=True)
class Regions(Record):
    """All regions of a network in a box: where `complete`; else only those found before it `stopped`, by what.

    `per_bend` is the number of regions behind each bend, of those parts of the box that were gone through to the end.
    A unit is taken for on its kink where it is not further from it than `tolerance` times the sum of the sizes of what
    it adds up: of `decisions` of a unit's sign at a corner, `undecided` were of this sort without being exactly 0. A
    region in which some unit goes no further than that from its kink may be missing; where `undecided` is 0, none is.

    `interior` is a point inside each region, the mean of its corners. `mismatched` regions have another pattern there
    by the network itself, and `residual` is the largest deviation, relative to the largest output, of the network
    there from the mean of its values at the corners: they are equal where it is linear. `lowest` and `highest` are the
    extremes of each output. The order of the regions means nothing. `memory` is what the record holds, in bytes.
    """

    box: tuple[tuple[float, float], ...]
    count: int
    complete: bool
    stopped: str
    bends: tuple[str, ...]
    per_bend: tuple[int, ...]
    lowest: tuple[Extreme, ...]
    highest: tuple[Extreme, ...]
    tolerance: float
    decisions: int
    undecided: int
    mismatched: int
    residual: float
    memory: int
    network: Network = unlisted(repr=False)
    interior: np.ndarray = unlisted(repr=False)
    above: np.ndarray = unlisted(repr=False)  # bits: the lines of each bend, in whole words, that a region is above
    vertices: np.ndarray = unlisted(repr=False)
    pool: np.ndarray = unlisted(repr=False)  # the numbers of the vertices of one region after the other
    starts: np.ndarray = unlisted(repr=False)

    def pieces(self, i: int | None = None) -> list[np.ndarray]:
        """Of every bend the pieces that its units are on: (units,) in region i, or (regions, units) in all of them."""
        words = self.above if i is None else self.above[i : i + 1]
        found, start = [], 0
        for curve in curves(self.network):
            end = start + curve.words
            bits = np.unpackbits(np.ascontiguousarray(words[:, start:end]).view(np.uint8), axis=1, bitorder="little")
            lines = bits[:, : curve.lines].reshape(len(words), len(curve.bend.kinks), curve.width)
            found.append(lines.sum(1, dtype=np.int8))
            start = end
        return found if i is None else [piece[0] for piece in found]

    def local(self, i: int) -> Local:
        """The affine map of region i: `f(x) = x W + c`."""
        return self.network.local_of(self.pieces(i))

    def corners(self, i: int) -> np.ndarray:
        """The vertices of region i, (corners, inputs), in no order; none where there were too many inputs for them."""
        return self.vertices[self.pool[self.starts[i] : self.starts[i + 1]]]

    def volume(self, i: int) -> float:
        """The volume of region i, from its corners."""
        from scipy.spatial import ConvexHull

        corners = self.corners(i)
        return float(np.ptp(corners)) if len(self.box) == 1 else float(ConvexHull(corners).volume)


def enumerate_regions(
    net: Layer | Network,
    box: Any,
    limit: int = LIMIT,
    progress: Progress | None = None,
    *,
    tolerance: float = 1e-11,
    threads: int = 1,
    memory: int | None = None,
) -> Regions:
    """All regions of a network in an axis-parallel box, a pair (low, high) for each input.

    A cell is kept as its corners, and for each of these the hyperplanes it lies on. A kink of a unit cuts the cells
    that have corners strictly on both sides; the new corners lie on edges, pairs of corners that share enough
    hyperplanes. In more than 12 dimensions, where a box has too many corners, the regions are walked through from the
    middle, from neighbour to neighbour. `progress` is called with the number of regions found so far; where there are
    more than `limit`, or they would take more than `memory` bytes (by default half of what is free), the answer holds
    those found until then, and says so.

    Raises: SettingError for an empty or endless box or an impossible limit; GeometryError where a layer is not
        piecewise linear, the box has not as many sides as the network has inputs, or its corners alone are too many.
    Source: Motzkin et al. 1953, the double description method; Fukuda and Prodon 1996, proposition 7.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.eye(3), np.zeros(3)), Activation("relu"), Dense(np.ones((3, 1)), np.zeros(1))])
        >>> found = enumerate_regions(net, [(-1, 2)] * 3)
        >>> found.count, found.per_bend, found.highest[0].value, found.undecided
        (8, (8,), 6.0, 0)
    """
    sides = checked_box(box)
    network = lowered(net, None if isinstance(net, Network) else (len(sides),) if flat_input(net) else None)
    if network.n_in != len(sides):
        raise GeometryError(f"The box has {len(sides)} sides, the network {network.n_in} inputs: give one for each.")
    if limit < 1 or threads < 1 or not 0 <= tolerance < 1:
        raise SettingError(
            f"limit and threads are at least 1, tolerance from 0 to 1; got {limit}, {threads}, {tolerance}."
        )
    room = (free_memory() or MEMORY) // 2 if memory is None else memory
    if network.n_in > CORNERS:
        from ._walk import walked_regions

        return walked_regions(network, sides, limit, progress, tolerance, room)
    plan = Plan(network, tolerance)
    if plan.least > room:
        raise GeometryError(
            f"The {2**network.n_in:,} corners of the box alone take about {plan.least / 1e9:.1f} GB, "
            f"{room / 1e9:.1f} GB are given: cut along fewer inputs, or walk."
        )
    found = Found(limit, room, progress)
    found.run(plan, first_block(sides), threads)
    return put_together(plan, sides, found)


def flat_input(net: Layer) -> bool:
    """Whether the shape of an input may be taken for (inputs,): where the network itself does not say."""
    try:
        input_shape(without_link(net)[0])
    except GeometryError:
        return True
    return False


def checked_box(box: Any) -> tuple[tuple[float, float], ...]:
    """The sides as numbers.

    Raises: SettingError where one is not a pair, not finite or empty.
    """
    try:
        sides = tuple((float(low), float(high)) for low, high in box)
    except (TypeError, ValueError):
        raise SettingError(
            f"box is a pair (low, high) for each input, as in [(-1, 1), (-1, 1)]; got {box!r}."
        ) from None
    if not sides:
        raise SettingError("The box has no sides: give a pair (low, high) for each input.")
    for i, (low, high) in enumerate(sides):
        if not (np.isfinite(low) and np.isfinite(high)):
            raise SettingError(f"The box must end somewhere: side {i}, from {low} to {high}, does not.")
        if not low < high:
            raise SettingError(f"The box is empty: side {i} goes from {low} to {high}.")
    return sides


def memory_foreseen(network: Network, regions: int) -> int:
    """About how many bytes a record of so many regions takes.

    In general position a region has 2^d corners, and each of them belongs to 2^d regions.
    """
    d = network.n_in
    words = sum(curve.words for curve in curves(network))
    return regions * (8 * words + 24 * d + (8 * 2**d if d <= CORNERS else 0))


class Found:
    """What has been found so far, and whether that is all that is wanted."""

    def __init__(self, limit: int, room: int, progress: Progress | None):
        self.limit, self.room, self.progress = limit, room, progress
        self.done: list[Done] = []
        self.count, self.bytes, self.stopped = 0, 0, ""
        self.counts: np.ndarray | int = 0
        self.told: np.ndarray | int = 0

    def run(self, plan: Plan, block: Block, threads: int) -> None:
        """Work on the last block first, so that few are open at a time; each is cut without Python's lock."""
        stack, running = [block], set[Future[Worked]]()
        with one_thread_each(), ThreadPoolExecutor(threads) as pool:
            while (stack or running) and not self.stopped:
                while stack and len(running) < threads:
                    few = len(stack) + len(running) < threads
                    most = min(plan.most, max(64, self.limit), 128 if few else plan.most)
                    running.add(pool.submit(work, plan, stack.pop(), most))
                ready, running = wait(running, return_when=FIRST_COMPLETED)
                results = [future.result() for future in ready]
                stack += [block for worked in results for block in worked.blocks]
                for i, worked in enumerate(results, 1):
                    self.add(worked, bool(stack or running or any(later.done for later in results[i:])))
            for future in running:
                future.cancel()

    def add(self, worked: Worked, more: bool) -> None:
        self.counts, self.told = self.counts + worked.counts, self.told + worked.told
        if worked.done is None or self.stopped:
            return
        self.done.append(worked.done)
        self.count += len(worked.done.interior)
        self.bytes += worked.done.block.bytes
        if self.count > self.limit or (self.count == self.limit and more):
            self.stopped = "limit"
        elif self.bytes > self.room and more:
            self.stopped = "memory"
        if self.progress is not None:
            self.progress(min(self.count, self.limit))


def put_together(plan: Plan, sides: tuple[tuple[float, float], ...], found: Found) -> Regions:
    """The record of all blocks that went through all stages."""
    count = min(found.count, found.limit)
    blocks = [done.block for done in found.done]
    firsts = np.cumsum([0, *(len(block.x) for block in blocks)])
    pool = np.concatenate([block.pool + first for block, first in zip(blocks, firsts, strict=False)])
    starts = np.concatenate([[0], np.cumsum(np.concatenate([block.sizes for block in blocks]))[:count]])
    vertices = np.concatenate([block.x for block in blocks])
    values = np.concatenate([block.rows for block in blocks])
    above = np.concatenate([block.past for block in blocks])[:count]
    interior = np.concatenate([done.interior for done in found.done])[:count]
    pool = pool[: starts[-1]]
    seen = np.unique(pool) if found.count > count else slice(None)
    lowest, highest = extremes(vertices[seen], values[seen])
    arrays = (vertices, pool, starts, above, interior)
    return Regions(
        box=sides, count=count, complete=not found.stopped, stopped=found.stopped,
        bends=tuple(step.path for step in plan.network.bends), per_bend=tuple(int(n) for n in np.ravel(found.counts)),
        lowest=lowest, highest=highest, tolerance=plan.tolerance,
        decisions=int(np.ravel(found.told)[0]), undecided=int(np.ravel(found.told)[1]),
        mismatched=sum(done.mismatched for done in found.done),
        residual=max(done.residual for done in found.done), memory=sum(a.nbytes for a in arrays),
        network=plan.network, interior=interior, above=above, vertices=vertices, pool=pool, starts=starts,
    )  # fmt: skip


def extremes(x: np.ndarray, y: np.ndarray) -> tuple[tuple[Extreme, ...], tuple[Extreme, ...]]:
    """The least and the largest of every column of y, and where."""
    least, most = y.argmin(0), y.argmax(0)
    return tuple(
        tuple(Extreme(k, float(y[i, k]), tuple(x[i].tolist())) for k, i in enumerate(where.tolist()))
        for where in (least, most)
    )  # pyright: ignore[reportReturnType]
