"""The steps of a bound, compiled by Numba: intervals forward, linear relaxation backward.

Backward, `d · value ≤ d' · input + c` step by step (Zhang and others 2018, CROWN), for many rows d at a time. Rows
stand as columns, so that a unit that is off for the box is a row of zeros and drops out of the product. What rounding
may add, of the run and of the sums here, is `|d| · ρ` at each step: see `_program`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..affine import ROUNDING
from ..compiled import kernel
from ..geometry._closest_kernels import inner
from ._lines import line, reach, relu_line, span, straight
from ._program import ADD, BEND, DENSE, JOIN, ROWS, Program

BLOCK = 2**15  # numbers in one array of rows, so that it stays in the cache
COPYING = 10  # products that cost as much as to copy a number
MORE = 1 + 2.0**-30  # the rounding of sums of what is not below 0


class Space(NamedTuple):
    """Where the input lies: in a box, and if `norm` is 1 or 2 within `radius` of `centre` too."""

    low: np.ndarray
    high: np.ndarray
    centre: np.ndarray
    radius: float
    norm: float


class State(NamedTuple):
    """What is known of all units of one box, side by side: bounds and ρ, and for curves the lines above and below,
    each a slope, an offset and where it touches."""

    low: np.ndarray
    high: np.ndarray
    rho: np.ndarray
    up: np.ndarray
    up_offset: np.ndarray
    up_at: np.ndarray
    down: np.ndarray
    down_offset: np.ndarray
    down_at: np.ndarray


class Own(NamedTuple):
    """Lines that each row has for itself: of every unit and row the slopes, offsets and places of touching above and
    below; `met`, what the row weighs the curve with; and `lift`, a multiplier of what is known of the curve's input:
    above 0 of `z ≥ low`, below 0 of `z ≤ high`. Shapes: (units, rows)."""

    up: np.ndarray
    up_offset: np.ndarray
    up_at: np.ndarray
    down: np.ndarray
    down_offset: np.ndarray
    down_at: np.ndarray
    met: np.ndarray
    lift: np.ndarray


@kernel
def fresh(p: Program):
    n = p.start[-1]
    return State(
        np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n),
        np.zeros(n),
    )  # fmt: skip


@kernel
def no_own():
    n = np.empty((0, 0))
    return Own(n, n, n, n, n, n, n, n)


@kernel
def matrix(p: Program, i):
    """The weights of a dense step, (out, in)."""
    n_out, n_in = p.width[i + 1], p.width[p.inputs[p.first[i]]]
    start = p.at[i, 0]
    return p.floats[start : start + n_out * n_in].reshape((n_out, n_in))


@kernel(fastmath={"reassoc", "contract"})
def sums(w, middle, half, most):
    """`Σ w x`, `Σ |w| r` and `Σ |w| m` of one unit."""
    a, b, c = 0.0, 0.0, 0.0
    for k in range(len(w)):
        a += w[k] * middle[k]
        b += abs(w[k]) * half[k]
        c += abs(w[k]) * most[k]
    return a, b, c


@kernel
def interval(p: Program, i, s: State):
    """The bounds of the output of step i from those of its inputs; whether its numbers are not too large."""
    n, first = p.width[i + 1], p.inputs[p.first[i]]
    part = slice(p.start[i + 1], p.start[i + 1] + n)
    low, high, rho = s.low[part], s.high[part], s.rho[part]
    if p.kind[i] == JOIN:
        place = 0
        for k in range(p.first[i], p.first[i + 1]):
            here = slice(p.start[p.inputs[k]], p.start[p.inputs[k]] + p.width[p.inputs[k]])
            low[place : place + here.stop - here.start] = s.low[here]
            high[place : place + here.stop - here.start] = s.high[here]
            place += here.stop - here.start
        return True
    source = slice(p.start[first], p.start[first] + p.width[first])
    lows, highs = s.low[source], s.high[source]
    if p.kind[i] == ADD:
        low[:], high[:], rho[:] = lows, highs, np.maximum(-lows, highs)
        for k in range(p.first[i] + 1, p.first[i + 1]):
            here = slice(p.start[p.inputs[k]], p.start[p.inputs[k]] + n)
            low += s.low[here]
            high += s.high[here]
            rho += np.maximum(-s.low[here], s.high[here])
    elif p.kind[i] == DENSE or p.kind[i] == ROWS:
        affine_range(p, i, lows, highs, low, high, rho)
    else:
        if p.kind[i] == BEND and p.at[i, 4] == 1:  # relu rounds nothing
            for j in range(n):
                low[j], high[j], rho[j] = max(lows[j], 0.0), max(highs[j], 0.0), 0.0
            return True
        for j in range(n):
            low[j], high[j] = reach(p, i, j, lows[j], highs[j])
            least, steep = span(p, i, j, lows[j], highs[j])
            rho[j] = max(-low[j], high[j]) + (1 + max(-least, steep)) * max(-lows[j], highs[j])
    rough, grain, fits = p.rough[i], p.grain[i], True
    for j in range(n):
        fits = fits and rho[j] < p.most
        rho[j] = rough * rho[j] + grain if rough > 0 else 0.0
        low[j] -= rho[j]
        high[j] += rho[j]
    return fits


@kernel
def affine_range(p: Program, i, lows, highs, low, high, size):
    """An affine step's bounds but for rounding, and the magnitudes that it sums, `|W| m + size`."""
    width = len(lows)
    middle, half, most = np.empty(width), np.empty(width), np.empty(width)
    for k in range(width):
        middle[k] = lows[k] + (highs[k] - lows[k]) / 2
        half[k] = max(highs[k] - middle[k], middle[k] - lows[k]) * (1 + 4 * ROUNDING)
        most[k] = max(max(-lows[k], highs[k]), p.least)
    floats, ints, dense = p.floats, p.ints, p.kind[i] == DENSE
    shift, sizes = (p.at[i, 1], p.at[i, 2]) if dense else (p.at[i, 3], p.at[i, 4])
    w, pointer, column, weight = matrix(p, i) if dense else np.empty((0, 0)), p.at[i, 0], p.at[i, 1], p.at[i, 2]
    for j in range(len(low)):
        if dense:
            a, b, c = sums(w[j], middle, half, most)
        else:
            a, b, c = 0.0, 0.0, 0.0
            for e in range(ints[pointer + j], ints[pointer + j + 1]):
                k, x = ints[column + e], floats[weight + e]
                a += x * middle[k]
                b += abs(x) * half[k]
                c += abs(x) * most[k]
        a += floats[shift + j]
        low[j], high[j], size[j] = a - b, a + b, c + floats[sizes + j]


