"""The inner loops of joining tiles, compiled by Numba: numbers that are the same, and polygons without what is gone."""

from __future__ import annotations

import numpy as np

from ..compiled import kernel


@kernel
def root(parent, i):
    """The number that stands for i and all that are the same."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def unite(parent, a, b):
    """Each a[i] and b[i] are the same from now on; the one that stands for a stands for both."""
    for i in range(a.shape[0]):
        x, y = root(parent, a[i]), root(parent, b[i])
        if x != y:
            parent[y] = x


@kernel
def roots(parent):
    """Make every number point to the one that stands for it."""
    for i in range(parent.shape[0]):
        parent[i] = root(parent, i)


@kernel
def polygons(members, group, ptr, fv, fe, vertex, edge, gone, dropped, sizes, out_v, out_e, ends):
    """The polygons of faces that are joined: those of `members` with the same `group`, which come side by side.

    What is left of their edges is a cycle; `dropped` vertices on it are no corners of the joined face. Writes the
    polygons, and the `ends` of their edges. Gives back how many groups and entries there are; −1 where edges do not
    close.
    """
    onward = np.empty(vertex.shape[0], np.int32)
    arcs = np.empty(64, np.int32)
    groups, count = 0, 0
    i = 0
    while i < members.shape[0]:
        stop = i
        n = 0
        while stop < members.shape[0] and group[stop] == group[i]:
            f = members[stop]
            for k in range(ptr[f], ptr[f + 1]):
                if gone[edge[fe[k]]]:
                    continue
                if n == arcs.shape[0]:
                    more = np.empty(2 * n, np.int32)
                    more[:n] = arcs
                    arcs = more
                arcs[n] = k
                n += 1
                onward[vertex[fv[k]]] = k
            stop += 1
        first = -1
        for a in range(n):
            if not dropped[vertex[fv[arcs[a]]]]:
                first = arcs[a]
                break
        if first < 0:
            return -1, 0
        k, begin, walked = first, count, 0
        while True:
            v = vertex[fv[k]]
            if not dropped[v]:
                out_v[count], out_e[count] = v, edge[fe[k]]
                count += 1
            f = np.searchsorted(ptr, k, side="right") - 1
            after = k + 1 if k + 1 < ptr[f + 1] else ptr[f]
            k = onward[vertex[fv[after]]]
            walked += 1
            if k == first or walked > n:
                break
        if walked != n:
            return -1, 0
        for k in range(begin, count):
            after = k + 1 if k + 1 < count else begin
            ends[out_e[k], 0], ends[out_e[k], 1] = out_v[k], out_v[after]
        sizes[groups] = count - begin
        groups += 1
        i = stop
    return groups, count
