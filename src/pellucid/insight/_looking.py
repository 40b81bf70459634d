"""Rows through a network, a chunk at a time, and what one layer's units do on them; no more is kept than is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from math import ceil, log2, prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import Listener
from ..errors import DataError, SettingError
from ..language import phrase
from ..layers import Sequences, values_of
from ..module import Layer, map_layers
from ..train import by_chunks, chunks, unit
from ._judged import Judged
from ._subject import Subject
from ._unit import Place, output_of

NUMBERS = 2**22  # of one chunk's input
BINS = 2048
EXCITED = 5  # rows at either end


class Moments(NamedTuple):
    """Count, mean and sum of squared deviations of each feature."""

    n: Any
    mean: Any
    squares: Any

    def joined(self, other: Moments) -> Moments:
        """Both together, in float64: Chan, Golub and LeVeque 1979, eq. 2.1."""
        n, m = float(self.n), float(other.n)
        step = np.asarray(other.mean, float) - np.asarray(self.mean, float)
        total = max(n + m, 1.0)
        mean = np.asarray(self.mean, float) + step * m / total
        squares = np.asarray(self.squares, float) + np.asarray(other.squares, float) + step**2 * n * m / total
        return Moments(n + m, mean, squares)

    @property
    def deviation(self) -> np.ndarray:
        return np.sqrt(np.asarray(self.squares, float) / max(float(self.n), 1.0))


NONE = Moments(0, 0.0, 0.0)


class Look(NamedTuple):
    """What a chunk says: pre-activations (rows, ..., units) and which (rows, places) count; the features of the layer,
    of its output and of the next layer; whether the layer sees the network's own input."""

    z: Any
    counts: Any
    x: Moments
    y: Moments
    after: Moments | None
    direct: Any


def told(net: Layer, x: Any, paths: tuple[str, ...]) -> dict[str, tuple[Any, Any]]:
    """Input and output of these layers in one pass.

    Raises: SettingError for a layer that several nodes of a Graph share.
    """
    seen: dict[str, tuple[Any, Any]] = {}

    def tell(path: str, layer: Layer, x: Any, y: Any, saved: Any) -> None:
        if path in seen:
            raise SettingError(
                phrase("Several nodes share {path}: ask the network's `unshared()`, where each has its own.", path=path)
            )
        seen[path] = (x, y)

    map_layers(net, lambda path, layer: Listener(layer, partial(tell, path)) if path in paths else layer)(x)
    return seen


