"""A convex polygon in a plane, cut by one bend of a network after the other into the regions it is linear in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from ..affine import ROUNDING, Bend
from ..errors import GeometryError
from ..machine import free_memory, one_thread_each
from . import _kernels as kernels
from ._exact import Exact, Point, crossing, point_of
from ._flow import Flow, Rows, Stage
from ._mesh import Mesh, short
from ._narrow_flow import NarrowFirst, NarrowFlow, NarrowStage
from ._original import Original

LOOSE = 1e-3  # a vertex whose place on its segment is no better known than this is placed by exact arithmetic,
FAR = 1e-5  # unless it is off by less than this part of the whole
ROWS, FACES, EDGES = 2048, 1024, 8192  # how many of each are worked on at a time
Report = Callable[[int, int, int], None]  # bend, of how many, faces so far


class FlatLeader(Exception):
    """A unit that was not to be is 0 on a whole face."""


class Cutter:
    """Cuts a mesh by the bends of a network, stage by stage; the mesh's coordinates are the network's input."""

    def __init__(
        self, flow: Flow | NarrowFlow, exact: Exact | Original, mesh: Mesh, threads: int, most: int,
        report: Report | None = None,
    ):  # fmt: skip
        self.flow, self.exact, self.mesh = flow, exact, mesh
        self.threads, self.most, self.report = threads, most, report
        self.points: dict[int, Point] = {}
        self.watched: dict[int, list[int]] = {}  # of some bends lines that must not be 0 on a whole face
        self.one_at_a_time = Lock()
        self.done = 0

    def run(self, start: int = 0, rows: Rows | None = None) -> Rows:
        """Cut by all bends from number `start` on, before which the vertices have these rows.

        Gives back the rows behind the last bend, the network's outputs; or, where there are more than `most` faces,
        those before the first bend that was left out.
        """
        rows = rows or self.first_rows()
        with ThreadPoolExecutor(self.threads) as pool, one_thread_each():
            for i, stage in enumerate(self.flow.stages[start:], start):
                if self.mesh.faces > self.most:
                    break
                if self.report:
                    self.report(i, len(self.flow.stages), self.mesh.faces)
                rows = self.stage(i, stage, rows, pool)
                self.done = i + 1
        return rows

    def first_rows(self) -> Rows:
        """The rows of the corners before the first bend."""
        xy = self.mesh.xy
        return first_rows(self.flow.first, xy, np.array([[0.0], [1.0], [0.0]]).repeat(xy.shape[1], 1))

    def each(self, pool: ThreadPoolExecutor, work: Callable[[int, int], Any], count: int, size: int) -> list[Any]:
        """`work(first, last)` for all parts of a range, in order."""
        starts = range(0, count, size)
        if self.threads == 1 or len(starts) < 2:
            return [work(i, min(i + size, count)) for i in starts]
        return list(pool.map(lambda i: work(i, min(i + size, count)), starts))

    def stage(self, number: int, stage: Stage | NarrowStage, rows: Rows, pool: ThreadPoolExecutor) -> Rows:
        """Cut by one bend; the rows of all vertices before the next."""
        mesh, bend, n, z, scale = self.mesh, stage.bend, stage.n, rows.values, rows.scale
        off = mesh.error.max() * scale[0] + mesh.away.max() * scale[1] + scale[2]
        pos, neg = self.signs(number, bend, z, n, scale, pool)
        for line in self.watched.get(number, []):
            beside = ((pos | neg)[:, line >> 6] >> np.uint64(line & 63) & np.uint64(1))[mesh.vertices]
            if not np.bitwise_or.reduceat(beside, mesh.ptr[:-1]).all():
                raise FlatLeader
        edges = self.edges(number, bend, z, n, scale, pos, neg, pool)
        faces = self.faces(number, bend, z, n, scale, edges, pool)
        found, low, high = self.next_rows(number, stage, z, n, scale, edges, faces, pool)
        return Rows(found, low, high, stage.bounds(rows, low, high, off))

    def signs(
        self, number: int, bend: Bend, z: np.ndarray, n: int, scale: np.ndarray, pool: ThreadPoolExecutor
    ) -> tuple[np.ndarray, np.ndarray]:
        """On which side of every line every vertex lies, as bits."""
        mesh = self.mesh
        words = -(-n * len(bend.kinks) // 64)
        pos, neg = (np.zeros((len(z), words), np.uint64) for _ in range(2))
        open_ = self.each(
            pool,
            lambda a, b: kernels.signs(
                z, n, bend.kinks, scale[0], scale[1], scale[2], mesh.error, mesh.away, pos, neg, a, b
            ),
            len(z),
            ROWS,
        )
        mesh.signs += len(z) * n * len(bend.kinks)
        asked = np.concatenate(open_)
        if isinstance(self.exact, Original) and bend.kinks.tolist() == [0] and len(asked):
            at, units = asked.T
            zero = self.exact.zeros(mesh.xy[at], mesh.away[at], number, units, lambda i: self.point(int(at[i])))
            asked = asked[~zero]
        for v, line in asked.tolist():
            sign = self.exact.sign(self.point(v), number, line % n, line // n)
            mesh.exact += 1
            if sign:
                (pos if sign > 0 else neg)[v, line >> 6] |= np.uint64(1 << (line & 63))
        return pos, neg

    def edges(self, number: int, bend: Bend, z: Any, n: int, scale: Any, pos: Any, neg: Any, pool: Any) -> EdgeCuts:
        """Where the lines cross the edges."""
        mesh = self.mesh
        known = np.zeros((0, 5), np.int64)

        def work(a: int, b: int) -> Any:
            seen = known
            while True:
                found = kernels.cut_edges(
                    a, b, mesh.ends, pos, neg, z, n, bend.kinks, scale[0], scale[1], scale[2], mesh.error,
                    mesh.xy, mesh.aside, seen,
                )  # fmt: skip
                if not len(found[-1]):
                    return found
                seen = np.concatenate([seen, self.ordered(number, n, found[-1])])

        parts = self.each(pool, work, len(mesh.ends), EDGES)
        counts, line, t, away, slack, p, q = (np.concatenate([part[i] for part in parts]) for i in range(7))
        start = np.concatenate([[0], np.cumsum(counts)])
        edge = np.repeat(np.arange(len(counts)), counts)
        return EdgeCuts(
            start, mesh.ends[edge, 0], mesh.ends[edge, 1], line, t, slack, away,
            np.concatenate([pos, p]), np.concatenate([neg, q]),
        )  # fmt: skip

    def ordered(self, number: int, n: int, asked: np.ndarray) -> np.ndarray:
        """The exact order of two lines along a segment, for each (a, b, line, line) asked: −1, 0 or 1."""
        answers = np.empty((len(asked), 5), np.int64)
        answers[:, :4] = asked
        with self.one_at_a_time:  # threads share what is known of a point, and the count
            for row in answers:
                a, b, k, m = row[:4].tolist()
                row[4] = self.order(number, n, self.point(a), self.point(b), k, m)
            self.mesh.exact += len(asked)
        return answers

    def order(self, number: int, n: int, a: Point, b: Point, k: int, m: int) -> int:
        (ka, kb), (ma, mb) = ([self.exact.kinked(p, number, i % n, i // n) for p in (a, b)] for i in (k, m))
        # t = |f(a)| / (|f(a)| + |f(b)|) of both, over common denominators.
        ka, kb = abs(ka[0]) * kb[1], abs(kb[0]) * ka[1]
        ma, mb = abs(ma[0]) * mb[1], abs(mb[0]) * ma[1]
        difference = ka * (ma + mb) - ma * (ka + kb)
        return (difference > 0) - (difference < 0)

    def faces(self, number: int, bend: Bend, z: Any, n: int, scale: Any, edges: EdgeCuts, pool: Any) -> FaceCuts:
        """Cut every face by the lines that cross it, and put the new mesh together but for its new vertices' places."""
        mesh = self.mesh
        self.edge_cuts, self.old = edges, len(z)
        self.number, self.n = number, n

        def work(a: int, b: int) -> list[Any]:
            numbers, found = np.arange(a, b), []
            seen = np.zeros((0, 5), np.int64)
            for _ in range(100):
                part = kernels.cut_faces(
                    0, len(numbers), numbers, mesh.ptr, mesh.vertices, mesh.edges, mesh.ends, edges.start, edges.pos,
                    edges.neg, z, n, bend.kinks, scale[0], scale[1], scale[2], mesh.error,
                    mesh.xy, edges.u, edges.v, edges.t, seen,
                )  # fmt: skip
                found.append([tuple(map(np.copy, arrays)) for arrays in part[:3]])  # the buffers are twice as long
                if not len(part[4]):
                    return found
                numbers = part[4]
                seen = np.concatenate([seen, self.ordered(number, n, part[3])])
            raise GeometryError(
                "The order of some lines could not be told even exactly. This is a mistake in Pellucid, not yours."
            )

        found = [part for parts in self.each(pool, work, mesh.faces, FACES) for part in parts]
        return self.put_together(number, found, edges)

    def put_together(self, number: int, found: list[Any], edges: EdgeCuts) -> FaceCuts:
        mesh, old = self.mesh, self.old
        on_edges = len(edges.u)
        split = edges.start[-1] + len(mesh.ends)
        first_vertex = old + on_edges + np.cumsum([0, *(len(v[0]) for _, v, _ in found)])
        first_edge = split + np.cumsum([0, *(len(e[0]) for _, _, e in found)])

        def renumbered(parts: list[np.ndarray], firsts: np.ndarray) -> np.ndarray:
            for part, start in zip(parts, firsts, strict=False):
                part[part >= kernels.NEW] += start - kernels.NEW
            return np.concatenate(parts)

        vertices = renumbered([f[1] for f, _, _ in found], first_vertex)
        face_edges = renumbered([f[2] for f, _, _ in found], first_edge)
        ea, eb = (renumbered([e[i] for _, _, e in found], first_vertex) for i in (0, 1))
        eline = np.concatenate([e[2] for _, _, e in found])
        wa, wb, wline, on, wt, slack, away = (np.concatenate([v[i] for _, v, _ in found]) for i in range(7))
        easide = np.concatenate([e[3] for _, _, e in found])
        # The old edges in their pieces.
        counts = np.diff(edges.start)
        ends = np.empty((split, 2), np.int32)
        firsts = edges.start[:-1] + np.arange(len(counts))
        ends[firsts, 0] = mesh.ends[:, 0]
        ends[firsts + counts, 1] = mesh.ends[:, 1]
        inner = np.delete(np.arange(split), firsts)  # the pieces that begin at a new vertex
        ends[inner, 0] = old + np.arange(on_edges)
        ends[inner - 1, 1] = old + np.arange(on_edges)
        drawn = np.repeat(mesh.drawn, counts + 1, 0)
        sizes = np.concatenate([f[0] for f, _, _ in found])
        mesh.ends = np.concatenate([ends, np.stack([ea, eb], 1)])
        mesh.drawn = short(np.concatenate([drawn, np.stack([np.full(len(eline), number), eline], 1)]))
        mesh.aside = np.concatenate([np.repeat(mesh.aside, counts + 1), easide])
        mesh.away = np.concatenate([mesh.away, edges.away, away])
        mesh.ptr = np.concatenate([[0], np.cumsum(sizes)])
        mesh.vertices, mesh.edges = vertices, face_edges
        mesh.parents.append(np.concatenate([f[3] for f, _, _ in found]))
        mesh.above.append(np.concatenate([f[4] for f, _, _ in found]))
        line = np.concatenate([edges.line, wline])
        between = [mesh.between, np.stack([edges.u, edges.v], 1), np.stack([wa, wb], 1)]
        mesh.between = np.concatenate(between)
        mesh.cut = short(np.concatenate([mesh.cut, np.stack([np.full(len(line), number), line], 1)]))
        return FaceCuts(wa, wb, on, wt, slack, line)

    def next_rows(
        self, number: int, stage: Stage | NarrowStage, z: Any, n: int, scale: Any, edges: EdgeCuts, faces: FaceCuts,
        pool: Any,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
        """The rows of all vertices before the next bend, and their range; also the new vertices' places and errors."""
        mesh, old, new = self.mesh, len(z), len(faces.line)
        error = np.concatenate([mesh.error, np.empty(new)])
        xy = np.concatenate([mesh.xy, np.empty((new, 2))])
        between = mesh.between
        on_edges = slice(old, old + len(edges.u))
        lerp(xy, on_edges, between, edges.t)
        lerp(xy, slice(on_edges.stop, old + new), between, faces.t)
        far = FAR * np.ptp(mesh.xy, axis=0).max()
        loose = np.flatnonzero((np.concatenate([edges.slack, faces.slack]) > LOOSE) & (mesh.away[old:] > far))
        for v in old + loose:
            *place, q = self.point(int(v))
            xy[v] = [c / q for c in place]
            mesh.away[v] = 4 * ROUNDING * abs(xy[v]).max()
        check_memory((old + new) * (stage.width * 8 + self.bits(number + 1) // 4), mesh.faces)
        out = np.empty((old + new, stage.width))

        def off(a: int, b: int) -> np.ndarray:
            if not stage.pools:
                return error[:0]
            return error[a:b, None] * scale[0, :n] + mesh.away[a:b, None] * scale[1, :n] + scale[2, :n]

        def fresh(a: int, b: int) -> Range:
            rows = np.empty((b - a, z.shape[1]))
            kernels.rows(
                a, b, z, edges.u, edges.v, edges.t, faces.a, faces.b, faces.t, faces.line, faces.on, n,
                stage.bend.kinks, error, rows,
            )  # fmt: skip
            for v in loose[np.searchsorted(loose, a) : np.searchsorted(loose, b)]:
                rows[v - a], error[old + v] = self.afresh(number, xy[old + v]), 4.0
                rows[v - a, faces.line[v] % n] = stage.bend.kinks[faces.line[v] // n] or -0.0
            return ranged(out[old + a : old + b], stage.marked(rows, off(old + a, old + b)))

        def known(a: int, b: int) -> Range:
            return ranged(out[a:b], stage.marked(z[a:b], off(a, b)))

        ranges = self.each(pool, fresh, new, ROWS) + self.each(pool, known, old, ROWS)
        mesh.xy, mesh.error = xy, error
        low, high = zip(*ranges, strict=True)
        return out, np.min(low, 0), np.max(high, 0)

    def bits(self, number: int) -> int:
        """How many lines a bend has."""
        return sum(stage.n * len(stage.bend.kinks) for stage in self.flow.stages[number : number + 1])

    def afresh(self, number: int, xy: np.ndarray) -> np.ndarray:
        """The row of a point before a bend, from the start."""
        z = self.flow.first.advance(xy[None])
        for stage in self.flow.stages[:number]:
            z = stage.advance(z)
        return z[0]

    def point(self, v: int) -> Point:
        """A vertex as an exact point."""
        if v not in self.points:
            mesh = self.mesh
            if v >= self.old_vertices:
                i = v - self.old_vertices
                u, w, bend, line = (
                    int(self.edge_cuts.u[i]),
                    int(self.edge_cuts.v[i]),
                    self.number,
                    int(self.edge_cuts.line[i]),
                )
                n = self.n
            else:
                u, w = mesh.between[v].tolist()
                bend, line = mesh.cut[v].tolist()
                if u < 0:
                    self.points[v] = point_of(mesh.xy[v])
                    return self.points[v]
                n = self.flow.stages[bend].n
            a, b = self.point(u), self.point(w)
            at = [self.exact.kinked(p, bend, line % n, line // n) for p in (a, b)]
            self.points[v] = crossing(a, b, *at)
        return self.points[v]

    @property
    def old_vertices(self) -> int:
        """How many vertices the mesh knows by their lines; behind them come those on edges that are being cut."""
        return len(self.mesh.between)


@dataclass
class EdgeCuts:
    """The new vertices on edges: those of edge e are `start[e] … start[e + 1]`, each at t ± slack between u and v.

    The vertex may be `away` from there. `pos` and `neg` are of the old vertices and behind them of these.
    """

    start: np.ndarray
    u: np.ndarray
    v: np.ndarray
    line: np.ndarray
    t: np.ndarray
    slack: np.ndarray
    away: np.ndarray
    pos: np.ndarray
    neg: np.ndarray


@dataclass
class FaceCuts:
    """The new vertices inside faces, each at t ± slack between a and b, which lie on line `on`; `line` is what crosses
    there, of all new vertices, those on edges first.
    """

    a: np.ndarray
    b: np.ndarray
    on: np.ndarray
    t: np.ndarray
    slack: np.ndarray
    line: np.ndarray


def lerp(xy: np.ndarray, part: slice, between: np.ndarray, t: np.ndarray) -> None:
    a, b = xy[between[part, 0]], xy[between[part, 1]]
    xy[part] = a + t[:, None] * (b - a)


Range = tuple[np.ndarray, np.ndarray]  # the least and the largest number of every column


def ranged(place: np.ndarray, rows: np.ndarray) -> Range:
    """Put rows in their place, and say between which numbers their columns lie, while they are in the cache."""
    place[:] = rows
    return rows.min(0), rows.max(0)


def first_rows(stage: Stage | NarrowFirst, values: np.ndarray, scale: np.ndarray) -> Rows:
    """The rows before the first bend of a network that is given these values, known as `scale` says."""
    found = stage.advance(values)
    given = Rows(values, values.min(0), values.max(0), scale)
    low, high = found.min(0), found.max(0)
    return Rows(found, low, high, stage.bounds(given, low, high, scale[0]))


def check_memory(wanted: int, faces: int) -> None:
    """Raises: GeometryError where the next array is larger than the memory that is free."""
    free = free_memory()
    if free is not None and wanted > free:
        raise GeometryError(
            f"The {faces:,} regions found so far need {wanted / 2**30:.1f} GiB for the next layer, and "
            f"{free / 2**30:.1f} are free: take a smaller box, or a limit below {faces:,} regions for a partial answer."
        )
