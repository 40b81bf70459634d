"""Bounds of all units of a network, box by box, compiled by Numba."""

from __future__ import annotations

import numpy as np

from ..affine import ROUNDING
from ..compiled import kernel
from ._both_ways import ask_both_ways, behind_dense, largest_both_ways
from ._climb import begin, climb, forward, highest_at, marks_of, own_lines
from ._kernels import (
    BLOCK,
    Own,
    Space,
    State,
    backward,
    fresh,
    interval,
    no_own,
    relax,
    seeds,
    tops,
    undecided,
)
from ._lines import graph
from ._program import BEND, SMOOTH, Program
from ._walls import lifted

INTERVAL, CROWN, ALPHA = range(3)
ROUNDS = 16  # of better lines for each unit
CROSSED = 1e-9  # of a curve's largest input, by which bounds must cross to show that there is no such input


@kernel
def largest(p: Program, v, d, c, loose, s: State, space: Space, method):
    """The largest `d · value + c` of each row, rounded up."""
    shift, off = c.copy(), loose.copy()
    top = tops(backward(p, v, d, shift, off, s, no_own()), shift, off, space)
    if method == ALPHA:
        own, none = own_lines(p, s, len(c)), np.zeros(p.unit[-1], np.bool_)
        top = np.minimum(top, climb(p, v, d, c, loose, s, space, own, none, ROUNDS)[0])
    return top


