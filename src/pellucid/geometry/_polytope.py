"""Which half-spaces bound a convex region, and the largest ball in it.

A region is `normal · z ≤ slack` for steps z away from a point in it: rows of unit length, slack ≥ 0. In float64: a
half-space that cuts off less than `TIGHT` of its distance from the middle counts as none.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from ..errors import GeometryError

TIGHT = 1e-9  # relative: distances nearer to each other than this are one
EXACT = 1e-11  # relative: a sum that is right to this is right
SWEEPS, PATIENCE = 50, 10  # steps
GOAL = 0.98  # where a ray should pass the other rows, that is to meet its own at 1
MOST = 2**22  # numbers laid out at a time
LARGE = 2**20  # numbers in a linear program


class Ball(NamedTuple):
    """The step to a middle, and the radius of the largest ball; inf where balls of every size fit."""

    middle: np.ndarray
    radius: float


def merged(normal: np.ndarray, slack: np.ndarray, near: float) -> list[np.ndarray]:
    """Rows of the same direction taken together: of each direction the nearest row, and those that coincide with it.

    Rows that are parallel and farther away are left out: they bound nothing. `near` is the distance below which two
    slacks are one.
    """
    if not len(normal):
        return []
    along = normal @ np.random.default_rng(0).normal(size=normal.shape[1])
    order = np.argsort(along, kind="stable")
    found = []
    for run in np.split(order, np.flatnonzero(np.diff(along[order]) > TIGHT * 10) + 1):
        while len(run):
            first = run[slack[run].argmin()] if len(run) > 1 else run[0]
            alike = np.linalg.norm(normal[run] - normal[first], axis=1) <= TIGHT if len(run) > 1 else np.array([True])
            same = run[alike]
            found.append(np.sort(same[slack[same] <= slack[first] + near]) if len(same) > 1 else same)
            run = run[~alike]
    return sorted(found, key=lambda rows: rows[0])


def ball(normal: np.ndarray, slack: np.ndarray) -> Ball:
    """The Chebyshev centre, `max r` with `normal · z + r ≤ slack`: the linear program's dual, solved by HiGHS."""
    n = normal.shape[1]
    if not len(normal):
        return Ball(np.zeros(n), np.inf)
    columns = np.vstack([normal.T, np.ones(len(normal))])
    goal = np.append(np.zeros(n), 1.0)
    found = program(slack, columns, goal)
    if found is not None:
        middle = found[1][:n]
        return Ball(middle, max(0.0, float((slack - normal @ middle).min())))
    if slack.min() > 1e-3 * np.median(slack):
        return Ball(np.zeros(n), np.inf)
    cap = float(slack.max()) or 1.0
    found = program(np.append(slack, cap), np.column_stack([columns, goal]), goal)
    return Ball(np.zeros(n) if found is None else found[1][:n], np.inf)


def program(cost: np.ndarray, columns: np.ndarray, goal: np.ndarray) -> tuple[float, np.ndarray] | None:
    """`min cost · λ` with `columns λ = goal`, λ ≥ 0, and its multipliers; None where no λ does it.

    Raises: GeometryError where HiGHS gives no answer.
    """
    from scipy.optimize import linprog

    # Without presolve is faster at this size; with it scales may differ widely; inner points are for large ones, and
    # where the simplex method finds no end.
    simplex, inner = [("highs-ds", False), ("highs-ds", True)], [("highs-ipm", True)]
    found: Any = None
    for method, presolve in inner + simplex if columns.size > LARGE else simplex + inner:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = linprog(
                cost, A_eq=columns, b_eq=goal, bounds=(0, None), method=method, options={"presolve": presolve}
            )
        if found.status == 2:
            return None
        if found.status == 0:
            return float(found.fun), np.asarray(found.eqlin.marginals)
    raise GeometryError(f"The region's linear program has no answer in float64: {found.message}")