@kernel
def relax(p: Program, i, s: State):
    """The lines of a curve, and what products of rows with lines of any of its slopes may be off by."""
    n = p.width[i + 1]
    source, part = p.start[p.inputs[p.first[i]]], slice(p.start[i + 1], p.start[i + 1] + n)
    lows, highs, rho = s.low[source : source + n], s.high[source : source + n], s.rho[part]
    low_out, high_out = s.low[part], s.high[part]
    up, up_offset, up_at = s.up[part], s.up_offset[part], s.up_at[part]
    down, down_offset, down_at = s.down[part], s.down_offset[part], s.down_at[part]
    relu = p.kind[i] == BEND and p.at[i, 4] == 1
    for j in range(n):
        low, high = lows[j], highs[j]
        if relu:
            up[j], up_offset[j], up_at[j] = relu_line(low, high, 1)
            down[j], down_offset[j], down_at[j] = relu_line(low, high, -1)
        elif straight(p, i, low, high) and low < high:
            up[j], up_offset[j], up_at[j] = through(p, i, j, low, high)
            down[j], down_offset[j], down_at[j] = up[j], up_offset[j], up_at[j]
        else:
            up[j], up_offset[j], up_at[j] = line(p, i, j, low, high, 1)
            down[j], down_offset[j], down_at[j] = line(p, i, j, low, high, -1)
        most, steep = max(-low, high), 1.0
        if not relu:
            least, steep = span(p, i, j, low, high)
            steep = max(-least, steep) * MORE
        size = max(-low_out[j], high_out[j]) + steep * most  # no offset of such a slope is larger
        rho[j] += 2 * ROUNDING * (n + 10) * size


@kernel
def through(p: Program, i, j, low, high):
    """The one line of a curve that is straight between low and high: its slope, offset and a point."""
    middle = low + (high - low) / 2
    if p.kind[i] == BEND:
        kinks, n, width = p.at[i, 0], p.at[i, 1], p.width[p.inputs[p.first[i]]]
        k = 0
        while k < n and middle > p.floats[kinks + k]:
            k += 1
        return p.floats[p.at[i, 2] + k * width + j], p.floats[p.at[i, 3] + k * width + j], middle
    slope = 0.0 if high <= 0 else p.floats[p.at[i, 1] + 1]  # elu and hard_swish, beyond their kinks
    return slope, 0.0, middle


