"""Data larger than memory: files read in blocks, and iterators of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
from polars.selectors import by_name

from ..errors import DataError
from ..language import phrase
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
from ._files import TEXT, check_rows, explained, scan, stream
from ._forms import as_rows, form_of, is_bytes
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

    @property
    def beside(self) -> list[str]:
        """The columns that are no inputs."""
        return [self.target] if self.weights is None else [self.target, self.weights]

    def parts(self) -> Iterator[tuple[np.ndarray, pl.DataFrame, np.ndarray]]:
        """Row numbers, rows, and each row's place in [0, 1): held out below `share`."""
        for rows, frame in stream(self.path, self.columns):
            yield rows, frame, places(rows, self.seed)

    def drawn(self, n: int) -> tuple[pl.DataFrame, np.ndarray, pl.DataFrame, np.ndarray, tuple[int, int]]:
        """Rows to fit to and rows held out, each with their numbers; and the count of training rows.

        The count comes twice: with the usual marks of missing texts ("NA") as classes, and as missing targets.
        """
        edge = self.share + (1 - self.share) * min(1.0, FITTED / max(n, 1))
        fit, held, plain, unmarked = [], [], 0, 0
        for rows, frame, place in self.parts():
            here, training = ~missing(frame[self.target]).to_numpy(), place >= self.share
            plain += int((here & training).sum())
            unmarked += int((here & training & ~marked(frame[self.target])).sum())
            for chosen, mask in ((fit, training & (place < edge)), (held, ~training)):
                # A text that is joined is copied; else the few rows would hold on to the texts of the whole block.
                chosen.append((frame.filter(here & mask).with_columns(pl.col(pl.String) + ""), rows[here & mask]))
        parts = [(pl.concat([f for f, _ in chosen]), np.concatenate([r for _, r in chosen])) for chosen in (fit, held)]
        return *parts[0], *parts[1], (plain, unmarked)

    def fitted(self, sample: pl.DataFrame, rows: np.ndarray, wishes: Wishes) -> Preprocess:
        """The preprocessing, fitted to a sample of the rows; the classes of the target are those of all rows."""
        text = self.path.suffix.lower() in TEXT
        sample = typed(sample, rows) if text else sample
        here = ~missing(sample[self.target]).to_numpy()
        sample, rows = sample.filter(here), rows[here]
        target = Target.of_column(sample[self.target], wishes.task, wishes.loss_targets)
        if target.classes:
            with explained(self.path):
                found = scan(self.path, infer=False).select(by_name(self.target).unique())
                names = found.collect(engine="streaming").to_series()
            names = narrowest(names) if text else names
            classes = class_names(names.filter(~missing(names)))
            target = Target.of_classes(self.target, classes, wishes.loss_targets, target.note)
        return Preprocess.fit(sample.drop(self.beside), target, rows)

    def needed(self, preprocess: Preprocess) -> list[str]:
        """The columns to read from now on."""
        used = [column.name for column in preprocess.columns if column.kind != "dropped"]
        return [*used, *self.beside]

    def block(self, preprocess: Preprocess, frame: pl.DataFrame, rows: np.ndarray) -> Block:
        """These rows as the network takes them, without those that have no target."""
        here = ~missing(frame[self.target]).to_numpy()
        if not of_texts(preprocess.target):
            here &= ~marked(frame[self.target])
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
        columns = scan(path, infer=False).collect_schema().names()
    n = count_rows(path, columns)
    if n < 2:
        raise DataError(f"{path.name} has fewer than two rows: give more.")
    share = min(wishes.share, HELD / max(n, 1))
    weights = weights_column(columns, wishes)
    source = FileRows(path, columns, named_target(columns, wishes), weights, share, wishes.seed)
    sample, rows, held, held_rows, counts = source.drawn(n)
    if sample.height < 2:
        raise DataError(f"{path.name} has fewer than two rows with a {source.target}: give more.")
    preprocess = wishes.preprocess or source.fitted(sample, rows, wishes)
    source = replace(source, columns=source.needed(preprocess))
    some = np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(int)
    notes = [phrase("{name} is read in blocks.", name=path.name)]
    if wishes.preprocess is None:
        words = phrase(
            "{name} is read in blocks; its columns were recognised in {some:,} of its {n:,} rows.",
            name=path.name,
            some=len(rows),
            n=n,
        )
        notes = [words]
    if len(held_rows):
        notes.append(phrase("{held:,} of {n:,} rows are held out for validation.", held=len(held_rows), n=n))
    return Data(
        name=path.name,
        preprocess=preprocess,
        n_rows=counts[not of_texts(preprocess.target)],
        in_memory=False,
        sample=source.block(preprocess, sample[some], rows[some]),
        validation=source.block(preprocess, held, held_rows) if len(held_rows) else None,
        fingerprint=file_fingerprint(path),
        notes=(*notes, *fitted_notes(preprocess)),
        blocks=lambda epoch: source.blocks(preprocess, wishes.block_rows),
    )


def count_rows(path: Path, columns: list[str]) -> int:
    """How many rows a file has, read block by block: a count by Polars maps the whole file into memory."""
    n = gaps = 0
    for rows, last in stream(path, columns[-1:]):
        n, gaps = n + len(rows), gaps + last[:, 0].null_count()
    if gaps and path.suffix.lower() in TEXT:
        check_rows(path)
    return n


