"""The inner loops of the planar complex, compiled by Numba: signs, edges, faces, rows.

Every line is one kink of one unit: line `kink · n + unit`. Signs are kept as bits, 64 lines to a word: a bit in `pos`
says that the vertex is strictly above the line, one in `neg` that it is strictly below, none that it lies on it.

All that is ever decided is the sign of a line at a vertex and the order of two lines along a segment. Both are decided
in float64 with a bound of the error, and asked of exact arithmetic where the bound leaves them open.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..compiled import kernel

NEW = 1 << 30  # ids from here on are numbered within a block of faces; they are renumbered when blocks are joined
UNIT = 2.0**-53
ONE = np.uint64(1)
NONE = np.uint64(0)


@kernel
def grown(a: Any, n: int) -> Any:
    """The array with room for n entries."""
    if n <= a.shape[0]:
        return a
    b = np.zeros((max(n, 2 * a.shape[0]),) + a.shape[1:], a.dtype)  # noqa: RUF005, which Numba cannot compile
    b[: a.shape[0]] = a
    return b


@kernel(inline="always")
def low(x):
    """The place of the lowest bit of a word that is not 0."""
    n = 0
    if x & np.uint64(0xFFFFFFFF) == NONE:
        n += 32
        x >>= np.uint64(32)
    if x & np.uint64(0xFFFF) == NONE:
        n += 16
        x >>= np.uint64(16)
    if x & np.uint64(0xFF) == NONE:
        n += 8
        x >>= np.uint64(8)
    if x & np.uint64(0xF) == NONE:
        n += 4
        x >>= np.uint64(4)
    if x & np.uint64(0x3) == NONE:
        n += 2
        x >>= np.uint64(2)
    if x & ONE == NONE:
        n += 1
    return n


@kernel
def signs(z, n, kinks, scale, steep, still, error, away, pos, neg, first, last):
    """Fill in the bits of vertices `first … last`; give back the (vertex, line) pairs that the bound leaves open."""
    asked = np.empty((16, 2), np.int64)
    count = 0
    bound = np.empty(n)
    for v in range(first, last):
        for j in range(n):
            bound[j] = error[v] * scale[j] + away[v] * steep[j] + still[j]
        for k in range(kinks.shape[0]):
            kink = kinks[k]
            extra = 4 * UNIT * abs(kink)
            for start in range(0, n, 64):
                p = NONE
                q = NONE
                end = min(start + 64, n)
                open_ = 0
                for j in range(start, end):
                    d = z[v, j] - kink
                    b = bound[j] + extra
                    bit = ONE << np.uint64(j - start)
                    p |= bit if d > b else NONE
                    q |= bit if d < -b else NONE
                    open_ += (abs(d) <= b) & (b > 0) & ((d != 0) | ~np.signbit(d))
                put(pos, v, k * n + start, p)
                put(neg, v, k * n + start, q)
                if open_:
                    for j in range(start, end):
                        b = bound[j] + extra  # 0 where nothing was rounded
                        d = z[v, j] - kink
                        if b > 0 and abs(d) <= b and not (d == 0 and np.signbit(d)):  # −0.0 is known to be 0
                            asked = grown(asked, count + 1)
                            asked[count, 0] = v
                            asked[count, 1] = k * n + j
                            count += 1
    return asked[:count]


@kernel(inline="always")
def put(words, v, line, bits):
    """Write 64 bits from place `line` on into a row of words that is 0 there."""
    w, shift = line >> 6, np.uint64(line & 63)
    words[v, w] |= bits << shift
    if shift > NONE and w + 1 < words.shape[1]:
        words[v, w + 1] |= bits >> (np.uint64(64) - shift)


@kernel(inline="always")
def decided(known, a, b, k, m):
    """What exact arithmetic has said of the order of lines k and m along the segment from a to b; 2: nothing yet."""
    for i in range(known.shape[0]):
        if known[i, 0] == a and known[i, 1] == b:
            if known[i, 2] == k and known[i, 3] == m:
                return known[i, 4]
            if known[i, 2] == m and known[i, 3] == k:
                return -known[i, 4]
    return 2


@kernel
def place(k, t, e, order, ts, es, same, count, a, b, known, asked, asks):
    """Put line k, which crosses the segment from a to b at t ± e, in its place among those before it.

    `same` marks a line that crosses where the one before it does. Gives back the asked pairs and their number.
    """
    i = count
    tie = False
    while i > 0:
        start = i - 1
        while same[start]:
            start -= 1
        d = t - ts[start]
        if d > e + es[start]:
            break
        if not d < -(e + es[start]):
            answer = decided(known, a, b, k, order[start])
            if answer == 2:
                asked = grown(asked, asks + 1)
                asked[asks, 0] = a
                asked[asks, 1] = b
                asked[asks, 2] = k
                asked[asks, 3] = order[start]
                asks += 1
                answer = 0
            if answer > 0:
                break
            if answer == 0:
                tie = True
                break
        i = start
    for j in range(count, i, -1):
        order[j] = order[j - 1]
        ts[j] = ts[j - 1]
        es[j] = es[j - 1]
        same[j] = same[j - 1]
    order[i] = k
    ts[i] = t
    es[i] = e
    same[i] = tie
    return asked, asks


@kernel(inline="always")
def parameter(za, zb, kink, ea, eb):
    """Where a function that is za ± ea at one end and zb ± eb at the other meets the kink, and the error of that.

    With a and b the distances from the kink, t = a / (a + b) is off by at most
    (b ea + a eb) / (a + b) / (a + b − ea − eb).
    """
    a, b = abs(za - kink), abs(zb - kink)
    ea += 2 * UNIT * abs(kink)
    eb += 2 * UNIT * abs(kink)
    d = a + b
    if not d > 2 * (ea + eb):
        return 0.5, 1.0
    return a / d, (b * ea + a * eb) / d / (d - ea - eb) * 1.0001 + 8 * UNIT


@kernel
def cut_edges(first, last, ends, pos, neg, z, n, kinks, scale, steep, still, error, xy, aside, known):
    """Where the lines cross the edges `first … last`, in order.

    Gives back how many new vertices each edge has; of each vertex its line, its place t between the ends of its edge,
    how far that may be off, and how far the vertex; its bits; and the open pairs.
    """
    nw = pos.shape[1]
    counts = np.zeros(last - first, np.int64)
    line, t_of, e_of, d_of = np.empty(256, np.int32), np.empty(256), np.empty(256), np.empty(256)
    p_of, q_of = np.empty((256, nw), np.uint64), np.empty((256, nw), np.uint64)
    order, ts, es, same = np.empty(16, np.int64), np.empty(16), np.empty(16), np.zeros(16, np.bool_)
    asked = np.empty((16, 4), np.int64)
    asks, total = 0, 0
    for e in range(first, last):
        u, v = ends[e, 0], ends[e, 1]
        count = 0
        for w in range(nw):
            x = (pos[u, w] & neg[v, w]) | (neg[u, w] & pos[v, w])
            while x != NONE:
                k = (w << 6) + low(x)
                x &= x - ONE
                order, ts, es, same = (
                    grown(order, count + 1),
                    grown(ts, count + 1),
                    grown(es, count + 1),
                    grown(same, count + 1),
                )
                j = k % n
                more = aside[e] * steep[j] + still[j]
                t, err = parameter(
                    z[u, j], z[v, j], kinks[k // n], error[u] * scale[j] + more, error[v] * scale[j] + more
                )
                if count == 0:
                    order[0], ts[0], es[0], same[0] = k, t, err, False
                else:
                    asked, asks = place(k, t, err, order, ts, es, same, count, u, v, known, asked, asks)
                count += 1
        if count == 0:
            continue
        length = np.sqrt((xy[u, 0] - xy[v, 0]) ** 2 + (xy[u, 1] - xy[v, 1]) ** 2)
        i = 0
        while i < count:
            stop = i + 1
            while stop < count and same[stop]:
                stop += 1
            line, t_of = grown(line, total + 1), grown(t_of, total + 1)
            e_of, d_of = grown(e_of, total + 1), grown(d_of, total + 1)
            p_of, q_of = grown(p_of, total + 1), grown(q_of, total + 1)
            best = i
            for s in range(i + 1, stop):
                if es[s] < es[best]:
                    best = s
            line[total], t_of[total], d_of[total] = order[best], ts[best], es[best]
            e_of[total] = length * es[best] + aside[e]
            for w in range(nw):
                x = (pos[u, w] & neg[v, w]) | (neg[u, w] & pos[v, w])
                p_of[total, w] = (pos[u, w] | pos[v, w]) & ~x
                q_of[total, w] = (neg[u, w] | neg[v, w]) & ~x
            for s in range(count):
                if i <= s < stop:
                    continue
                w, bit = order[s] >> 6, ONE << np.uint64(order[s] & 63)
                near = v if s < i else u
                if pos[near, w] & bit:
                    p_of[total, w] |= bit
                else:
                    q_of[total, w] |= bit
            counts[e - first] += 1
            total += 1
            i = stop
    return (
        counts, line[:total], t_of[:total], e_of[:total], d_of[:total], p_of[:total], q_of[:total], asked[:asks]
    )  # fmt: skip


@kernel(inline="always")
def value(z, old, nu, nv, nt, v, j):
    """A unit at a vertex: one that was there, or one on an edge."""
    if v < old:
        return z[v, j]
    i = v - old
    return z[nu[i], j] + nt[i] * (z[nv[i], j] - z[nu[i], j])


@kernel(inline="always")
def triangle(first, last, fv, xy):
    """Three vertices of a face that lie far apart: the length of the first side, the height, and the height's foot."""
    a = b = c = fv[first]
    side = 0.0
    for i in range(first + 1, last):
        length = (xy[fv[i], 0] - xy[a, 0]) ** 2 + (xy[fv[i], 1] - xy[a, 1]) ** 2
        if length > side:
            side, b = length, fv[i]
    side = max(np.sqrt(side), 1e-300)
    dx, dy = (xy[b, 0] - xy[a, 0]) / side, (xy[b, 1] - xy[a, 1]) / side
    height, along = 0.0, 0.0
    for i in range(first + 1, last):
        x, y = xy[fv[i], 0] - xy[a, 0], xy[fv[i], 1] - xy[a, 1]
        if abs(dx * y - dy * x) > height:
            height, c, along = abs(dx * y - dy * x), fv[i], (dx * x + dy * y) / side
    return a, b, c, side, max(height, 1e-300), along


