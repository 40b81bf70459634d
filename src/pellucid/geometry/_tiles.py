"""A large network's plane in tiles: halved until few units can bend in a part, cut tile by tile, and joined again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition, Lock
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import GeometryError
from ..machine import free_memory, one_thread_each
from ._cut import FlatLeader
from ._exact import Exact
from ._flow import Rows
from ._foreseen import foreseen
from ._join import Joining, Node
from ._lines import Line
from ._mesh import Mesh
from ._narrow import Narrow
from ._network import Network
from ._tile import Tile, cut_tile
from ._tile_bounds import Box
from ._whole import Whole

FEW = 300  # units that may bend in a tile, about
SOME = 2500  # where so many may bend, the network is narrowed
UNLED = 20  # units that are 0 on a line and do not follow another there: the whole network is looked at again
LONG = 8  # seconds: where it takes longer, it is asked how many regions there will be,
WAYS = 16  # by so many random tiles
HOPELESS = 4  # times the limit, of which no partial answer is given
STUBBORN = 6  # halvings that may leave nearly all of them, as where many lines meet in a point
Report = Callable[[int, int, int], None]  # so many per cent of the area, 100, and the faces so far


@dataclass(eq=False)
class Part:
    """A rectangle that is still to be looked at: its place in the tree, the network known of it, and how it came."""

    box: Box
    node: Node
    share: float
    narrow: Narrow | None = None
    before: tuple[int, ...] = ()  # the units that might bend in the rectangles it was halved from


class Tiles:
    """All regions of a network of two inputs in a rectangle, by tiles that need nothing of each other."""

    def __init__(
        self, network: Network, box: Box, threads: int, limit: int, report: Report | None = None,
        lines: Sequence[Line] = (),
    ):  # fmt: skip
        self.network, self.box, self.threads, self.limit, self.report = network, box, threads, limit, report
        self.whole, self.one_at_a_time = Whole(network, lines), Lock()
        self.exact = Exact(network, self.whole.numbers)
        self.depth = len(network.bends)
        self.began, self.asked = perf_counter(), False
        self.tree = Node()
        self.waiting: list[Part] = []
        self.state = Condition()
        self.start()

    def start(self) -> None:
        self.busy, self.failed = 0, False
        self.done, self.faces, self.bytes = 0.0, 0, 0
        self.sure = np.zeros(self.depth, int)  # faces after each bend that no other tile can share

    def run(self) -> tuple[Mesh, Rows, tuple[int, ...]]:
        """The mesh, the rows of its vertices, and the regions after each bend.

        Where there are more than the limit, the bends behind are left out, in all tiles.
        """
        self.waiting = [Part(self.box, self.tree, 1.0)]
        while True:
            self.work_off()
            deeper = [(node, tile) for node, tile in leaves(self.tree) if tile.depth > self.depth]
            if not deeper:
                joining = Joining(self.network, self.tree, self.whole.speaks)
                counts = joining.counts()
                if self.shallower(counts) == self.depth:
                    return *joining.mesh(), counts
                self.depth = self.shallower(counts)
                deeper = list(leaves(self.tree))
            self.again(deeper)

    def shallower(self, counts: Any) -> int:
        """How many bends are cut, where these are the regions after each: up to the first that leaves too many."""
        over = [b + 1 for b, count in enumerate(counts) if count > self.limit]
        return min([self.depth, *over])

    def again(self, tiles: list[tuple[Node, Tile]]) -> None:
        """Cut these tiles once more, by fewer bends."""
        self.start()
        for node, tile in tiles:
            node.tile = None
            self.waiting.append(Part(tile.box, node, 0.0, self.whole.narrowed(self.whole.look(tile.box))))

    def work_off(self) -> None:
        """Work at what waits, on all threads; an error or an interruption stops all of them."""
        with one_thread_each():
            if self.threads == 1:
                self.worker()
                return
            with ThreadPoolExecutor(self.threads) as pool:
                futures = [pool.submit(self.worker) for _ in range(self.threads)]
                try:
                    for future in futures:
                        future.result()
                finally:
                    self.stop()

    def stop(self) -> None:
        with self.state:
            self.failed = True
            self.state.notify_all()

    def worker(self) -> None:
        while (part := self.next_part()) is not None:
            try:
                more = self.work(part)
            except BaseException:
                self.stop()
                raise
            with self.state:
                self.busy -= 1
                self.waiting += more
                self.state.notify_all()

    def next_part(self) -> Part | None:
        """What is next, the last that came first: so few are open at a time. None where all is done."""
        with self.state:
            while not self.failed and not self.waiting and self.busy:
                self.state.wait()
            if self.failed or not self.waiting:
                return None
            self.busy += 1
            return self.waiting.pop()

    def work(self, part: Part) -> list[Part]:
        found = self.cut_or_halved(part, self.depth)
        if isinstance(found, list):
            return found
        if self.keep(part, found):
            self.foresee()
        return []

    def cut_or_halved(self, part: Part, depth: int) -> Tile | list[Part]:
        """Cut a rectangle by so many bends where few units may bend in it; else halve it."""
        narrow, size = self.known(part)
        if narrow is not None and (size <= FEW or self.stubborn(part, size)):
            try:
                return cut_tile(self.whole, self.exact, self.one_at_a_time, narrow, depth)
            except FlatLeader:
                narrow = self.whole.within(self.whole.narrowed(self.whole.look(part.box)), part.box, careful=True)
                return cut_tile(self.whole, self.exact, self.one_at_a_time, narrow, depth)
        axis, middle = longer(part.box)
        sides = part.box[axis]
        boxes = [tuple(half if i == axis else side for i, side in enumerate(part.box)) for half in (
            (sides[0], middle), (middle, sides[1]))]  # fmt: skip
        part.node.axis, part.node.halves = axis, (Node(), Node())
        before = (*part.before, size)
        return [
            Part(box, node, part.share / 2, narrow, before)  # pyright: ignore[reportArgumentType]
            for box, node in zip(boxes, part.node.halves, strict=True)
        ]

    def known(self, part: Part) -> tuple[Narrow | None, int]:
        """The network narrowed to a rectangle, unless it is too large for that; and how many units may bend."""
        narrow = part.narrow
        if narrow is None or self.unled(narrow, part.box):
            looked = self.whole.look(part.box)
            if looked.size > SOME and not self.stubborn(part, looked.size):
                return None, looked.size
            narrow = self.whole.narrowed(looked)
        narrow = self.whole.within(narrow, part.box)
        if narrow.size <= FEW:  # what has become equal by the units decided now
            narrow = self.whole.within(narrow, part.box)
        return narrow, narrow.size

    def unled(self, narrow: Narrow, box: Box) -> bool:
        """Whether many units are left that are 0 on a line through a rectangle: they may be multiples of one by now."""
        lines = self.whole.crossed(box)
        left = sum(int(line.zero[b][units].sum()) for line in lines for b, units in enumerate(narrow.left))
        return left > UNLED * len(lines) and left > UNLED

    def stubborn(self, part: Part, size: int) -> bool:
        """Whether halving has helped little for long, or floats do not halve the rectangle any more."""
        axis, middle = longer(part.box)
        low, high = part.box[axis]
        return not low < middle < high or (
            len(part.before) >= 2 * STUBBORN and size > 0.9 * part.before[-STUBBORN] and size < 2 * SOME
        )

    def keep(self, part: Part, tile: Tile) -> bool:
        """Count a tile in. Gives back whether it is time to ask how many regions there will be."""
        with self.state:
            part.node.tile = tile
            self.faces += tile.mesh.faces
            self.bytes += tile.bytes
            self.done += part.share
            self.sure[: tile.depth] += (tile.counts - tile.shared)[: self.depth]
            self.depth = self.shallower(self.sure)
            self.sure = self.sure[: self.depth]
            self.check_memory()
            if self.report:
                self.report(round(100 * self.done), 100, self.faces)
            ask = perf_counter() - self.began > LONG and self.done < 0.5 and not self.asked
            self.asked |= ask
            return ask

    def foresee(self) -> None:
        """Leave out the bends behind which there will be too many regions.

        Raises: GeometryError where there will be far too many even so, or more than memory holds.
        """

        def halves(part: Part) -> list[Part] | np.ndarray:
            found = self.cut_or_halved(part, bends)
            if isinstance(found, list):
                return found
            return found.counts - found.shared / 2  # a face at a side is in two tiles

        bends = len(self.network.bends)
        mean, error = foreseen(lambda: Part(self.box, Node(), 1.0), halves, WAYS)
        with self.state:
            self.depth = self.shallower(mean - 2 * error)
            self.sure = self.sure[: self.depth]
            per_face = self.bytes / self.faces
        count, least = mean[self.depth - 1], (mean - 2 * error)[self.depth - 1]
        free = free_memory()
        room = np.inf if free is None else free / (2 * per_face)
        if least > min(HOPELESS * self.limit, room):
            fitting = min(self.limit, room)
            raise GeometryError(
                f"There are about {rounded(mean[-1])} regions here, by {WAYS} random parts of it"
                + (f", {rounded(count)} of the first {self.depth} of {bends} bends" if self.depth < bends else "")
                + f"; the limit is {self.limit:,}, and the free memory holds about {rounded(room)}. "
                f"Take a box with sides of about {np.sqrt(fitting / mean[-1]):.1%} of these"
                + (", or a larger limit." if count < room else ".")
            )

    def check_memory(self) -> None:
        """Raises: GeometryError where joining the tiles cut so far would need more memory than is free."""
        free = free_memory()
        if free is not None and self.bytes > free:
            raise GeometryError(
                f"The {self.faces:,} regions found in {self.done:.0%} of the area hold {self.bytes / 2**30:.1f} GiB, "
                f"joining them needs as much again, and {free / 2**30:.1f} are free: take a smaller box, or a limit "
                f"below {self.faces:,} regions for a partial answer."
            )


def leaves(node: Node) -> list[tuple[Node, Tile]]:
    """The nodes that are tiles."""
    if node.tile:
        return [(node, node.tile)]
    return [leaf for half in node.halves for leaf in leaves(half)]


def longer(box: Box) -> tuple[int, float]:
    """The axis along which a rectangle is longer, and the middle there."""
    sides = [high - low for low, high in box]
    axis = int(np.argmax(sides))
    return axis, (box[axis][0] + box[axis][1]) / 2


def rounded(count: float) -> str:
    """A number by its first two digits."""
    return f"{float(f'{count:.1e}'):,.0f}"
