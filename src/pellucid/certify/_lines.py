"""Straight lines above and below bends and smooth curves, compiled by Numba; every offset is proven, rounding included.

For any slope s the least offset of a line above f on an interval is `max f(x) − s x`. That is at an end, at a kink or
turn, or where the slope of a concave part is s; there, `g(x) ≤ g(x0) + g'(x0) (x − x0)` proves it wherever x0 is.
"""

from __future__ import annotations

import numpy as np

from .. import smooth
from ..compiled import kernel
from ..smooth import ROUNDED, bulge, slope, turns, value
from ._program import BEND, Program

TINY = 2.0**-50  # of the magnitudes that an offset is made of
STEPS = 24  # at most, towards a point where a slope is wanted
ENOUGH = 1e-11  # of the slopes and the width, by which such a point may be off
NEAR = 1e-6  # of the width, from the middle, where a line touches well enough
MONOTONE = smooth.TANH, smooth.SIGMOID, smooth.SOFTPLUS, smooth.EXPONENTIAL, smooth.ELU, smooth.SOFTSIGN


@kernel
def best(p: Program, i, j, low, high, s, sign):
    """`max sign (f(x) − s x)` over low … high, rounded up, and an x where it is; f is the curve of unit j of step i."""
    if p.kind[i] == BEND:
        return best_bend(p, i, j, low, high, s, sign)
    a, b = p.floats[p.at[i, 1]], p.floats[p.at[i, 1] + 1]
    return best_smooth(p.at[i, 0], a, b, low, high, s, sign)


@kernel
def best_bend(p: Program, i, j, low, high, s, sign):
    kinks, n, slopes, offsets = p.at[i, 0], p.at[i, 1], p.at[i, 2], p.at[i, 3]
    width = p.width[p.inputs[p.first[i]]]
    found, where = -np.inf, low
    for k in range(n + 1):
        start = low if k == 0 else max(low, p.floats[kinks + k - 1])
        stop = high if k == n else min(high, p.floats[kinks + k])
        if start > stop:
            continue
        a, c = p.floats[slopes + k * width + j], p.floats[offsets + k * width + j]
        for x in (start, stop):
            gap = sign * ((a * x + c) - s * x) + TINY * (abs(a * x) + abs(c) + abs(s * x))
            if gap > found:
                found, where = gap, x
    return found, where


@kernel
def best_smooth(kind, a, b, low, high, s, sign):
    n, first, second = turns(kind)
    amount = abs(b) * (1 + abs(a))
    found, where = -np.inf, low
    for part in range(n + 1):
        start = low if part == 0 else max(low, first if part == 1 else second)
        stop = high if part == n else min(high, first if part == 0 else second)
        if start > stop:
            continue
        for x in (start, stop):
            gap = risen(kind, a, b, x, s, sign, amount)
            if gap > found:
                found, where = gap, x
        if bulge(kind, a, b, part) * sign < 0 and start < stop:
            x, rest = level(kind, a, b, start, stop, s, sign)
            gap = risen(kind, a, b, x, s, sign, amount) + rest + ROUNDED * (amount + abs(s)) * (stop - start)
            if gap > found:
                found, where = gap, x
    return found, where


@kernel
def risen(kind, a, b, x, s, sign, amount):
    """`sign (f(x) − s x)`, rounded up."""
    y = value(kind, a, b, x)
    return sign * (y - s * x) + ROUNDED * (abs(y) + amount * abs(x)) + TINY * abs(s * x)


@kernel
def level(kind, a, b, low, high, s, sign):
    """A point where a concave `sign (f(x) − s x)` is about level, and by how much it may be more elsewhere."""
    left, right = sign * (slope(kind, a, b, low) - s), sign * (slope(kind, a, b, high) - s)
    if left <= 0:
        return low, 0.0
    if right >= 0:
        return high, 0.0
    start, stop, x, rest = low, high, low, np.inf
    enough = ENOUGH * (abs(s) + abs(b)) * (high - low)
    for k in range(STEPS):
        at = (start * right - stop * left) / (right - left) if k % 4 < 3 else (start + stop) / 2
        if not start < at < stop:
            at = (start + stop) / 2
        e = sign * (slope(kind, a, b, at) - s)
        more = e * (high - at) if e > 0 else -e * (at - low)
        if more < rest:
            x, rest = at, more
        if more <= enough:
            break
        if e > 0:
            start, left = at, e
        else:
            stop, right = at, e
    return x, rest


@kernel
def line(p: Program, i, j, low, high, sign):
    """The line above (sign 1) or below (−1) a curve leaving least at the middle: slope, offset, where it touches."""
    if p.kind[i] == BEND and p.at[i, 4]:
        return relu_line(low, high, sign)
    if low == high:
        offset, x = best(p, i, j, low, high, 0.0, sign)
        return 0.0, sign * offset, x
    if p.kind[i] != BEND:
        kind, a, b = p.at[i, 0], p.floats[p.at[i, 1]], p.floats[p.at[i, 1] + 1]
        n, first, second = turns(kind)
        part = (n > 0 and low >= first) + (n > 1 and low >= second)
        last = (n > 0 and high > first) + (n > 1 and high > second)
        bent = bulge(kind, a, b, part) * sign
        if part >= last and bent != 0:
            return whole_line(kind, a, b, low, high, sign, bent)
    return hull_line(p, i, j, low, high, sign)