@kernel
def cut_faces(
    first,
    last,
    faces,
    ptr,
    fv,
    fe,
    ends,
    start_of,
    pos,
    neg,
    z,
    n,
    kinks,
    scale,
    steep,
    still,
    error,
    xy,
    nu,
    nv,
    nt,
    known,
):
    """Cut the faces `faces[first … last]` by all lines that cross them.

    `start_of[e]` is the number of the first new vertex of edge e, and of its first new edge when e is added. A face is
    split along one line after the other; the new edge is cut at once by all others that cross it, in their order, so
    both sides find the same vertices on it.

    Gives back the new faces (sizes, vertices, edges, parents, bits of the units above their kinks); the new vertices
    (ends of the chord, line, the chord's own line, t, how far that may be off, and how far the vertex); the new edges
    (ends, line, how far the line may lie beside it); the open pairs; and the faces to be cut again for them.
    """
    nw, old = pos.shape[1], z.shape[0]
    sizes, parents = np.empty(256, np.int32), np.empty(256, np.int32)
    above = np.empty((256, nw), np.uint64)
    ov, oe = np.empty(1024, np.int32), np.empty(1024, np.int32)
    wa, wb, wline, won = np.empty(64, np.int32), np.empty(64, np.int32), np.empty(64, np.int32), np.empty(64, np.int32)
    wt, wd, wfar = np.empty(64), np.empty(64), np.empty(64)
    ea, eb, eline = np.empty(64, np.int32), np.empty(64, np.int32), np.empty(64, np.int32)
    easide, aside, rise = np.empty(64), np.empty(64), np.empty(64)
    n_faces, n_out, n_vertices, n_edges = 0, 0, 0, 0
    asked, again = np.empty((16, 4), np.int64), np.empty(16, np.int64)
    asks, n_again = 0, 0
    cross, whole_pos = np.empty(nw, np.uint64), np.empty(nw, np.uint64)
    lines, chord_a, chord_b = np.empty(64, np.int64), np.empty(64, np.int64), np.empty(64, np.int64)
    lid = np.empty(256, np.int64)
    lpos, lneg = np.empty(256, np.uint64), np.empty(256, np.uint64)
    pv, pe = np.empty(1024, np.int64), np.empty(1024, np.int64)
    tv, te = np.empty(256, np.int64), np.empty(256, np.int64)
    pstart = np.empty(64, np.int64)
    order, ts, es, same = np.empty(64, np.int64), np.empty(64), np.empty(64), np.zeros(64, np.bool_)
    for number in range(first, last):
        f = faces[number]
        crossed = False
        for w in range(nw):
            p, q = NONE, NONE
            for i in range(ptr[f], ptr[f + 1]):
                p |= pos[fv[i], w]
                q |= neg[fv[i], w]
            whole_pos[w] = p
            cross[w] = p & q
            crossed |= cross[w] != NONE
        if not crossed:
            size = ptr[f + 1] - ptr[f]
            if n_faces == sizes.shape[0]:
                sizes, parents, above = (
                    grown(sizes, n_faces + 1),
                    grown(parents, n_faces + 1),
                    grown(above, n_faces + 1),
                )
            if n_out + size > ov.shape[0]:
                ov, oe = grown(ov, n_out + size), grown(oe, n_out + size)
            for i in range(size):
                ov[n_out + i] = fv[ptr[f] + i]
                e = fe[ptr[f] + i]
                oe[n_out + i] = start_of[e] + e
            sizes[n_faces], parents[n_faces] = size, f
            above[n_faces] = whole_pos
            n_faces += 1
            n_out += size
            continue
        marks = n_faces, n_out, n_vertices, n_edges, asks
        c = 0
        for w in range(nw):
            x = cross[w]
            while x != NONE:
                if c == lines.shape[0]:
                    lines = grown(lines, c + 1)
                lines[c] = (w << 6) + low(x)
                c += 1
                x &= x - ONE
        nl = (c + 63) >> 6
        if c > order.shape[0]:
            chord_a, chord_b, rise, aside = grown(chord_a, c), grown(chord_b, c), grown(rise, c), grown(aside, c)
            order, ts, es, same = grown(order, c), grown(ts, c), grown(es, c), grown(same, c)
        worst = 0.0
        for i in range(ptr[f], ptr[f + 1]):
            worst = max(worst, error[fv[i]])
        p0, p1, p2, across, height, along = triangle(ptr[f], ptr[f + 1], fv, xy)
        for j in range(c):
            # A line is where its function is 0, and that is known to `scale`: so it lies within that over its slope.
            unit = lines[j] % n
            off = (worst + 1) * scale[unit] + still[unit] + 2 * UNIT * abs(kinks[lines[j] // n])
            d1, d2 = z[p1, unit] - z[p0, unit], z[p2, unit] - z[p0, unit]
            slope = np.hypot(d1 / across, (d2 - along * d1) / height)
            unsure = 2 * off / across + 4 * off / height
            rise[j] = min(steep[unit], slope + unsure)
            aside[j] = 2 * off / (slope - unsure) if slope > 2 * unsure else np.inf
        # The boundary, with the new vertices on its edges.
        m = ptr[f + 1] - ptr[f]
        for i in range(ptr[f], ptr[f + 1]):
            m += start_of[fe[i] + 1] - start_of[fe[i]]
        if m > lid.shape[0]:
            lid = grown(lid, m)
        if m > pv.shape[0]:
            pv, pe = grown(pv, m), grown(pe, m)
        m = 0
        for i in range(ptr[f], ptr[f + 1]):
            v, e = fv[i], fe[i]
            count = start_of[e + 1] - start_of[e]
            forward = ends[e, 0] == v
            lid[m] = v
            pe[m] = start_of[e] + e + (0 if forward else count)
            pv[m] = m
            m += 1
            for r in range(count):
                lid[m] = old + start_of[e] + (r if forward else count - 1 - r)
                pe[m] = start_of[e] + e + (r + 1 if forward else count - 1 - r)
                pv[m] = m
                m += 1
        if m * nl > lpos.shape[0]:
            lpos, lneg = grown(lpos, m * nl), grown(lneg, m * nl)
        for i in range(m * nl):
            lpos[i], lneg[i] = NONE, NONE
        good = True
        for j in range(c):
            w, bit = lines[j] >> 6, ONE << np.uint64(lines[j] & 63)
            here, local = j >> 6, ONE << np.uint64(j & 63)
            on = 0
            for i in range(m):
                if pos[lid[i], w] & bit:
                    lpos[i * nl + here] |= local
                elif neg[lid[i], w] & bit:
                    lneg[i * nl + here] |= local
                else:
                    if on == 0:
                        chord_a[j] = i
                    else:
                        chord_b[j] = i
                    on += 1
            good &= on == 2
        n_local = m
        depth = 0
        pstart[0] = 0
        top = m
        if good:
            depth = 1
        while depth > 0:
            # Take the polygon on top of the stack.
            begin = pstart[depth - 1]
            size = top - begin
            if size > tv.shape[0]:
                tv, te = grown(tv, size), grown(te, size)
            j = -1
            for w in range(nl):
                p, q = NONE, NONE
                for i in range(begin, top):
                    p |= lpos[pv[i] * nl + w]
                    q |= lneg[pv[i] * nl + w]
                if p & q:
                    j = (w << 6) + low(p & q)
                    break
            if j < 0:
                if n_faces == sizes.shape[0]:
                    sizes, parents = grown(sizes, n_faces + 1), grown(parents, n_faces + 1)
                    above = grown(above, n_faces + 1)
                if n_out + size > ov.shape[0]:
                    ov, oe = grown(ov, n_out + size), grown(oe, n_out + size)
                for w in range(nw):
                    above[n_faces, w] = whole_pos[w] & ~cross[w]
                for w in range(nl):
                    p = NONE
                    for i in range(begin, top):
                        p |= lpos[pv[i] * nl + w]
                    while p != NONE:
                        k = lines[(w << 6) + low(p)]
                        above[n_faces, k >> 6] |= ONE << np.uint64(k & 63)
                        p &= p - ONE
                for i in range(size):
                    ov[n_out + i] = lid[pv[begin + i]]
                    oe[n_out + i] = pe[begin + i]
                sizes[n_faces], parents[n_faces] = size, f
                n_faces += 1
                n_out += size
                depth -= 1
                top = begin
                continue
            w, bit = j >> 6, ONE << np.uint64(j & 63)
            at_a, at_b, on = -1, -1, 0
            for i in range(size):
                tv[i], te[i] = pv[begin + i], pe[begin + i]
                if (lpos[tv[i] * nl + w] | lneg[tv[i] * nl + w]) & bit == NONE:
                    if on == 0:
                        at_a = i
                    else:
                        at_b = i
                    on += 1
            if on != 2:
                good = False
                break
            a, b = tv[at_a], tv[at_b]
            # The lines that cross the new edge, from a to b, by their place on the whole chord.
            left, right, turned = lid[chord_a[j]], lid[chord_b[j]], False
            count = 0
            for w in range(nl):
                x = (lpos[a * nl + w] & lneg[b * nl + w]) | (lneg[a * nl + w] & lpos[b * nl + w])
                while x != NONE:
                    k = (w << 6) + low(x)
                    bit = ONE << np.uint64(k & 63)
                    x &= x - ONE
                    if count == 0:
                        turned = (lpos[a * nl + w] & bit != NONE) != (lpos[chord_a[j] * nl + w] & bit != NONE)
                        if turned:
                            left, right = right, left
                    unit, kink = lines[k] % n, kinks[lines[k] // n]
                    za = value(z, old, nu, nv, nt, left, unit)
                    zb = value(z, old, nu, nv, nt, right, unit)
                    more = aside[j] * rise[k] + (worst + 1) * scale[unit] + still[unit]
                    t, err = parameter(za, zb, kink, more, more)
                    if count == 0:
                        order[0], ts[0], es[0], same[0] = lines[k], t, err, False
                    else:
                        asked, asks = place(
                            lines[k], t, err, order, ts, es, same, count, left, right, known, asked, asks
                        )
                    count += 1
            groups = 0
            base = n_local
            if base + count > lid.shape[0]:
                lid = grown(lid, base + count)
            if (base + count) * nl > lpos.shape[0]:
                lpos, lneg = grown(lpos, (base + count) * nl), grown(lneg, (base + count) * nl)
            if n_vertices + count > wa.shape[0]:
                new = n_vertices + count
                wa, wb, wline, won = grown(wa, new), grown(wb, new), grown(wline, new), grown(won, new)
                wt, wd, wfar = grown(wt, new), grown(wd, new), grown(wfar, new)
            i = 0
            while i < count:
                stop = i + 1
                while stop < count and same[stop]:
                    stop += 1
                won[n_vertices] = lines[j]
                best = i
                for s in range(i + 1, stop):
                    if es[s] < es[best]:
                        best = s
                wa[n_vertices], wb[n_vertices] = left, right
                wline[n_vertices], wt[n_vertices], wd[n_vertices] = order[best], ts[best], es[best]
                wfar[n_vertices] = across * es[best] + aside[j]
                lid[n_local] = NEW + n_vertices
                for w in range(nl):
                    pa, na = lpos[a * nl + w], lneg[a * nl + w]
                    pb, nb = lpos[b * nl + w], lneg[b * nl + w]
                    x = (pa & nb) | (na & pb)
                    lpos[n_local * nl + w] = (pa | pb) & ~x
                    lneg[n_local * nl + w] = (na | nb) & ~x
                for s in range(count):
                    if i <= s < stop:
                        continue
                    k = np.searchsorted(lines[:c], order[s])
                    w, bit = k >> 6, ONE << np.uint64(k & 63)
                    near = b if s < i else a
                    if lpos[near * nl + w] & bit:
                        lpos[n_local * nl + w] |= bit
                    else:
                        lneg[n_local * nl + w] |= bit
                n_vertices += 1
                n_local += 1
                groups += 1
                i = stop
            if n_edges + groups >= ea.shape[0]:
                new = n_edges + groups + 1
                ea, eb, eline, easide = grown(ea, new), grown(eb, new), grown(eline, new), grown(easide, new)
            for r in range(groups + 1):
                ea[n_edges + r] = lid[a] if r == 0 else lid[base + r - 1]
                eb[n_edges + r] = lid[b] if r == groups else lid[base + r]
                eline[n_edges + r], easide[n_edges + r] = lines[j], aside[j]
            # Both halves, each with the new vertices.
            top = begin
            if top + size + 2 * groups + 2 > pv.shape[0]:
                new = top + size + 2 * groups + 2
                pv, pe = grown(pv, new), grown(pe, new)
            if depth + 2 > pstart.shape[0]:
                pstart = grown(pstart, depth + 2)
            for i in range(at_a, at_b):
                pv[top], pe[top] = tv[i], te[i]
                top += 1
            pv[top], pe[top] = b, NEW + n_edges + groups
            top += 1
            for r in range(groups - 1, -1, -1):
                pv[top], pe[top] = base + r, NEW + n_edges + r
                top += 1
            pstart[depth] = top
            for i in range(at_b, at_a + size):
                pv[top], pe[top] = tv[i % size], te[i % size]
                top += 1
            pv[top], pe[top] = a, NEW + n_edges
            top += 1
            for r in range(groups):
                pv[top], pe[top] = base + r, NEW + n_edges + r + 1
                top += 1
            n_edges += groups + 1
            depth += 1
        if not good or asks > marks[4]:
            n_faces, n_out, n_vertices, n_edges = marks[0], marks[1], marks[2], marks[3]
            again = grown(again, n_again + 1)
            again[n_again] = f
            n_again += 1
    return (
        (sizes[:n_faces], ov[:n_out], oe[:n_out], parents[:n_faces], above[:n_faces]),
        (
            wa[:n_vertices],
            wb[:n_vertices],
            wline[:n_vertices],
            won[:n_vertices],
            wt[:n_vertices],
            wd[:n_vertices],
            wfar[:n_vertices],
        ),
        (ea[:n_edges], eb[:n_edges], eline[:n_edges], easide[:n_edges]),
        asked[:asks],
        again[:n_again],
    )


@kernel
def rows(first, last, z, nu, nv, nt, wa, wb, wt, line, on, n, kinks, error, out):
    """The values at new vertices `first … last`, those on edges first, into the rows of `out`, and their errors.

    They are those at the vertex as it is in floats: between two known ones, with one more rounding.
    """
    old, on_edges, width = z.shape[0], nu.shape[0], z.shape[1]
    for i in range(first, last):
        row = i - first
        if i < on_edges:
            u, v, t = nu[i], nv[i], nt[i]
            for j in range(width):
                out[row, j] = (1 - t) * z[u, j] + t * z[v, j]  # so that −0.0 between two of them stays
            error[old + i] = 1 + max(error[u], error[v])
        else:
            a, b, t = wa[i - on_edges], wb[i - on_edges], wt[i - on_edges]
            au, av, at = (a, a, 0.0) if a < old else (nu[a - old], nv[a - old], nt[a - old])
            bu, bv, bt = (b, b, 0.0) if b < old else (nu[b - old], nv[b - old], nt[b - old])
            for j in range(width):
                p = (1 - at) * z[au, j] + at * z[av, j]
                q = (1 - bt) * z[bu, j] + bt * z[bv, j]
                out[row, j] = (1 - t) * p + t * q
            error[old + i] = 2 + max(max(error[au], error[av]), max(error[bu], error[bv]))
        # What lies on a line is known to be at its kink.
        kink = kinks[line[i] // n]
        out[row, line[i] % n] = kink if kink != 0 else -0.0
        if i >= on_edges:
            kink = kinks[on[i - on_edges] // n]
            out[row, on[i - on_edges] % n] = kink if kink != 0 else -0.0
