"""The inner loops of the nearest change of the answer, compiled by Numba: balls, half-spaces, small linear programs."""

from __future__ import annotations

import numpy as np

from ..compiled import kernel

ROUNDS, TURNS = 8, 5  # how often a multiplier is improved; every one of them gives a bound


@kernel
def half_spaces(a, c, norm, low, high):
    """The distance from 0 to `a · δ + c ≥ 0` within the box, and the nearest δ, for each row; inf where there is none.

    δ grows along every coordinate that helps until it meets the box: all at the pace of `|a|` (norm 2) or 1 (inf), or
    one after the other, the steepest first (1).
    """
    rows, n = a.shape
    distance, delta = np.zeros(rows), np.zeros((rows, n))
    stop, room, still = np.empty(n), np.empty(n), np.empty(n)
    for r in range(rows):
        need = -c[r]
        if need <= 0:
            continue
        for i in range(n):
            room[i] = high[r, i] if a[r, i] > 0 else -low[r, i]
            steep = abs(a[r, i])
            if norm == 1.0:
                stop[i] = -steep
            else:
                stop[i] = np.inf if steep == 0 else room[i] / (steep if norm == 2.0 else 1.0)
        order = np.argsort(stop)
        if norm == 1.0:
            total = 0.0
            for i in order:
                steep = abs(a[r, i])
                if steep == 0 or need <= 0:
                    break
                step = min(room[i], need / steep)
                need -= step * steep
                total += step
                delta[r, i] = np.sign(a[r, i]) * step
            distance[r] = total if need <= 1e-12 * -c[r] else np.inf
            continue
        total = 0.0
        for j in range(n - 1, -1, -1):  # summed from the end: what is left of a difference would be rounding
            i = order[j]
            total += a[r, i] ** 2 if norm == 2.0 else abs(a[r, i])
            still[i] = total
        pace, last = np.inf, 0.0
        for i in order:
            if stop[i] == np.inf and still[i] == 0:
                break
            if need <= still[i] * stop[i]:
                pace = max(need / still[i], last)
                break
            need -= abs(a[r, i]) * room[i]
            last = stop[i]
        reached = 0.0
        for i in range(n):
            steep = abs(a[r, i])
            if steep > 0:
                step = room[i] if pace == np.inf else min(room[i], pace * (steep if norm == 2.0 else 1.0))
                if step < np.inf:
                    delta[r, i] = np.sign(a[r, i]) * step
                    reached += steep * step
        if pace == np.inf and not reached >= -c[r]:
            distance[r] = np.inf
        elif norm == 2.0:
            distance[r] = np.sqrt((delta[r] ** 2).sum())
        else:
            distance[r] = np.abs(delta[r]).max()
    return distance, delta


@kernel
def inner(a, h, mu, k, low, high, radius, norm):
    """`max (a + μ h) · δ + μ k` in the ball and the box, or a little more; its slope in μ, `h · δ + k`."""
    n = len(a)
    if norm == np.inf:
        value, slope = mu * k, k
        for i in range(n):
            b = a[i] + mu * h[i]
            d = min(high[i], radius) if b > 0 else max(low[i], -radius)
            if b != 0:
                value += b * d
                slope += h[i] * d
        return value, slope
    if norm == 1.0:
        steepest, where, boxed, inside = 0.0, 0, 0.0, k
        for i in range(n):
            b = a[i] + mu * h[i]
            room = high[i] if b > 0 else low[i]
            if b != 0 and room != 0:
                boxed += b * room
                inside += h[i] * room
                if abs(b) > steepest:
                    steepest, where = abs(b), i
        if boxed <= steepest * radius:
            return boxed + mu * k, inside
        sign = 1.0 if a[where] + mu * h[where] > 0 else -1.0
        return steepest * radius + mu * k, h[where] * sign * radius + k
    size = 0.0
    for i in range(n):
        b = a[i] + mu * h[i]
        if (b > 0 and high[i] > 0) or (b < 0 and low[i] < 0):
            size += b * b
    if size == 0:
        return mu * k, k
    # max over the ball ≤ Σ max (b δ − m δ² / 2) + m r² / 2 for every m ≥ 0; the best m leaves ‖δ‖ = r
    m = np.sqrt(size) / radius
    for _ in range(ROUNDS):
        held, rest = 0.0, 0.0
        for i in range(n):
            b = a[i] + mu * h[i]
            room = high[i] if b > 0 else -low[i]
            if abs(b) > m * room:
                held += room * room
            else:
                rest += b * b
        left = radius * radius - held
        if left <= 0:
            break
        better = np.sqrt(rest / left)
        if better >= m * (1 - 1e-9):
            break
        m = better
        if m == 0:
            break
    value, slope = mu * k + m * radius * radius / 2, k
    for i in range(n):
        b = a[i] + mu * h[i]
        room = high[i] if b > 0 else -low[i]
        d = room if abs(b) >= m * room else abs(b) / m
        value += abs(b) * d - m * d * d / 2 if b != 0 else 0.0
        slope += h[i] * (d if b > 0 else -d) if b != 0 else 0.0
    return value, slope


