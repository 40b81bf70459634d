"""Sequences of different lengths as one array, padded with NaN at the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import DataError
from ..language import phrase
from ..shapes import words
from ._cells import Rows

LARGE, WASTE = 2**30, 4  # a padded array of more bytes, and more times the data, is worth a note


class Ragged(list):
    """Sequences, one for each row, whatever their lengths."""


def is_ragged(x: Any) -> bool:
    """Whether these are sequences, and not rows of one length.

    Example:
        >>> is_ragged([[1, 2, 3], [4]]), is_ragged([[1, 2], [3, 4]])
        (True, False)
    """
    if isinstance(x, Ragged):
        return True
    if isinstance(x, np.ndarray) and (x.dtype != object or x.ndim != 1):
        return False
    if not isinstance(x, list | tuple | np.ndarray) or not all(has_steps(row) for row in x):
        return False
    return isinstance(x, np.ndarray) or len({len(row) for row in x}) > 1


def has_steps(row: Any) -> bool:
    return isinstance(row, list | tuple) or getattr(row, "ndim", 0) > 0


def by_lengths(x: np.ndarray, lengths: np.ndarray, name: str) -> Ragged:
    """The rows of an array cut to their lengths.

    Raises: DataError naming the row of a length that is none.
    """
    if x.ndim < 2 or lengths.shape != x.shape[:1]:
        raise DataError(
            f"{name} has x {words(x.shape)} and lengths {words(lengths.shape)}: give x (rows, steps, ...), "
            "and lengths with one number for each row."
        )
    if lengths.dtype.kind not in "iuf":
        raise DataError(f"{name} has lengths of {lengths.dtype}: give whole numbers.")
    good = (lengths == np.round(lengths)) & (lengths >= 0) & (lengths <= x.shape[1])
    if not good.all():
        row = int(good.argmin())
        raise DataError(
            f"{name} has the length {lengths[row]} in row {row} (the first is 0): a length is a whole number from 0 to "
            f"the {x.shape[1]} steps of x."
        )
    return Ragged(row[: int(n)] for row, n in zip(x, lengths, strict=True))


def padded(x: Any, rows: Rows = None, least: int = 0) -> np.ndarray:
    """Sequences (steps,) or (steps, features), as a list or padded already, as float32 with NaN at the end.

    Every sequence gets as many steps as the longest, and `least` at least.

    Raises: DataError naming the row of one of another shape, or the row and step of a number that is not finite.
    Example:
        >>> padded([[1, 2], [3]]).tolist()
        [[1.0, 2.0], [3.0, nan]]
    """
    if is_ragged(x):
        out = joined(x, rows, least)
    else:
        try:
            out = np.ascontiguousarray(x, np.float32)
        except (TypeError, ValueError):
            raise DataError("x must be an array of numbers, or a list of arrays (steps, features).") from None
        if out.ndim not in (2, 3):
            wanted = "(rows, steps) or (rows, steps, features)"
            raise DataError(f"x has the shape {words(out.shape)}: sequences are {wanted}.")
        if out.shape[1] < least:
            out = np.pad(out, ((0, 0), (0, least - out.shape[1]), *[(0, 0)] * (out.ndim - 2)), constant_values=np.nan)
    inside = counts(out).reshape(*out.shape[:2], *[1] * (out.ndim - 2))
    bad = np.isinf(out) | (np.isnan(out) & inside)
    if bad.any():
        row, step, *_ = place = tuple(np.argwhere(bad)[0])
        raise DataError(
            f"x holds {out[place]} in row {number(row, rows)}, step {step} (the first is 0): NaN may only stand "
            "behind the last step of a row. Correct it, or leave the row out."
        )
    return out


def joined(x: Any, rows: Rows, least: int) -> np.ndarray:
    try:
        parts = [np.asarray(row, np.float32) for row in x]
    except (TypeError, ValueError):
        raise DataError("A row of x is no array of numbers: every row is (steps,) or (steps, features).") from None
    if not parts:
        raise DataError("There are no rows: the data is empty. Give at least two.")
    first = next((part for part in parts if len(part)), parts[0])
    for i, part in enumerate(parts):
        if part.ndim not in (1, 2) or (len(part) and part.shape[1:] != first.shape[1:]):
            raise DataError(
                f"x has the shape {words(part.shape)} in row {number(i, rows)}: sequences are (steps,) or "
                "(steps, features), with as many features in every row. (Images must all have one size.)"
            )
    steps = max(least, *(len(part) for part in parts), 1)
    out = np.full((len(parts), steps, *first.shape[1:]), np.nan, np.float32)
    for i, part in enumerate(parts):
        if len(part):
            out[i, : len(part)] = part
    return out


def at_every_step(y: Any, x: np.ndarray) -> np.ndarray:
    """Targets of every step of padded sequences x; those of padding become 0, whatever they were.

    Raises: DataError naming the row that has not as many targets as steps.
    """
    if isinstance(y, list | tuple) or is_ragged(y):
        whole = all(np.asarray(row).dtype.kind in "iub" for row in y)
        given, lengths = joined(y, None, x.shape[1]), lengths_of(x)
        uneven = np.array([len(row) for row in y]) != lengths
        if uneven.any():
            row = int(uneven.argmax())
            raise DataError(
                f"Row {row} (the first is 0) has {len(y[row])} targets and {lengths[row]} steps: correct it."
            )
        y = np.nan_to_num(given).astype(np.int64) if whole else given
    y = np.asarray(y)
    if y.dtype.kind not in "iubf" or y.ndim < 2 or y.shape[:2] != x.shape[:2]:
        raise DataError(
            f"y is {y.dtype} {words(y.shape)} and x {words(x.shape)}: targets of every step are numbers, or whole "
            "numbers from 0 on for classes, with the rows and steps of x."
        )
    there = counts(x).reshape(*x.shape[:2], *[1] * (y.ndim - 2))
    return np.where(there, y, 0).astype(y.dtype)


def number(position: int, rows: Rows) -> int:
    return int(position if rows is None else rows[position])


def lengths_of(x: np.ndarray) -> np.ndarray:
    """How many steps of each row count: up to the last one that is not all NaN."""
    there = ~np.isnan(x).reshape(*x.shape[:2], -1).all(-1)
    return (there * np.arange(1, x.shape[1] + 1)).max(1, initial=0)


def counts(x: np.ndarray) -> np.ndarray:
    """True where a step counts, (rows, steps)."""
    return np.arange(x.shape[1]) < lengths_of(x)[:, None]


def padding_notes(x: np.ndarray) -> list[str]:
    """What the user should know of padded sequences: how long they are, which are empty, what padding costs.

    Raises: DataError where no sequence has a step.
    """
    lengths = lengths_of(x)
    if not lengths.any():
        raise DataError("No row of x has a step: all of it is padding.")
    low, high, empty = int(lengths.min()), int(lengths.max()), int((lengths == 0).sum())
    notes: list[str] = [
        phrase("sequences of {low:,} to {high:,} steps, padded to {n:,}.", low=low, high=high, n=x.shape[1])
    ]
    if empty:
        notes.append(
            phrase("{empty:,} of {n:,} rows have no step: all of them get the same answer.", empty=empty, n=len(x))
        )
    share = lengths.sum() / (x.shape[0] * x.shape[1])
    if x.nbytes > LARGE and share * WASTE < 1:
        notes.append(
            phrase(
                "padding makes {padded:.1f} GiB of {own:.1f} GiB of numbers: leave out the few longest rows, or cut "
                "them.",
                padded=x.nbytes / LARGE,
                own=share * x.nbytes / LARGE,
            )
        )
    return notes
