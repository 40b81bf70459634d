"""Better lines for each row: slopes, and multipliers of what is known, moved to lower the largest value of the row.

At the input where a row's line is largest, its value by these lines is followed forward; `dtop/dslope = d (z − x)`, z
the unit's input there and x where its line touches, `dtop/dlift = z − low`. Every step gives a bound; the lowest is
kept.
Source: Xu and others 2021, alpha-CROWN; Wang and others 2021, beta-CROWN, eq. 8.
"""

from __future__ import annotations

import numpy as np

from ..compiled import kernel
from ._kernels import Own, Space, State, backward, matrix, tops, undecided
from ._lines import best, graph, span
from ._program import ADD, BEND, DENSE, JOIN, ROWS, Program

RATE, FADING = 0.3, 0.92  # of a step in parts of the range of slopes, and by how much steps get shorter
KEPT, KEPT_SQUARE = 0.8, 0.95  # of Adam's means
MARKS = 255
LIFT = 0.3  # of a step of a multiplier, in parts of what rows weigh the units of its curve with


@kernel
def own_lines(p: Program, s: State, rows):
    """The state's lines, for each row, without multipliers."""
    n = p.unit[-1]
    own = Own(
        np.empty((n, rows)), np.empty((n, rows)), np.empty((n, rows)), np.empty((n, rows)), np.empty((n, rows)),
        np.empty((n, rows)), np.zeros((n, rows)), np.zeros((n, rows)),
    )  # fmt: skip
    for i in range(len(p.kind)):
        for j in range(p.unit[i + 1] - p.unit[i]):
            u, k = p.unit[i] + j, p.start[i + 1] + j
            own.up[u], own.up_offset[u], own.up_at[u] = s.up[k], s.up_offset[k], s.up_at[k]
            own.down[u], own.down_offset[u], own.down_at[u] = s.down[k], s.down_offset[k], s.down_at[k]
    return own


@kernel
def place(p: Program, s: State, own: Own):
    """Slopes that were moved, put on the marks that a certificate can say, and the offsets of their lines."""
    for i in range(len(p.kind)):
        if p.unit[i] == p.unit[i + 1]:
            continue
        start, relu = p.start[p.inputs[p.first[i]]], p.kind[i] == BEND and p.at[i, 4] == 1
        for j in undecided(p, i, s):
            u, low, high = p.unit[i] + j, s.low[start + j], s.high[start + j]
            least, most = span(p, i, j, low, high)
            for r in range(own.up.shape[1]):
                own.down[u, r] = of_mark(mark_of(own.down[u, r], least, most), least, most)
                if relu:  # above it nothing is better than the chord
                    own.down_offset[u, r], own.down_at[u, r] = 0.0, 0.0
                    continue
                own.up[u, r] = of_mark(mark_of(own.up[u, r], least, most), least, most)
                own.up_offset[u, r], own.up_at[u, r] = best(p, i, j, low, high, own.up[u, r], 1)
                below, own.down_at[u, r] = best(p, i, j, low, high, own.down[u, r], -1)
                own.down_offset[u, r] = -below


@kernel
def mark_of(slope, least, most):
    """A slope as one of 256 marks between the least and the largest."""
    share = (slope - least) / (most - least) if most > least else 0.0
    return np.uint8(round(MARKS * min(max(share, 0.0), 1.0)))


@kernel
def of_mark(mark, least, most):
    return least + (most - least) * (mark / MARKS)


@kernel
def begin(p: Program, s: State, own: Own, marks, lift):
    """Begin with slopes and multipliers that were good for a larger box; marks (2, units, rows), lift (units, rows)."""
    own.lift[:] = lift
    for i in range(len(p.kind)):
        if p.unit[i] == p.unit[i + 1]:
            continue
        start, relu = p.start[p.inputs[p.first[i]]], p.kind[i] == BEND and p.at[i, 4] == 1
        for j in undecided(p, i, s):
            u = p.unit[i] + j
            least, most = span(p, i, j, s.low[start + j], s.high[start + j])
            for r in range(own.up.shape[1]):
                own.down[u, r] = of_mark(marks[1, u, r], least, most)
                if not relu:
                    own.up[u, r] = of_mark(marks[0, u, r], least, most)


