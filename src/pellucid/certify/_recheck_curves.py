"""Lines above and below curves for `recheck`, in NumPy: their offsets are worked out and proven here."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import smooth
from ..affine import Bend, Smooth

OFF = 2.0**-48  # of magnitudes, by which a value or a slope may be off
HALVINGS = 44

Lines = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def ranged(curve: Any, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value between low and high, rounded outward."""
    if isinstance(curve, Bend) and curve.is_relu:
        return np.maximum(low, 0), np.maximum(high, 0)
    level = np.zeros_like(low)
    return -peak(curve, low, high, level, -1)[0], peak(curve, low, high, level, 1)[0]


def lines_of(curve: Any, low: np.ndarray, high: np.ndarray) -> Lines:
    """Slopes and offsets of the lines above and below that leave least at the middle."""
    up, down = hull(curve, low, high, 1), hull(curve, low, high, -1)
    over, under = peak(curve, low, high, up, 1)[0], -peak(curve, low, high, down, -1)[0]
    if isinstance(curve, Bend):  # one line where there is one piece
        piece = curve.piece(low + (high - low) / 2)
        whole = ~((curve.kinks > low[..., None]) & (curve.kinks < high[..., None])).any(-1)
        slope, offset = curve.slope(piece), curve.offset(piece)
        up, down = np.where(whole, slope, up), np.where(whole, slope, down)
        over, under = np.where(whole, offset, over), np.where(whole, offset, under)
    return up, over, down, under


def lines_with(curve: Any, low: np.ndarray, high: np.ndarray, above: np.ndarray, below: np.ndarray) -> Lines:
    """Lines whose slopes are these shares between the least and the largest of the curve; of a relu that above is the
    chord, and where there is one piece both are that."""
    lines = lines_of(curve, low, high)
    least, most = slopes_between(curve, low, high)
    one = least >= most
    up, down = least + (most - least) * above, least + (most - least) * below
    under = -peak(curve, low, high, down, -1)[0]
    if isinstance(curve, Bend) and curve.is_relu:
        up, over = lines[0], lines[1]
    else:
        over = peak(curve, low, high, up, 1)[0]
    return tuple(np.where(one, old, new) for old, new in zip(lines, (up, over, down, under), strict=True))  # pyright: ignore[reportReturnType]


def slopes_between(curve: Any, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest slope between low and high, about."""
    if isinstance(curve, Bend):
        found = []
        for k in range(len(curve.kinks) + 1):
            slope = np.broadcast_to(curve.slope(np.full(low.shape, k, np.int8)), low.shape)
            before = curve.kinks[k - 1] if k else -np.inf
            behind = curve.kinks[k] if k < len(curve.kinks) else np.inf
            here = ((before < high) | (before == low)) & ((behind > low) | (behind == high))
            found.append(np.where(here, slope, np.nan))
        return np.fmin.reduce(found), np.fmax.reduce(found)
    kind = smooth.KINDS[curve.kind]
    n, *places = smooth.turns(kind)
    points = [low, high, *(np.clip(place, low, high) for place in places[:n])]
    found = [smooth.slopes(kind, curve.a, curve.b, x) for x in points]
    return np.minimum.reduce(found), np.maximum.reduce(found)


def hull(curve: Any, low: np.ndarray, high: np.ndarray, sign: int) -> np.ndarray:
    """The slope that supports the concave hull of `sign f` over the middle: from the chord on, between where f is
    farthest from it and the end beyond the middle."""
    middle, left, right = low + (high - low) / 2, low, high
    if isinstance(curve, Bend) and curve.is_relu and sign < 0:
        return (high > -low).astype(float)
    slope = chord(curve, left, right)
    if isinstance(curve, Smooth):
        slope = np.where(
            turned(curve, low, high, sign), smooth.slopes(smooth.KINDS[curve.kind], curve.a, curve.b, middle), slope
        )
        settled = turned(curve, low, high, sign)
    else:
        settled = np.zeros(low.shape, bool)
    for _ in range(8):
        x = peak(curve, low, high, slope, sign)[1]
        settled |= (x <= left) | (x >= right) | (abs(x - middle) <= 1e-6 * (high - low))
        if settled.all():
            break
        left = np.where(~settled & (x < middle), x, left)
        right = np.where(~settled & (x >= middle), x, right)
        slope = np.where(settled, slope, chord(curve, left, right))
    return slope


def turned(curve: Smooth, low: np.ndarray, high: np.ndarray, sign: int) -> np.ndarray:
    """Where a smooth curve lies in one part that is concave, seen from above (1), or convex, from below (−1)."""
    kind = smooth.KINDS[curve.kind]
    n, *places = smooth.turns(kind)
    first = sum(((low >= t).astype(int) for t in places[:n]), np.zeros(low.shape, int))
    last = sum(((high > t).astype(int) for t in places[:n]), np.zeros(low.shape, int))
    bulges = np.array([smooth.bulge(kind, curve.a, curve.b, part) for part in range(n + 1)])
    return (first >= last) & (bulges[first] * sign < 0)


def chord(curve: Any, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    wide = right > left
    return np.where(wide, (curve(right) - curve(left)) / np.where(wide, right - left, 1.0), 0.0)


def peak(curve: Any, low: np.ndarray, high: np.ndarray, slope: np.ndarray, sign: int) -> tuple[np.ndarray, np.ndarray]:
    """`max sign (f(x) − slope x)` between low and high, rounded up, and where it is.

    At an end, a kink or a turn; or in a concave part where f is as steep, and there the tangent bounds what is beside.
    """
    if isinstance(curve, Bend):
        points = [low, high, *(np.clip(kink, low, high) for kink in curve.kinks)]
        return highest([(gain(curve, x, slope, sign, 1.0), x) for x in points])
    kind, a, b = smooth.KINDS[curve.kind], curve.a, curve.b
    amount, (n, *places) = abs(b) * (1 + abs(a)), smooth.turns(kind)
    places = [-np.inf, *places[:n], np.inf]
    found = []
    for part in range(n + 1):
        start, stop = np.clip(places[part], low, high), np.clip(places[part + 1], low, high)
        found += [(gain(curve, x, slope, sign, amount), x) for x in (start, stop)]
        if smooth.bulge(kind, a, b, part) * sign < 0:
            left, right = start, stop
            for _ in range(HALVINGS):
                x = left + (right - left) / 2
                rising = sign * (smooth.slopes(kind, a, b, x) - slope) > 0
                left, right = np.where(rising, x, left), np.where(rising, right, x)
            x = left + (right - left) / 2
            e = sign * (smooth.slopes(kind, a, b, x) - slope)
            beside = np.where(e > 0, e * (stop - x), -e * (x - start)) + OFF * (amount + abs(slope)) * (stop - start)
            found.append((gain(curve, x, slope, sign, amount) + beside, x))
    return highest(found)


def gain(curve: Any, x: np.ndarray, slope: np.ndarray, sign: int, amount: float) -> np.ndarray:
    y = curve(x)
    off = OFF * amount if isinstance(curve, Smooth) else 2.0**-50
    return sign * (y - slope * x) + off * (abs(y) + abs(x)) + 2.0**-50 * (abs(slope * x) + abs(y))


def highest(found: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    best, where = found[0]
    for value, x in found[1:]:
        where = np.where(value > best, x, where)
        best = np.maximum(value, best)
    return best, where
