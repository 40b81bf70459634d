"""From data to what the compiled epoch takes: segments of rows on the device, and the order to take them in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ._data import Block, Data, joined
from ._evaluate import filled
from ._settings import Settings

GATHERED_BYTES = 64 * 2**20  # rows are taken into order this much at a time


class Part(NamedTuple):
    """A run of whole batches: rows on the device, their order, and how many of them count (the rest is padding)."""

    x: Array
    y: Array
    weights: Array | None
    order: np.ndarray
    rows: int


@dataclass
class Feed:
    """Cuts every epoch into parts of equal size, so that one compiled program serves them all."""

    data: Data
    settings: Settings
    outputs: int  # of the network, against which the targets of later blocks are checked
    class_weights: np.ndarray | None = None

    def __post_init__(self) -> None:
        size = self.settings.batch_size
        self.resident = self.on_device(next(iter(self.data.blocks(0)))) if self.data.in_memory else None
        example = self.data.sample.x[:1].nbytes
        limit = max(size, GATHERED_BYTES // max(example, 1) // size * size)
        rows = self.data.n_rows if self.data.in_memory and self.data.n_rows else limit
        self.part_rows = min(limit, -(-rows // size) * size)

    @property
    def steps_per_epoch(self) -> int | None:
        """None where the number of rows is not known before they have been read."""
        return None if self.data.n_rows is None else -(-self.data.n_rows // self.settings.batch_size)

    @property
    def whole(self) -> bool:
        """Whether every batch is full and no row is weighted."""
        weighted = self.class_weights is not None or self.data.sample.weights is not None
        return (
            self.data.in_memory
            and not weighted
            and bool(self.data.n_rows)
            and self.data.n_rows % self.settings.batch_size == 0
        )

    def parts(self, epoch: int, first: int = 0) -> Iterator[Part]:
        """The parts of one epoch from number `first` on; the same epoch always gives the same parts."""
        if self.resident is not None:
            x, y, weights = self.resident
            order = self.order(epoch, 0, len(x))
            starts = range(first * self.part_rows, len(order), self.part_rows)
            for start in starts:
                yield self.part(x, y, weights, order[start : start + self.part_rows])
            return
        for number, block in enumerate(rebuffered(self.data.blocks(epoch), self.part_rows)):
            if number < first:
                continue
            self.settings.loss.check(block.y, self.outputs)
            order = self.order(epoch, number, len(block.x))
            # Filled up to the same shape, so that nothing compiles twice.
            whole = block.each(lambda part: filled(part, self.part_rows))
            yield self.part(*self.on_device(whole), order)

    def order(self, epoch: int, number: int, count: int) -> np.ndarray:
        # NumPy's permutation: the device's own sorts twice and was measured at twice the whole training step.
        if not self.settings.shuffle:
            return np.arange(count, dtype=np.int32)
        return np.random.default_rng([self.settings.seed, epoch, number]).permutation(count).astype(np.int32)

    def part(self, x: Array, y: Array, weights: Array | None, order: np.ndarray) -> Part:
        return Part(x, y, weights, np.resize(order, self.part_rows), len(order))

    def on_device(self, block: Block) -> tuple[Array, Array, Array | None]:
        weights = block.weights
        if self.class_weights is not None:
            own = self.class_weights[block.y]
            weights = own if weights is None else own * weights
        return (
            jnp.asarray(block.x),
            jnp.asarray(block.y),
            None if weights is None else jnp.asarray(weights, jnp.float32),
        )


def rebuffered(blocks: Iterator[Block], rows: int) -> Iterator[Block]:
    """The same rows in blocks of exactly `rows`, the last one smaller."""
    waiting: list[Block] = []
    room = rows
    for block in blocks:
        while len(block.x):
            waiting.append(block.take(slice(room)))
            block = block.take(slice(room, None))
            room -= len(waiting[-1].x)
            if not room:
                yield joined(waiting)
                waiting, room = [], rows
    if waiting:
        yield joined(waiting)
