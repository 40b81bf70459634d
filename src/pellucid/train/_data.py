"""Data in every form, as what training takes: blocks of inputs and targets, and the preprocessing that made them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from ..errors import DataError, SettingError, unknown
from ..language import phrase
from ..module import Layer
from ._cells import Rows, as_float32, missing, numbers
from ._columns import Preprocess, no_column
from ._files import ARRAYS, column_of, find, is_table, read_arrays, read_table, table
from ._forms import answers_steps, as_rows, form_of
from ._images import read_folder
from ._padding import at_every_step, padding_notes
from ._target import TASKS, Target

SAMPLE = 2_000  # rows of `Data.sample`
HELD = 50_000  # at most so many rows of a streamed file are held out
WHOLE = 512 * 2**20  # bytes of a file that is read whole
FEWEST = 10  # rows, below which none are held out


class Block(NamedTuple):
    """Some rows: inputs x (n, ...), targets y (n, ...), and their weights (n,) where they have any.

    Images in bytes stay bytes here; `unit` makes of them what the network sees.
    """

    x: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None = None

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> Block:
        """The block with every part of it changed."""
        return Block(change(self.x), change(self.y), None if self.weights is None else change(self.weights))

    def take(self, positions: np.ndarray | slice) -> Block:
        """These rows of it."""
        return self.each(lambda part: part[positions])


@dataclass(frozen=True, eq=False)
class Data:
    """Rows to learn from: `blocks(epoch)` gives all of them, in the same order every time.

    The raw rows and their numbers in what was given are kept where a table is in memory.
    """

    name: str
    preprocess: Preprocess
    n_rows: int | None  # of training; None where only reading them all would tell
    in_memory: bool
    sample: Block
    validation: Block | None
    fingerprint: str
    notes: tuple[str, ...]
    blocks: Callable[[int], Iterator[Block]] = field(repr=False)
    train_rows: pl.DataFrame | None = field(default=None, repr=False)
    validation_rows: pl.DataFrame | None = field(default=None, repr=False)
    train_index: np.ndarray | None = field(default=None, repr=False)
    validation_index: np.ndarray | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Wishes:
    """What the caller of `open_data` asked for."""

    target: str | None
    task: str | None
    loss_targets: str | None
    weights: Any
    validation: Any
    seed: int
    block_rows: int | None
    preprocess: Preprocess | None
    net: Layer | None
    size: int | Sequence[int] | None

    @property
    def share(self) -> float:
        """The share of rows to hold out; 0 where validation data was given."""
        return float(self.validation) if isinstance(self.validation, int | float) else 0.0


def open_data(
    data: Any,
    target: str | None = None,
    *,
    task: str | None = None,
    loss_targets: str | None = None,
    weights: Any = None,
    validation: Any = 0.2,
    seed: int = 0,
    block_rows: int | None = None,
    preprocess: Preprocess | None = None,
    net: Layer | None = None,
    size: int | Sequence[int] | None = None,
    read_whole: int = WHOLE,
) -> Data:
    """Arrays `(x, y)` or `(x, y, weights)`, a table, a file, a folder of images, or batches, as `Data`.

    `loss_targets` is what the loss takes ("labels", "real", ...). `validation` is a share of the rows to hold out, data
    of the same form, or None. Files of more than `read_whole` bytes are streamed in blocks. A `preprocess` that was
    fitted before is used as it is. `net` is who will see the rows, where that is known: whether NaN at the end of a row
    is padding, and an image has an axis of channels, is for it to say. `size` is that of images from files.

    Raises: DataError where the data cannot be learned from; SettingError for an impossible setting.
    Example:
        >>> data = open_data({"age": [31, 4, 57, 12], "fare": [7.5, 8.0, 71.3, 9.1]}, "fare")
        >>> data.n_rows, data.preprocess.input_names, next(data.blocks(0)).x.shape
        (4, ('age',), (4, 1))
    """
    if task is not None and task not in TASKS:
        raise unknown("task", task, TASKS)
    if isinstance(validation, int | float) and not 0 <= validation < 1:
        raise SettingError(
            f"validation={validation} is not a share of the rows: give one from 0 up to 1, data, or None."
        )
    target = None if target is None else str(target)
    wishes = Wishes(target, task, loss_targets, weights, validation, seed, block_rows, preprocess, net, size)
    opened = _open(data, wishes, read_whole)
    if validation is None or isinstance(validation, int | float):
        return opened
    return _with_validation(opened, wishes, read_whole)


def _open(data: Any, wishes: Wishes, read_whole: int) -> Data:
    if isinstance(data, str | Path):
        path = find(data)
        if path.is_dir():
            return from_folder(path, wishes)
        if path.suffix.lower() in ARRAYS:
            return from_arrays(path.name, read_arrays(path), wishes)
        if path.stat().st_size > read_whole:
            from ._stream import from_file

            return from_file(path, wishes)
        return from_table(path.name, read_table(path), wishes)
    if isinstance(data, tuple) and len(data) in (2, 3):
        return from_arrays("arrays", data, wishes) if not is_table(data[0]) else _from_pair(data, wishes)
    if is_table(data):
        return from_table("table", table(data), wishes)
    if callable(data) or (hasattr(data, "__iter__") and not isinstance(data, np.ndarray | tuple | str)):
        from ._stream import from_batches

        return from_batches(data, wishes)
    raise DataError(
        f"A {type(data).__name__} is not data to learn from: give (x, y), a data frame, a file, "
        "or a function that makes an iterator of batches (x, y)."
    )


def _from_pair(data: tuple, wishes: Wishes) -> Data:
    """A table of inputs with its target, and weights, given apart."""
    frame = table(data[0])
    name = str(wishes.target or getattr(data[1], "name", None) or "target")
    name = wishes.preprocess.target.name if wishes.preprocess else name
    if name in frame.columns:
        raise DataError(f"The column {name!r} is in the table and given apart: leave it out, or give target={name!r}.")
    y = column_of(name, data[1])
    _same_length(frame.height, len(y), "y")
    weights = data[2] if len(data) == 3 else wishes.weights
    return from_table("table", frame.with_columns(y), replace(wishes, target=name, weights=weights))


def from_arrays(name: str, arrays: tuple, wishes: Wishes) -> Data:
    """x and y in memory: numbers as they are, images in bytes, sequences padded."""
    if wishes.preprocess is not None and wishes.preprocess.form is None:
        raise DataError("The network was trained on a table, whose columns arrays do not name: give a table.")
    given, y = as_rows(arrays[0], "x"), as_rows(arrays[1], "y")
    _same_length(len(given), len(y), "y")
    _enough(len(given), wishes)
    preprocess = wishes.preprocess
    form = (preprocess and preprocess.form) or form_of(given, wishes.net)
    x = form.rows(given)
    steps = preprocess.target.steps if preprocess else answers_steps(form, x, y, wishes.net)
    y = at_every_step(y, x) if steps else as_labels(y)
    if preprocess is None:
        of = Target.of_steps if steps else Target.of_array
        preprocess = Preprocess((), of(y, wishes.task, wishes.loss_targets), form=form)
    weights = checked_weights(arrays[2] if len(arrays) == 3 else wishes.weights, len(x))
    whole = Block(x, preprocess.targets(y), weights)
    train, held, notes = split(whole.y, preprocess.target, wishes)
    if form.name == "sequences":
        notes += padding_notes(whole.x)
    digest = fingerprint(*(np.asarray(part) for part in whole if part is not None), repr(preprocess.target.classes))
    return _in_memory(name, preprocess, whole, np.arange(len(whole.x)), train, held, digest, notes)


def from_folder(path: Path, wishes: Wishes) -> Data:
    """Images in a folder for each class."""
    shape = wishes.preprocess.shape if wishes.preprocess else None
    size, channels = (shape[:2], shape[-1]) if shape and len(shape) == 3 else (wishes.size, None)
    found = read_folder(path, size, channels)
    opened = from_arrays(path.name, (found.x, found.classes), wishes)
    files = pl.DataFrame({"file": found.files})
    learned, held = (None if at is None else files[at] for at in (opened.train_index, opened.validation_index))
    return replace(opened, notes=(*found.notes, *opened.notes), train_rows=learned, validation_rows=held)


def from_table(name: str, frame: pl.DataFrame, wishes: Wishes) -> Data:
    """A table in memory: rows without a target dropped, some held out, the preprocessing fitted to the others."""
    preprocess = wishes.preprocess
    target_name = named_target(frame.columns, wishes)
    digest, notes = fingerprint(*(part for cells in frame for part in (cells.name, str(cells.dtype), cells))), []
    weights, inputs = _table_weights(frame, wishes)
    index = np.flatnonzero(~missing(frame[target_name]).to_numpy())
    if len(index) < frame.height:
        gone = frame.height - len(index)
        notes.append(phrase("rows left out because their {name} is missing: {gone:,}.", name=target_name, gone=gone))
        frame, weights = frame[index], None if weights is None else weights[index]
    _enough(len(index), wishes)
    target = preprocess.target if preprocess else Target.of_column(frame[target_name], wishes.task, wishes.loss_targets)
    y = target.encode(frame[target_name], index)
    train, held, said = split(y, target, wishes)
    if target.kind == "number" and preprocess is None and len(held):
        # Scaled by the training rows alone: what is held out must not be seen in any form.
        own = numbers(frame[target_name][train]).to_numpy().astype(float)
        target = target.of_numbers(target_name, own, wishes.loss_targets, target.note)
        y = target.encode(frame[target_name], index)
    inputs = [column for column in inputs if column != target_name]
    preprocess = preprocess or Preprocess.fit(frame[train].select(inputs), target, index[train])
    x, unseen = preprocess.transform_noted(frame, index)
    whole, notes = Block(x, y, weights), [*notes, *said, *fitted_notes(preprocess), *unseen]
    return replace(
        _in_memory(name, preprocess, whole, index, train, held, digest, notes),
        train_rows=frame[train],
        validation_rows=frame[held] if len(held) else None,
    )


def _in_memory(
    name: str,
    preprocess: Preprocess,
    whole: Block,
    index: np.ndarray,
    train: np.ndarray,
    held: np.ndarray,
    digest: str,
    notes: list[str],
) -> Data:
    rows = whole.take(train) if len(held) else whole
    return Data(
        name=name,
        preprocess=preprocess,
        n_rows=len(train),
        in_memory=True,
        sample=spread(rows),
        validation=whole.take(held) if len(held) else None,
        fingerprint=digest,
        notes=tuple(notes),
        blocks=lambda epoch: iter([rows]),
        train_index=index[train],
        validation_index=index[held] if len(held) else None,
    )


def _with_validation(opened: Data, wishes: Wishes, read_whole: int) -> Data:
    """The data with rows to validate on that were given apart, seen through the preprocessing of the training rows."""
    column = wishes.weights if isinstance(wishes.weights, str) else None
    own = replace(wishes, validation=None, weights=column, preprocess=opened.preprocess)
    given = _open(wishes.validation, own, read_whole)
    blocks, count = [], 0
    for block in given.blocks(0):
        blocks.append(block.take(slice(HELD - count)) if not given.in_memory else block)
        count += len(blocks[-1].x)
        if not given.in_memory and count >= HELD:
            break
    said = [phrase("validation: {note}", note=note) for note in given.notes if note not in opened.notes]
    if not given.in_memory:
        said.append(phrase("validation: the first {n:,} rows.", n=count))
    return replace(
        opened,
        validation=joined(blocks),
        validation_rows=given.train_rows,
        validation_index=given.train_index,
        notes=(*opened.notes, *said),
    )


def split(y: np.ndarray, target: Target, wishes: Wishes) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The rows to train on and those held out: each class gives its share, and a class of one row nothing."""
    n, everything, none = len(y), np.arange(len(y)), np.arange(0)
    if not wishes.share:
        return everything, none, []
    if n < FEWEST:
        few = phrase("{n} rows are too few to hold some out: nothing is measured on rows not trained on.", n=n)
        return everything, none, [few]
    order = np.random.default_rng(wishes.seed).permutation(n)
    if target.kind in ("label", "sign"):
        _, number, count = np.unique(y.reshape(-1), return_inverse=True, return_counts=True)
        order = order[np.argsort(number[order], kind="stable")]
        order = order[count[number[order]] > 1]
    size = min(max(1, round(n * wishes.share)), len(order) - 1)
    if size < 1:
        return everything, none, [phrase("every class has one row: none is held out.")]
    # Every k-th row of those sorted by class takes its share of each class, to within one row.
    held = np.sort(order[((np.arange(size) + 0.5) * len(order) / size).astype(int)])
    said = phrase("{held:,} of {n:,} rows are held out for validation.", held=size, n=n)
    return np.delete(everything, held), held, [said]


