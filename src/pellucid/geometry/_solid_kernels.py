"""The inner loops of the spatial complex, compiled by Numba: edges, faces and cells cut by one kink at a time.

A cell is a list of faces, a face a list of edges, in no order: all are convex, and what lies on a kink tells how the
parts hang together. The lists stand in pools, entry i at `start[i] … start[i] + size[i]`; what is cut is written anew
at the pool's end. Of everything that is cut, the part above the kink keeps its number, the part below gets a new one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiled import kernel
from . import _kernels

UNIT = _kernels.UNIT
grown: Any = _kernels.grown


@kernel
def signs(z, lines, n, kinks, scale, steep, error):
    """On which side of every line every vertex lies, −1, 0 or 1; and the (vertex, line) pairs that are left open.

    Line `lines[k]` is kink `lines[k] // n` of unit `lines[k] % n`; below, lines go by their place k.
    """
    out = np.zeros((z.shape[0], lines.shape[0]), np.int8)
    asked = np.empty((16, 2), np.int64)
    count = 0
    for v in range(z.shape[0]):
        for k in range(lines.shape[0]):
            j, kink = lines[k] % n, kinks[lines[k] // n]
            d = z[v, j] - kink
            b = error[v] * steep[j] + scale[j] + 4 * UNIT * abs(kink)
            if d > b:
                out[v, k] = 1
            elif d < -b:
                out[v, k] = -1
            elif b > 0:  # 0 where nothing was rounded
                asked = grown(asked, count + 1)
                asked[count, 0] = v
                asked[count, 1] = k
                count += 1
    return out, asked[:count]


@kernel
def crossed(sign, out):
    """Which lines have vertices strictly on both sides."""
    above, below = np.zeros(sign.shape[1], np.bool_), np.zeros(sign.shape[1], np.bool_)
    for v in range(sign.shape[0]):
        for k in range(sign.shape[1]):
            above[k] |= sign[v, k] > 0
            below[k] |= sign[v, k] < 0
    for k in range(sign.shape[1]):
        out[k] = above[k] and below[k]


@kernel
def refined(w, first, second, third):
    """Move w onto three planes by Newton's step; gives back how far off it may still be, infinite if they are parallel.

    A plane is `normal · x + offset`, then by how much that may be off. Those of a box go along an axis and are exact.
    """
    ax, ay, az = across(second, third)
    bx, by, bz = across(third, first)
    cx, cy, cz = across(first, second)
    det = first[0] * ax + first[1] * ay + first[2] * az
    if det == 0:
        return np.inf
    x = abs(ax) * first[4] + abs(bx) * second[4] + abs(cx) * third[4]
    y = abs(ay) * first[4] + abs(by) * second[4] + abs(cy) * third[4]
    z = abs(az) * first[4] + abs(bz) * second[4] + abs(cz) * third[4]
    error = 2 * np.sqrt(x * x + y * y + z * z) / abs(det)
    a, b, c = height(w, first) / det, height(w, second) / det, height(w, third) / det
    x, y, z = a * ax + b * bx + c * cx, a * ay + b * by + c * cy, a * az + b * bz + c * cz
    largest = max(abs(w[0]), abs(w[1]), abs(w[2]))
    if not np.sqrt(x * x + y * y + z * z) <= error + 1e-6 * largest:
        return np.inf
    w[0] -= x
    w[1] -= y
    w[2] -= z
    on_box(w, first)
    on_box(w, second)
    return error + 8 * UNIT * largest


@kernel(inline="always")
def across(p, q):
    """The direction along two planes."""
    return p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]


@kernel(inline="always")
def height(w, p):
    return p[0] * w[0] + p[1] * w[1] + p[2] * w[2] + p[3]


@kernel
def on_box(w, p):
    """Put w on a plane of the box to the last digit."""
    if p[4] == 0:
        for i in range(3):
            if p[i] == 1:
                w[i] = -p[3]


@kernel
def cut_edges(line, ends, m, label, planes, home, sign, nv, z, xyz, error, lines, n, kinks, scale, steep, maps):
    """Cut the edges that cross a line, each at a new vertex between its ends.

    Its place is where the edge's two planes meet the line's, and its row what the map of a cell beside the edge says,
    so errors do not add up from cut to cut. It is on the same side of another line as both ends of its edge; where they
    differ, its value decides, and what the bound of its error leaves open is given back. `child` is the number of an
    edge's part below, −1: not cut.
    """
    child = np.full(m, -1)
    count = 0
    side = sign[:nv, line].copy()  # close together, since all edges ask for it
    for e in range(m):
        if side[ends[e, 0]] * side[ends[e, 1]] < 0:
            child[e] = m + count
            count += 1
    ends, label = grown(ends, m + count), grown(label, m + count)
    planes, home = grown(planes, m + count), grown(home, m + count)
    z, xyz, error, sign = (
        grown(z, nv + count),
        grown(xyz, nv + count),
        grown(error, nv + count),
        grown(sign, nv + count),
    )
    between = np.empty((count, 2), np.int64)
    asked = np.empty((16, 2), np.int64)
    asks = 0
    j, kink = lines[line] % n, kinks[lines[line] // n]
    third = np.empty(5)
    for e in range(m):
        if child[e] < 0:
            continue
        u, v = ends[e, 0], ends[e, 1]
        if sign[u, line] < 0:
            u, v = v, u
        w, h = nv + child[e] - m, home[e]
        t = abs(z[u, j] - kink) / max(abs(z[u, j] - kink) + abs(z[v, j] - kink), 1e-300)
        xyz[w] = xyz[u] + t * (xyz[v] - xyz[u])
        third[:3], third[3], third[4] = maps[h, 1:, j], maps[h, 0, j] - kink, scale[j]
        error[w] = refined(xyz[w], planes[e, 0], planes[e, 1], third)
        for i in range(z.shape[1]):
            z[w, i] = maps[h, 0, i] + xyz[w, 0] * maps[h, 1, i] + xyz[w, 1] * maps[h, 2, i] + xyz[w, 2] * maps[h, 3, i]
        z[w, j] = kink
        for k in range(sign.shape[1]):
            a, b = sign[u, k], sign[v, k]
            s = a if b == 0 or a == b else b
            if a * b < 0 and k != line:
                i, other = lines[k] % n, kinks[lines[k] // n]
                d = z[w, i] - other
                bound = error[w] * steep[i] + scale[i] + 4 * UNIT * abs(other)
                s = 1 if d > bound else (-1 if d < -bound else 0)
                if s == 0:
                    asked = grown(asked, asks + 1)
                    asked[asks, 0] = w
                    asked[asks, 1] = k
                    asks += 1
            sign[w, k] = s
        sign[w, line] = 0
        between[w - nv, 0], between[w - nv, 1] = u, v
        c = child[e]
        ends[e, 0], ends[e, 1] = u, w
        ends[c, 0], ends[c, 1] = w, v
        label[c], planes[c], home[c] = label[e], planes[e], home[e]
    return child, between, asked[:asks], ends, label, planes, home, z, xyz, error, sign


@kernel
def cut_faces(
    line, drawn, child, ends, m, label, planes, home, side, start, size, pool, used, nf, of, fplane, fhome, lines, n,
    kinks, scale, maps,
):  # fmt: skip
    """Cut the faces that have vertices strictly on both sides; `m` edges there are, `nf` faces, `used` of the pool.

    `state` says of each face whether it reaches above (1) and below (2), `chord` which edge now divides it, −1: none,
    `below` the number of its part below. The new edges are labelled with `drawn`, or the label of their face where that
    is below −1. `bad` counts the faces that a line does not cross in two points.
    """
    state, chord, below = np.zeros(nf, np.int8), np.full(nf, -1), np.full(nf, -1)
    bad, faces = 0, nf
    for f in range(nf):
        s = 0
        for i in range(start[f], start[f] + size[f]):
            e = pool[i]
            if child[e] >= 0:
                s = 3
                break
            a, b = side[ends[e, 0]], side[ends[e, 1]]
            s |= (1 if a > 0 or b > 0 else 0) | (2 if a < 0 or b < 0 else 0)
        state[f] = s
        if s < 3:
            continue
        first, second, on = -1, -1, 0
        plus = 0
        for i in range(start[f], start[f] + size[f]):
            e = pool[i]
            split = child[e] >= 0
            for end in range(2):
                v = ends[e, end]
                if side[v] == 0 and v != first and v != second:
                    if on == 0:
                        first = v
                    else:
                        second = v
                    on += 1
            plus += split or side[ends[e, 0]] > 0 or side[ends[e, 1]] > 0
        if on != 2:
            bad += 1
            state[f] = 0
            continue
        room = size[f] * 2 + 2
        pool = grown(pool, used + room)
        p, q = used, used + plus + 1
        for i in range(start[f], start[f] + size[f]):
            e = pool[i]
            if child[e] >= 0:
                pool[p], pool[q] = e, child[e]
                p += 1
                q += 1
            elif side[ends[e, 0]] > 0 or side[ends[e, 1]] > 0:
                pool[p] = e
                p += 1
            else:
                pool[q] = e
                q += 1
        pool[p], pool[q] = m, m
        ends, label, planes, home = grown(ends, m + 1), grown(label, m + 1), grown(planes, m + 1), grown(home, m + 1)
        ends[m, 0], ends[m, 1] = first, second
        h, j, kink = fhome[f], lines[line] % n, kinks[lines[line] // n]
        home[m], planes[m, 0] = h, fplane[f]
        planes[m, 1, :3], planes[m, 1, 3], planes[m, 1, 4] = maps[h, 1:, j], maps[h, 0, j] - kink, scale[j]
        label[m] = drawn if drawn[0] >= -1 else of[f]
        start, size, of = grown(start, faces + 1), grown(size, faces + 1), grown(of, faces + 1)
        start[f], size[f] = used, plus + 1
        start[faces], size[faces] = used + plus + 1, q + 1 - (used + plus + 1)
        fplane, fhome = grown(fplane, faces + 1), grown(fhome, faces + 1)
        of[faces], fplane[faces], fhome[faces] = of[f], fplane[f], fhome[f]
        used = q + 1
        chord[f], below[f] = m, faces
        m += 1
        faces += 1
    return state, chord, below, bad, ends, m, label, planes, home, start, size, pool, used, faces, of, fplane, fhome


@kernel
def cut_cells(
    line,
    drawn,
    state,
    chord,
    below,
    ends,
    side,
    cstart,
    csize,
    cpool,
    cused,
    origin,
    nc,
    start,
    size,
    pool,
    used,
    nf,
    of,
    fplane,
    fhome,
    lines,
    n,
    kinks,
    scale,
    maps,
):
    """Cut the cells that have vertices strictly on both sides: the new face is made of all their edges on the line."""
    cells = nc
    for c in range(nc):
        s = 0
        for i in range(cstart[c], cstart[c] + csize[c]):
            s |= state[cpool[i]]
        if s < 3:
            continue
        room = 2 * csize[c] + 2
        cpool = grown(cpool, cused + room)
        p = cused
        begin = used
        for i in range(cstart[c], cstart[c] + csize[c]):
            f = cpool[i]
            if state[f] & 1 == 0:
                continue
            cpool[p] = f
            p += 1
            if chord[f] >= 0:
                pool = grown(pool, used + 1)
                pool[used] = chord[f]
                used += 1
                continue
            for k in range(start[f], start[f] + size[f]):
                if side[ends[pool[k], 0]] == 0 and side[ends[pool[k], 1]] == 0:
                    pool = grown(pool, used + 1)
                    pool[used] = pool[k]
                    used += 1
        start, size, of = grown(start, nf + 1), grown(size, nf + 1), grown(of, nf + 1)
        start[nf], size[nf], of[nf] = begin, used - begin, drawn
        fplane, fhome = grown(fplane, nf + 1), grown(fhome, nf + 1)
        h, j, kink = origin[c], lines[line] % n, kinks[lines[line] // n]
        fhome[nf] = h
        fplane[nf, :3], fplane[nf, 3], fplane[nf, 4] = maps[h, 1:, j], maps[h, 0, j] - kink, scale[j]
        cpool[p] = nf
        q = p + 1
        for i in range(cstart[c], cstart[c] + csize[c]):
            f = cpool[i]
            if state[f] == 3:
                cpool[q] = below[f]
                q += 1
            elif state[f] & 1 == 0:
                cpool[q] = f
                q += 1
        cpool[q] = nf
        cstart, csize, origin = grown(cstart, cells + 1), grown(csize, cells + 1), grown(origin, cells + 1)
        origin[cells] = origin[c]
        cstart[c], csize[c] = cused, p + 1 - cused
        cstart[cells], csize[cells] = p + 1, q - p
        cused = q + 1
        cells += 1
        nf += 1
    return cstart, csize, cpool, cused, origin, cells, start, size, pool, used, nf, of, fplane, fhome


@kernel
def corners(cstart, csize, cpool, nc, start, size, pool, ends, nv):
    """The vertices of every cell, `out[ptr[c]:ptr[c + 1]]`."""
    ptr = np.zeros(nc + 1, np.int64)
    out = np.empty(16 * nc + 16, np.int64)
    seen = np.full(nv, -1)
    count = 0
    for c in range(nc):
        for i in range(cstart[c], cstart[c] + csize[c]):
            f = cpool[i]
            for k in range(start[f], start[f] + size[f]):
                for side in range(2):
                    v = ends[pool[k], side]
                    if seen[v] != c:
                        seen[v] = c
                        out = grown(out, count + 1)
                        out[count] = v
                        count += 1
        ptr[c + 1] = count
    return ptr, out[:count]


@kernel
def ranges(maps, ptr, vertices, xyz):
    """The least and the largest value of affine functions over cells, from their vertices.

    maps (cells, 4, units): the value at 0, then the slopes along x, y and z.
    """
    cells, _, units = maps.shape
    low, high = np.empty((cells, units)), np.empty((cells, units))
    for c in range(cells):
        for j in range(units):
            low[c, j], high[c, j] = np.inf, -np.inf
        for i in range(ptr[c], ptr[c + 1]):
            v = vertices[i]
            x, y, z = xyz[v, 0], xyz[v, 1], xyz[v, 2]
            for j in range(units):
                d = maps[c, 0, j] + x * maps[c, 1, j] + y * maps[c, 2, j] + z * maps[c, 3, j]
                low[c, j] = min(low[c, j], d)
                high[c, j] = max(high[c, j], d)
    return low, high


@kernel
def pieces(sign, n, kinks, ptr, vertices):
    """The piece that every unit is on in each cell, from its vertices: as many kinks as one of them is above."""
    out = np.zeros((ptr.shape[0] - 1, n), np.int8)
    for c in range(ptr.shape[0] - 1):
        for k in range(kinks):
            for j in range(n):
                for i in range(ptr[c], ptr[c + 1]):
                    if sign[vertices[i], k * n + j] > 0:
                        out[c, j] += 1
                        break
    return out


@kernel
def homes(cstart, csize, cpool, nc, start, size, pool, nf, m):
    """A cell that each face and each edge belongs to."""
    of_face, of_edge = np.zeros(nf, np.int64), np.zeros(m, np.int64)
    for c in range(nc):
        for i in range(cstart[c], cstart[c] + csize[c]):
            f = cpool[i]
            of_face[f] = c
            for k in range(start[f], start[f] + size[f]):
                of_edge[pool[k]] = c
    return of_face, of_edge


@kernel
def kept(keep, cstart, csize, cpool, nc, start, size, pool, nf, ends, m, nv):
    """What the cells to keep are made of: the old numbers of faces, edges and vertices, and all lists with new ones."""
    new_f, new_e, new_v = np.full(nf, -1), np.full(m, -1), np.full(nv, -1)
    faces = edges = vertices = cells = cused = 0
    for c in range(nc):
        if keep[c]:
            cells += 1
            cused += csize[c]
            for i in range(cstart[c], cstart[c] + csize[c]):
                new_f[cpool[i]] = 0
    used = 0
    for f in range(nf):
        if new_f[f] == 0:
            new_f[f] = faces
            faces += 1
            used += size[f]
            for k in range(start[f], start[f] + size[f]):
                new_e[pool[k]] = 0
    for e in range(m):
        if new_e[e] == 0:
            new_e[e] = edges
            edges += 1
            for side in range(2):
                new_v[ends[e, side]] = 0
    for v in range(nv):
        if new_v[v] == 0:
            new_v[v] = vertices
            vertices += 1
    cs, cn, cp = np.empty(cells, np.int64), np.empty(cells, np.int64), np.empty(cused, np.int64)
    fs, fn, fp = np.empty(faces, np.int64), np.empty(faces, np.int64), np.empty(used, np.int64)
    two = np.empty((edges, 2), np.int64)
    at = i = 0
    for c in range(nc):
        if keep[c]:
            cs[i], cn[i] = at, csize[c]
            i += 1
            for k in range(cstart[c], cstart[c] + csize[c]):
                cp[at] = new_f[cpool[k]]
                at += 1
    at = 0
    for f in range(nf):
        if new_f[f] >= 0:
            fs[new_f[f]], fn[new_f[f]] = at, size[f]
            for k in range(start[f], start[f] + size[f]):
                fp[at] = new_e[pool[k]]
                at += 1
    for e in range(m):
        if new_e[e] >= 0:
            for side in range(2):
                two[new_e[e], side] = new_v[ends[e, side]]
    old = np.flatnonzero(new_f >= 0), np.flatnonzero(new_e >= 0), np.flatnonzero(new_v >= 0)
    return old, cs, cn, cp, fs, fn, fp, two


@kernel
def volumes(wanted, cstart, csize, cpool, nc, start, size, pool, ends, xyz):
    """The volume of every wanted cell, in tetrahedra from one of its vertices; 0 of the others."""
    out = np.zeros(nc)
    for c in range(nc):
        if not wanted[c]:
            continue
        o = ends[pool[start[cpool[cstart[c]]]], 0]
        x, y, z = xyz[o, 0], xyz[o, 1], xyz[o, 2]
        for i in range(cstart[c], cstart[c] + csize[c]):
            f = cpool[i]
            p = ends[pool[start[f]], 0]
            if p == o:
                continue
            px, py, pz = xyz[p, 0] - x, xyz[p, 1] - y, xyz[p, 2] - z
            for k in range(start[f] + 1, start[f] + size[f]):
                q, r = ends[pool[k], 0], ends[pool[k], 1]
                if q == o or r == o:  # then the whole face lies in a plane with the vertex
                    break
                if q == p or r == p:
                    continue
                qx, qy, qz = xyz[q, 0] - x, xyz[q, 1] - y, xyz[q, 2] - z
                rx, ry, rz = xyz[r, 0] - x, xyz[r, 1] - y, xyz[r, 2] - z
                out[c] += abs(px * (qy * rz - qz * ry) - py * (qx * rz - qz * rx) + pz * (qx * ry - qy * rx))
        out[c] /= 6
    return out


@kernel
def sheets(state, cstart, csize, cpool, nc, nf):
    """The faces on the line that have a cell above it on one side and one that is not on the other.

    Gives back those faces, the cell above and the other one of each; how many faces it only touches from one side; and
    the state of every cell: 1 above, 2 below, 0 wholly on the line.
    """
    cells = np.zeros(nc, np.int8)
    sides = np.full((nf, 2), -1)
    for c in range(nc):
        for i in range(cstart[c], cstart[c] + csize[c]):
            f = cpool[i]
            cells[c] |= state[f]
            if sides[f, 0] < 0:
                sides[f, 0] = c
            else:
                sides[f, 1] = c
    found = np.empty((16, 3), np.int64)
    count = touched = 0
    for f in range(nf):
        a, b = sides[f, 0], sides[f, 1]
        if state[f] != 0 or b < 0:
            continue
        if (cells[a] == 1) != (cells[b] == 1):
            found = grown(found, count + 1)
            found[count, 0] = f
            found[count, 1], found[count, 2] = (a, b) if cells[a] == 1 else (b, a)
            count += 1
        elif cells[a] != 0 and cells[a] == cells[b]:
            touched += 1
    return found[:count], touched, cells


@kernel
def cycles(found, start, size, pool, ends, xyz, inside):
    """The polygons: vertices and edges in order, counterclockwise seen from `inside` the cell above; and their areas.

    Edge i of a polygon leads from its vertex i to the next.
    """
    n = found.shape[0]
    ptr = np.zeros(n + 1, np.int64)
    for p in range(n):
        ptr[p + 1] = ptr[p] + size[found[p, 0]]
    vertices, edges, areas = np.empty(ptr[n], np.int64), np.empty(ptr[n], np.int64), np.empty(n)
    broken = 0
    normal = np.empty(3)
    for p in range(n):
        f, at, k = found[p, 0], ptr[p], size[found[p, 0]]
        for i in range(k):
            edges[at + i] = pool[start[f] + i]
        v = ends[edges[at], 0]
        for i in range(k):
            for q in range(i, k):
                e = edges[at + q]
                if ends[e, 0] == v or ends[e, 1] == v:
                    edges[at + q] = edges[at + i]
                    edges[at + i] = e
                    break
            e = edges[at + i]
            vertices[at + i] = v
            broken += ends[e, 0] != v and ends[e, 1] != v
            v = ends[e, 1] if ends[e, 0] == v else ends[e, 0]
        broken += v != vertices[at]
        o = xyz[vertices[at]]
        normal[:] = 0
        for i in range(1, k - 1):
            a, b = xyz[vertices[at + i]] - o, xyz[vertices[at + i + 1]] - o
            normal[0] += a[1] * b[2] - a[2] * b[1]
            normal[1] += a[2] * b[0] - a[0] * b[2]
            normal[2] += a[0] * b[1] - a[1] * b[0]
        areas[p] = np.sqrt(normal[0] ** 2 + normal[1] ** 2 + normal[2] ** 2) / 2
        w = inside[p] - o
        if normal[0] * w[0] + normal[1] * w[1] + normal[2] * w[2] < 0:
            vertices[at + 1 : at + k] = vertices[at + 1 : at + k][::-1].copy()
            edges[at : at + k] = edges[at : at + k][::-1].copy()
    return ptr, vertices, edges, areas, broken
