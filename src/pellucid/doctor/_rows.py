"""Rows and targets as the data rules look at them: flat, a part of them, numbered by what is equal, with neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ..language import phrase
from ..module import Layer, walk
from ._task import flat

MOST_ROWS, MOST_COLUMNS = 2000, 256
DRAWN_COLUMNS = 4096  # of wider rows, before they are projected
SHOWN = 100  # rows or columns in the numbers of a sign


def as_seen(x: Any) -> np.ndarray:
    """Rows as the network sees them: images in bytes as fractions of 255."""
    x = np.asarray(x)
    return x / np.float32(255) if x.dtype == np.uint8 and x.ndim > 2 else x


def table(x: Any) -> np.ndarray:
    """Rows of any number of axes as (rows, columns)."""
    x = np.asarray(x)
    return x.reshape(len(x), prod(x.shape[1:]))


def some_rows(rows: int, seed: int, limit: int = MOST_ROWS) -> np.ndarray:
    """At most so many rows in a random order, so that where distances tie, no row comes first for its place."""
    return np.random.default_rng(seed).permutation(rows)[:limit]


def has(net: Layer | None, *kinds: type) -> bool:
    """Whether a network holds a layer of one of these kinds."""
    return net is not None and any(isinstance(layer, kinds) for _, layer in walk(net))


def column(names: tuple[str, ...], at: int) -> str:
    """A column in words, the first is column 0."""
    return phrase("column {i} '{name}'", i=at, name=names[at]) if at < len(names) else phrase("column {i}", i=at)


def listed(names: tuple[str, ...], columns: np.ndarray, most: int = 4) -> str:
    """Some columns in words, and how many more there are."""
    shown = in_a_row([column(names, int(at)) for at in columns[:most]])
    if len(columns) <= most:
        return shown
    return phrase("{names} and {more:,} more", names=shown, more=len(columns) - most)


def in_a_row(names: Sequence[str]) -> str:
    """Names one after the other."""
    said = names[0]
    for name in names[1:]:
        said = phrase("{some}, {name}", some=said, name=name)
    return said


def finite(*arrays: Any) -> bool:
    return all(np.isfinite(a).all() for a in map(np.asarray, arrays) if a.dtype.kind == "f")


def fingerprints(rows: Any) -> np.ndarray:
    """A number for each row, the same for equal rows: 64 bits, so that two others meet once in 2⁶⁴ pairs."""
    flat_rows = table(rows)
    if not flat_rows.size:
        return np.zeros(len(flat_rows), np.int64)
    if flat_rows.dtype.kind == "f":
        flat_rows = flat_rows + 0  # −0 becomes 0, which has other bits
    whole = np.ascontiguousarray(flat_rows)
    cells = whole.view(f"V{whole.shape[1] * whole.itemsize}").ravel()
    return np.fromiter(map(hash, cells.tolist()), np.int64, len(cells))


def one_column(y: Any) -> bool:
    return flat(np.asarray(y)).ndim == 1


def labels_of(patient: Any) -> np.ndarray | None:
    """The class of each row, from 0 up without gaps; None where the targets are not one class a row."""
    if not patient.has_rows or patient.task is None or not finite(patient.y):
        return None
    y = flat(np.asarray(patient.y))
    if patient.task.kind == "one-hot" and y.ndim == 2:
        y = y.argmax(1)
    elif patient.task.kind not in ("binary", "labels") or y.ndim != 1:
        return None
    return np.unique(y, return_inverse=True)[1].ravel()


def one_hot(labels: np.ndarray) -> np.ndarray:
    return np.eye(int(labels.max()) + 1)[labels]


def standard(rows: Any, seed: int) -> np.ndarray:
    """Rows as points for distances: columns of mean 0 and variance 1 within ±5, at most 256 by a random projection.

    The columns of images and sequences keep their own scales, which are in the same units. Source: Johnson and
    Lindenstrauss 1984 for the projection.
    """
    whole = as_seen(rows)
    points = table(whole)
    rng = np.random.default_rng(seed)
    if points.shape[1] > DRAWN_COLUMNS:
        points = points[:, rng.choice(points.shape[1], DRAWN_COLUMNS, replace=False)]
    points = points - points.mean(0, dtype=np.float64)  # the square of a large float32 is infinite
    spread = points.std(0)
    points = points[:, spread > 0]
    points = points / (points.std() or 1) if whole.ndim > 2 else np.clip(points / spread[spread > 0], -5, 5)
    points = points.astype(np.float32)
    if points.shape[1] > MOST_COLUMNS:
        points = points @ rng.normal(size=(points.shape[1], MOST_COLUMNS)).astype(np.float32) / MOST_COLUMNS**0.5
    return points


def nearest(points: np.ndarray, others: np.ndarray, k: int, skip: np.ndarray | None = None) -> np.ndarray:
    """The k nearest of the others to each point, (points, k), without those of `skip`, (points, others)."""
    distance = np.square(points).sum(1)[:, None] + np.square(others).sum(1) - 2 * points @ others.T
    if skip is not None:
        distance[skip] = np.inf
    return np.argpartition(distance, k - 1, axis=1)[:, :k]
