"""A box in space, cut by one kink of a network after the other, where one output can meet a level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..affine import ROUNDING, Add, Bend, Join, Sparse, Windows
from ..errors import GeometryError
from . import _solid_kernels
from ._enclosure import Cells, Known, advanced, enclosed
from ._exact import Exact, Point, crossing, point_of
from ._flow import Flow, Stage
from ._network import Network

kernels: Any = _solid_kernels
LOOSE = 1e-9  # a vertex whose place is no better known than this part of the box is placed by exact arithmetic
MARGIN = 1e-9  # a bound excludes the level if it does so by this part of its size
GROWTH = 2.0  # cells are looked through again when there are so many times as many
Report = Callable[[int, int, int], None]  # bend, of how many, cells so far
CORNERS = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)])


class Solid:
    """The cells of a network's complex in a box that its output may be at a level in; all others are let go.

    Vertices, edges and faces are shared by all cells they belong to, so neighbours never disagree. A vertex is where a
    kink crosses an edge: `between` and `cut` say of every vertex there ever was which edge, by its ends, and which kink
    (bend, line). `ids` are the numbers of the present ones there. Signs are decided in float64 with a bound of the
    error, and by exact arithmetic where that leaves them open.
    """

    def __init__(self, network: Network, low: np.ndarray, high: np.ndarray, output: int, level: float):
        self.network, self.output, self.level = network, output, level
        self.flow, self.exact = Flow(network), Exact(network)
        self.points: dict[int, Point] = {}
        self.decided = self.asked = 0
        self.inside = self.outside = 0.0  # the volume of the cells let go, below the level and above it
        self.known = 1
        self.box(low, high)
        most = np.maximum(abs(low), abs(high))
        self.z = self.flow.first.advance(self.xyz)
        self.extent = float((high - low).max())
        self.scale = rounding(self.flow.first, np.zeros(3), most)

    def box(self, low: np.ndarray, high: np.ndarray) -> None:
        """The one cell to begin with. Its faces are drawn by line 2 axis + side of bend −1."""
        edges = [(a, a | 1 << d) for d in range(3) for a in range(8) if not a >> d & 1]
        faces = [(d, s) for d in range(3) for s in range(2)]
        lists = [[i for i, (a, b) in enumerate(edges) if a >> d & 1 == b >> d & 1 == s] for d, s in faces]
        self.xyz = np.where(CORNERS, high, low).astype(float)
        self.corners = self.xyz.copy()
        self.error, self.ids = np.zeros(8), np.arange(8)
        self.between, self.cut = [np.full((8, 2), -1)], [np.full((8, 2), -1)]
        self.n_ids = 8
        self.joined: tuple[np.ndarray, np.ndarray] | None = None
        self.ends, self.label = np.array(edges), np.full((12, 2), -1)
        self.start, self.size, self.pool = np.arange(6) * 4, np.full(6, 4), np.array(lists).reshape(-1)
        self.of = np.array([(-1, 2 * d + s) for d, s in faces])
        self.fplane = np.array([(*np.eye(3)[d], -(low, high)[s][d], 0) for d, s in faces])
        self.planes = np.array([self.fplane[[i for i in range(6) if e in lists[i]]] for e in range(12)])
        self.home, self.fhome = np.zeros(12, int), np.zeros(6, int)
        self.cstart, self.csize, self.cpool = np.array([0]), np.array([6]), np.arange(6)
        self.origin, self.maps = np.array([0]), Known(0, {0: np.eye(4, 3, -1)[None]})
        self.nv, self.m, self.nf, self.nc = 8, 12, 6, 1
        self.used, self.cused = 24, 6

    def run(self, report: Report | None = None) -> None:
        """Cut by all bends and then by the level; `sign` says where each vertex is."""
        self.maps = advanced(self.network, self.maps, None, self.origin)
        for i, stage in enumerate(self.flow.stages):
            if report:
                report(i, len(self.flow.stages), self.nc)
            if not self.nc:
                return
            self.stage(i, stage)
        if not self.nc:
            return
        self.z, self.n, self.kinks = np.ascontiguousarray(self.z[:, [self.output]]), 1, np.array([self.level])
        self.lines = np.array([0])
        self.number, self.scale = len(self.flow.stages), self.scale[self.output : self.output + 1]
        self.table((self.network.output.number,), [self.output])
        self.ask()
        self.pass_over(0, np.array([-2, -2]))

    def stage(self, number: int, stage: Stage) -> None:
        """Cut by one bend, and take the rows of all vertices to the next."""
        self.number, self.n, self.kinks = number, stage.widths[0], stage.bend.kinks
        self.lines, first, turned = distinct(self.network, stage)
        self.table(stage.held)
        self.ask()
        crossed = np.zeros(self.sign.shape[1], bool)
        kernels.crossed(self.sign[: self.nv], crossed)
        for line in np.flatnonzero(crossed):
            self.pass_over(int(line), np.array([number, self.lines[line]]))
            if self.nc > GROWTH * self.known:
                self.prune()
        self.prune()
        if not self.nc:
            return
        cells = self.cells()
        pieces = kernels.pieces(self.sign[:, first] * turned, self.n, len(self.kinks), cells.ptr, cells.corners)
        self.maps = advanced(self.network, self.maps, pieces, self.origin)
        self.origin = np.arange(self.nc)
        self.fhome, self.home = kernels.homes(
            self.cstart, self.csize, self.cpool, self.nc, self.start, self.size, self.pool, self.nf, self.m
        )
        z, self.z = self.z, stage.advance(self.z)
        self.scale = rounding(stage, self.scale, abs(z).max(0))

    def table(self, held: tuple[int, ...], units: Any = slice(None)) -> None:
        """The maps of the cells to the present rows, and how steep each number in a row is at most."""
        self.rows = np.ascontiguousarray(np.concatenate([self.maps.maps[k] for k in held], 2)[:, :, units])
        self.steep = np.sqrt((self.rows[:, 1:] ** 2).sum(1)).max(0)

    def ask(self) -> None:
        """The signs of all vertices at all lines of the present bend."""
        self.sign, asked = kernels.signs(
            self.z[: self.nv], self.lines, self.n, self.kinks, self.scale, self.steep, self.error
        )
        self.decided += self.sign.size
        self.settle(asked)

    def settle(self, asked: np.ndarray) -> None:
        """Decide the signs that are left open."""
        self.asked += len(asked)
        for v, line in asked.tolist():
            n, _ = self.above(self.point(int(self.ids[v])), self.number, int(self.lines[line]))
            self.sign[v, line] = (n > 0) - (n < 0)

    def above(self, point: Point, number: int, line: int) -> tuple[int, int]:
        """How far a point is above a line, or its output above the level, as a numerator and a denominator above 0."""
        if number < len(self.flow.stages):
            n = self.flow.stages[number].widths[0]
            return self.exact.kinked(point, number, line % n, line // n)
        n, d = self.exact.value(point, self.network.output.number, self.output)
        a, b = self.level.as_integer_ratio()
        return n * b - a * d, d * b

    def pass_over(self, line: int, drawn: np.ndarray) -> None:
        """Cut everything by one line."""
        old = self.nv
        kinks, scale, maps = self.kinks, self.scale, self.rows
        (
            child, between, asked, self.ends, self.label, self.planes, self.home, self.z, self.xyz, self.error,
            self.sign,
        ) = kernels.cut_edges(
            line, self.ends, self.m, self.label, self.planes, self.home, self.sign, self.nv, self.z, self.xyz,
            self.error, self.lines, self.n, kinks, scale, self.steep, maps,
        )  # fmt: skip
        count = len(between)
        self.m += count
        self.nv += count
        self.decided += count * self.sign.shape[1]
        self.ids = kernels.grown(self.ids, self.nv)
        self.ids[old : self.nv] = self.n_ids + np.arange(count)
        self.n_ids += count
        self.between.append(self.ids[between])
        self.cut.append(np.broadcast_to([self.number, self.lines[line]], (count, 2)))
        self.joined = None
        self.settle(asked)
        self.tighten(old, int(self.lines[line]))
        side = self.sign[: self.nv, line].copy()
        (
            state, chord, below, bad, self.ends, self.m, self.label, self.planes, self.home, self.start, self.size,
            self.pool, self.used, nf, self.of, self.fplane, self.fhome,
        ) = kernels.cut_faces(
            line, drawn, child, self.ends, self.m, self.label, self.planes, self.home, side, self.start, self.size,
            self.pool, self.used, self.nf, self.of, self.fplane, self.fhome, self.lines, self.n, kinks,
            scale, maps,
        )  # fmt: skip
        if bad:
            raise GeometryError(
                f"{bad} faces are not cut in two points, as exact signs would have it. This is a mistake in Pellucid, "
                "not yours."
            )
        old_faces = self.nf
        (
            self.cstart, self.csize, self.cpool, self.cused, self.origin, self.nc, self.start, self.size, self.pool,
            self.used, self.nf, self.of, self.fplane, self.fhome,
        ) = kernels.cut_cells(
            line, drawn, state, chord, below, self.ends, side, self.cstart, self.csize, self.cpool, self.cused,
            self.origin, self.nc, self.start, self.size, self.pool, self.used, nf, self.of, self.fplane, self.fhome,
            self.lines, self.n, kinks, scale, maps,
        )  # fmt: skip
        self.state = np.zeros(self.nf, np.int8)
        self.state[:old_faces] = np.where(state == 3, 1, state)
        self.state[below[below >= 0]] = 2

    def tighten(self, old: int, line: int) -> None:
        """Place anew, by exact arithmetic, the new vertices whose place is poorly known."""
        for v in (old + np.flatnonzero(~(self.error[old : self.nv] <= LOOSE * self.extent))).tolist():
            *place, q = self.point(int(self.ids[v]))
            self.xyz[v] = [c / q for c in place]
            z = self.flow.first.advance(self.xyz[v][None])
            for stage in self.flow.stages[: self.number]:
                z = stage.advance(z)
            self.z[v] = z[0, self.output] if self.number == len(self.flow.stages) else z[0]
            self.z[v, line % self.n] = self.kinks[line // self.n]
            self.error[v] = 2.0**-51 * abs(self.xyz[v]).max()

    def cells(self) -> Cells:
        ptr, corners = kernels.corners(
            self.cstart, self.csize, self.cpool, self.nc, self.start, self.size, self.pool, self.ends, self.nv
        )
        return Cells(ptr, corners, self.xyz)

    def prune(self) -> None:
        """Let go of the cells that the output is nowhere at the level in."""
        if not self.nc:
            return
        low, high = enclosed(self.network, self.output, self.cells(), self.maps, self.origin[: self.nc])
        margin = MARGIN * (abs(self.level) + np.maximum(abs(low), abs(high)) + high - low)
        above, below = low > self.level + margin, high < self.level - margin
        volume = self.volumes(above | below)
        self.outside += float(volume[above].sum())
        self.inside += float(volume[below].sum())
        keep = ~(above | below)
        self.origin = self.origin[: self.nc][keep]
        (f, e, v), self.cstart, self.csize, self.cpool, self.start, self.size, self.pool, self.ends = kernels.kept(
            keep, self.cstart, self.csize, self.cpool, self.nc, self.start, self.size, self.pool, self.nf, self.ends,
            self.m, self.nv,
        )  # fmt: skip
        self.of, self.fplane, self.fhome = self.of[f], self.fplane[f], self.fhome[f]
        self.label, self.planes, self.home = self.label[e], self.planes[e], self.home[e]
        self.xyz, self.error, self.ids, self.z, self.sign = (
            a[v] for a in (self.xyz, self.error, self.ids, self.z, self.sign)
        )
        self.nv, self.m, self.nf, self.nc = len(v), len(e), len(f), len(self.cstart)
        self.used, self.cused = len(self.pool), len(self.cpool)
        self.known = max(self.nc, 16)

    def volumes(self, wanted: np.ndarray) -> np.ndarray:
        return kernels.volumes(
            wanted, self.cstart, self.csize, self.cpool, self.nc, self.start, self.size, self.pool, self.ends, self.xyz
        )

    def point(self, v: int) -> Point:
        """A vertex as an exact point."""
        if v not in self.points:
            if self.joined is None:
                self.joined = np.concatenate(self.between), np.concatenate(self.cut)
            between, cut = self.joined
            (a, b), (bend, line) = between[v].tolist(), cut[v].tolist()
            if a < 0:
                self.points[v] = point_of(self.corners[v])
            else:
                p, q = self.point(a), self.point(b)
                self.points[v] = crossing(p, q, self.above(p, bend, line), self.above(q, bend, line))
        return self.points[v]

    def sheets(self) -> Sheets:
        """The faces at the level between where the output is above it and where it is not."""
        found, touching, sides = kernels.sheets(self.state, self.cstart, self.csize, self.cpool, self.nc, self.nf)
        volume, centres = self.volumes(np.ones(self.nc, bool)), self.cells().centres
        inside = centres[found[:, 1]]
        ptr, corners, edges, areas, broken = kernels.cycles(
            found, self.start, self.size, self.pool, self.ends, self.xyz, inside
        )
        if broken:
            raise GeometryError(f"{broken} polygons do not close. This is a mistake in Pellucid, not yours.")
        v, corners = np.unique(corners, return_inverse=True)
        e, edges = np.unique(edges, return_inverse=True)
        return Sheets(
            self.xyz[v], ptr, corners, edges, areas, np.searchsorted(v, self.ends[e]), self.label[e], inside,
            float(volume[sides != 1].sum()), float(volume[sides == 1].sum()), int(touching), int((sides == 0).sum()),
        )  # fmt: skip


class Sheets(NamedTuple):
    """The polygons at the level, each with a point `inside` of its region, where the output is above the level."""

    vertices: np.ndarray
    ptr: np.ndarray
    corners: np.ndarray
    sides: np.ndarray
    areas: np.ndarray
    edges: np.ndarray
    drawn: np.ndarray
    inside: np.ndarray
    inside_volume: float
    outside_volume: float
    touching: int
    flat: int

    @staticmethod
    def none() -> Sheets:
        whole, real = np.zeros(0, int), np.zeros(0)
        pairs, places = np.zeros((0, 2), int), np.zeros((0, 3))
        return Sheets(places, np.zeros(1, int), whole, whole, real, pairs, pairs, places, 0.0, 0.0, 0, 0)


def distinct(network: Network, stage: Stage) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lines of a bend without those that must coincide with an earlier one: equal weights and bias, or all negated.

    Gives back the lines; for every line its place among them; and 1 or −1, for which way round it lies there.
    """
    bend, n = stage.bend, stage.widths[0]
    maker = network.steps[stage.held[0] - 1].operator if stage.held[0] else None
    if not isinstance(maker, Windows | Sparse):
        every = np.arange(n * len(bend.kinks))
        return every, every, np.ones(len(every), np.int8)
    places: dict[Any, int] = {}
    lines, first, turned = [], [], []
    rows = [maker.row(j) for j in range(n)]
    for line in range(n * len(bend.kinks)):
        inputs, weights, bias = rows[line % n]
        numbers = np.array([*weights, bias, bend.kinks[line // n]]) + 0.0  # −0.0 becomes 0.0
        nonzero = np.flatnonzero(numbers)
        turn = -1 if len(nonzero) and numbers[nonzero[0]] < 0 else 1
        place = places.setdefault((inputs.tobytes(), (numbers * turn + 0.0).tobytes()), len(lines))
        if place == len(lines):
            lines.append(line)
        first.append(place)
        turned.append(turn)
    turns = np.array(turned, np.int8)
    return np.array(lines), np.array(first), turns * turns[np.array(lines)[first]]


def rounding(stage: Stage, unit: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The error of every number in the next rows, where that of these rows is `unit` and none is above `most`.

    An operator hands errors on and adds its own rounding, `(terms + 2) u (Σ |w| |x| + |b|)`; twice that, for safety.
    """
    errors: dict[int, Any] = stage.taken_apart(unit[None])
    sizes: dict[int, Any] = stage.taken_apart(most[None])
    for step in stage.steps:
        given, large = [errors[k] for k in step.inputs], [sizes[k] for k in step.inputs]
        match step.operator:
            case Bend() as bend:
                slope, offset = (abs(table).max(0) for table in (bend.slopes, bend.offsets))
                size = large[0] * slope + offset
                error = given[0] * slope + (0 if bend.is_relu else 4 * ROUNDING * size)
            case Add():
                size = sum(large)
                error = sum(given) + 2 * len(given) * ROUNDING * size
            case Join():
                error, size = np.concatenate(given, 1), np.concatenate(large, 1)
            case operator:
                size = operator.magnitude(large[0]) + abs(operator.shift)
                error = operator.magnitude(given[0]) + 2 * (operator.terms + 2) * ROUNDING * size
        errors[step.output], sizes[step.output] = error, size
    return np.concatenate([errors[k] for k in stage.wanted], 1)[0]
