"""Bounds of a unit from both sides at once, where it is a dense step behind a curve behind a dense step."""

from __future__ import annotations

import numpy as np

from ..affine import ROUNDING
from ..compiled import kernel
from ._kernels import MORE, Space, State, backward, matrix, no_own, sums, tops
from ._program import BEND, DENSE, SMOOTH, Program


@kernel
def behind_dense(p: Program, v):
    """Whether a value is a dense step behind a curve behind a dense step."""
    if v == 0 or p.kind[v - 1] != DENSE:
        return False
    curve = p.inputs[p.first[v - 1]] - 1
    if curve < 0 or (p.kind[curve] != BEND and p.kind[curve] != SMOOTH):
        return False
    before = p.inputs[p.first[curve]] - 1
    return before >= 0 and p.kind[before] == DENSE


@kernel
def both_ways(p: Program, v, units, s: State):
    """The rows that ask for some units of a value of `behind_dense`, and behind them for their negatives, taken back
    to the input of the first dense step: that value, the rows, c and loose.

    A row d and its negative meet the lines of a curve as `d (up + down) / 2 ± |d| (up − down) / 2`, so two products
    serve both, the second of the units alone whose two lines have different slopes.
    """
    curve = p.inputs[p.first[v - 1]] - 1
    before = p.inputs[p.first[curve]] - 1
    w, first, source = matrix(p, v - 1), matrix(p, before), p.inputs[p.first[before]]
    n, width, here = len(units), p.width[before + 1], p.start[curve + 1]
    up, down = s.up[here : here + width], s.down[here : here + width]
    above, below = s.up_offset[here : here + width], s.down_offset[here : here + width]
    shift = p.floats[p.at[before, 1] : p.at[before, 1] + width]
    mean, apart = (up + down) / 2, (up - down) / 2
    rho = s.rho[p.start[before + 1] : p.start[before + 1] + width] * (1 + 8 * ROUNDING / p.rough[before])
    slack = s.rho[here : here + width] + np.maximum(np.abs(up), np.abs(down)) * rho
    forth, back = mean * shift + (above + below) / 2, apart * shift + (above - below) / 2
    bent, some = np.flatnonzero(apart), np.flatnonzero(mean)
    apart, mean = apart[bent], mean[some]
    straight_rows, bent_rows = np.empty((n, len(some))), np.empty((n, len(bent)))
    c, loose = np.empty(2 * n), np.empty(2 * n)
    for r in range(n):
        row = w[units[r]]
        for k in range(len(some)):
            straight_rows[r, k] = row[some[k]] * mean[k]
        for k in range(len(bent)):
            bent_rows[r, k] = abs(row[bent[k]]) * apart[k]
        a, b, off = sums(row, forth, back, slack)
        a += p.floats[p.at[v - 1, 1] + units[r]]
        c[r], c[n + r] = a + b, b - a
        off = off * MORE + s.rho[p.start[v] + units[r]] + 4 * ROUNDING * (abs(a) + abs(b))
        loose[r] = loose[n + r] = off
    one, two = np.dot(first[some].T, straight_rows.T), np.dot(first[bent].T, bent_rows.T)
    d = np.empty((p.width[source], 2 * n))
    for k in range(p.width[source]):
        for r in range(n):
            d[k, r], d[k, n + r] = two[k, r] + one[k, r], two[k, r] - one[k, r]
    return source, d, c, loose


@kernel
def largest_both_ways(p: Program, v, units, s: State, space: Space):
    """The largest of some units of a value of `behind_dense`, and behind them of their negatives, rounded up."""
    source, d, c, loose = both_ways(p, v, units, s)
    return tops(backward(p, source, d, c, loose, s, no_own()), c, loose, space)


@kernel
def ask_both_ways(rows):
    """Whether the rows ask for every output, and behind them for their negatives."""
    n, m = rows.shape
    if m != 2 * n:
        return False
    for j in range(n):
        for r in range(n):
            one = 1.0 if j == r else 0.0
            if rows[j, r] != one or rows[j, n + r] != -one:
                return False
    return True