def named_target(columns: list[str], wishes: Wishes) -> str:
    """The name of the target, known to be a column."""
    name = wishes.preprocess.target.name if wishes.preprocess else wishes.target
    if wishes.preprocess and wishes.preprocess.shape is not None:
        raise DataError("The network was trained on arrays, which have no column names: give (x, y).")
    if name is None:
        raise DataError(f"Which column is to be learned? Give target= one of {', '.join(columns[:20])}.")
    if name not in columns:
        raise no_column(name, columns)
    for column in columns:
        if column == "*" or (column.startswith("^") and column.endswith("$")):
            raise DataError(f"The name {column!r} stands for many columns in Polars: rename the column.")
    return name


def fitted_notes(preprocess: Preprocess) -> list[str]:
    """What the user should know of the columns: which were left out, and why; how the target was read."""
    dropped: list[str] = [
        phrase("column {name!r} is left out: {why}.", name=column.name, why=column.note)
        for column in preprocess.columns
        if column.kind == "dropped"
    ]
    target = preprocess.target
    return dropped + ([phrase("{name}: {note}.", name=target.name, note=target.note)] if target.note else [])


def as_labels(values: Any, name: str = "y") -> np.ndarray:
    """The array y, real or of labels.

    Raises: DataError naming the row of a missing label.
    """
    try:
        y = np.asarray(values)
    except Exception as error:  # a tensor that needs its gradient, a ragged list: each library has its own words
        raise DataError(f"{name} cannot be read as an array: {error}.") from error
    if y.ndim == 0:
        raise DataError(f"{name} must be an array with one entry for each row of x, got {values!r}.")
    if y.dtype.kind == "O":
        gone = [value is None or (isinstance(value, float) and value != value) for value in y.reshape(-1)]
        if any(gone):
            raise DataError(f"{name} is missing in row {gone.index(True)} (the first is 0): leave the row out.")
    return y if y.dtype.kind != "f" else as_float32(y, name)


