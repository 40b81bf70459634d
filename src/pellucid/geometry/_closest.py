"""The point of a polyhedron that is nearest to 0, in the norms 1, 2 and inf, with a certificate.

The polyhedron is `a · δ + c ≥ 0`, row by row, within a box `low ≤ δ ≤ high` that holds 0. Whatever weights λ ≥ 0 a
solver finds, every point of it also has `(Σ λ a) · δ + Σ λ c ≥ 0`, and the distance to that one half-space within the
box is a formula: it is the lower bound that is given, and owes nothing to the solver.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from . import _closest_kernels as kernels

FAR = 1e-7  # a residual below this counts as none: the polyhedron is empty, or 10⁷ times farther than what matters
REFINED = 1e-11


class Closest(NamedTuple):
    """A lower bound of the distance, inf where there is no point; the solver's point; the half-space that shows it."""

    distance: float
    point: np.ndarray
    h: np.ndarray
    k: float


def length(delta: np.ndarray, norm: float) -> np.ndarray:
    """The norm of each row."""
    if norm == 2:
        return np.sqrt((delta**2).sum(-1))
    return abs(delta).sum(-1) if norm == 1 else abs(delta).max(-1, initial=0.0)


def to_half_space(
    a: np.ndarray, c: np.ndarray, norm: float, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The distance from 0 to `a · δ + c ≥ 0` within the box, and the nearest δ, for each row; inf where it has none."""
    low, high = (np.ascontiguousarray(np.broadcast_to(side, a.shape)) for side in (low, high))
    return kernels.half_spaces(np.ascontiguousarray(a), np.ascontiguousarray(c), float(norm), low, high)


def closest(a: np.ndarray, c: np.ndarray, norm: float, low: np.ndarray, high: np.ndarray, scale: float) -> Closest:
    """The point of the polyhedron nearest to 0; `scale` is about the largest distance that matters."""
    sizes = np.sqrt((a**2).sum(1))
    sizes[sizes == 0] = 1.0
    a, c = a / sizes[:, None], c / (sizes * scale)
    low, high = low / scale, high / scale
    solve = {2: by_squares, 1: by_program, np.inf: by_simplex}[norm]
    weights, point = solve(a, c, low, high)
    found = shown(weights, a, c, norm, low, high)
    point = found.point if point is None else point
    return Closest(found.distance * scale, point * scale, found.h, found.k * scale)


def shown(weights: np.ndarray, a: np.ndarray, c: np.ndarray, norm: float, low: np.ndarray, high: np.ndarray) -> Closest:
    """What the weighed sum of the rows shows."""
    h, k = weights @ a, float(weights @ c)
    distance, near = to_half_space(h[None], np.array([k]), norm, low, high)
    return Closest(float(distance[0]), near[0], h, k)


def by_squares(a: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Norm 2: the weights solve a non-negative least-squares problem (Lawson and Hanson 1974, ch. 23)."""
    from scipy.optimize import nnls

    n = a.shape[1]
    below, over = np.flatnonzero(np.isfinite(low)), np.flatnonzero(np.isfinite(high))
    e = np.zeros((n + 1, len(a) + len(below) + len(over)))
    e[:n, : len(a)], e[n, : len(a)] = a.T, -c
    columns = np.arange(len(a), e.shape[1])
    e[below, columns[: len(below)]], e[over, columns[len(below) :]] = 1.0, -1.0
    e[n, columns] = np.concatenate([low[below], -high[over]])
    f = np.zeros(n + 1)
    f[n] = 1.0
    try:
        u, size = nnls(e, f)
    except RuntimeError:  # too many rounds: nothing is shown
        return np.zeros(len(a)), None
    rest = e @ u - f
    return u[: len(a)], None if size < FAR or rest[n] >= 0 else -rest[:n] / rest[n]


def by_simplex(a: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Norm inf: how large the least row can get in a cube grows with the cube along a concave curve; Newton's method
    finds the cube where it is 0. Each step starts at the distance of a half-space, so that no cube is too large."""
    single, _ = to_half_space(a, c, np.inf, low, high)
    first, weights = int(single.argmax()), np.eye(len(a))[single.argmax()]
    distance, radius, stop, point = float(single[first]), 1.0, 0.0, None
    while distance < 1:
        found, at = kernels.dual_simplex(a, c, np.maximum(low, -radius), np.minimum(high, radius), stop)
        better = shown(found, a, c, np.inf, low, high).distance
        point, done = at, radius <= distance and better <= distance * (1 + REFINED)
        if better > distance:
            distance, weights = better, found
        if done or (stop < 0 and better < radius):
            break
        radius, stop = distance, -np.inf
    return weights, point


def by_program(a: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Norm 1: a linear program, by HiGHS."""
    from scipy.optimize import linprog

    n = a.shape[1]
    sides = [*zip(np.zeros(n), high, strict=True), *zip(np.zeros(n), -low, strict=True)]
    found = linprog(np.ones(2 * n), np.concatenate([-a, a], 1), c, bounds=sides, method="highs-ds")
    if found.status == 2:
        return empty(a, c, low, high), None
    if found.status != 0:
        return np.zeros(len(a)), None
    return np.maximum(-found.ineqlin.marginals, 0.0), found.x[:n] - found.x[n:]


def empty(a: np.ndarray, c: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """The weights that show that there is no such point: those of the least violation `a · δ + c + t ≥ 0`."""
    from scipy.optimize import linprog

    n = a.shape[1]
    cost = np.append(np.zeros(n), 1.0)
    sides = [*zip(low, high, strict=True), (0.0, None)]
    found = linprog(cost, np.concatenate([-a, -np.ones((len(a), 1))], 1), c, bounds=sides, method="highs-ds")
    return np.maximum(-found.ineqlin.marginals, 0.0) if found.status == 0 else np.zeros(len(a))
