"""Data larger than memory: files read in blocks, and iterators of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.selectors import by_name

from ..errors import DataError
from ._cells import MISSING_MARKS, as_float32, missing, narrowest, numbers, typed
from ._columns import Preprocess, no_column
from ._data import (
    HELD,
    SAMPLE,
    Block,
    Data,
    Wishes,
    as_labels,
    checked_weights,
    fingerprint,
    fitted_notes,
    joined,
    named_target,
    spread,
)
from ._files import CELLS, TEXT, check_rows, explained, scan, stream
from ._target import Target, class_names

FITTED = 100_000  # rows the preprocessing of a streamed file is fitted to
ENDS = 2**20  # bytes at either end of a file that its fingerprint is made of


@dataclass(frozen=True)
class FileRows:
    """The rows of a table file. Whether a row is held out is decided by a hash of its number, so never by its order."""

    path: Path
    columns: list[str]
    target: str
    weights: str | None
    share: float
    seed: int

    def parts(self) -> Iterator[tuple[np.ndarray, pl.DataFrame, np.ndarray]]:
        """Row numbers, rows, and each row's place in [0, 1): held out below `share`."""
        for rows, frame in stream(self.path, self.columns):
            yield rows, frame, places(rows, self.seed)

    def drawn(self, n: int) -> tuple[pl.DataFrame, np.ndarray, pl.DataFrame, np.ndarray, tuple[int, int]]:
        """Rows to fit to and rows held out, each with their numbers; and the count of training rows.

        The count comes twice: with the usual marks of missing texts ("NA") as classes, and as missing targets.
        """
        edge = self.share + (1 - self.share) * min(1.0, FITTED / max(n, 1))
        fit, held, plain, marked = [], [], 0, 0
        for rows, frame, place in self.parts():
            here, training = ~missing(frame[self.target]).to_numpy(), place >= self.share
            plain += int((here & training).sum())
            marked += int((here & training & ~_marked(frame[self.target])).sum())
            for chosen, mask in ((fit, training & (place < edge)), (held, ~training)):
                chosen.append((frame.filter(here & mask), rows[here & mask]))
        parts = [(pl.concat([f for f, _ in chosen]), np.concatenate([r for _, r in chosen])) for chosen in (fit, held)]
        return *parts[0], *parts[1], (plain, marked)

    def block(self, preprocess: Preprocess, frame: pl.DataFrame, rows: np.ndarray) -> Block:
        """These rows as the network takes them, without those that have no target."""
        here = ~missing(frame[self.target]).to_numpy()
        if not isinstance(next(iter(preprocess.target.classes), None), str):
            here &= ~_marked(frame[self.target])
        if not here.all():
            frame, rows = frame.filter(here), rows[here]
        weights = None if self.weights is None else numbers(frame[self.weights], rows).to_numpy()
        x, y = preprocess.transform(frame, rows), preprocess.targets(frame, rows)
        return Block(x, y, checked_weights(weights, len(x), rows))

    def blocks(self, preprocess: Preprocess, block_rows: int | None) -> Iterator[Block]:
        """The training rows, in the order of the file."""
        for rows, frame, place in self.parts():
            training = place >= self.share
            yield from sliced(self.block(preprocess, frame.filter(training), rows[training]), block_rows)


def from_file(path: Path, wishes: Wishes) -> Data:
    """A table file in blocks. It is read twice to begin with: to count, then to draw rows to fit to and to hold out."""
    with explained(path):
        file = scan(path, infer=False)
        columns = file.collect_schema().names()
        n = file.select(pl.len()).collect(engine="streaming").item()
    source = FileRows(
        path,
        columns,
        named_target(columns, wishes),
        weights_column(columns, wishes),
        min(wishes.share, HELD / max(n, 1)),
        wishes.seed,
    )
    sample, sample_rows, held, held_rows, counts = source.drawn(n)
    if sample.height < 2:
        raise DataError(f"{path.name} has fewer than two rows with a {source.target}: give more.")
    if path.suffix.lower() in TEXT:
        check_rows(path, sample)
    preprocess = wishes.preprocess or fitted(source, sample, sample_rows, wishes)
    text_classes = isinstance(next(iter(preprocess.target.classes), None), str)
    used = [column.name for column in preprocess.columns if column.kind != "dropped"]
    source = FileRows(
        path,
        [*used, source.target, *[source.weights] * bool(source.weights)],
        source.target,
        source.weights,
        source.share,
        source.seed,
    )
    spread_out = np.linspace(0, sample.height - 1, min(sample.height, SAMPLE)).astype(int)
    notes = [
        f"{path.name} is read in blocks; its columns were recognised in {sample.height:,} of {n:,} rows, from all over it.",
        *fitted_notes(preprocess),
    ]
    if held.height:
        notes.append(f"{held.height:,} of {n:,} rows are held out for validation.")
    return Data(
        name=path.name,
        preprocess=preprocess,
        n_rows=counts[not text_classes],
        in_memory=False,
        sample=source.block(preprocess, sample[spread_out], sample_rows[spread_out]),
        validation=source.block(preprocess, held, held_rows) if held.height else None,
        fingerprint=file_fingerprint(path),
        notes=tuple(notes),
        blocks=lambda epoch: source.blocks(preprocess, wishes.block_rows),
    )


def fitted(source: FileRows, sample: pl.DataFrame, rows: np.ndarray, wishes: Wishes) -> Preprocess:
    """The preprocessing, from a sample of the rows; the classes of the target from all of them."""
    text = source.path.suffix.lower() in TEXT
    sample = typed(sample, rows) if text else sample
    target = Target.of_column(sample[source.target], wishes.task, wishes.loss_targets)
    if target.classes:
        with explained(source.path):
            file = scan(source.path, infer=False).select(by_name(source.target).unique())
            names = file.collect(engine="streaming").to_series()
        names = narrowest(names) if text else names
        target = Target.of_classes(
            source.target, class_names(names.filter(~missing(names))), wishes.loss_targets, target.note
        )
    return Preprocess.fit(sample.drop([source.target, *[source.weights] * bool(source.weights)]), target, rows)


def from_batches(data: Any, wishes: Wishes) -> Data:
    """Batches `(x, y)` or `(x, y, weights)` as an iterable gives them, or a function that makes an iterator."""
    if wishes.preprocess is not None and wishes.preprocess.shape is None:
        raise DataError("The network was trained on a table, and batches are arrays: give a table.")
    source = Batches(data)
    seen, count = [], 0
    for batch in source.peek():
        seen.append(Block(*batch))
        count += len(seen[-1].x)
        if count >= SAMPLE:
            break
    if not count:
        raise DataError("There are no batches: the iterable is empty. Give batches (x, y).")
    x, y = np.concatenate([block.x for block in seen]), np.concatenate([block.y for block in seen])
    ...


def places(rows: np.ndarray, seed: int) -> np.ndarray:
    """A number in [0, 1) for each row number, as if drawn at random (SplitMix64).

    Example:
        >>> places(np.arange(3), seed=0).round(3).tolist()
        [0.883, 0.431, 0.026]
    """
    z = rows.astype(np.uint64) + np.uint64(1) + np.uint64(seed % 2**32) * np.uint64(2**32)
    z = z * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53