@kernel
def marks_of(p: Program, s: State, own: Own, marks):
    """Write down the slopes of the units that are undecided; marks (2, units, rows)."""
    for i in range(len(p.kind)):
        start = p.start[p.inputs[p.first[i]]]
        if p.unit[i] == p.unit[i + 1]:
            continue
        for j in undecided(p, i, s):
            u = p.unit[i] + j
            least, most = span(p, i, j, s.low[start + j], s.high[start + j])
            for r in range(own.up.shape[1]):
                marks[0, u, r] = mark_of(own.up[u, r], least, most)
                marks[1, u, r] = mark_of(own.down[u, r], least, most)


@kernel
def affine_forward(p: Program, i, z):
    """An affine step of the values z (inputs, rows)."""
    shift = p.at[i, 1] if p.kind[i] == DENSE else p.at[i, 3]
    made = np.dot(matrix(p, i), z) if p.kind[i] == DENSE else np.zeros((p.width[i + 1], z.shape[1]))
    for j in range(len(made)):
        if p.kind[i] == ROWS:
            for e in range(p.ints[p.at[i, 0] + j], p.ints[p.at[i, 0] + j + 1]):
                made[j] += p.floats[p.at[i, 2] + e] * z[p.ints[p.at[i, 1] + e]]
        made[j] += p.floats[shift + j]
    return made


@kernel
def forward(p: Program, v, x, own: Own, z):
    """What goes into every curve before value v, into z (units, rows), where the inputs are x (inputs, rows): by the
    rows' lines, or where there are none by the network itself, which is given back."""
    values = [np.empty((0, 0)) for _ in range(len(p.width))]
    values[0] = x
    for i in range(v):
        given = values[p.inputs[p.first[i]]]
        kind = p.kind[i]
        if kind in (DENSE, ROWS):
            made = affine_forward(p, i, given)
        elif kind == ADD:
            made = given.copy()
            for k in range(p.first[i] + 1, p.first[i + 1]):
                made += values[p.inputs[k]]
        elif kind == JOIN:
            made, at = np.empty((p.width[i + 1], x.shape[1])), 0
            for k in range(p.first[i], p.first[i + 1]):
                part = values[p.inputs[k]]
                made[at : at + len(part)] = part
                at += len(part)
        else:
            first, made = p.unit[i], np.empty_like(given)
            z[first : first + len(given)] = given
            for j in range(len(given)):
                u = first + j
                for r in range(given.shape[1]):
                    y = given[j, r]
                    if len(own.up) == 0:
                        made[j, r] = graph(p, i, j, y)
                    elif own.met[u, r] > 0:
                        made[j, r] = own.up[u, r] * y + own.up_offset[u, r]
                    else:
                        made[j, r] = own.down[u, r] * y + own.down_offset[u, r]
        values[i + 1] = made
    return values[v]


@kernel
def highest_at(a, space: Space):
    """The inputs of a space where the rows a (inputs, rows) are largest, about."""
    x = np.empty_like(a)
    for r in range(a.shape[1]):
        row = a[:, r].copy()
        best = np.where(row > 0, space.high, space.low)
        away = best - space.centre
        if space.norm == 2 and (away**2).sum() > space.radius**2:
            best = space.centre + row * (space.radius / max(np.sqrt((row**2).sum()), 1e-300))
        elif space.norm == 1 and np.abs(away).sum() > space.radius:
            left = space.radius
            for k in np.argsort(-np.abs(row)):  # the steepest first, until the radius is used up
                step = min(abs(away[k]), left)
                best[k] = space.centre[k] + np.sign(away[k]) * step
                left -= step
        for k in range(len(a)):
            x[k, r] = min(max(best[k], space.low[k]), space.high[k])
    return x


