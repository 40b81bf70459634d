"""The cells of one column: read as numbers, booleans, dates or texts, whatever type they came in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ..errors import DataError
from ..language import phrase

MISSING_MARKS = ["", "?", "-", "NA", "N/A", "na", "n/a", "NaN", "nan", "null", "NULL", "None", "none"]
WORDS = dict.fromkeys(["true", "yes", "t", "1", "1.0"], 1.0) | dict.fromkeys(["false", "no", "f", "0", "0.0"], 0.0)
DATE_FORMATS = ["%Y-%m-%d", "%Y/%m/%d"] + [
    f"%Y-%m-%d{t}%H:%M{seconds}" for t in (" ", "T") for seconds in ("", ":%S%.f", ":%S%.fZ")
]
MOSTLY = 0.95  # from this share on, a text among numbers is an error and not a category
LARGEST = 1e100  # beyond it a variance overflows

Rows = np.ndarray | None  # the row numbers the user knows the cells by, where they are not 0, 1, 2, ...


def numbers(cells: pl.Series, rows: Rows = None) -> pl.Series:
    """The cells as float64; missing cells and their usual marks ("NA", "?", ...) are null.

    Units: seconds, for durations and times of day.
    Raises: DataError naming the column, the row and the text that is not a number.
    Example:
        >>> numbers(pl.Series("age", ["31", " 4.5", "NA"])).to_list()
        [31.0, 4.5, None]
    """
    kind = cells.dtype
    if kind.is_numeric() or kind in (pl.Boolean, pl.Null):
        return cells.cast(pl.Float64)
    if kind == pl.Duration:
        return cells.dt.total_microseconds() / 1e6
    if kind == pl.Time:
        return cells.to_physical() / 1e9
    if kind in (pl.Categorical, pl.Enum):
        cells = cells.cast(pl.String)
    values = cells.cast(pl.Float64, strict=False) if kind == pl.String else None
    if values is not None and values.null_count() == cells.null_count():
        return values
    text = _text(cells, "numbers")
    return _all_read(cells, text, text.cast(pl.Float64, strict=False), "a number", rows)


def booleans(cells: pl.Series, rows: Rows = None) -> pl.Series:
    """The cells as 1.0 for true and 0.0 for false.

    Raises: DataError naming the column, the row and the cell that is neither.
    """
    if cells.dtype in (pl.Boolean, pl.Null):
        return cells.cast(pl.Float64)
    text = _text(cells.cast(pl.String) if cells.dtype.is_numeric() else cells, "booleans").str.to_lowercase()
    values = text.replace_strict(WORDS, default=None, return_dtype=pl.Float64)
    return _all_read(cells, text, values, "true or false", rows)


def dates(cells: pl.Series, rows: Rows = None) -> pl.Series:
    """The cells as moments without a time zone (UTC where one was given); texts as ISO 8601 writes them.

    Raises: DataError naming the column, the row and the text that is not a date.
    """
    moment = pl.Datetime("us")
    if isinstance(cells.dtype, pl.Datetime) and cells.dtype.time_zone:
        cells = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if cells.dtype in (pl.Date, pl.Datetime, pl.Null):
        return cells.cast(moment)
    text = _text(cells, "dates")
    return _all_read(cells, text, _moments(text), "a date such as 2024-02-29 or 2024-02-29 18:30:00", rows)


def texts(cells: pl.Series) -> pl.Series:
    """The cells as texts; a whole number reads the same whether it came as 1 or as 1.0."""
    if cells.dtype.is_float() and bool((cells.round() == cells).fill_null(True).all()):
        cells = cells.cast(pl.Int64, strict=False)
    return cells if cells.dtype == pl.String else cells.cast(pl.String)


def missing(cells: pl.Series) -> pl.Series:
    """True where a cell holds nothing (null or NaN)."""
    return cells.is_null() | cells.is_nan().fill_null(False) if cells.dtype.is_float() else cells.is_null()


def typed(frame: pl.DataFrame, rows: Rows = None) -> pl.DataFrame:
    """The frame with every column of texts, as a CSV file gives them, in the narrowest type that reads all its cells.

    Raises: DataError naming the column, the row and the text where all but a few cells are numbers.
    """
    found = [narrowest(frame[name], rows) for name, kind in frame.schema.items() if kind == pl.String]
    return frame.with_columns(found)


def narrowest(cells: pl.Series, rows: Rows = None) -> pl.Series:
    """A column of texts as booleans, integers or numbers, where every cell reads as one; else as it is.

    Example:
        >>> narrowest(pl.Series("age", ["31", "NA", " 4.5"])).to_list()
        [31.0, None, 4.5]
    """
    text = cells.str.strip_chars()
    marked = text.is_null() | text.is_in(MISSING_MARKS)
    given = text.filter(~marked)
    if given.is_empty():
        return text.set(marked, None)
    if given.str.to_lowercase().is_in(["true", "false"]).all():
        return booleans(text.set(marked, None)).cast(pl.Boolean)
    values = given.cast(pl.Float64, strict=False)
    share = 1 - values.null_count() / len(values)
    if share >= MOSTLY:
        values = numbers(cells, rows)
        whole = text.set(marked, None).cast(pl.Int64, strict=False)
        return whole if whole.null_count() == marked.sum() else values
    return cells


def are_dates(cells: pl.Series) -> bool:
    """Whether every text that is there is a date."""
    text = cells.str.strip_chars().drop_nulls()
    given = text.filter(~text.is_in(MISSING_MARKS))
    return bool(len(given)) and not _moments(given[:1]).null_count() and not _moments(given).null_count()


def _text(cells: pl.Series, wanted: str) -> pl.Series:
    if cells.dtype != pl.String:
        raise DataError(
            f"Column {cells.name!r} holds {cells.dtype}, and {wanted} are wanted: turn it into {wanted}, "
            "as it was when the network was trained."
        )
    return cells.str.strip_chars()


def _moments(text: pl.Series) -> pl.Series:
    found = pl.Series(text.name, [None], dtype=pl.Datetime("us")).new_from_index(0, len(text))
    for form in DATE_FORMATS:
        found = found.zip_with(found.is_not_null(), text.str.to_datetime(form, strict=False, time_unit="us"))
        if found.null_count() == text.null_count():
            break
    return found


def _all_read(cells: pl.Series, text: pl.Series, read: pl.Series, wanted: str, rows: Rows) -> pl.Series:
    if read.null_count() > cells.null_count():
        wrong = read.is_null() & text.is_not_null() & ~text.is_in(MISSING_MARKS)
        if wrong.any():
            raise bad_cell(cells, int(wrong.arg_max()), f"not {wanted}", rows)  # pyright: ignore[reportArgumentType]
    return read


def bad_cell(cells: pl.Series, position: int, why: str, rows: Rows) -> DataError:
    """The error for one cell of a column, by the row number its user knows."""
    row = position if rows is None else rows[position]
    return DataError(
        f"Column {cells.name!r}, row {int(row)} (the first is 0): {cells[int(position)]!r} is {why}. "
        "Correct the cell, or leave it empty to say that it is missing."
    )


def as_float32(values: np.ndarray, name: str, rows: Rows = None) -> np.ndarray:
    """An array as float32.

    Raises: DataError where it is not of numbers, or naming the row of one that is NaN, infinite or too large.
    """
    try:
        with np.errstate(over="ignore"):
            out = np.ascontiguousarray(values, np.float32)
    except (TypeError, ValueError):
        raise DataError(f"{name} must be an array of numbers: give columns of other kinds as a data frame.") from None
    finite = np.isfinite(out)
    if not finite.all():
        position = int(np.argwhere(~finite)[0][0])
        row = position if rows is None else int(rows[position])
        value = out[position][~finite[position]].flat[0]
        raise DataError(f"{name} holds {value} in row {row} (the first is 0): correct the row or leave it out.")
    return out


def short(number: float | None) -> str:
    """A number with four digits."""
    return "none" if number is None else f"{number:.4g}"


def some(items: Sequence[Any], most: int = 6) -> str:
    """The first few of many names."""
    names = phrase(", ").join(repr(item) for item in items[:most])
    return phrase("{names} and {more:,} more", names=names, more=len(items) - most) if len(items) > most else names
