"""The inner loops of the enumeration in any dimension, compiled by Numba: cells as their vertices, cut line by line.

A line is one kink of one unit, `kink · n + unit`; on every cell it is a hyperplane. Bits in `pos` and `neg` say of a
vertex that it is strictly above or below a line, bits in `tight` on which of the hyperplanes that have cut so far, and
sides of the box, it lies. Vertices are shared by all cells they belong to, so all cells see the same signs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ..compiled import kernel
from ._kernels import grown

ONE = np.uint64(1)
NONE = np.uint64(0)
EMPTY = np.int64(-1)


@intrinsic
def ones_in(_typing: Any, _word: Any) -> Any:
    """How many bits of a 64-bit word are 1."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@kernel
def widened(a, words):
    """The rows with so many words."""
    if words <= a.shape[1]:
        return a
    b = np.zeros((a.shape[0], words), a.dtype)
    b[:, : a.shape[1]] = a
    return b


@kernel
def signs(rows, kinks, n, size, tolerance, pos, neg, told):
    """Fill in the signs of all lines at all vertices; `told` counts decisions and those within the tolerance."""
    for v in range(rows.shape[0]):
        for k in range(kinks.shape[0]):
            for j in range(n):
                value = rows[v, j] - kinks[k]
                line = k * n + j
                set_sign(value, tolerance * size[line], line, pos[v], neg[v], told)


@kernel(inline="always")
def set_sign(value, within, line, pos, neg, told):
    """One sign: 0 where the value is not further from 0 than `within`."""
    w, bit = line >> 6, ONE << np.uint64(line & 63)
    told[0] += 1
    if value > within:
        pos[w] |= bit
    elif value < -within:
        neg[w] |= bit
    elif value != 0:
        told[1] += 1


@kernel
def sides(pool, starts, sizes, pos, neg):
    """Of every cell: the lines that one of its vertices is above, and those that one is below."""
    cells, words = starts.shape[0], pos.shape[1]
    above, below = np.zeros((cells, words), np.uint64), np.zeros((cells, words), np.uint64)
    for c in range(cells):
        for i in range(starts[c], starts[c] + sizes[c]):
            v = pool[i]
            for w in range(words):
                above[c, w] |= pos[v, w]
                below[c, w] |= neg[v, w]
    return above, below


@kernel
def is_edge(p, q, tight, cell, dimension, common):
    """Whether two vertices of a cell are the ends of one of its edges.

    They share at least `dimension − 1` hyperplanes. Where one of them lies on `dimension` only, that is enough;
    otherwise no third vertex may lie on all they share.
    """
    count, at_p, at_q = 0, 0, 0
    words = tight.shape[1]
    for w in range(words):
        common[w] = tight[p, w] & tight[q, w]
        count += ones_in(common[w])  # pyright: ignore[reportCallIssue]
    if count < dimension - 1:
        return False
    for w in range(words):
        at_p += ones_in(tight[p, w])  # pyright: ignore[reportCallIssue]
        at_q += ones_in(tight[q, w])  # pyright: ignore[reportCallIssue]
    if at_p == dimension or at_q == dimension:
        return True
    for u in cell:
        inside = u not in (p, q)
        for w in range(words):
            if common[w] & ~tight[u, w] != NONE:
                inside = False
                break
        if inside:
            return False
    return True


@kernel
def place_of(keys, stamps, key, stamp):
    """Where in an open table this key is, or would be put."""
    mask = keys.shape[0] - 1
    i = ((key * 0x9E3779B97F4A7C1) ^ (key >> 29)) & mask
    while stamps[i] == stamp and keys[i] != key:
        i = (i + 1) & mask
    return i


@kernel
def rehashed(keys, stamps, ids, stamp):
    """The table with twice the room, with the entries of this stamp."""
    new_keys = np.empty(2 * keys.shape[0], np.int64)
    new_stamps = np.full(2 * keys.shape[0], EMPTY)
    new_ids = np.empty(2 * keys.shape[0], np.int64)
    for i in range(keys.shape[0]):
        if stamps[i] == stamp:
            to = place_of(new_keys, new_stamps, keys[i], stamp)
            new_keys[to], new_stamps[to], new_ids[to] = keys[i], stamp, ids[i]
    return new_keys, new_stamps, new_ids


