"""A network and the rows to look at it with, from whatever a user gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError
from ..module import Layer
from ..train import Block, Preprocess, Run, table, true_names
from ._judged import Judged, data_of, held_out


class Subject(NamedTuple):
    """A network, how its rows were prepared (None: they are as given), and the rows, anew with every call.

    `targets` names the classes, or the target; `truth` turns y into a column of numbers for each of them.
    """

    net: Layer
    preprocess: Preprocess | None
    batches: Callable[[], Iterator[Judged]]
    targets: tuple[str, ...]
    truth: Callable[[np.ndarray], np.ndarray]


def subject_of(net: Layer | Run, data: Any) -> Subject:
    """The network and its rows: a run's own, or `data`, an array or a table x, or a pair (x, y).

    Raises: DataError where there are none, or x and y differ in length.
    """
    if isinstance(net, Run):
        return of_run(
            net, (lambda: all_rows(net)) if data is None else (lambda: iter([prepared(net.preprocess, data)]))
        )
    if data is None:
        raise DataError("A network knows no rows: give data=x, or data=(x, y).")
    x, y = pair(data)
    rows = judged_rows(as_numbers(x), None if y is None else np.asarray(y), None)
    if y is not None and np.ndim(y) == 1 and rows.block.y.dtype.kind not in "fc":
        classes = np.unique(rows.block.y)
        return Subject(net, None, lambda: iter([rows]), (*map(str, classes),), lambda y: y[:, None] == classes)
    return Subject(net, None, lambda: iter([rows]), ("y",), columns)


def of_run(run: Run, batches: Callable[[], Iterator[Judged]]) -> Subject:
    """A run with some rows."""
    known, classes = run.preprocess, np.array(run.preprocess.target.classes)
    if known.target.steps:
        return Subject(run.net, known, batches, (), lambda y: np.zeros((len(y), 0)))  # a target for every step
    if not len(classes):
        return Subject(run.net, known, batches, (known.target.name,), columns)
    return Subject(run.net, known, batches, (*map(str, classes),), lambda y: true_names(known, y)[:, None] == classes)


def columns(y: np.ndarray) -> np.ndarray:
    return y.reshape(len(y), -1)


def all_rows(run: Run) -> Iterator[Judged]:
    """Every row a run was given, block by block: those it learned from, then those held out."""
    data, start = data_of(run), 0
    for block in data.blocks(0):
        part = slice(start, start + len(block.x))
        numbers = np.arange(part.start, part.stop) if data.train_index is None else data.train_index[part]
        rows = data.train_rows[part] if data.in_memory and data.train_rows is not None else None
        yield Judged(block, False, rows, numbers)
        start = part.stop
    if (rows := held_out(data)) is not None:
        yield rows


def prepared(known: Preprocess, data: Any) -> Judged:
    """Raw rows as a run's network takes them."""
    x, y = pair(data)
    frame = table(x) if known.shape is None else None
    if y is None and frame is not None and known.target.name in frame.columns:
        y = frame
    return judged_rows(known.transform(x), None if y is None else known.targets(y), frame)


def pair(data: Any) -> tuple[Any, Any]:
    return data if isinstance(data, tuple) and len(data) == 2 else (data, None)


def as_numbers(x: Any) -> np.ndarray:
    """An array as float32, NaN and all: `Masking` reads it as padding."""
    try:
        found = np.asarray(x, np.float32)
    except (TypeError, ValueError):
        raise DataError("x must be an array of numbers, as the network takes them.") from None
    if found.ndim < 2:
        raise DataError(f"x must hold a row for each example, (rows, ...); got an array with {found.ndim} axes.")
    return found


def judged_rows(x: np.ndarray, y: np.ndarray | None, frame: Any) -> Judged:
    """Rows with their targets, or with none: y (rows, 0)."""
    if y is not None and len(y) != len(x):
        raise DataError(f"There are {len(x):,} rows of inputs and {len(y):,} of y: give one for each row.")
    return Judged(Block(x, np.zeros((len(x), 0)) if y is None else y), False, frame, np.arange(len(x)))