@kernel
def packed(d):
    """The rows of d that are not 0 everywhere."""
    n, found = 0, np.empty(len(d), np.int64)
    for j in range(len(d)):
        for r in range(d.shape[1]):
            if d[j, r] != 0:
                found[n] = j
                n += 1
                break
    return found[:n]


@kernel
def affine_back(p: Program, i, d, c):
    """`Wᵀ d`, and what the shift adds to c in place."""
    shift = p.at[i, 1] if p.kind[i] == DENSE else p.at[i, 3]
    here = packed(d)
    for j in here:
        b = p.floats[shift + j]
        if b != 0:
            for r in range(d.shape[1]):
                c[r] += d[j, r] * b
    width = p.width[p.inputs[p.first[i]]]
    if p.kind[i] == DENSE:
        w = matrix(p, i)
        if (len(d) - len(here)) * d.shape[1] < COPYING * len(here):
            return np.dot(w.T, d)
        if len(here) == 0:
            return np.zeros((width, d.shape[1]))
        rows, some = np.empty((len(here), width)), np.empty((len(here), d.shape[1]))
        for k, j in enumerate(here):
            rows[k] = w[j]
            some[k] = d[j]
        return np.dot(rows.T, some)
    made = np.zeros((width, d.shape[1]))
    for j in here:
        for e in range(p.ints[p.at[i, 0] + j], p.ints[p.at[i, 0] + j + 1]):
            k, weight = p.ints[p.at[i, 1] + e], p.floats[p.at[i, 2] + e]
            for r in range(d.shape[1]):
                made[k, r] += weight * d[j, r]
    return made


@kernel
def weighed(p: Program, i, d, c, s: State):
    """A curve's lines taken for the curve: the one above where d is positive, else that below."""
    out, made = p.start[i + 1], np.empty_like(d)
    for j in range(len(d)):
        up, down = s.up[out + j], s.down[out + j]
        above, below = s.up_offset[out + j], s.down_offset[out + j]
        if up == down:
            for r in range(d.shape[1]):
                made[j, r] = up * d[j, r]
        else:
            for r in range(d.shape[1]):
                made[j, r] = max(d[j, r], 0.0) * up + min(d[j, r], 0.0) * down
        if above != 0 or below != 0:
            for r in range(d.shape[1]):
                c[r] += max(d[j, r], 0.0) * above + min(d[j, r], 0.0) * below
    return made


@kernel
def weighed_own(p: Program, i, d, c, loose, s: State, own: Own):
    """The rows' own lines taken for the curve, and what is known of its input added with its multipliers."""
    first, made = p.unit[i], np.empty_like(d)
    start = p.start[p.inputs[p.first[i]]]
    for j in range(len(d)):
        u = first + j
        low, high = s.low[start + j], s.high[start + j]
        own.met[u] = d[j]
        for r in range(d.shape[1]):
            x, lift = d[j, r], own.lift[u, r]
            made[j, r] = x * (own.up[u, r] if x > 0 else own.down[u, r]) + lift
            side = lift * (low if lift > 0 else high)
            c[r] += x * (own.up_offset[u, r] if x > 0 else own.down_offset[u, r]) - side
            if lift != 0:
                loose[r] += 4 * ROUNDING * (abs(side) + (abs(made[j, r]) + abs(lift)) * max(-low, high))
    return made


@kernel
def loosened(d, rho, loose):
    """What rounding at a step may add: `|d| · ρ`."""
    for j in range(len(d)):
        if rho[j] > 0:
            for r in range(d.shape[1]):
                loose[r] += abs(d[j, r]) * rho[j]


