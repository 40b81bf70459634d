from __future__ import annotations

from typing import NamedTuple

import numpy as np
import polars as pl

from ..errors import DataError
from ..train import Block, Data, Run, unit

MOST_ROWS, MOST_NUMBERS = 20_000, 2**26


class Judged(NamedTuple):
    """Rows to look at: as the network takes them, as they were given (tables in memory), and their numbers there."""

    block: Block
    held_out: bool
    rows: pl.DataFrame | None
    numbers: np.ndarray

    def take(self, positions: np.ndarray | slice) -> Judged:
        """These rows of them."""
        rows = None if self.rows is None else self.rows[positions]
        return Judged(self.block.take(positions), self.held_out, rows, self.numbers[positions])


def data_of(run: Run) -> Data:
    """The data of a run.

    Raises: DataError for a run read back from disk, which has none.
    """
    if run.data is None:
        raise DataError("This run was read back without its data: give it the data it was trained on to look into it.")
    return run.data


def learned(data: Data, most: int = MOST_ROWS) -> Judged:
    """Training rows, at most so many, drawn at random; of data in blocks, its sample."""
    block = next(iter(data.blocks(0))) if data.in_memory else data.sample
    index = np.arange(len(block.x)) if data.train_index is None else data.train_index
    return drawn(Judged(block, False, data.train_rows if data.in_memory else None, index), most)


def judged(data: Data, most: int = MOST_ROWS) -> Judged:
    """The rows a network is judged on, at most so many: those held out, or training rows where there are none."""
    rows = held_out(data)
    return learned(data, most) if rows is None else drawn(rows, most)


def held_out(data: Data) -> Judged | None:
    """All rows held out; None where there are none."""
    block = data.validation
    if block is None or not len(block.x):
        return None
    index = np.arange(len(block.x)) if data.validation_index is None else data.validation_index
    return Judged(block, True, data.validation_rows, index)


def drawn(rows: Judged, most: int, seed: int = 0) -> Judged:
    """At most so many of the rows (fewer of large ones), in their order and as the network sees them."""
    n = len(rows.block.x)
    most = min(most, max(1, MOST_NUMBERS // max(rows.block.x[:1].size, 1)))
    if n > most:
        rows = rows.take(np.sort(np.random.default_rng(seed).choice(n, most, replace=False)))
    return rows._replace(block=rows.block._replace(x=unit(rows.block.x)))