def _table_weights(frame: pl.DataFrame, wishes: Wishes) -> tuple[np.ndarray | None, list[str]]:
    """The weights of all rows, and the columns that remain for inputs and target."""
    if not isinstance(wishes.weights, str):
        return checked_weights(wishes.weights, frame.height), frame.columns
    if wishes.weights not in frame.columns:
        raise no_column(wishes.weights, frame.columns)
    values = numbers(frame[wishes.weights]).to_numpy()
    return checked_weights(values, frame.height), [name for name in frame.columns if name != wishes.weights]


def checked_weights(weights: Any, n: int, rows: Rows = None) -> np.ndarray | None:
    """The weights of n rows as float32.

    Raises: DataError where there are not n, or one is negative or no number, or all are 0.
    """
    if weights is None:
        return None
    found = as_float32(weights, "weights", rows).reshape(-1)
    _same_length(n, len(found), "weights")
    if n and (found.min() < 0 or (rows is None and found.max() == 0)):
        raise DataError(f"weights must be 0 or more, and not all 0: the least is {found.min()}.")
    return found


def _same_length(n: int, got: int, what: str) -> None:
    if n != got:
        raise DataError(f"There are {n:,} rows of inputs and {got:,} of {what}: give one for each row.")


def _enough(n: int, wishes: Wishes) -> None:
    if n == 0:
        raise DataError("There are no rows: the data is empty, or no row has a target. Give at least two.")
    if n == 1 and wishes.preprocess is None:
        raise DataError("There is one row, and nothing can be learned from one: give more.")


def spread(block: Block) -> Block:
    """At most 2,000 rows, evenly spread."""
    return block.take(np.linspace(0, len(block.x) - 1, min(len(block.x), SAMPLE)).astype(int))


def joined(blocks: list[Block]) -> Block:
    """Blocks as one."""
    if len(blocks) == 1:
        return blocks[0]
    x, y, weights = ([part for part in parts if part is not None] for parts in zip(*blocks, strict=True))
    return Block(np.concatenate(x), np.concatenate(y), np.concatenate(weights) if weights else None)


def fingerprint(*parts: Any) -> str:
    """The SHA-256 of arrays, columns and texts: the same content, the same fingerprint."""
    made = hashlib.sha256()
    for part in parts:
        if isinstance(part, pl.Series):
            text = part.dtype in (pl.String, pl.Categorical, pl.Enum)
            part = part.cast(pl.String).fill_null("\0").str.join("\x1f")[0] if text else part.to_physical().to_numpy()
        if isinstance(part, np.ndarray) and part.dtype.kind != "O":
            made.update(f"{part.dtype}{part.shape}".encode())
            made.update(np.ascontiguousarray(part).data)
        else:
            made.update(str(part.tolist() if isinstance(part, np.ndarray) else part).encode())
    return made.hexdigest()