@kernel
def guess(a, h, k, radius):
    """The best μ for a round ball without a box."""
    size, rising, length = 0.0, 0.0, 0.0
    for i in range(len(a)):
        size += h[i] * h[i]
        rising += h[i] * a[i]
        length += a[i] * a[i]
    size = np.sqrt(size)
    rising, depth = rising / size, -k / size
    rim = np.sqrt(max(radius * radius - depth * depth, 1e-6 * radius * radius))
    across = np.sqrt(max(length - rising * rising, 0.0))
    return max(depth * across / rim - rising, 0.1 * np.sqrt(length)) / size


@kernel
def reach(a, h, k, low, high, radius, norm):
    """An upper bound of `max a · δ` over the ball, the box and the half-space `h · δ + k ≥ 0` of each subset.

    Shapes: a (subsets, rows, n), h (subsets, n), k (subsets,). For every μ ≥ 0 the largest `(a + μ h) · δ + μ k`
    without the half-space is a bound; the best μ is where its slope changes sign.
    """
    subsets, rows, _ = a.shape
    found = np.empty((subsets, rows))
    for s in range(subsets):
        width = np.abs(h[s]).sum()
        for r in range(rows):
            best, slope = inner(a[s, r], h[s], 0.0, k[s], low, high, radius, norm)
            first = slope
            if slope < 0 and width > 0:
                before, after, down, up = 0.0, np.inf, slope, 0.0
                mu = guess(a[s, r], h[s], k[s], radius) if norm == 2.0 else np.abs(a[s, r]).sum() / width
                for _ in range(TURNS):
                    value, slope = inner(a[s, r], h[s], mu, k[s], low, high, radius, norm)
                    best = min(best, value)
                    if abs(slope) <= 0.02 * abs(first):
                        break
                    if slope < 0:
                        before, down = mu, slope
                    else:
                        after, up = mu, slope
                    if after == np.inf:
                        mu = 3 * mu
                    else:
                        share = down / (down - up)
                        mu = before + (after - before) * min(max(share, 0.1), 0.9)
            found[s, r] = best
    return found


@kernel
def dual_simplex(a, c, low, high, stop):
    """Weights λ of the rows that show how large `min_j a_j · δ + c_j` gets in a bounded box, and the δ where it does.

    The dual simplex method with bounds (Koberstein 2005, ch. 3) on a dense tableau of `max σ, a δ + c − σ ≥ 0`. It ends
    early where the bound falls below `stop`.
    """
    m, n = a.shape
    lows, highs = np.full(n + 1 + m, -np.inf), np.full(n + 1 + m, np.inf)
    lows[:n], highs[:n], lows[n + 1 :] = low, high, 0.0
    highs[n] = np.inf
    for j in range(m):
        most = c[j]
        for i in range(n):
            most += max(a[j, i] * low[i], a[j, i] * high[i])
        highs[n] = min(highs[n], most + 1.0)  # above all that σ can be
    t, z = np.empty((m, n + 1)), np.zeros(n + 1)
    t[:, :n], t[:, n], z[n] = a, -1.0, 1.0
    free, basic, up = np.arange(n + 1), np.arange(n + 1, n + 1 + m), np.zeros(n + 1, np.bool_)
    at = lows[: n + 1].copy()
    at[n], up[n] = highs[n], True
    value, bound = c + t @ at, at[n]
    for _ in range(20 * (m + 4)):
        r, worst = -1, 1e-11
        for i in range(m):
            lack = max(lows[basic[i]] - value[i], value[i] - highs[basic[i]])
            if lack > worst:
                r, worst = i, lack
        if r < 0 or bound < stop:
            break
        rising = value[r] < lows[basic[r]]
        q, ratio = -1, np.inf
        for j in range(n + 1):
            step = t[r, j] if rising else -t[r, j]
            if (step < -1e-11 if up[j] else step > 1e-11) and lows[free[j]] < highs[free[j]]:
                cost = abs(z[j]) / abs(step)
                if q < 0 or cost < ratio - 1e-13 or (cost <= ratio + 1e-13 and abs(step) > abs(t[r, q])):
                    q, ratio = j, min(cost, ratio)
        if q < 0:
            break
        goal = lows[basic[r]] if rising else highs[basic[r]]
        step = (goal - value[r]) / t[r, q]
        bound += z[q] * step
        value += t[:, q] * step
        value[r] = at[q] + step
        at[q], up[q] = goal, not rising
        free[q], basic[r] = basic[r], free[q]
        pivot = t[r, q]
        t[r] /= -pivot
        t[r, q] = 1 / pivot
        for i in range(m):
            if i != r:
                factor = t[i, q]
                t[i, q] = 0.0
                t[i] += factor * t[r]
        factor = z[q]
        z[q] = 0.0
        z += factor * t[r]
    point, weights = np.zeros(n), np.zeros(m)
    for j in range(n + 1):
        if free[j] < n:
            point[free[j]] = at[j]
        elif free[j] > n:
            weights[free[j] - n - 1] = max(-z[j], 0.0)
    for i in range(m):
        if basic[i] < n:
            point[basic[i]] = value[i]
    return weights, point