@kernel
def whole_line(kind, a, b, low, high, sign, bent):
    """The line of a curve that is only convex or concave: the chord, or the tangent at the middle."""
    amount = abs(b) * (1 + abs(a))
    if bent < 0:
        x = low + (high - low) / 2
        s = slope(kind, a, b, x)
        offset = risen(kind, a, b, x, s, sign, amount) + ROUNDED * (amount + abs(s)) * (high - low)
        return s, sign * offset, x
    s = (value(kind, a, b, high) - value(kind, a, b, low)) / (high - low)
    offset = max(risen(kind, a, b, low, s, sign, amount), risen(kind, a, b, high, s, sign, amount))
    return s, sign * offset, low


@kernel
def hull_line(p: Program, i, j, low, high, sign):
    """The line that supports the concave hull of `sign f` at the middle, about: from the chord on, between where f is
    farthest from the line and the end beyond the middle."""
    middle, left, right = low + (high - low) / 2, low, high
    up, down = graph(p, i, j, high), graph(p, i, j, low)
    s = (up - down) / (right - left)
    offset, x = best(p, i, j, low, high, s, sign)
    for _ in range(8):
        if x <= left or x >= right or abs(x - middle) <= NEAR * (high - low):
            break
        if x < middle:
            left, down = x, graph(p, i, j, x)
        else:
            right, up = x, graph(p, i, j, x)
        s = (up - down) / (right - left)
        offset, x = best(p, i, j, low, high, s, sign)
    return s, sign * offset, x


@kernel
def relu_line(low, high, sign):
    if high <= 0:
        return 0.0, 0.0, high
    if low >= 0:
        return 1.0, 0.0, low
    if sign < 0:
        return (1.0 if high > -low else 0.0), 0.0, 0.0
    s = high / (high - low)
    return s, max(-s * low, high - s * high) + TINY * high, low


@kernel
def reach(p: Program, i, j, low, high):
    """The least and the largest value of a curve, rounded outward."""
    if p.kind[i] == BEND and p.at[i, 4]:
        return max(low, 0.0), max(high, 0.0)
    if p.kind[i] != BEND and p.at[i, 0] in MONOTONE:
        kind, a, b = p.at[i, 0], p.floats[p.at[i, 1]], p.floats[p.at[i, 1] + 1]
        if a >= 0 and b >= 0:
            amount = abs(b) * (1 + abs(a))
            return -risen(kind, a, b, low, 0.0, -1, amount), risen(kind, a, b, high, 0.0, 1, amount)
    return -best(p, i, j, low, high, 0.0, -1)[0], best(p, i, j, low, high, 0.0, 1)[0]


@kernel
def graph(p: Program, i, j, x):
    """The value of a curve."""
    if p.kind[i] != BEND:
        return value(p.at[i, 0], p.floats[p.at[i, 1]], p.floats[p.at[i, 1] + 1], x)
    kinks, n, width = p.at[i, 0], p.at[i, 1], p.width[p.inputs[p.first[i]]]
    k = 0
    while k < n and x > p.floats[kinks + k]:
        k += 1
    return p.floats[p.at[i, 2] + k * width + j] * x + p.floats[p.at[i, 3] + k * width + j]


@kernel
def span(p: Program, i, j, low, high):
    """The least and the largest slope of a curve between low and high, about."""
    least, most = np.inf, -np.inf
    if p.kind[i] == BEND:
        kinks, n, width = p.at[i, 0], p.at[i, 1], p.width[p.inputs[p.first[i]]]
        for k in range(n + 1):
            before = -np.inf if k == 0 else p.floats[kinks + k - 1]
            behind = np.inf if k == n else p.floats[kinks + k]
            if (before < high or before == low) and (behind > low or behind == high):
                s = p.floats[p.at[i, 2] + k * width + j]
                least, most = min(least, s), max(most, s)
        return least, most
    kind, a, b = p.at[i, 0], p.floats[p.at[i, 1]], p.floats[p.at[i, 1] + 1]
    n, first, second = turns(kind)
    for x in (low, high, min(max(first, low), high), min(max(second, low), high)):
        s = slope(kind, a, b, x)
        least, most = min(least, s), max(most, s)
    return least, most


@kernel
def straight(p: Program, i, low, high):
    """Whether a curve has one slope between low and high."""
    if p.kind[i] == BEND:
        for k in range(p.at[i, 1]):
            kink = p.floats[p.at[i, 0] + k]
            if low < kink < high:
                return False
        return True
    kind = p.at[i, 0]
    return low == high or (kind == smooth.ELU and low >= 0) or (kind == smooth.HARD_SWISH and (high <= -3 or low >= 3))
