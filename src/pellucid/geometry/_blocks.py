"""The cells of a box, cut by one bend of a network after the other, in blocks that need nothing of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..affine import Add, Bend, Join
from ._flow import Flow, Stage
from ._network import Network

MOST = 16384  # cells that are cut together; more are parted into blocks
ROOM = 2**26  # numbers in the rows of a block, about


@dataclass
class Block:
    """Cells that are cut together; nothing is shared with other blocks.

    Cell c has the vertices `pool[starts[c]:starts[c] + sizes[c]]`, and `past` are the bits of the lines of earlier
    bends that it is above. Vertex v is at `x[v]`, with the values `rows[v]` before the bend of this stage; `tight` says
    on which of the first `bits` hyperplanes that have cut it lies.
    """

    stage: int
    x: np.ndarray
    rows: np.ndarray
    tight: np.ndarray
    bits: int
    pool: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    past: np.ndarray
    open: Open | None = None

    @property
    def bytes(self) -> int:
        return self.x.nbytes + self.pool.nbytes + self.past.nbytes + self.sizes.nbytes + self.x.nbytes


class Open(NamedTuple):
    """A stage that is under way: the line that cuts next, each line's size, the signs of vertices and of cells."""

    line: int
    size: np.ndarray
    pos: np.ndarray
    neg: np.ndarray
    above: np.ndarray
    below: np.ndarray


class Done(NamedTuple):
    """The regions of a block behind all stages, a point inside each, and how the network itself agrees there."""

    block: Block
    interior: np.ndarray
    mismatched: int
    residual: float


class Worked(NamedTuple):
    """What became of a block: further blocks, or regions; how many cells each bend left; decisions, undecided ones."""

    blocks: list[Block]
    done: Done | None
    counts: np.ndarray
    told: np.ndarray