def facets(normal: np.ndarray, slack: np.ndarray) -> np.ndarray:
    """Which rows of `normal · z ≤ slack` are facets; 0 lies strictly inside, and no two rows are the same.

    Rays from 0 find most of them: what a ray meets first is a facet. They start out along `(PᵀP)⁻¹ p`, P being
    `normal / slack`, and are bent, all at once, until they pass the rows they should not meet. What is left is decided
    by Clarkson's method, with non-negative least squares, and in the end by linear programs.

    Source: Clarkson 1994, "More output-sensitive geometric algorithms", section 2.
    """
    points = normal / slack[:, None]
    state = np.zeros(len(points), np.int8)  # 1 a facet, −1 none
    white = points @ whitening(points)
    cone = Cone.of(normal, slack)
    chunk = max(1, MOST // max(len(points), 1))
    for start in range(0, len(points), chunk):
        rows = np.arange(start, min(start + chunk, len(points)))
        rows, rays = bent(white, state, rows[state[rows] == 0])
        for row, reach in zip(rows, rays.T @ white.T, strict=True):
            likely = np.flatnonzero(reach > GOAL)
            clarkson(cone, points, state, row, likely[np.argsort(-reach[likely])])
    for row in np.flatnonzero(state == 0).tolist():
        while state[row] == 0 and clarkson(cone, points, state, row):
            pass
    needed(normal, slack, state)
    return np.flatnonzero(state == 1)


def bent(white: np.ndarray, state: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mark the facets that rays towards these rows meet; the rows left, and their rays.

    The ray of row i: `min Σ max(0, q_j · d − GOAL)²` with `q_i · d = 1`, by Nesterov's accelerated steps.
    """
    size = np.square(white[rows]).sum(1)
    rays = (white[rows] / size[:, None]).T
    ahead, pace, still = rays, 1.0, 0
    for _ in range(SWEEPS):
        reach = white @ ahead
        still = 0 if meet(reach, state) else still + 1
        left = state[rows] == 0
        if not left.all():
            rows, size, rays, ahead, reach = rows[left], size[left], rays[:, left], ahead[:, left], reach[:, left]
        if not len(rows) or still > PATIENCE:
            break
        reach -= GOAL
        np.maximum(reach, 0, out=reach)
        reach[rows, np.arange(len(rows))] = 0
        pull = white.T @ reach
        own = white[rows].T
        pull -= own * ((own * pull).sum(0) / size)
        new = ahead - 1.9 * pull
        faster = (1 + np.sqrt(1 + 4 * pace * pace)) / 2
        ahead, rays, pace = new + (pace - 1) / faster * (new - rays), new, faster
    return rows, rays


def meet(reach: np.ndarray, state: np.ndarray) -> bool:
    """Mark the rows that are met first by rays, a ray for each column, and by a clear lead; whether any was new."""
    first = reach.argmax(0)
    new = np.flatnonzero(state[first] == 0)
    if not len(new):
        return False
    seen = reach[:, new]
    at = first[new], np.arange(len(new))
    best = seen[at]
    seen[at] = -np.inf
    clear = (best > 0) & (seen.max(0, initial=0.0) < best * (1 - TIGHT))
    state[first[new[clear]]] = 1
    return bool(clear.any())


def whitening(points: np.ndarray) -> np.ndarray:
    """A map after which `PᵀP = 1`, on the span of the rows."""
    m, n = points.shape
    if n <= m:
        values, vectors = np.linalg.eigh(points.T @ points)
        kept = values > 1e-13 * values[-1]
        return vectors[:, kept] / np.sqrt(values[kept])
    values, vectors = np.linalg.eigh(points @ points.T)
    kept = values > 1e-13 * values[-1]
    return points.T @ (vectors[:, kept] / values[kept])


class Cone(NamedTuple):
    """The rows as `(a, s)`, of length 1, and (0, 1) behind them: what follows from some rows are their sums."""

    edges: np.ndarray
    gram: np.ndarray

    @classmethod
    def of(cls, normal: np.ndarray, slack: np.ndarray) -> Cone:
        edges = np.column_stack([normal, slack / np.median(slack)])
        edges = np.vstack([edges, np.append(np.zeros(normal.shape[1]), 1.0)])
        edges /= np.linalg.norm(edges, axis=1)[:, None]
        return cls(edges, edges @ edges.T)


NOTHING = np.zeros(0, int)


def clarkson(cone: Cone, points: np.ndarray, state: np.ndarray, row: int, likely: np.ndarray = NOTHING) -> bool:
    """Decide about a row, or find another facet on the way; whether there is progress.

    A row bounds nothing if it is a sum of those found, with weights ≥ 0. If it is not, what is left of it is a ray that
    passes all those found. `likely` names rows that such a sum may use.
    """
    from ._cone import nearest

    if state[row] != 0:
        return True
    allowed = np.append(state == 1, True)
    weights, steps = nearest(cone.gram, cone.gram[row].copy(), allowed, likely, points.shape[1] + 1)
    left = cone.edges[row] - weights @ cone.edges
    if steps >= 0 and np.abs(left).max() <= EXACT:
        state[row] = -1
        return True
    return steps >= 0 and meet((points @ left[:-1])[:, None], state)


def needed(normal: np.ndarray, slack: np.ndarray, state: np.ndarray) -> None:
    """Decide about each row that is left with a linear program: it is a facet if the others let it be overstepped."""
    for row in np.flatnonzero(state == 0).tolist():
        others = np.flatnonzero(state >= 0)
        others = others[others != row]
        state[row] = 1 if oversteps(normal, slack, others, row) else -1


def oversteps(normal: np.ndarray, slack: np.ndarray, others: np.ndarray, row: int) -> bool:
    """Whether a region bounded by the other rows reaches beyond a row."""
    if not len(others):
        return True
    found = program(slack[others], normal[others].T, normal[row])
    return found is None or found[0] > slack[row] + TIGHT * max(float(slack[row]), float(np.median(slack)))