@kernel
def tighten(p: Program, i, s: State, space: Space, method):
    """Bounds by linear relaxation of the units that go into the curve of step i and are undecided."""
    v = p.inputs[p.first[i]]
    start, wanted = p.start[v], undecided(p, i, s)
    most, dense = max(8, BLOCK // (2 * p.width.max())), method == CROWN and behind_dense(p, v)
    for first in range(0, len(wanted), most):
        units = wanted[first : first + most]
        if dense:
            top = largest_both_ways(p, v, units, s, space)
        else:
            source, d, c, loose = seeds(p, v, units)
            if source != v:
                for r in range(len(units)):
                    loose[r] = loose[len(units) + r] = s.rho[start + units[r]]
            top = largest(p, source, d, c, loose, s, space, method)
        for r in range(len(units)):
            at = start + units[r]
            s.high[at] = min(s.high[at], top[r])
            s.low[at] = max(s.low[at], -top[len(units) + r])


@kernel
def righted(low, high):
    """Put bounds that cross by a trifle, which proves nothing, the right way round; whether none cross by more."""
    for j in range(len(low)):
        if low[j] > high[j]:
            if low[j] - high[j] > CROSSED * max(np.abs(low).max(), np.abs(high).max()):
                return False
            low[j], high[j] = high[j], low[j]
    return True


@kernel
def enclose(p: Program, s: State, space: Space, given_low, given_high, method):
    """The bounds and lines of all units, in place: 0, or 1 where no input is as given, 2 where numbers get too large.

    `given` are bounds of the units that go into curves, side by side, which are known or asked for.
    """
    n = p.width[0]
    s.low[:n], s.high[:n] = space.low, space.high
    for i in range(len(p.kind)):
        curved = p.kind[i] == BEND or p.kind[i] == SMOOTH
        if curved:
            v = p.inputs[p.first[i]]
            low, high = s.low[p.start[v] : p.start[v + 1]], s.high[p.start[v] : p.start[v + 1]]
            if len(given_low):
                low[:] = np.maximum(low, given_low[p.unit[i] : p.unit[i + 1]])
                high[:] = np.minimum(high, given_high[p.unit[i] : p.unit[i + 1]])
            if not righted(low, high):
                return 1
            if method != INTERVAL and (space.norm != np.inf or not p.exact[v]):
                tighten(p, i, s, space, method)
                if not righted(low, high):
                    return 1
        if not interval(p, i, s):
            return 2
        if curved:
            relax(p, i, s)
    return 0


@kernel
def units_of(p: Program, s: State, low, high):
    """Write down the bounds of the units that go into curves."""
    for i in range(len(p.kind)):
        if p.unit[i] < p.unit[i + 1]:
            v = p.inputs[p.first[i]]
            low[p.unit[i] : p.unit[i + 1]] = s.low[p.start[v] : p.start[v + 1]]
            high[p.unit[i] : p.unit[i + 1]] = s.high[p.start[v] : p.start[v + 1]]


@kernel
def of_intervals(p: Program, s: State, rows):
    """The largest `rows · output` by the outputs' own bounds, rounded up; rows (outputs, rows)."""
    start, top = p.start[p.output], np.zeros(rows.shape[1])
    for r in range(rows.shape[1]):
        size = 0.0
        for j in range(len(rows)):
            w, low, high = rows[j, r], s.low[start + j], s.high[start + j]
            top[r] += w * high if w > 0 else w * low
            size += abs(w) * max(-low, high)
        top[r] += ROUNDING * (len(rows) + 8) * size
    return top


@kernel
def bound_boxes(p: Program, spaces, given, rows, method):
    """For many boxes the bounds of the units that go into curves, and the largest `rows · output`, rounded up.

    Shapes: spaces (low, high, centre (boxes, n), radius (boxes,), norm); given (low, high) (boxes or 0, units);
        rows (n_out, m). Where no input is as given, the largest is −inf; where numbers get too large, inf.
    """
    count, units = len(spaces[0]), p.unit[-1]
    low, high, top = np.empty((count, units)), np.empty((count, units)), np.empty((count, rows.shape[1]))
    s, none, every = fresh(p), np.empty(0), np.arange(len(rows))
    both = method == CROWN and behind_dense(p, p.output) and ask_both_ways(rows)
    for b in range(count):
        space = Space(spaces[0][b], spaces[1][b], spaces[2][b], spaces[3][b], spaces[4])
        asked = (given[0][b], given[1][b]) if len(given[0]) else (none, none)
        state = enclose(p, s, space, asked[0], asked[1], method)
        if state:
            low[b], high[b] = (np.inf, -np.inf) if state == 1 else (-np.inf, np.inf)
            top[b] = -np.inf if state == 1 else np.inf
            continue
        units_of(p, s, low[b], high[b])
        top[b] = of_intervals(p, s, rows)
        if both:
            top[b] = np.minimum(top[b], largest_both_ways(p, p.output, every, s, space))
        elif method != INTERVAL:
            c, loose = np.zeros(len(top[b])), np.zeros(len(top[b]))
            top[b] = np.minimum(top[b], largest(p, p.output, rows, c, loose, s, space, method))
    return low, high, top


@kernel
def bound_nodes(p: Program, spaces, given, rows, warm, lifts, pinned, rounds):
    """For many nodes of a search, as `bound_boxes`: the units' bounds, the largest `rows · output`, the rows of inputs
    behind these, and for the row with the least: the input where its line is largest, and by how much each unit's line
    is off there; the slopes and multipliers of the lines, to begin with where this node is cut in two.

    Without rounds the lines are the usual ones, and there are neither slopes nor gaps.

    Shapes: warm (boxes or 0, 2, units, rows), marks of slopes; lifts (boxes or 0, units, rows); pinned (boxes, units).
        Given back: low, high (boxes, units); top (boxes, rows); line (boxes, rows, n); x (boxes, n); gap (boxes,
        units); marks, lift.
    """
    count, units, n, m = len(spaces[0]), p.unit[-1], p.width[0], rows.shape[1]
    low, high, top = np.empty((count, units)), np.empty((count, units)), np.empty((count, m))
    lines, x, gap = np.zeros((count, m, n)), np.zeros((count, n)), np.zeros((count, units))
    many = count if rounds > 0 else 0
    marks, lift = np.zeros((many, 2, units, m), np.uint8), np.zeros((many, units, m), np.float32)
    s = fresh(p)
    for b in range(count):
        space = Space(spaces[0][b], spaces[1][b], spaces[2][b], spaces[3][b], spaces[4])
        state = enclose(p, s, space, given[0][b], given[1][b], CROWN)
        if state:
            low[b], high[b] = (np.inf, -np.inf) if state == 1 else (-np.inf, np.inf)
            top[b] = -np.inf if state == 1 else np.inf
            continue
        units_of(p, s, low[b], high[b])
        c, loose = np.zeros(m), np.zeros(m)
        if rounds == 0:
            line = backward(p, p.output, rows, c, loose, s, no_own())
            top[b], lines[b] = tops(line, c, loose, space), line.T
            x[b] = highest_at(line, space)[:, top[b].argmin()]
            continue
        own = own_lines(p, s, m)
        if len(warm):
            begin(p, s, own, warm[b], lifts[b])
        top[b], line = climb(p, p.output, rows, c, loose, s, space, own, pinned[b], rounds)
        lifted(p, rows, s, space, own, pinned[b], top[b], line)
        marks_of(p, s, own, marks[b])
        lift[b], lines[b] = own.lift, line.T
        r, at = top[b].argmin(), highest_at(line, space)
        x[b], gap[b] = at[:, r], gaps(p, s, own, at, r)
    return low, high, top, lines, x, gap, marks, lift


@kernel
def gaps(p: Program, s: State, own: Own, x, r):
    """By how much the lines of row r lie beside the network's own curves, at the network's own values at x, times what
    the row weighs the curves with: they sum to what the bound is off there."""
    z, gap = np.zeros((p.unit[-1], x.shape[1])), np.zeros(p.unit[-1])
    forward(p, p.output, x, no_own(), z)
    for i in range(len(p.kind)):
        for j in range(p.unit[i + 1] - p.unit[i]):
            u = p.unit[i] + j
            d, y = own.met[u, r], z[u, r]
            over = own.up[u, r] * y + own.up_offset[u, r] if d > 0 else own.down[u, r] * y + own.down_offset[u, r]
            gap[u] = max(d * (over - graph(p, i, j, y)), 0.0)
    return gap