@kernel
def between(p, q, to, line, n, kinks, size, tolerance, x, rows, tight, pos, neg, told):
    """Make the vertex `to` where a line crosses the edge from p to q; signs that both ends share it has too."""
    unit, kink = line % n, kinks[line // n]
    a, b = rows[p, unit] - kink, rows[q, unit] - kink
    t = a / (a - b)
    for i in range(x.shape[1]):
        x[to, i] = x[p, i] + t * (x[q, i] - x[p, i])
    for i in range(rows.shape[1]):
        rows[to, i] = rows[p, i] + t * (rows[q, i] - rows[p, i])
    rows[to, unit] = kink
    for w in range(tight.shape[1]):
        tight[to, w] = tight[p, w] & tight[q, w]
    for w in range(pos.shape[1]):
        above, below = pos[p, w] | pos[q, w], neg[p, w] | neg[q, w]
        both = above & below
        pos[to, w], neg[to, w] = above & ~both, below & ~both
        if both == NONE:
            continue
        for i in range(64):
            other = 64 * w + i
            if both >> np.uint64(i) & ONE and other != line:
                value = rows[to, other % n] - kinks[other // n]
                set_sign(value, tolerance * size[other], other, pos[to], neg[to], told)


@kernel
def grouped(cell, pos, neg, w, bit, group):
    """A cell's vertices above a line, on it and below it, and how many each."""
    if len(cell) > group.shape[1]:
        group = np.empty((3, 2 * len(cell)), np.int64)
    above, on, below = 0, 0, 0
    for v in cell:
        if pos[v, w] & bit != NONE:
            group[0, above] = v
            above += 1
        elif neg[v, w] & bit != NONE:
            group[2, below] = v
            below += 1
        else:
            group[1, on] = v
            on += 1
    return group, above, on, below


@kernel
def marked(tight, mark, vertices, pos, neg, w, bit):
    """`tight` with the hyperplane number `mark`: the vertices that are neither above nor below the line lie on it."""
    wide: Any = widened(tight, (mark >> 6) + 1)
    for v in range(vertices):
        if (pos[v, w] | neg[v, w]) & bit == NONE:
            wide[v, mark >> 6] |= ONE << np.uint64(mark & 63)
    return wide


@kernel
def crossed(cell, group, above, below, dimension, line, mark, lines, corners, vertices, table, entries, fresh, told):
    """Make the vertices where a line crosses a cell's edges, or find those that a neighbour has made; their numbers."""
    x, rows, tight, pos, neg = corners
    keys, stamps, ids = table
    n, kinks, size, tolerance = lines
    common = np.empty(tight.shape[1], np.uint64)
    new = 0
    for i in range(above):
        p = group[0, i]
        for j in range(below):
            q = group[2, j]
            if not is_edge(p, q, tight, cell, dimension, common):
                continue
            key = (p << 32) | q
            at = place_of(keys, stamps, key, line)
            if stamps[at] != line:
                if 2 * entries > keys.shape[0]:
                    keys, stamps, ids = rehashed(keys, stamps, ids, line)
                    at = place_of(keys, stamps, key, line)
                keys[at], stamps[at], ids[at] = key, line, vertices
                entries += 1
                x, rows, tight = grown(x, vertices + 1), grown(rows, vertices + 1), grown(tight, vertices + 1)
                pos, neg = grown(pos, vertices + 1), grown(neg, vertices + 1)
                between(p, q, vertices, line, n, kinks, size, tolerance, x, rows, tight, pos, neg, told)
                tight[vertices, mark >> 6] |= ONE << np.uint64(mark & 63)  # pyright: ignore[reportOperatorIssue]
                vertices += 1
            fresh = grown(fresh, new + 1)
            fresh[new] = ids[at]
            new += 1
    return (x, rows, tight, pos, neg), vertices, (keys, stamps, ids), entries, fresh, new


@kernel
def put(to, own, on, fresh, pool, used, starts, sizes, above, below, pos, neg):
    """Write a half of a cell into the pool as cell `to`: its own vertices, those on the line and the new ones."""
    total = len(own) + len(on) + len(fresh)
    pool = grown(pool, used + total)
    pool[used : used + len(own)] = own
    pool[used + len(own) : used + len(own) + len(on)] = on
    pool[used + len(own) + len(on) : used + total] = fresh
    starts[to], sizes[to] = used, total
    for w in range(pos.shape[1]):
        high, low = NONE, NONE
        for v in pool[used : used + total]:
            high |= pos[v, w]
            low |= neg[v, w]
        above[to, w], below[to, w] = high, low
    return pool, used + total


@kernel
def packed(pool, starts, sizes, cells):
    """The pool without what no cell uses any more; `starts` is written anew."""
    new = np.empty(2 * sizes[:cells].sum() + 64, np.int64)
    used = 0
    for c in range(cells):
        for i in range(sizes[c]):
            new[used + i] = pool[starts[c] + i]
        starts[c] = used
        used += sizes[c]
    return new, used


@kernel
def cut(
    dimension, x, rows, tight, pos, neg, pool, starts, sizes, above, below, kinks, n, size, tolerance, line, bits,
    most, told,
):  # fmt: skip
    """Cut all cells by the lines from `line` on, until there are more than `most` cells.

    A cell that is cut keeps its number for the half above; the half below is a new one. Gives back all arrays, of every
    cell the one of the given cells it is a part of, the line that is next, and how many hyperplanes `tight` knows.
    """
    vertices, cells, used, live = x.shape[0], starts.shape[0], pool.shape[0], pool.shape[0]
    origin = np.arange(cells)
    lines = (n, kinks, size, tolerance)
    corners = (x, rows, tight, pos, neg)
    table = (np.empty(1024, np.int64), np.full(1024, EMPTY), np.empty(1024, np.int64))
    group, fresh = np.empty((3, 64), np.int64), np.empty(64, np.int64)
    while line < kinks.shape[0] * n and cells <= most:
        w, bit = line >> 6, ONE << np.uint64(line & 63)
        entries = -1
        for c in range(cells):
            if above[c, w] & below[c, w] & bit == NONE:
                continue
            if entries < 0:  # the first cell that this line cuts
                entries = 0
                x, rows, tight, pos, neg = corners
                corners = (x, rows, marked(tight, bits, vertices, pos, neg, w, bit), pos, neg)
                bits += 1
            cell = pool[starts[c] : starts[c] + sizes[c]]
            group, high, on, low = grouped(cell, corners[3], corners[4], w, bit, group)
            corners, vertices, table, entries, fresh, new = crossed(
                cell, group, high, low, dimension, line, bits - 1, lines, corners, vertices, table, entries, fresh, told
            )
            starts, sizes, origin = grown(starts, cells + 1), grown(sizes, cells + 1), grown(origin, cells + 1)
            above, below = grown(above, cells + 1), grown(below, cells + 1)
            origin[cells] = origin[c]
            for half in range(2):
                own = group[0, :high] if half == 0 else group[2, :low]
                pool, used = put(
                    c if half == 0 else cells, own, group[1, :on], fresh[:new], pool, used, starts, sizes, above, below,
                    corners[3], corners[4],
                )  # fmt: skip
            live += on + 2 * new
            cells += 1
        if used > 3 * live + 4096:
            pool, used = packed(pool, starts, sizes, cells)
        line += 1
    x, rows, tight, pos, neg = corners
    return (
        x[:vertices], rows[:vertices], tight[:vertices], pos[:vertices], neg[:vertices], pool[:used],
        starts[:cells], sizes[:cells], above[:cells], below[:cells], origin[:cells], line, bits,
    )  # fmt: skip
