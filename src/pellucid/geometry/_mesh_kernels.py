"""The inner loops over the faces of a mesh, compiled by Numba: sides of edges, areas, and where points lie."""

from __future__ import annotations

import numpy as np

from ..compiled import kernel


@kernel
def sides(ptr, fv, fe, ends, out):
    """The face to the left and to the right of every edge."""
    for f in range(ptr.shape[0] - 1):
        for i in range(ptr[f], ptr[f + 1]):
            e = fe[i]
            out[e, 0 if ends[e, 0] == fv[i] else 1] = f


@kernel
def areas(ptr, fv, xy, out):
    """The area of every face, counterclockwise ones positive."""
    for f in range(ptr.shape[0] - 1):
        total = 0.0
        x0, y0 = xy[fv[ptr[f]], 0], xy[fv[ptr[f]], 1]
        for i in range(ptr[f] + 1, ptr[f + 1] - 1):
            a, b = fv[i], fv[i + 1]
            total += (xy[a, 0] - x0) * (xy[b, 1] - y0) - (xy[b, 0] - x0) * (xy[a, 1] - y0)
        out[f] = total / 2


@kernel
def buckets(ptr, fv, xy, low, size, n):
    """For each of n × n equal cells the faces that may reach into it: where they begin, and their numbers."""
    count = np.zeros(n * n + 1, np.int64)
    cells = np.empty((ptr.shape[0] - 1, 4), np.int64)
    for f in range(ptr.shape[0] - 1):
        x0, y0 = xy[fv[ptr[f]], 0], xy[fv[ptr[f]], 1]
        x1, y1 = x0, y0
        for i in range(ptr[f] + 1, ptr[f + 1]):
            x0, x1 = min(x0, xy[fv[i], 0]), max(x1, xy[fv[i], 0])
            y0, y1 = min(y0, xy[fv[i], 1]), max(y1, xy[fv[i], 1])
        cells[f, 0] = min(max(int((x0 - low[0]) / size[0]) - 1, 0), n - 1)
        cells[f, 1] = min(max(int((x1 - low[0]) / size[0]) + 1, 0), n - 1)
        cells[f, 2] = min(max(int((y0 - low[1]) / size[1]) - 1, 0), n - 1)
        cells[f, 3] = min(max(int((y1 - low[1]) / size[1]) + 1, 0), n - 1)
        for i in range(cells[f, 0], cells[f, 1] + 1):
            for j in range(cells[f, 2], cells[f, 3] + 1):
                count[i * n + j + 1] += 1
    first = np.cumsum(count)
    at = first[:-1].copy()
    found = np.empty(first[-1], np.int64)
    for f in range(ptr.shape[0] - 1):
        for i in range(cells[f, 0], cells[f, 1] + 1):
            for j in range(cells[f, 2], cells[f, 3] + 1):
                found[at[i * n + j]] = f
                at[i * n + j] += 1
    return first, found


@kernel
def locate(points, first, found, ptr, fv, xy, low, size, n, answer):
    """The face in which each point lies deepest, of those in its cell."""
    for p in range(points.shape[0]):
        x, y = points[p, 0], points[p, 1]
        i = min(max(int((x - low[0]) / size[0]), 0), n - 1)
        j = min(max(int((y - low[1]) / size[1]), 0), n - 1)
        best = -np.inf
        for at in range(first[i * n + j], first[i * n + j + 1]):
            f = found[at]
            least = np.inf
            for k in range(ptr[f], ptr[f + 1]):
                a, b = fv[k], fv[k + 1] if k + 1 < ptr[f + 1] else fv[ptr[f]]
                dx, dy = xy[b, 0] - xy[a, 0], xy[b, 1] - xy[a, 1]
                length = np.sqrt(dx * dx + dy * dy)
                if length > 0:
                    least = min(least, (dx * (y - xy[a, 1]) - dy * (x - xy[a, 0])) / length)
            if least > best:
                best = least
                answer[p] = f
                if best > 0:
                    break