def counting(x: Any, y: Array, rows: Array) -> Array:
    """Which (rows, places) of y count: not the rows that fill a chunk up, nor the padding of a sequence."""
    places = prod(y.shape[1:-1])
    if isinstance(x, Sequences) and y.ndim > 2 and y.shape[1] == x.mask.shape[1]:
        steps = jnp.repeat(x.mask, places // y.shape[1], axis=1)
        return steps & rows[:, None]
    return jnp.broadcast_to(rows[:, None], (len(y), places))


def moments(values: Array, counts: Array) -> Moments:
    flat, weight = values.reshape(-1, values.shape[-1]), counts.reshape(-1, 1).astype(values.dtype)
    n = weight.sum()
    mean = (flat * weight).sum(0) / jnp.maximum(n, 1)
    return Moments(n, mean, (jnp.square(flat - mean) * weight).sum(0))


@partial(jax.jit, static_argnames=("path", "after"))
def look(net: Layer, x: Array, n: Array, units: Array, path: str, after: str | None) -> Look:
    """One chunk, of which the first n rows count."""
    x = unit(x)
    seen = told(net, x, (path,) if after is None else (path, after))
    given, y = seen[path]
    rows = jnp.arange(len(x)) < n
    own = values_of(given)
    plain = jnp.nan_to_num(x).reshape(len(x), -1)
    direct = own.size == x.size and jnp.all(own.reshape(len(x), -1) == plain)
    behind = None
    if after is not None:
        next_given = seen[after][0]
        behind = moments(values_of(next_given), counting(next_given, values_of(next_given), rows))
    counts = counting(given, y, rows)
    return Look(
        y[..., units], counts, moments(own, counting(given, own, rows)), moments(y, counts), behind, jnp.asarray(direct)
    )


@partial(jax.jit, static_argnames="path")
def slope(net: Layer, x: Array, index: Any, path: str) -> Array:
    """dz/dx of every row, at the place where the unit's z is largest."""

    def total(x: Array) -> Array:
        given, y = told(net, x, (path,))[path]
        z = y.reshape(len(y), -1, y.shape[-1])[..., index]
        counts = counting(given, y, jnp.ones(len(y), bool))
        place = jnp.where(counts, z, -jnp.inf).argmax(1)
        return jnp.take_along_axis(z, place[:, None], 1).sum()

    return jax.grad(total)(unit(x))


def slopes(net: Layer, x: np.ndarray, index: int, path: str) -> np.ndarray:
    """`slope` of any number of rows."""
    return by_chunks(lambda rows: slope(net, rows, index, path), x, NUMBERS)


class Tally:
    """How many values lie where, without keeping them: bins of (−reach, reach] that double where one falls outside.

    0 is always an edge, and belongs to the bin below it, so that the upper half counts z > 0 alone.
    """

    def __init__(self) -> None:
        self.reach, self.count = 0.0, np.zeros(BINS, int)
        self.n = self.on = self.zero = 0
        self.low, self.high = np.inf, -np.inf
        self.moments = NONE
        self.silent = self.flat = 0

    def add(self, z: np.ndarray, y: np.ndarray, flat: np.ndarray) -> None:
        """More pre-activations z, their outputs y, and where the curve between them is flat."""
        if not z.size:
            return
        z = z.astype(float)
        self.silent, self.flat = self.silent + int((y == 0).sum()), self.flat + int(flat.sum())
        top = float(np.abs(z).max())
        self.reach = self.reach or 2.0 ** ceil(log2(top or 1.0))
        while top > self.reach:
            quarter = np.zeros(BINS // 4, int)
            self.count = np.concatenate([quarter, self.count.reshape(-1, 2).sum(1), quarter])
            self.reach *= 2
        bins = np.ceil(z / (2 * self.reach / BINS)).astype(int) - 1 + BINS // 2
        self.count = self.count + np.bincount(bins.clip(0, BINS - 1), minlength=BINS)
        self.n, self.on, self.zero = self.n + z.size, self.on + int((z > 0).sum()), self.zero + int((z == 0).sum())
        self.low, self.high = min(self.low, float(z.min())), max(self.high, float(z.max()))
        self.moments = self.moments.joined(Moments(z.size, z.mean(), np.square(z - z.mean()).sum()))

    def bars(self, most: int = 48) -> tuple[np.ndarray, np.ndarray]:
        """Edges and counts of at most so many bins that hold all values; 0 is an edge where it lies among them."""
        full = np.flatnonzero(self.count)
        if not len(full):
            return np.zeros(1), np.zeros(0, int)
        merged = 1
        while (full[-1] // merged) - (full[0] // merged) >= most:
            merged *= 2
        first, last = full[0] // merged, full[-1] // merged + 1
        edges = (np.arange(first, last + 1) * merged - BINS // 2) * (2 * self.reach / BINS)
        return edges, self.count.reshape(-1, merged).sum(1)[first:last]


def checked(z: np.ndarray, counts: np.ndarray, x: np.ndarray, numbers: np.ndarray, path: str) -> None:
    """Raises: DataError naming the row, where a pre-activation that counts is not finite."""
    bad = (~np.isfinite(z).all(-1) & counts).any(1)
    if not bad.any():
        return
    row = int(np.flatnonzero(bad)[0])
    if np.isfinite(x[row]).all():
        words = phrase(
            "{path} is not finite for row {row}, whose inputs are: the network itself is broken.",
            path=path,
            row=numbers[row],
        )
        raise DataError(words)
    raise DataError(
        phrase("Row {row} of the data holds NaN or an infinite number: leave it out, or fill it in.", row=numbers[row])
    )


class Kept(NamedTuple):
    """A row that is kept: its z and the place of it, and the row itself as data of one row."""

    z: float
    place: int
    rows: Judged


@dataclass
class Observed:
    """All that one pass over the rows says of some units of a layer."""

    indices: list[int]
    tallies: list[Tally]
    most: list[list[Kept]]
    least: list[list[Kept]]
    x: Moments = NONE
    y: Moments = NONE
    after: Moments | None = None
    rows: int = 0
    direct: bool = True
    shape: tuple[int, ...] = ()  # of one row
    places: tuple[int, ...] = ()  # of the unit in one row
    sums: dict[str, np.ndarray] = field(default_factory=dict)

    def extremes(self, k: int, z: np.ndarray, place: np.ndarray, rows: Judged) -> None:
        """Keep the rows of a chunk that belong among the first or the last."""
        order = np.argsort(z, kind="stable")
        for kept, chosen, sign in ((self.most, order[::-1], -1), (self.least, order, 1)):
            new = [Kept(float(z[i]), int(place[i]), rows.take(np.array([i]))) for i in chosen[:EXCITED]]
            kept[k] = sorted([*kept[k], *new], key=lambda one: sign * one.z)[:EXCITED]

    def compare(self, outputs: np.ndarray, targets: np.ndarray) -> None:
        """Add to the sums behind the correlation of outputs (rows, units) with targets (rows, targets)."""
        a, t = outputs.astype(float), targets.astype(float)
        new = {"n": len(a), "a": a.sum(0), "aa": (a * a).sum(0), "t": t.sum(0), "tt": (t * t).sum(0), "at": a.T @ t}
        self.sums = {name: value + self.sums.get(name, 0.0) for name, value in new.items()}

    def correlation(self, k: int) -> np.ndarray:
        """Pearson's, of the k-th unit with each target; 0 where one of the two does not vary."""
        s = self.sums
        if not s:
            return np.zeros(0)
        n = s["n"]
        cov = s["at"][k] / n - s["a"][k] / n * s["t"] / n
        spread = (s["aa"][k] / n - (s["a"][k] / n) ** 2) * (s["tt"] / n - (s["t"] / n) ** 2)
        return np.divide(
            cov, np.sqrt(np.maximum(spread, 0)), out=np.zeros_like(cov), where=spread > 1e-12 * s["tt"] / n
        )


def observed(subject: Subject, place: Place, indices: list[int]) -> Observed:
    """One pass over all rows.

    Raises: DataError where there is no row, or one makes a pre-activation that is not finite.
    """
    k = range(len(indices))
    seen = Observed(indices, [Tally() for _ in k], [[] for _ in k], [[] for _ in k])
    for rows in subject.batches():
        for part, x in chunks(rows.block.x, NUMBERS):
            found = look(subject.net, x, part.stop - part.start, np.array(indices), place.path, place.after)
            chunk(seen, subject, place, rows.take(part), found)
    if not seen.rows:
        raise DataError(phrase("There are no rows to look at: the data is empty."))
    return seen


def chunk(seen: Observed, subject: Subject, place: Place, rows: Judged, found: Look) -> None:
    """Add what a chunk says."""
    n = len(rows.block.x)
    seen.shape, seen.places = rows.block.x.shape[1:], found.z.shape[1:-1]
    z, counts = np.asarray(found.z)[:n].reshape(n, -1, len(seen.indices)), np.asarray(found.counts)[:n]
    checked(z, counts, rows.block.x, rows.numbers, place.path)
    y, flat = output_of(place, z)
    seen.x, seen.y = seen.x.joined(found.x), seen.y.joined(found.y)
    seen.after = None if found.after is None else (seen.after or NONE).joined(found.after)
    seen.rows, seen.direct = seen.rows + n, seen.direct and bool(found.direct)
    best = np.where(counts[..., None], z, -np.inf).argmax(1)
    some = np.flatnonzero(counts.any(1))  # a sequence of no steps has no z
    for k, tally in enumerate(seen.tallies):
        tally.add(z[..., k][counts], y[..., k][counts], flat[..., k][counts])
        seen.extremes(k, z[some, best[some, k], k], best[some, k], rows.take(some) if len(some) < n else rows)
    truth = subject.truth(rows.block.y) if rows.block.y.size else np.zeros((n, 0))
    if truth.shape[1]:
        seen.compare(np.take_along_axis(y, best[:, None, :], 1)[some, 0], truth[some])
