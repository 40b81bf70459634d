"""Tables in every form they come in, as one Polars frame: data frames, Python rows, and files whole or in blocks."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.selectors import by_name

from ..errors import DataError
from ._cells import narrowest, typed
from ._images import SUFFIXES
from ._padding import by_lengths

TEXT, LINES, BINARY, ARRAYS = {".csv", ".tsv"}, {".jsonl", ".ndjson"}, {".parquet"}, {".npz"}
KINDS = sorted(TEXT | LINES | BINARY | ARRAYS)
CELLS = 2**20  # about this many cells are held at a time when a file is read in blocks


def find(path: str | Path) -> Path:
    """The file or the folder of images at `path`, known to exist and to be of a kind that can be read.

    Raises: DataError for a file that is not there (with the nearest name that is) or of an unknown kind.
    """
    path = Path(path)
    if not path.exists():
        near = get_close_matches(path.name, [p.name for p in path.parent.glob("*")], 1)
        ask = f"did you mean {near[0]!r}?" if near else "check the folder and the name."
        raise DataError(f"There is no file {str(path)!r}: {ask}")
    if path.suffix.lower() not in KINDS and not path.is_dir():
        image = "an image alone, without its class: give a folder of images" if path.suffix.lower() in SUFFIXES else ""
        raise DataError(
            f"{path.name!r} is {image or 'not a file that can be read as data: save it as one of ' + ', '.join(KINDS)}."
        )
    return path


def read_table(path: str | Path) -> pl.DataFrame:
    """A whole CSV, TSV, Parquet or JSON lines file, each column in the narrowest type that reads all its cells.

    Raises: DataError for a file that is not there, empty, of an unknown kind, damaged, or with rows of unequal lengths.
    """
    path = find(path)
    if path.suffix.lower() in ARRAYS or path.is_dir():
        raise DataError(f"{path.name} holds arrays and no columns with names: give its x, or a table.")
    with explained(path):
        frame = scan(path, infer=True).collect()
        if path.suffix.lower() in TEXT:
            if frame.width and frame[:, -1].null_count():
                check_rows(path)
            frame = typed(frame)
    return frame


def read_arrays(path: Path, *, targets: bool = True) -> tuple[Any, ...]:
    """The arrays `x`, `y` and, where there are, `weights` of a NumPy .npz file; never unpickled.

    With `lengths` of its rows, x comes as sequences, and y too where it has the rows and steps of x. Without `targets`
    there may be x alone.

    Raises: DataError for a damaged file, one without x and y, or one of Python objects.
    """
    held: dict[str, Any]
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in ("x", "y", "weights", "lengths") if name in arrays}
    except Exception as error:  # zipfile, zlib and NumPy each have their own words for a damaged file
        raise DataError(
            f"{path.name} cannot be read: {error}. Write it with numpy.savez({path.name!r}, x=x, y=y)."
        ) from error
    if "x" not in held or (targets and "y" not in held):
        raise DataError(f"{path.name} needs the arrays x and y: write it with numpy.savez({path.name!r}, x=x, y=y).")
    if "lengths" in held:
        lengths, shape = held.pop("lengths"), held["x"].shape[:2]
        stepwise = [name for name in ("x", "y") if name in held and held[name].shape[:2] == shape]
        held |= {name: by_lengths(held[name], lengths, path.name) for name in stepwise}
    return tuple(held.values())


def scan(path: Path, *, infer: bool) -> pl.LazyFrame:
    """The file, not read yet. Without `infer` the cells of a CSV file stay texts: no late cell can break a type."""
    kind = path.suffix.lower()
    if kind in BINARY:
        return pl.scan_parquet(path, glob=False)
    if kind in LINES:
        return pl.scan_ndjson(path, infer_schema_length=None if infer else 100_000)
    length: dict[str, Any] = {"infer_schema_length": None} if infer else {"infer_schema": False}
    return pl.scan_csv(path, separator=_separator(path), glob=False, **length)


def stream(path: Path, columns: Sequence[str]) -> Iterator[tuple[np.ndarray, pl.DataFrame]]:
    """The file in blocks, in its own order: the numbers of the rows and these columns of them.

    Raises: DataError where the file turns out to be damaged.
    """
    start, size = 0, min(2**17, max(1, CELLS // len(columns)))
    with explained(path):
        for frame in scan(path, infer=False).select(by_name(*columns)).collect_batches(chunk_size=size, lazy=True):
            yield np.arange(start, start + frame.height), frame
            start += frame.height


def table(rows: Any) -> pl.DataFrame:
    """Rows in any form as a Polars frame: any data frame, a dict of columns or of one row, a list of dicts.

    Raises: DataError where it is none of these, or has columns of unequal lengths.
    Example:
        >>> table([{"age": 31, "city": "Rome"}, {"age": 4.5}]).rows()
        [(31.0, 'Rome'), (4.5, None)]
    """
    if isinstance(rows, pl.DataFrame):
        return rows
    if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
        rows = {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}
    if isinstance(rows, dict):
        if not any(np.ndim(values) for values in rows.values()):
            rows = {name: [value] for name, value in rows.items()}
        return _frame([column_of(str(name), values) for name, values in rows.items()])
    import narwhals as nw

    native: Any = rows
    try:
        frame = nw.from_native(native)
    except TypeError:
        raise DataError(
            f"A {type(rows).__name__} is not a table: give a data frame, a dict of columns or a list of dicts."
        ) from None
    frame = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    if frame.implementation.is_polars():
        return frame.to_native()
    return _frame([_from_narwhals(str(name), frame.get_column(name)) for name in frame.columns])


def is_table(data: Any) -> bool:
    """Whether `table` can read it."""
    if isinstance(data, dict):
        return True
    if isinstance(data, list):
        return bool(data) and all(isinstance(row, dict) for row in data)
    import narwhals as nw

    return isinstance(nw.from_native(data, pass_through=True), nw.DataFrame | nw.LazyFrame)


def _frame(columns: list[pl.Series]) -> pl.DataFrame:
    try:
        return pl.DataFrame(columns)
    except (pl.exceptions.ShapeError, pl.exceptions.DuplicateError) as error:
        raise DataError(
            f"The columns do not make a table: {error}. Give each its own name and the same rows."
        ) from None


def column_of(name: str, values: Any) -> pl.Series:
    """Python values as a column; where texts are mixed with numbers, as a CSV file would have them."""
    if isinstance(values, pl.Series) or (isinstance(values, np.ndarray) and values.dtype != object):
        return pl.Series(name, values)
    values = [None if isinstance(value, float) and value != value else value for value in values]
    cells = pl.Series(name, values, strict=False)
    mixed = cells.dtype == pl.String and not all(value is None or isinstance(value, str) for value in values)
    return narrowest(cells) if mixed else cells


def _from_narwhals(name: str, cells: Any) -> pl.Series:
    import narwhals as nw

    kind = cells.dtype
    if kind.is_numeric():
        whole = kind.is_integer() and not cells.null_count()
        return pl.Series(name, (cells if whole else cells.cast(nw.Float64)).to_numpy())
    if isinstance(kind, nw.Datetime):
        cells = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if kind.time_zone else cells
        return pl.Series(name, cells.cast(nw.Datetime("us")).to_numpy())
    if kind in (nw.Categorical, nw.Enum):
        cells = cells.cast(nw.String)  # whole numbers made categories stay categories
    empty = cells.is_null().to_list()
    return column_of(name, [None if gone else value for gone, value in zip(empty, cells.to_list(), strict=True)])


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say what Polars found wrong with a file in terms of the file, and what to do."""
    try:
        yield
    except pl.exceptions.NoDataError:
        raise DataError(f"{path.name} is empty: it needs a first line of column names, then rows.") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        if path.suffix.lower() in TEXT and "more fields" in str(error):
            check_rows(path)
        hint = "Save it as UTF-8" if "utf-8" in str(error) else "Write the file again"
        raise DataError(f"{path.name} cannot be read: {str(error).splitlines()[0]}. {hint}.") from error


def _separator(path: Path) -> str:
    """A tab for TSV; for CSV a comma, or the semicolon or tab of a first line that has no comma."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    with path.open("rb") as file:
        first = file.readline(2**20).decode("utf-8", "replace")
    return next((mark for mark in ",;\t" if mark in first), ",")


def check_rows(path: Path) -> None:
    """Find the first row of a CSV file that has not as many cells as its header.

    Polars fills a short row with nulls and says nothing, so this is for files whose last column has nulls.

    Raises: DataError naming the line.
    """
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        lines = csv.reader(file, delimiter=_separator(path))
        try:
            width = len(next(lines, []))
            uneven = next((cells for cells in lines if cells and len(cells) != width), None)
        except csv.Error as error:
            raise DataError(f"{path.name}, line {lines.line_num} cannot be read: {error}. Correct it.") from error
        if uneven:
            raise DataError(
                f"{path.name}, line {lines.line_num} has {len(uneven)} cells where the first line names {width} "
                "columns: give every row as many, and quote a cell that holds a separator."
            )