@kernel
def backward(p: Program, v, d, c, loose, s: State, own: Own):
    """The rows a with `d · value ≤ a · input + c + loose`; d (units of value v, rows), c and loose grow in place.

    By the lines of the state, or where there are any by `own`."""
    blames = [np.empty((0, 0)) for _ in range(len(p.width))]
    there = np.zeros(len(p.width), np.bool_)
    blames[v], there[v] = d, True
    for i in range(v - 1, -1, -1):
        if not there[i + 1]:
            continue
        d = blames[i + 1]
        start, kind = p.start[i + 1], p.kind[i]
        loosened(d, s.rho[start : start + len(d)], loose)
        place = 0
        for k in range(p.first[i], p.first[i + 1]):
            n = p.inputs[k]
            if kind in (DENSE, ROWS):
                part = affine_back(p, i, d, c)
            elif kind == ADD:
                part = d
            elif kind == JOIN:
                part = d[place : place + p.width[n]].copy()
                place += p.width[n]
            elif len(own.up):
                part = weighed_own(p, i, d, c, loose, s, own)
            else:
                part = weighed(p, i, d, c, s)
            if there[n]:
                part = part + blames[n]
                at = p.start[n]
                for j in range(len(part)):
                    most = ROUNDING * max(-s.low[at + j], s.high[at + j])
                    for r in range(part.shape[1]):
                        loose[r] += abs(part[j, r]) * most
            blames[n], there[n] = part, True
        for r in range(len(c)):
            loose[r] += ROUNDING * abs(c[r])
    return blames[0] if there[0] else np.zeros((p.width[0], len(c)))


@kernel
def seeds(p: Program, v, units):
    """The rows that ask for some units of a value, and behind them for their negatives: the value that they weigh,
    the rows, c and loose. Behind an affine step they are rows of its matrix."""
    n = len(units)
    i, c, loose = v - 1, np.zeros(2 * n), np.zeros(2 * n)
    if i < 0 or p.kind[i] != DENSE:
        d = np.zeros((p.width[v], 2 * n))
        for r in range(n):
            d[units[r], r], d[units[r], n + r] = 1.0, -1.0
        return v, d, c, loose
    w, shift = matrix(p, i), p.at[i, 1]
    d = np.empty((w.shape[1], 2 * n))
    for r in range(n):
        j = units[r]
        c[r], c[n + r] = p.floats[shift + j], -p.floats[shift + j]
        for k in range(w.shape[1]):
            d[k, r], d[k, n + r] = w[j, k], -w[j, k]
    return p.inputs[p.first[i]], d, c, loose


@kernel
def filled(a, low, high, radius):
    """`max a · δ` for `Σ |δ| ≤ radius` and `low ≤ δ ≤ high`: the steepest first, until the radius is used up; where 0
    is not between low and high, no less than that."""
    room = np.where(a > 0, np.maximum(high, 0.0), np.maximum(-low, 0.0))
    left, top = radius * MORE, 0.0
    for k in np.argsort(-np.abs(a)):
        step = min(room[k], left)
        top += abs(a[k]) * step
        left -= step
        if left <= 0:
            break
    return top


@kernel
def tops(a, c, loose, space: Space):
    """`max a · x + c` over the space, for each row, rounded up; a (inputs, rows)."""
    n, rows = a.shape
    top, size = np.zeros(rows), np.zeros(rows)
    for k in range(n):
        low, high = space.low[k], space.high[k]
        most = max(-low, high)
        for r in range(rows):
            top[r] += max(a[k, r], 0.0) * high + min(a[k, r], 0.0) * low
            size[r] += abs(a[k, r]) * most
    if space.norm != np.inf:  # the ball, where it is less than the box
        low, high, still = space.low - space.centre, space.high - space.centre, np.zeros(n)
        low = low - ROUNDING * (np.abs(low) + np.abs(space.low))
        high = high + ROUNDING * (np.abs(high) + np.abs(space.high))
        for r in range(rows):
            row = a[:, r].copy()
            if space.norm == 1:
                ball = filled(row, low, high, space.radius)
            else:
                ball = inner(row, still, 0.0, 0.0, low, high, space.radius, space.norm)[0]
            top[r] = min(top[r], ball + (row * space.centre).sum())
            size[r] = max(size[r], 4 * (np.abs(row) * (np.abs(space.centre) + space.radius)).sum())
    for r in range(rows):
        whole = abs(top[r]) + abs(c[r])
        top[r] = top[r] + c[r] + (loose[r] * MORE + ROUNDING * ((n + 16) * size[r] + 4 * whole))
    return top


@kernel
def undecided(p: Program, i, s: State):
    """The units that go into the curve of step i and are not on one straight piece."""
    n, found, count = p.width[i + 1], np.empty(p.width[i + 1], np.int64), 0
    source, relu = p.start[p.inputs[p.first[i]]], p.kind[i] == BEND and p.at[i, 4] == 1
    lows, highs = s.low[source : source + n], s.high[source : source + n]
    for j in range(n):
        if (lows[j] < 0 < highs[j]) if relu else not straight(p, i, lows[j], highs[j]):
            found[count] = j
            count += 1
    return found[:count]
