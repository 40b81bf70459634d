"""The proven error of a continuous piecewise-linear function against a function of one variable."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..errors import SettingError
from . import _interval as iv
from ._interval import Interval
from ._links import Path
from ._target import Target

SHARP = 1e-3  # relative: how far a proven error may be above one that was found
MOST_CELLS = 400_000


class Error(NamedTuple):
    """The error is at most `proven`, and at x = `at` it is `found`; `low` and `high` are f − p at its extremes."""

    proven: float
    found: float
    at: float
    low: float
    high: float


def error_between(target: Target, path: Path, sharp: float = SHARP) -> Error:
    """The largest error of a path on its interval, proven.

    On a cell where the path is straight `f − p` is between its values at the ends, but for what f itself leaves the
    chord between them (`excess`). Cells in which that could be the largest error are halved until it could not be by
    much.

    Raises: SettingError where what is known of the function does not bound the error.
    """
    x = np.unique(np.concatenate([path.ends, *(np.linspace(a, b, 5)[1:4] for a, b in pairwise(path.ends))]))
    f = target.values(x[:, None])
    while True:
        off = iv.subtract(f, along(path, x))
        with np.errstate(all="ignore"):  # what grows beyond float64 is no bound
            least, most = cells(target, x, f, off)
        bound = np.nan_to_num(np.maximum(-least, most), nan=np.inf, posinf=np.inf)
        found = float(np.maximum(-off.high, off.low).max())
        allowed = max(found, 0.0) * (1 + sharp) + 1e-13 * float(f.most.max())
        room = np.diff(x) > 4 * np.spacing(abs(x[1:]))
        open_ = np.flatnonzero((bound > allowed) & room)
        if not len(open_) or len(x) > MOST_CELLS:
            break
        new = (x[open_] + x[open_ + 1]) / 2
        at, made = np.searchsorted(x, new), target.values(new[:, None])
        x, f = np.insert(x, at, new), Interval(*(np.insert(a, at, b) for a, b in zip(f, made, strict=True)))
    if not np.isfinite(bound).all():
        raise SettingError("What is known of the function does not bound it between its values: give lipschitz=, say.")
    size, middle = np.maximum(abs(off.low), abs(off.high)), (off.low + off.high) / 2
    at = float(x[size.argmax()])
    return Error(float(bound.max()), float(size.max()), at, float(middle.min()), float(middle.max()))


def along(path: Path, x: np.ndarray) -> Interval:
    """The path at places in order, with room for its rounding."""
    i = np.clip(np.searchsorted(path.ends, x, side="right") - 1, 0, len(path.slopes) - 1)
    step = path.slopes[i] * (x - path.ends[i])
    size = 8 * 2.0**-53 * (abs(path.values[i]) + abs(step)) + path.slack
    value = path.values[i] + step
    return Interval(value - size, value + size)


def cells(target: Target, x: np.ndarray, f: Interval, off: Interval) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of `f − p` between neighbouring places."""
    below, above = excess(target, x, f)
    return np.minimum(off.low[:-1], off.low[1:]) - below, np.maximum(off.high[:-1], off.high[1:]) + above


def excess(target: Target, x: np.ndarray, f: Interval) -> tuple[np.ndarray, np.ndarray]:
    """How far f may be below and above its chord on every cell, by the best of all that is known.

    With `A ≤ f'' ≤ B` it is `h² B / 8` below and `−h² A / 8` above; with `A ≤ f' ≤ B`, and a chord of slope s,
    `h (B − s) (s − A) / (B − A)` both ways. The chord of the next cell bounds the slope of a convex function.
    """
    h = np.diff(x)
    chord = Interval(
        *(end / h for end in iv.subtract(Interval(f.low[1:], f.high[1:]), Interval(f.low[:-1], f.high[:-1])))
    )
    below, above = (np.full(len(h), np.inf) for _ in range(2))
    curve, slope = [], []
    if target.operations is not None:
        found = target.jets(x[:-1, None], x[1:, None])
        curve.append(Interval(found.curve.low[:, 0, 0], found.curve.high[:, 0, 0]))
        slope.append(Interval(found.slope.low[:, 0], found.slope.high[:, 0]))
        below = np.maximum(f.high[:-1], f.high[1:]) - found.value.low
        above = found.value.high - np.minimum(f.low[:-1], f.low[1:])
    if target.curvature is not None:
        curve.append(Interval(np.full(len(h), -target.curvature), np.full(len(h), target.curvature)))
    if target.lipschitz is not None:
        slope.append(Interval(np.full(len(h), -target.lipschitz), np.full(len(h), target.lipschitz)))
    for bent in curve:
        below = np.fmin(below, np.maximum(bent.high, 0) * h**2 / 8)
        above = np.fmin(above, np.maximum(-bent.low, 0) * h**2 / 8)
    for steep in slope:
        both = tilted(steep, chord) * h
        below, above = np.fmin(below, both), np.fmin(above, both)
    if target.convex:
        one_sided(target, chord, h, below, above)
    return below * (1 + 1e-14), above * (1 + 1e-14)


def tilted(slope: Interval, chord: Interval) -> np.ndarray:
    """`(B − s) (s − A) / (B − A)`, the largest over the slopes s that the chord may have; without A it is `B − s`."""
    no_a, no_b = np.isneginf(slope.low), np.isposinf(slope.high)
    a, b = np.where(no_a, 0.0, slope.low), np.where(no_b, 0.0, slope.high)
    s = np.clip((a + b) / 2, chord.low, chord.high)
    up, down = np.maximum(b - s, 0), np.maximum(s - a, 0)
    made = np.where(up + down > 0, up * down / np.where(up + down > 0, up + down, 1.0), 0.0)
    made = np.where(no_a, np.maximum(b - chord.low, 0), np.where(no_b, np.maximum(chord.high - a, 0), made))
    return np.where(no_a & no_b, np.inf, made)


def one_sided(target: Target, chord: Interval, h: np.ndarray, below: np.ndarray, above: np.ndarray) -> None:
    """A convex function is below its chord, and above the chords of the cells beside, drawn on."""
    sign = target.convex
    rising = chord if sign > 0 else iv.negative(chord)
    before = np.concatenate([[-np.inf], rising.low[:-1]])
    after = np.concatenate([rising.high[1:], [np.inf]])
    deep = tilted(Interval(before, after), rising) * h
    lower, upper = (below, above) if sign > 0 else (above, below)
    upper[:] = 0.0
    np.minimum(lower, deep, out=lower)
