"""The continuous piecewise-linear function with the fewest pieces in a tube: a path with the fewest links.

The tube is a slot `low_i ≤ y ≤ high_i` at each of some places x_i; kinks may be anywhere. All lines that go through the
slots from a first one on are followed until a slot that none of them reaches. If all pass above it, the lowest of them
there is the window: it touches the lower end of its last slot q, every path must cross it between q and the slot that
was missed, and a next link that starts on it reaches as far as any. So the next lines are those that lie above the
lower ends from q on and go through the slot that was missed and those behind it; likewise upside down.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..compiled import kernel

TIGHT = 1e-4  # relative: how near the least error is found


@kernel
def tangent(x, y, hull, start, count, px, py, sign):
    """Where a line from the point (px, py) on the right touches a hull: its place, and the slope there.

    The hull is that of lower ends (sign 1, the least slope is wanted) or of upper ends (−1, the largest).
    """
    best = (py - y[hull[start]]) / (px - x[hull[start]])
    while start + 1 < count:
        slope = (py - y[hull[start + 1]]) / (px - x[hull[start + 1]])
        if sign * slope > sign * best:
            break
        best, start = slope, start + 1
    return start, best


@kernel
def push(x, y, hull, start, count, i, sign):
    """A hull with one more point on its right: the upper hull of lower ends (sign 1), the lower one of upper ends."""
    while count - start >= 2:
        a, b = hull[count - 2], hull[count - 1]
        if sign * ((y[b] - y[a]) * (x[i] - x[a]) - (y[i] - y[a]) * (x[b] - x[a])) > 0:
            break
        count -= 1
    hull[count] = i
    return count + 1


@kernel
def follow(x, low, high, most, lines):
    """The fewest links through all slots, `most + 1` where there are more; `lines` are filled with (x, y, slope)."""
    n = len(x)
    lower, upper = np.empty(n, np.int64), np.empty(n, np.int64)
    ls, lc, us, uc = 0, 0, 0, 0
    steep, flat = np.inf, -np.inf  # the steepest and the flattest line, through (x, y) of the slots sq and fq
    sq, fq = -1, -1
    links, i = 1, 0
    while i < n:
        above = fq >= 0 and low[fq] + flat * (x[i] - x[fq]) > high[i]
        below = sq >= 0 and high[sq] + steep * (x[i] - x[sq]) < low[i]
        if above or below:
            if links >= most:
                return links + 1
            ls, lc, us, uc = 0, 0, 0, 0
            if above:
                lines[links - 1, 0], lines[links - 1, 1], lines[links - 1, 2] = x[fq], low[fq], flat
                for k in range(fq, i):
                    lc = push(x, low, lower, ls, lc, k, 1.0)
            else:
                lines[links - 1, 0], lines[links - 1, 1], lines[links - 1, 2] = x[sq], high[sq], steep
                for k in range(sq, i):
                    uc = push(x, high, upper, us, uc, k, -1.0)
            sq, fq = -1, -1
            links += 1
        if lc > ls and (sq < 0 or high[sq] + steep * (x[i] - x[sq]) > high[i]):
            ls, steep = tangent(x, low, lower, ls, lc, x[i], high[i], 1.0)
            sq = i
        if uc > us and (fq < 0 or low[fq] + flat * (x[i] - x[fq]) < low[i]):
            us, flat = tangent(x, high, upper, us, uc, x[i], low[i], -1.0)
            fq = i
        lc = push(x, low, lower, ls, lc, i, 1.0)
        uc = push(x, high, upper, us, uc, i, -1.0)
        i += 1
    last = x[n - 1]
    if sq >= 0 and fq >= 0:  # the mean of the steepest and the flattest line
        a, b = high[sq] + steep * (last - x[sq]), low[fq] + flat * (last - x[fq])
        lines[links - 1, 0], lines[links - 1, 1], lines[links - 1, 2] = last, (a + b) / 2, (steep + flat) / 2
    elif sq >= 0:
        lines[links - 1, 0], lines[links - 1, 1], lines[links - 1, 2] = x[sq], high[sq], steep
    else:
        lines[links - 1, 0], lines[links - 1, 1], lines[links - 1, 2] = x[fq], low[fq], flat
    return links


class Path(NamedTuple):
    """A continuous piecewise-linear function: the ends of its pieces (n + 1,), its values there, its slopes (n,).

    The values may be off by `slack`, by rounding.
    """

    ends: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    slack: float = 0.0


def fewest(x: np.ndarray, low: np.ndarray, high: np.ndarray, most: int | None = None) -> tuple[int, np.ndarray]:
    """How many links a path through the slots needs, `most + 1` where it needs more; and the lines of them."""
    most = len(x) if most is None else most
    lines = np.zeros((most + 1, 3))
    count = int(follow(x, low, high, most, lines))
    return count, lines[:count]


def least_error(x: np.ndarray, y: np.ndarray, pieces: int, guess: float | None = None) -> tuple[float, float]:
    """The least error at the places x of a continuous function of so many pieces: it lies between these two numbers."""

    def reached(error: float) -> bool:
        return fewest(x, y - error, y + error, pieces)[0] <= pieces

    floor = float(np.spacing(max(abs(y).max(), 1e-300)))
    if reached(floor):
        return 0.0, floor
    low, high = floor, float(np.ptp(y)) / 2
    if guess is not None:  # the error of a path that was good at fewer places
        step = 1.0005
        while guess * step < high and not reached(guess * step):
            low, step = guess * step, step**2
        high = min(high, guess * step)
        if low == floor and reached(guess):
            low, high = floor, guess
    while high - low > max(TIGHT * high, floor):
        middle = float(np.sqrt(low * high)) if high > 8 * low else (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low, high


def path_of(x: np.ndarray, lines: np.ndarray) -> Path:
    """The path that changes from line to line where they cross."""
    (x0, y0, s), (x1, y1, r) = lines[:-1].T, lines[1:].T
    with np.errstate(divide="ignore", invalid="ignore"):
        knots = x0 + (y1 + r * (x0 - x1) - y0) / (s - r)
    knots = np.where(np.isfinite(knots), knots, (x0 + x1) / 2)
    ends = np.concatenate([[x[0]], np.clip(np.maximum.accumulate(knots), x[0], x[-1]), [x[-1]]])
    anchor, value, slope = lines.T
    values = value + slope * (ends[1:] - anchor)
    return Path(ends, np.concatenate([[value[0] + slope[0] * (ends[0] - anchor[0])], values]), slope)