def from_batches(data: Any, wishes: Wishes) -> Data:
    """Batches `(x, y)` or `(x, y, weights)` as an iterable gives them, or a function that makes an iterator."""
    if wishes.preprocess is not None and wishes.preprocess.form is None:
        raise DataError("The network was trained on a table, whose columns arrays do not name: give a table.")
    opened = opener(data)
    begun, first = opened(), []
    while sum(len(block.x) for block in first) < SAMPLE and (batch := next(begun, None)) is not None:
        first.append(read_batch(len(first), batch))
    if not first:
        raise DataError("There are no batches: the iterable is empty. Give batches (x, y).")
    if not callable(data) and iter(data) is data:
        opened = opener(chain(first, begun))
    seen = joined(first)
    preprocess = wishes.preprocess
    if preprocess is None:
        target = Target.of_batches(seen.y, wishes.task, wishes.loss_targets)
        preprocess = Preprocess((), target, form=form_of(seen.x, wishes.net))

    def blocks(epoch: int) -> Iterator[Block]:
        for number, batch in enumerate(opened()):
            x, y, weights = read_batch(number, batch)
            yield from sliced(Block(preprocess.kept(x), preprocess.targets(y), weights), wishes.block_rows)

    note = phrase(
        "batches come as they are, so none are held out: give validation=(x, y) to see the error on other rows."
    )
    return Data(
        name="batches",
        preprocess=preprocess,
        n_rows=None,
        in_memory=False,
        sample=spread(seen._replace(x=preprocess.kept(seen.x), y=preprocess.targets(seen.y))),
        validation=None,
        fingerprint=fingerprint(seen.x, seen.y),
        notes=(note,) * bool(wishes.share),
        blocks=blocks,
    )


def opener(data: Any) -> Callable[[], Iterator[Any]]:
    """What starts the batches from the beginning; an iterator can be started once.

    Raises: DataError when an iterator is started again.
    """
    again = cast(Any, data)
    if callable(data):
        return lambda: iter(again())
    if iter(again) is not again:
        return lambda: iter(again)
    waiting = [again]

    def once() -> Iterator[Any]:
        if not waiting:
            raise DataError(
                "An iterator gives its batches once, and this is the second epoch: give a function that makes the "
                "iterator, such as data=batches instead of data=batches(), or train for one epoch."
            )
        return waiting.pop()

    return once


def read_batch(number: int, batch: Any) -> Block:
    """One batch as arrays.

    Raises: DataError naming the batch, where it is not (x, y) or (x, y, weights) of equal length.
    """
    if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
        raise DataError(f"Batch {number} is a {type(batch).__name__}: every batch is (x, y) or (x, y, weights).")
    x, y = as_rows(batch[0], f"x of batch {number}"), as_labels(batch[1], f"y of batch {number}")
    x = x if is_bytes(x) else as_float32(x, f"x of batch {number}")
    if len(x) != len(y):
        raise DataError(f"Batch {number} has {len(x)} rows of x and {len(y)} of y: give one for each.")
    return Block(x, y, checked_weights(batch[2] if len(batch) == 3 else None, len(x), np.arange(len(x))))


def sliced(block: Block, rows: int | None) -> Iterator[Block]:
    """The block in blocks of at most so many rows."""
    step = rows or max(1, len(block.x))
    for start in range(0, len(block.x), step):
        yield block.take(slice(start, start + step))


def weights_column(columns: list[str], wishes: Wishes) -> str | None:
    """The name of the weights, known to be a column."""
    if not isinstance(wishes.weights, str | None):
        raise DataError("A file that is read in blocks takes its weights from a column: give its name.")
    if wishes.weights is not None and wishes.weights not in columns:
        raise no_column(wishes.weights, columns)
    return wishes.weights


def of_texts(target: Target) -> bool:
    """Whether its classes are texts, so that "NA" or "None" may be one of them."""
    return bool(target.classes) and isinstance(target.classes[0], str)


def marked(cells: pl.Series) -> np.ndarray:
    """Where a text is one of the usual marks for a missing number."""
    if cells.dtype != pl.String:
        return np.zeros(len(cells), bool)
    return cells.str.strip_chars().is_in(MISSING_MARKS).fill_null(False).to_numpy()


def file_fingerprint(path: Path) -> str:
    """The SHA-256 of a file's size, time of change, beginning and end."""
    about = path.stat()
    with path.open("rb") as file:
        head = file.read(ENDS)
        file.seek(max(0, about.st_size - ENDS))
        return fingerprint(about.st_size, about.st_mtime_ns, head, file.read())


def places(rows: np.ndarray, seed: int) -> np.ndarray:
    """A number in [0, 1) for each row number, as if drawn at random (SplitMix64).

    Example:
        >>> places(np.arange(3), seed=0).round(3).tolist()
        [0.883, 0.432, 0.026]
    """
    z = rows.astype(np.uint64) + np.uint64(1) + np.uint64(seed % 2**32) * np.uint64(2**32)
    z = z * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / 2.0**53
