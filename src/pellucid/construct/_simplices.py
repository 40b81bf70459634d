"""The function that is linear on each of given simplices: as a sum of hats, or in its lattice form."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial import ConvexHull

from ..errors import DataError
from ._chain import Chain, affine, beside, hidden, then
from ._lattice import MOVED, SHARP, Linear, lattice_of, numbers, on_grid
from ._order import smallest_of
from ._record import Box, Construction, built

MOST = 20_000  # comparisons of a lattice; cells of its simplices


def triangulated(vertices: Any, simplices: Any, values: Any) -> Construction:
    """The function with given values at the vertices of a triangulation, linear on each of its simplices.

    Where the simplices around each vertex form a convex star, it is a sum of hats: that of a vertex is the smallest of
    the linear functions on its star that are 1 there and 0 on the other side, and 0 where that is negative. Otherwise,
    or where it takes fewer neurons, it is a lattice, `f = max_i min_{j ∈ S_i} f_j`: on each cell i of a simplex, S_i
    holds pieces that are not below f there, and one that is not above f on every other simplex. The simplices fill a
    convex domain; outside of it the network goes on in some way.

    Shapes: vertices (v, d); simplices (s, d + 1), numbers of vertices; values (v,).

    Raises: DataError where a simplex is flat or names no vertex, two overlap, they do not fill a convex domain, or
        there are too many for a lattice.
    Source: Tarela and Martínez 1999, Region configurations for realizability of lattice piecewise-linear models; He,
        Li, Xu and Zheng 2020, ReLU deep neural networks and linear finite elements.
    Example:
        >>> pyramid = triangulated([[0, 0], [2, 0], [2, 2], [0, 2], [1, 1]],
        ...                        [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]], [0, 0, 0, 0, 1])
        >>> pyramid.error, pyramid.net(np.array([[1.0, 0.5], [1.0, 1.0]], np.float32)).tolist()
        (0.0, [[0.5], [1.0]])
    """
    points, heights = numbers("vertices", vertices, 2), numbers("values", values, 1)
    corners = checked(points, simplices, heights)
    box = tuple((float(low), float(high)) for low, high in zip(points.min(0), points.max(0), strict=True))
    forms = [hats(points, corners, heights, box), lattice_form(points, corners, heights, box)]
    found = [form for form in forms if form is not None]
    if not found:
        raise DataError(f"{len(corners)} simplices whose stars are not convex take more than {MOST:,} comparisons.")
    chain, off, how = min(found, key=lambda form: form[0].neurons)
    return built(
        chain, box, lambda x: interpolated(x, points[corners], heights[corners]),
        f"the linear function on each of {len(corners):,} simplices", off, f"{how}; {MOVED}",
        more=np.concatenate([points, points[corners].mean(1)]), regular=True,
    )  # fmt: skip


def checked(points: np.ndarray, simplices: Any, heights: np.ndarray) -> np.ndarray:
    """The simplices as numbers of vertices.

    Raises: DataError where they are not a triangulation of a convex domain.
    """
    d = points.shape[1]
    corners = np.asarray(simplices)
    if corners.ndim != 2 or corners.shape[1] != d + 1 or corners.dtype.kind not in "iu" or not len(corners):
        raise DataError(f"simplices wants rows of {d + 1} numbers of vertices, got an array of shape {corners.shape}.")
    if corners.min() < 0 or corners.max() >= len(points):
        raise DataError(f"A simplex names vertex {corners.max()}; there are those from 0 to {len(points) - 1}.")
    if len(heights) != len(points):
        raise DataError(f"There are {len(points)} vertices and {len(heights)} values: give one for each.")
    edges = points[corners[:, 1:]] - points[corners[:, :1]]
    sizes = abs(np.linalg.det(edges))
    flat = np.flatnonzero(sizes <= 1e-12 * np.prod(np.linalg.norm(edges, axis=2), axis=1))
    if len(flat):
        raise DataError(f"Simplex {flat[0]} is flat: its corners {corners[flat[0]].tolist()} lie in one plane.")
    fitting(points, corners, float(sizes.sum() / np.prod(np.arange(1, d + 1))))
    return corners


def fitting(points: np.ndarray, corners: np.ndarray, filled: float) -> None:
    """Whether simplices that fill so much share whole sides, and fill a convex domain.

    Raises: DataError where they do not.
    """
    d = points.shape[1]
    if d < 2:
        raise DataError("triangulated is for two dimensions or more: in one take piecewise_linear.")
    hull = ConvexHull(points[np.unique(corners)])
    faces = np.sort(np.concatenate([np.delete(corners, k, 1) for k in range(d + 1)]), axis=1)
    tips = np.concatenate([corners[:, k] for k in range(d + 1)])
    sides, which, counts = np.unique(faces, axis=0, return_inverse=True, return_counts=True)
    which, overlap = which.reshape(-1), counts.max() > 2 or filled > hull.volume * (1 + 1e-9)
    for side in np.flatnonzero(counts == 2):
        ends = points[tips[which == side]] - points[sides[side, 0]]
        edges = points[sides[side, 1:]] - points[sides[side, 0]]
        overlap |= np.linalg.det(np.vstack([edges, ends[:1]])) * np.linalg.det(np.vstack([edges, ends[1:]])) > 0
    if overlap:
        raise DataError("Simplices overlap: a point may lie in one of them, or on a side that two share.")
    if filled < hull.volume * (1 - 1e-9):
        part = filled / hull.volume
        raise DataError(f"The simplices fill {part:.4f} of their convex hull: add some, until the domain is convex.")
    outer = sides[counts == 1]
    gaps = abs(points[outer] @ hull.equations[:, :-1].T + hull.equations[:, -1]).max(1).min(1)
    if (gaps > 1e-9 * np.ptp(points, axis=0).max()).any():
        names = outer[int(gaps.argmax())].tolist()
        raise DataError(f"The side {names} is part of a larger one: a vertex lies on a side without being its corner.")


def linear_on(corners: np.ndarray, heights: np.ndarray) -> Linear:
    """The linear function through the corners of each simplex."""
    slopes = np.linalg.solve(corners[:, 1:] - corners[:, :1], (heights[:, 1:] - heights[:, :1])[..., None])[..., 0]
    return slopes.T, heights[:, 0] - (slopes * corners[:, 0]).sum(1)


Form = tuple[Chain, float, str]


def hats(points: np.ndarray, corners: np.ndarray, heights: np.ndarray, box: Box) -> Form | None:
    """The sum of the hats of vertices that are not 0; None where the star of one is not convex."""
    chains, out, off = [], [], 0.0
    for v in np.flatnonzero(heights).tolist():
        star = corners[(corners == v).any(1)]
        if not len(star):
            continue
        linear = linear_on(points[star], (star == v).astype(float))
        around = points[np.unique(star)] @ linear[0] + linear[1]
        if (around < -1e-9).any():
            return None
        near, moved = on_grid(linear, box)
        weight = float(np.float32(heights[v]))
        off += moved * abs(weight) + abs(weight - heights[v])
        chains.append(then(affine(*near), smallest_of(len(star)), hidden([[1]], [0], [[1]])))
        out.append([weight])
    if not chains:
        return affine(np.zeros((points.shape[1], 1))), 0.0, "all values are 0"
    return (
        then(beside(chains, [0.0] * len(chains)), affine(out)),
        off,
        f"it is the sum of the hats of {len(out)} vertices",
    )


def lattice_form(points: np.ndarray, corners: np.ndarray, heights: np.ndarray, box: Box) -> Form | None:
    """The lattice of the linear pieces; None where it would be too large."""
    linear = linear_on(points[corners], heights[corners])
    rows = np.vstack(linear)
    scale = SHARP * max(abs(rows).max(), 1e-300)
    _, first, which = np.unique(np.round(rows / scale), axis=1, return_index=True, return_inverse=True)
    which = which.reshape(-1)
    linear = (linear[0][:, first], linear[1][first])
    groups = Groups(points, corners, heights, linear, which).found()
    if groups is None:
        return None
    exact = abs((points @ linear[0] + linear[1])[corners, which[:, None]] - heights[corners]).max()
    near, off = on_grid(linear, box)
    how = f"the lattice of its {len(first)} linear pieces is the function on a convex domain"
    return lattice_of(near, groups), off + float(exact), how


class Groups:
    """Which pieces are compared: for every cell of a simplex those that are above its own there, as few as are needed.

    A cell is good where on every simplex some piece that is not below f on the cell is not above f. Where it is not,
    the cell, or that simplex, is cut where two pieces cross: on cells in which no pieces cross there is always such a
    piece, because f is continuous and the line from one to the other stays in the domain.
    """

    def __init__(self, points: Any, corners: Any, heights: Any, linear: Linear, which: np.ndarray):
        self.linear, self.which = linear, which
        self.cells = [(points[corner], int(own)) for corner, own in zip(corners, which, strict=True)]
        self.slack = SHARP * max(float(abs(heights).max()), 1e-300)
        self.work = 0

    def found(self) -> list[list[int]] | None:
        """The groups, each once; None where there are too many cells."""
        made, open_ = set(), list(self.cells)
        while open_:
            cell, own = open_.pop()
            rise = self.rise(cell, own)
            above = np.flatnonzero((rise >= -self.slack).all(0))
            group, missing = self.covering(above, own)
            if missing is None:
                made.add(tuple(group))
            else:
                open_ += [(half, own) for half in self.cut(cell, rise, missing)]
            self.work += 1
            if self.work + sum(map(len, made)) > MOST:
                return None
        return [list(group) for group in sorted(made)]

    def rise(self, cell: np.ndarray, own: int) -> np.ndarray:
        """How far every piece is above one of them, at the corners of a cell, (corners, pieces)."""
        values = cell @ self.linear[0] + self.linear[1]
        return values - values[:, [own]]

    def covering(self, above: np.ndarray, own: int) -> tuple[list[int], np.ndarray | None]:
        """A few of the pieces, one for each simplex that is not above f there; or what would help where none is."""
        kept, cells = [own], list(self.cells)
        while cells:
            cell, there = cells.pop()
            rise = self.rise(cell, there)
            under: np.ndarray = np.all(rise <= self.slack, axis=0)
            if under[kept].any():
                continue
            helps = above[under[above]]
            if len(helps):
                kept.append(int(helps[rise[:, helps].sum(0).argmin()]))
                continue
            low = above[(rise[:, above] < -self.slack).any(0)]
            if not len(low):
                return kept, np.flatnonzero(under)
            cells += [(half, there) for half in self.cut(cell, rise, low)]
            self.work += 1
            if self.work > MOST:
                return kept, np.zeros(0, int)
        return sorted(set(kept)), None

    def cut(self, cell: np.ndarray, rise: np.ndarray, pieces: np.ndarray) -> list[np.ndarray]:
        """A cell in two, on an edge along which one of the pieces crosses its own."""
        for piece in pieces:
            up, down = int(rise[:, piece].argmax()), int(rise[:, piece].argmin())
            if rise[up, piece] > self.slack and rise[down, piece] < -self.slack:
                share = rise[up, piece] / (rise[up, piece] - rise[down, piece])
                middle = cell[up] + share * (cell[down] - cell[up])
                halves = [cell.copy(), cell.copy()]
                halves[0][up], halves[1][down] = middle, middle
                return halves
        self.work = MOST + 1
        return []


def interpolated(x: np.ndarray, corners: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """The function by barycentric coordinates, NaN outside of the domain, (points, 1)."""
    inverse = np.linalg.inv(corners[:, 1:] - corners[:, :1])
    found = np.full(len(x), np.nan)
    for corner, back, height in zip(corners, inverse, heights, strict=True):
        share = (x - corner[0]) @ back
        share = np.column_stack([1 - share.sum(1), share])
        inside = (share >= -1e-12).all(1)
        found[inside] = share[inside] @ height
    return found[:, None]
