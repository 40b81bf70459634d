"""The nearest point of a cone, compiled by Numba: least squares with weights ≥ 0."""

from __future__ import annotations

import numpy as np

from ..compiled import kernel


@kernel(fastmath={"reassoc", "contract"})
def append(lower, p, gram, index, j):
    """The Cholesky factor with one more row, for column j; False where that column depends on those before."""
    for a in range(p):
        total = gram[j, index[a]]
        for b in range(a):
            total -= lower[p, b] * lower[a, b]
        lower[p, a] = total / lower[a, a]
    rest = gram[j, j]
    for b in range(p):
        rest -= lower[p, b] ** 2
    if rest <= 1e-13 * gram[j, j]:
        return False
    lower[p, p] = np.sqrt(rest)
    index[p] = j
    return True


@kernel(fastmath={"reassoc", "contract"})
def solve(lower, p, right, index, out):
    """`L Lᵀ out = right` at the p columns of `index`."""
    for a in range(p):
        total = right[index[a]]
        for b in range(a):
            total -= lower[a, b] * out[b]
        out[a] = total / lower[a, a]
    for a in range(p - 1, -1, -1):
        out[a] /= lower[a, a]
        for b in range(a):
            out[b] -= lower[a, b] * out[a]


@kernel
def downhill(slope, right, gram, index, weights, p):
    """`Cᵀ(b − C λ)`: how much each column would help."""
    for i in range(len(slope)):
        slope[i] = right[i]
    for a in range(p):
        weight, row = weights[a], gram[index[a]]
        for i in range(len(slope)):
            slope[i] -= weight * row[i]


@kernel
def without(lower, p, gram, index, weights, gone):
    """Leave out the columns that are marked, and factor the others anew."""
    q = 0
    for a in range(p):
        if gone[a]:
            continue
        weights[q] = weights[a]
        if append(lower, q, gram, index, index[a]):
            q += 1
    return q


@kernel
def nearest(gram, right, allowed, start, size):
    """`min ‖C λ − b‖²`, λ ≥ 0, for `gram = CᵀC` and `right = Cᵀb`; λ is 0 where not allowed.

    `start` names columns that are likely to be used, `size` is the number of rows of C. The second number says how many
    steps were taken, −1 where they were too many.

    Source: Lawson and Hanson 1974, chapter 23; the warm start after Bro and De Jong 1997.
    """
    m = len(right)
    most = min(m, size)
    lower = np.zeros((most + 1, most + 1))
    index = np.zeros(most + 1, np.int64)
    weights, better = np.zeros(most + 1), np.zeros(most + 1)
    gone, used, blocked = np.zeros(most + 1, np.bool_), np.zeros(m, np.bool_), np.zeros(m, np.bool_)
    slope = np.empty(m)
    p, steps = 0, 0
    for j in start:
        if p < most and allowed[j] and append(lower, p, gram, index, j):
            p += 1
    solve(lower, p, right, index, weights)
    while p > 0 and weights[:p].min() <= 0:
        for a in range(p):
            gone[a] = weights[a] <= 0
        p = without(lower, p, gram, index, weights, gone)
        solve(lower, p, right, index, weights)
    for a in range(p):
        used[index[a]] = True
    tiny = 1e-13 * np.abs(right).max()
    while True:
        steps += 1
        if steps > 10 * most:
            return np.zeros(m), -1
        downhill(slope, right, gram, index, weights, p)
        best, j = tiny, -1
        for i in range(m):
            if allowed[i] and not used[i] and not blocked[i] and slope[i] > best:
                best, j = slope[i], i
        if j < 0 or p >= most:
            break
        if not append(lower, p, gram, index, j):
            blocked[j] = True
            continue
        weights[p] = 0.0
        used[j] = True
        p += 1
        blocked[:] = False
        while True:
            solve(lower, p, right, index, better)
            if better[:p].min() > 0:
                weights[:p] = better[:p]
                break
            part = 1.0
            for a in range(p):
                if better[a] <= 0:
                    part = min(part, weights[a] / (weights[a] - better[a]))
            any_gone = False
            for a in range(p):
                weights[a] += part * (better[a] - weights[a])
                gone[a] = better[a] <= 0 and weights[a] <= 1e-15
                if gone[a]:
                    used[index[a]] = False
                    any_gone = True
            if not any_gone:
                return np.zeros(m), -1
            p = without(lower, p, gram, index, weights, gone)
    found = np.zeros(m)
    for a in range(p):
        found[index[a]] = weights[a]
    return found, steps
