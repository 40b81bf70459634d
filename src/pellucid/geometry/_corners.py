"""The corners of a small region given by half-spaces, the middle of a facet, the distance to a region."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ._polytope import ball


class Corners(NamedTuple):
    """The corners of a bounded region, which of its half-spaces are facets, and the mean of the corners of each."""

    corners: np.ndarray
    facets: np.ndarray
    middles: np.ndarray


def corners_of(normal: np.ndarray, slack: np.ndarray, walls: int) -> Corners | None:
    """The corners and facets of the region `normal · z ≤ slack` around 0; None where Qhull gives none.

    The last rows, `walls`, are a box around it. Rays along all normals find most facets. Where a corner of the region
    that these bound lies beyond another row, the ray to it meets a new one, until none does.
    """
    from scipy.spatial import HalfspaceIntersection, QhullError

    points = normal / slack[:, None]
    kept = np.union1d((points @ normal.T).argmax(0), np.arange(len(points) - walls, len(points)))
    while True:
        try:
            found = HalfspaceIntersection(np.column_stack([normal[kept], -slack[kept]]), np.zeros(normal.shape[1]))
        except QhullError:
            return None
        corners = found.intersections
        if not np.isfinite(corners).all():
            return None
        reach = points @ corners.T
        new = np.setdiff1d(reach[:, reach.max(0) > 1 + 1e-10].argmax(0), kept)
        if not len(new):
            break
        kept = np.union1d(kept, new)
    on = np.zeros((len(kept), len(corners)), bool)
    for corner, rows in enumerate(found.dual_facets):
        on[rows, corner] = True
    at = np.flatnonzero(on.any(1))
    counts = on[at].sum(1)
    at, counts = at[counts >= normal.shape[1]], counts[counts >= normal.shape[1]]
    return Corners(corners, kept[at], on[at] @ corners / counts[:, None])


def middle_of_facet(normal: np.ndarray, slack: np.ndarray, row: int) -> np.ndarray:
    """The middle of the largest ball in the facet of one row."""
    n = normal[row]
    basis = np.linalg.svd(n[None])[2][1:]  # directions along the facet
    foot = slack[row] * n
    rest = np.delete(np.arange(len(normal)), row)
    along = normal[rest] @ basis.T
    length = np.linalg.norm(along, axis=1)
    there = length > 1e-9
    if not len(basis) or not there.any():
        return foot
    left = (slack[rest] - normal[rest] @ foot)[there] / length[there]
    return foot + ball(along[there] / length[there, None], left).middle @ basis


def distance_to(normal: np.ndarray, slack: np.ndarray) -> float:
    """The distance from 0 to the nearest z with `normal · z ≤ slack`, by non-negative least squares."""
    from scipy.optimize import nnls

    if (slack >= 0).all():
        return 0.0
    scale = float(-slack.min())
    matrix = -np.column_stack([normal, slack / scale]).T
    goal = np.append(np.zeros(normal.shape[1]), 1.0)
    weights, _ = nnls(matrix, goal)
    left = matrix @ weights - goal
    return scale * float(np.linalg.norm(left[:-1] / left[-1]))