@kernel
def copied(to: Own, of: Own, r):
    """The lines and multipliers of one row, kept."""
    to.up[:, r], to.down[:, r], to.lift[:, r] = of.up[:, r], of.down[:, r], of.lift[:, r]


@kernel
def climb(p: Program, v, d, c, loose, s: State, space: Space, own: Own, pinned, rounds):
    """The lowest bounds of `d · value + c` that were found, and the rows a behind them; `own` becomes the lines that
    give them. Units that are `pinned` have multipliers."""
    rows = d.shape[1]
    top, line = np.full(rows, np.inf), np.zeros((p.width[0], rows))
    kept = own_lines(p, s, rows)
    z, n = np.zeros((p.unit[-1], rows)), p.unit[-1]
    mean, square = np.zeros((3, n, rows)), np.zeros((3, n, rows))
    rate = RATE
    for k in range(rounds + 1):
        place(p, s, own)
        shift, off = c.copy(), loose.copy()
        a = backward(p, v, d, shift, off, s, own)
        found = tops(a, shift, off, space)
        for r in range(rows):
            if found[r] < top[r]:
                top[r], line[:, r] = found[r], a[:, r]
                copied(kept, own, r)
        if k < rounds:
            forward(p, v, highest_at(a, space), own, z)
            step(p, s, own, z, pinned, mean, square, k, rate)
            rate *= FADING
    for r in range(rows):
        copied(own, kept, r)
    place(p, s, own)
    return top, line


@kernel
def step(p: Program, s: State, own: Own, z, pinned, mean, square, k, rate):
    """One step of Adam on slopes and multipliers, which have their units for scale."""
    rows = z.shape[1]
    first, second = 1 - KEPT ** (k + 1), 1 - KEPT_SQUARE ** (k + 1)
    for i in range(len(p.kind)):
        here = slice(p.unit[i], p.unit[i + 1])
        if p.unit[i] == p.unit[i + 1]:
            continue
        start, weight = p.start[p.inputs[p.first[i]]], np.zeros(rows)
        for u in range(here.start, here.stop):
            for r in range(rows):
                weight[r] = max(weight[r], abs(own.met[u, r]))
        relu = p.kind[i] == BEND and p.at[i, 4] == 1  # above it nothing is better than the chord
        for j in range(here.stop - here.start):
            u, low, high = here.start + j, s.low[start + j], s.high[start + j]
            least, most = span(p, i, j, low, high)
            for r in range(rows):
                d = own.met[u, r]
                over = d > 0
                if least < most and d != 0 and not (relu and over):
                    slope = own.up if over else own.down
                    at = own.up_at[u, r] if over else own.down_at[u, r]
                    which = 0 if over else 1
                    move = moved(mean[which], square[which], u, r, d * (z[u, r] - at), first, second)
                    slope[u, r] -= rate * (most - least) * move
                if pinned[u]:
                    # one multiplier for both sides: towards z ≥ low where z is below it, towards z ≤ high above that
                    lift = own.lift[u, r]
                    slack = z[u, r] - low if lift > 0 or (lift == 0 and z[u, r] < low) else z[u, r] - high
                    if lift == 0 and low <= z[u, r] <= high:
                        slack = 0.0
                    move = moved(mean[2], square[2], u, r, slack, first, second)
                    new = lift - LIFT * rate * max(weight[r], 1e-3) * move
                    own.lift[u, r] = 0.0 if lift * new < 0 else np.float32(new)


@kernel
def moved(mean, square, u, r, slope, first, second):
    mean[u, r] = KEPT * mean[u, r] + (1 - KEPT) * slope
    square[u, r] = KEPT_SQUARE * square[u, r] + (1 - KEPT_SQUARE) * slope * slope
    return (mean[u, r] / first) / (np.sqrt(square[u, r] / second) + 1e-12)
