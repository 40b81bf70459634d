"""Multipliers of what is known of units, found over the input alone, compiled by Numba.

Lines above and below a unit that was cut turn what is known of it into half-spaces of the input. How large a row's line
can be within all of them has the multipliers for its dual solution: of a linear program in a box and in the norm 1, and
step by step along each half-space in the norm 2. They count in the row's own way back, where lines are closer.
"""

from __future__ import annotations

import numpy as np

from ..compiled import kernel
from ..geometry._closest_kernels import dual_simplex, inner
from ._climb import place
from ._kernels import Own, Space, State, backward, no_own, seeds, tops
from ._program import Program

MOST = 120  # half-spaces at a time
ALONE = 1e-6  # the weight of a row where the half-spaces alone leave nothing
SWEEPS, TURNS = 4, 6  # over all half-spaces, and steps along one


@kernel
def walls(p: Program, s: State, pinned):
    """Half-spaces `a · x + c ≥ 0`, a (rows, n): first of `z ≥ low` for each pinned unit, then of `z ≤ high`."""
    count, k = int(pinned.sum()), 0
    units = np.empty(count, np.int64)
    a, c = np.empty((2 * count, p.width[0])), np.empty(2 * count)
    for i in range(len(p.kind)):
        here = np.flatnonzero(pinned[p.unit[i] : p.unit[i + 1]])
        if len(here) == 0:
            continue
        v, n = p.inputs[p.first[i]], len(here)
        source, d, shift, loose = seeds(p, v, here)
        if source != v:
            for r in range(n):
                loose[r] = loose[n + r] = s.rho[p.start[v] + here[r]]
        line = backward(p, source, d, shift, loose, s, no_own())
        for r in range(n):
            units[k + r] = p.unit[i] + here[r]
            a[k + r], a[count + k + r] = line[:, r], line[:, n + r]
            c[k + r] = shift[r] + loose[r] - s.low[p.start[v] + here[r]]
            c[count + k + r] = shift[n + r] + loose[n + r] + s.high[p.start[v] + here[r]]
        k += n
    return units, a, c


@kernel
def lifted(p: Program, rows, s: State, space: Space, own: Own, pinned, top, line):
    """Bounds with multipliers added where they are lower, in place of `top` and `line`."""
    if not pinned.any() or 2 * int(pinned.sum()) > MOST:
        return
    units, a, c = walls(p, s, pinned)
    count, m = len(units), len(top)
    old, c = own.lift.copy(), c + np.dot(a, space.centre)
    corner = np.maximum(space.high - space.centre, space.centre - space.low)
    cut_off = space.norm == 2 and (corner**2).sum() > space.radius**2  # else the ball leaves the box as it is
    for r in range(m):
        if top[r] > 0:
            row = line[:, r].copy()
            shift = np.zeros(1)
            level = top[r] - (tops(line[:, r : r + 1], shift, shift, space)[0] - (row * space.centre).sum())
            weights = along_each(row, a, c, space) if cut_off else at_once(row, level, a, c, space)
            for k in range(count):
                more = weights[k] - weights[count + k]
                own.lift[units[k], r] = np.float32(old[units[k], r] + more)
    place(p, s, own)
    shift, loose = np.zeros(m), np.zeros(m)
    found = backward(p, p.output, rows, shift, loose, s, own)
    value = tops(found, shift, loose, space)
    for r in range(m):
        if value[r] < top[r]:
            top[r], line[:, r] = value[r], found[:, r]
        else:
            own.lift[:, r] = old[:, r]


@kernel
def at_once(row, level, a, c, space: Space):
    """The multipliers by which `row · δ + level` with all half-spaces is least at its largest, in a box or norm 1."""
    m, n = len(a), len(row)
    both = 2 if space.norm == 1 else 1  # in the norm 1 what δ rises and falls by are two things
    table, shift = np.zeros((m + both, both * n)), np.zeros(m + both)
    low, high = np.zeros(both * n), np.zeros(both * n)
    if both == 2:
        high[:n], high[n:] = np.maximum(space.high - space.centre, 0.0), np.maximum(space.centre - space.low, 0.0)
        table[m + 1], shift[m + 1] = -1.0, space.radius
    else:
        low[:], high[:] = space.low - space.centre, space.high - space.centre
    for k in range(m + 1):
        line = row if k == 0 else a[k - 1]
        table[k, :n], shift[k] = line, level if k == 0 else c[k - 1]
        if both == 2:
            table[k, n:] = -line
    scale = np.empty(m + both)
    for k in range(m + both):
        scale[k] = 1 / ((np.abs(table[k]) * np.maximum(high, -low)).sum() + abs(shift[k]) + 1e-300)
        table[k] *= scale[k]
        shift[k] *= scale[k]
    weights = dual_simplex(table, shift, low, high, -1e-9)[0] * scale
    first = max(weights[0], ALONE * weights.sum())
    return weights[1 : m + 1] / first if first > 0 else np.zeros(m)


@kernel
def along_each(row, a, c, space: Space):
    """The same in the norm 2: one multiplier after the other is moved to where the largest value is least."""
    m, low, high = len(a), space.low - space.centre, space.high - space.centre
    weights, row = np.zeros(m), row.copy()
    for _ in range(SWEEPS):
        for k in range(m):
            least, most = -weights[k], np.inf
            slope = inner(row, a[k], 0.0, c[k], low, high, space.radius, 2.0)[1]
            if slope >= 0 and weights[k] == 0:
                continue
            t = best = 0.0
            step = (np.abs(row).sum() + 1e-300) / (np.abs(a[k]).sum() + 1e-300) * (-1.0 if slope > 0 else 1.0)
            for _ in range(TURNS):
                if slope < 0:
                    least = t
                else:
                    most = t
                best = t
                t = (least + most) / 2 if least > -np.inf and most < np.inf else t + step
                t = max(t, -weights[k])
                step *= 2
                slope = inner(row, a[k], t, c[k], low, high, space.radius, 2.0)[1]
            best = t
            weights[k] += best
            row += best * a[k]
    return weights