class Plan:
    """A network in stages, and how they are to be gone through."""

    def __init__(self, network: Network, tolerance: float):
        self.network, self.tolerance = network, tolerance
        self.bends = [curve.bend for curve in curves(network)]
        self.widths = [curve.width for curve in curves(network)]
        flow = Flow(network)
        self.stages = [flow.first, *flow.stages]
        widest = max([sum(stage.widths) for stage in self.stages] + self.widths)
        self.most = int(np.clip(ROOM // widest, 64, MOST))
        self.least = 8 * widest * 2 ** min(network.n_in, 60)  # bytes of the rows of the box's corners

    def sizes(self, s: int, rows: np.ndarray) -> np.ndarray:
        """For every line of stage s, what rounding is relative to; `rows` are those before it."""
        size = magnitude(self.stages[s], abs(rows).max(0))[: self.widths[s]]
        return (size + abs(self.bends[s].kinks[:, None])).reshape(-1)


class Curves(NamedTuple):
    """The bend of a number of units, how many lines these have, and in how many whole words a bit for each fits."""

    bend: Bend
    width: int
    path: str

    @property
    def lines(self) -> int:
        return len(self.bend.kinks) * self.width

    @property
    def words(self) -> int:
        return words_for(self.lines)


def curves(network: Network) -> list[Curves]:
    """The bends of a network in their order."""
    return [Curves(s.operator, s.width, s.path) for s in network.steps if isinstance(s.operator, Bend)]


def words_for(bits: int) -> int:
    return -(-bits // 64)


def magnitude(stage: Stage, most: np.ndarray) -> np.ndarray:
    """The largest sum of sizes behind each number of the next rows, where those of these rows are not above `most`."""
    sizes = stage.taken_apart(most[None])
    for step in stage.steps:
        given = [sizes[number] for number in step.inputs]
        match step.operator:
            case Bend() as bend:
                made = given[0] * abs(bend.slopes).max(0) + abs(bend.offsets).max(0)
            case Add():
                made = np.sum(given, 0)
            case Join():
                made = np.concatenate(given, 1)
            case operator:
                made = operator.magnitude(given[0]) + abs(operator.shift)
        sizes[step.output] = made
    return stage.joined(sizes)[0]


def first_block(sides: Sequence[tuple[float, float]]) -> Block:
    """The whole box: its corners, each on one of the two sides along every axis."""
    d = len(sides)
    choice = np.array(list(product((0, 1), repeat=d)))
    x = np.array(sides)[np.arange(d), choice]
    tight = (np.uint64(1) << (2 * np.arange(d) + choice).astype(np.uint64)).sum(1, dtype=np.uint64)[:, None]
    one = np.zeros(1, np.int64)
    return Block(0, x, x, tight, 2 * d, np.arange(2**d), one, one + 2**d, np.zeros((1, 0), np.uint64))


def work(plan: Plan, block: Block, most: int) -> Worked:
    """Take a block through the stages, to the end or until it has more than `most` cells; then part it."""
    counts, told = np.zeros(len(plan.bends), np.int64), np.zeros(2, np.int64)
    while block.stage < len(plan.bends):
        block = cut(plan, block, most, told)
        if block.open is None:
            counts[block.stage - 1] += len(block.starts)
        if len(block.starts) > most and block.stage < len(plan.bends):
            return Worked(parted(block), None, counts, told)
    return Worked([], finished(plan, block), counts, told)


def cut(plan: Plan, block: Block, most: int, told: np.ndarray) -> Block:
    """Cut by the lines of one stage, until it is through or there are more than `most` cells."""
    from . import _cells as cells

    s = block.stage
    kinks, n = plan.bends[s].kinks, plan.widths[s]
    if block.open is None:
        size = plan.sizes(s, block.rows)
        block = replace(block, rows=plan.stages[s].advance(block.rows))
        pos, neg = np.zeros((2, len(block.x), words_for(n * len(kinks))), np.uint64)
        cells.signs(block.rows, kinks, n, size, plan.tolerance, pos, neg, told)
        block.open = Open(0, size, pos, neg, *cells.sides(block.pool, block.starts, block.sizes, pos, neg))
    line, size, pos, neg, above, below = block.open
    made: Any = cells.cut(
        block.x.shape[1], block.x, block.rows, block.tight, pos, neg, block.pool, block.starts, block.sizes,
        above, below, kinks, n, size, plan.tolerance, line, block.bits, most, told,
    )  # fmt: skip
    x, rows, tight, pos, neg, pool, starts, sizes, above, below, origin, line, bits = made
    past = block.past[origin]
    open_ = Open(line, size, pos, neg, above, below)
    if line == n * len(kinks):
        s, past, open_ = s + 1, np.hstack([past, above]), None
    return Block(s, x, rows, tight, bits, pool, starts, sizes, past, open_)


def parted(block: Block) -> list[Block]:
    """Two blocks, of the cells on either side of the middle along the axis in which they are spread most."""
    middles = means(block.x, *laid_out(block)[1:])
    along = middles[:, int(middles.std(0).argmax())]
    order = np.argsort(along, kind="stable")
    half = len(order) // 2
    return [part_of(block, np.sort(order[half:])), part_of(block, np.sort(order[:half]))]


def laid_out(block: Block, cells: Any = slice(None)) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of these cells the sizes, the vertices of one after the other, and where those of each begin."""
    starts, sizes = block.starts[cells], block.sizes[cells]
    new = np.cumsum(sizes) - sizes
    places = np.arange(int(sizes.sum())) + np.repeat(starts - new, sizes)
    pool = block.pool[places]
    return sizes, pool, new


def means(values: np.ndarray, pool: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The mean of the rows of every cell's vertices."""
    counts = np.diff(np.append(starts, len(pool)))
    return np.add.reduceat(values[pool], starts) / counts[:, None]


def part_of(block: Block, cells: np.ndarray) -> Block:
    """These cells alone, with the vertices and the hyperplanes that they need."""
    sizes, pool, starts = laid_out(block, cells)
    kept, pool = np.unique(pool, return_inverse=True)
    part = replace(
        block, x=block.x[kept], rows=block.rows[kept], tight=block.tight[kept], pool=pool, starts=starts, sizes=sizes,
        past=block.past[cells],
    )  # fmt: skip
    if part.open is not None:
        line, size, pos, neg, above, below = part.open
        part.open = Open(line, size, pos[kept], neg[kept], above[cells], below[cells])
    return part


def finished(plan: Plan, block: Block) -> Done:
    """The block with its outputs, its vertices laid out in order, and what the network itself says inside each cell."""
    sizes, pool, starts = laid_out(block)
    values = plan.stages[-1].advance(block.rows)
    block = replace(
        block, x=block.x.copy(), rows=values, tight=block.tight[:0].copy(), pool=pool, starts=starts, sizes=sizes
    )
    interior = means(block.x, pool, starts)
    rows, wrong, word = interior, np.zeros(len(interior), bool), 0
    for s, bend in enumerate(plan.bends):
        lines = len(bend.kinks) * plan.widths[s]
        within = plan.tolerance * plan.sizes(s, rows)
        rows = plan.stages[s].advance(rows)
        value = (rows[:, None, : plan.widths[s]] - bend.kinks[:, None]).reshape(len(rows), lines)
        words = np.ascontiguousarray(block.past[:, word : word + words_for(lines)])
        above = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :lines].astype(bool)
        wrong |= np.where(above, value < -within, value > within).any(1)
        word += words_for(lines)
    there = plan.stages[-1].advance(rows)
    off = abs(there - means(values, pool, starts)).max(initial=0.0)
    return Done(block, interior, int(wrong.sum()), float(off / max(abs(values).max(initial=0.0), 1e-300)))
