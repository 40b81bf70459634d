"""Every region of a network in a rectangle of a plane, with what bends where, exactly."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import GeometryError, SettingError
from ..machine import cores
from ..module import Layer
from ..records import Record, unlisted
from ._boundary import Boundary, boundary_of
from ._cut import Cutter
from ._exact import Exact
from ._flow import Flow, Rows
from ._lines import lines_of
from ._maps import Maps, maps_of
from ._mesh import Mesh, rectangle
from ._network import Local, Network, lowered, stated_shape
from ._plane import Plane, on_plane, plane_through, principal_plane
from ._telling import telling
from ._tiles import Tiles

Box = Sequence[Sequence[float]]
LIMIT = 5_000_000
LARGE = 2_000  # kinks: a network with more is cut in tiles, in which most of them cannot be crossed
CHECKED = 500  # faces whose middle is compared with the network,
WORK = 2**24  # but no more than so many kinks are computed for it


@dataclass(frozen=True, eq=False)
class Complex(Record):
    """All regions of a network in a rectangle: vertices, edges and faces, as in a map of a country.

    An activation region is where no unit changes its piece; `count` is their number, and `counts` that after each
    bend. `linear_count` joins neighbours that have the same map. A vertex is the crossing of two lines, and `xy` are
    its floats; all signs and orders that make up the map were decided with a bound of the rounding error, `exact` of
    the `signs` in rational arithmetic. Faces are convex, counterclockwise; a line beside a face may have vertices of
    neighbours on it.

    `complete` is False where there were more than the limit: then the faces are the regions of the first bends alone.
    `residual` is the largest difference from the network's own float64 outputs in the middle of up to 500 faces,
    relative to the largest output; `euler` is V − E + F, 1 for a rectangle; `area_error` is how far the areas' sum is
    from the rectangle's, relative to it.

    Shapes: xy (V, 2); values (V, n_out); edges (E, 2) of vertices; sides (E, 2), the faces left and right of an edge,
        −1 outside; drawn (E, 2), the bend and the line of the unit that bends there, −1 for the box; ptr (F + 1,).
    """

    box: tuple[tuple[float, float], tuple[float, float]]
    count: int
    counts: tuple[int, ...]
    kinks: int
    complete: bool
    signs: int
    exact: int
    euler: int
    area_error: float
    residual: float
    seconds: float
    plane: Plane | None = unlisted(repr=False)
    network: Network = unlisted(repr=False)
    flat: Network = unlisted(repr=False)  # the network as a function of the two coordinates
    mesh: Mesh = unlisted(repr=False)
    rows: Rows = unlisted(repr=False)
    threads: int = unlisted(repr=False)
    limit: int = unlisted(repr=False)

    @property
    def xy(self) -> np.ndarray:
        return self.mesh.xy[: self.mesh.corners]

    @property
    def values(self) -> np.ndarray:
        return self.rows.values[: self.mesh.corners]

    @property
    def edges(self) -> np.ndarray:
        return self.mesh.ends

    @property
    def drawn(self) -> np.ndarray:
        return self.mesh.drawn

    @property
    def ptr(self) -> np.ndarray:
        return self.mesh.ptr

    @cached_property
    def sides(self) -> np.ndarray:
        return self.mesh.sides()

    @cached_property
    def areas(self) -> np.ndarray:
        return self.mesh.areas()

    @cached_property
    def centres(self) -> np.ndarray:
        """The middle of every face's vertices, (F, 2)."""
        return self.mesh.mean_of(self.xy)

    def face(self, f: int) -> np.ndarray:
        """The vertices of one face, counterclockwise."""
        return self.mesh.vertices[self.ptr[f] : self.ptr[f + 1]]

    def pattern(self, f: int) -> list[np.ndarray]:
        """The pieces that the units are on in one face, an array for each bend."""
        return [pieces[0] for pieces in self.mesh.pieces(self.flat, np.array([f]))]

    def map(self, f: int) -> Local:
        """The affine map of one face: from the network's inputs to its outputs."""
        self.whole()
        return self.network.local_of(self.pattern(f))

    @cached_property
    def maps(self) -> Maps:
        """The maps of all faces, as functions of the two coordinates."""
        self.whole()
        return maps_of(self.flat, self.mesh, self.xy, self.values)

    @property
    def linear_count(self) -> int:
        """How many linear regions there are: neighbours with the same map are one."""
        return self.maps.count

    def at(self, points: Any) -> np.ndarray:
        """The faces that hold these points, (points, 2) -> (points,); −1 outside. On an edge, one of the two."""
        return self.mesh.locate(np.atleast_2d(np.asarray(points, float)), self.box)

    def boundary(self, level: float = 0.0) -> Boundary:
        """Where the answer changes: where the only output is `level`, or where another output becomes the largest."""
        self.whole()
        return boundary_of(self.flat, self.mesh, self.rows, level, self.threads)

    def line_name(self, edge: int) -> str:
        """What bends along an edge, such as `layers[1][5]`; a side of the box has no name."""
        bend, line = self.drawn[edge].tolist()
        if bend < 0:
            return "the box"
        return self.flat.name(bend, line % self.flat.bends[bend].width)

    def update(self, net: Layer) -> Complex:
        """The regions of a network with other weights in the same rectangle, as it is a few steps of training later."""
        network = lowered(net, self.network.shape)
        return cut(network, self.plane, self.box, self.limit, self.threads, False)

    def whole(self) -> None:
        """Raises: GeometryError where the faces are not the network's regions."""
        if not self.complete:
            raise GeometryError(
                f"There were more regions than the limit after {len(self.counts)} of {len(self.flat.bends)} bends, so "
                "the network is not linear in these faces: take a smaller box, or a larger limit."
            )

    def to_npz(self, path: str | Path) -> Path:
        """Vertices, edges, faces and values as arrays."""
        from ._export import npz

        return npz(self, path)

    def to_geojson(self, path: str | Path) -> Path:
        """Every face as a polygon, with its number, area and slopes."""
        from ._export import geojson

        return geojson(self, path)

    def to_svg(self, path: str | Path, **options: Any) -> Path:
        """The picture that `plot` draws."""
        from ._export import svg

        return svg(self, path, **options)

    def to_certificate(self, path: str | Path) -> Path:
        """The exact corners and patterns of all faces as JSON, for `verify`."""
        from ._export import certificate

        return certificate(self, path)


def complex_of(
    net: Layer | Network,
    box: Box = ((-1, 1), (-1, 1)),
    *,
    limit: int = LIMIT,
    threads: int | None = None,
    progress: bool | None = None,
) -> Complex:
    """All regions of a network of two inputs in a rectangle, exactly.

    The rectangle is cut by the first layer's lines, the pieces by those of the second, and so on: in each piece the
    next layer is linear. Where there are more than `limit` regions it stops, and says so. `progress` None shows a bar
    on a terminal.

    Raises: GeometryError where a layer is not piecewise linear, the network has not two inputs, or memory is short;
        SettingError for an empty or endless box.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.eye(2), None), Activation("relu"), Dense(np.ones((2, 1)), np.array([-1.0]))])
        >>> found = complex_of(net, [(-2, 2), (-2, 2)])
        >>> found.count, found.linear_count, found.euler
        (4, 4, 1)
    """
    network = lowered(net, stated_shape(net) or (2,))
    if network.n_in != 2:
        raise GeometryError(f"complex_of wants a network of two inputs, got {network.n_in}: take slice_of.")
    return cut(network, None, checked_box(box), limit, threads, progress)


def slice_of(
    net: Layer | Network,
    points: Any = None,
    *,
    origin: Any = None,
    directions: Any = None,
    pca: Any = None,
    box: Box | None = None,
    margin: float = 0.25,
    shape: tuple[int, ...] | None = None,
    limit: int = LIMIT,
    threads: int | None = None,
    progress: bool | None = None,
) -> Complex:
    """All regions of a network in a rectangle of a plane through its input space, exactly.

    The plane goes through three `points`, or through `origin` along two `directions`, or through the mean of the rows
    `pca` along their two principal directions. `box` is in the plane's own coordinates; without it, it holds the points
    (or the rows' shadows) and a `margin` around them. `shape` is that of one input, where the network leaves it open.

    Raises: as `complex_of`; GeometryError where three points lie on a line.
    Example:
        >>> import pellucid as pl
        >>> found = slice_of(pl.mlp([5, 8, 2], key=0), np.eye(5)[:3])
        >>> found.euler, found.residual < 1e-12
        (1, True)
    """
    network = lowered(net, shape if shape else given_shape(points, origin, pca))
    plane, shown = plane_of(network, points, origin, directions, pca)
    if box is None:
        low, high = shown.min(0), shown.max(0)
        around = margin * np.maximum(high - low, 1e-12)
        box = list(zip((low - around).tolist(), (high + around).tolist(), strict=True))
    return cut(network, plane, checked_box(box), limit, threads, progress)


def given_shape(points: Any, origin: Any, pca: Any) -> tuple[int, ...] | None:
    """The shape of one input, from whatever was given; None where it is a row of numbers."""
    given = next((np.asarray(a) for a in (points, pca) if a is not None), None)
    found = np.shape(origin) if given is None else given.shape[1:]
    return found if len(found) > 1 else None


def plane_of(network: Network, points: Any, origin: Any, directions: Any, pca: Any) -> tuple[Plane, np.ndarray]:
    """The plane, and the places on it that are to be seen."""
    given = [name for name, value in (("points", points), ("origin", origin), ("pca", pca)) if value is not None]
    if len(given) != 1 or (origin is None) != (directions is None):
        raise SettingError("slice_of wants three points, or an origin and two directions, or rows for pca=.")
    if points is not None:
        three = fitting(network, points, 3, "points")
        plane = plane_through(three)
        return plane, np.array(list(plane.marks.values()))
    if origin is not None:
        start, along = fitting(network, [origin], 1, "origin")[0], fitting(network, directions, 2, "directions")
        if np.linalg.matrix_rank(along) < 2:
            raise GeometryError("The two directions are parallel, so they span no plane: turn one of them.")
        return Plane(start, along, {}), np.array([[-1.0, -1.0], [1.0, 1.0]])
    rows = fitting(network, pca, None, "pca")
    plane = principal_plane(rows)
    return plane, plane.coordinates(rows)


def fitting(network: Network, points: Any, count: int | None, name: str) -> np.ndarray:
    """Points as rows of as many numbers as the network has inputs.

    Raises: GeometryError where they are not, or are not finite.
    """
    try:
        found = np.asarray(points, float)
    except (TypeError, ValueError):
        raise GeometryError(f"{name} wants rows of numbers.") from None
    found = found.reshape(len(found), -1) if found.ndim else found.reshape(1, -1)
    if found.shape[1] != network.n_in or (count and len(found) != count):
        rows = "rows" if count is None else f"{count} row{'s' * (count > 1)}"
        raise GeometryError(f"{name} wants {rows} of {network.n_in} numbers, got {len(found)} of {found.shape[1]}.")
    if not np.isfinite(found).all():
        raise GeometryError(f"{name} holds a number that is NaN or infinite.")
    return found


def checked_box(box: Box) -> tuple[tuple[float, float], tuple[float, float]]:
    try:
        sides = tuple((float(low), float(high)) for low, high in box)
    except (TypeError, ValueError):
        raise SettingError(f"box is a pair (low, high) for each axis, as in [(-1, 1), (-1, 1)]; got {box!r}.") from None
    if len(sides) != 2:
        raise SettingError(f"box has a side for each of two axes, got {len(sides)}.")
    for low, high in sides:
        if not (np.isfinite(low) and np.isfinite(high)):
            raise SettingError(f"The box must end somewhere: a side from {low} to {high} does not.")
        if not low < high:
            raise SettingError(f"The box is empty: a side from {low} to {high}.")
    return sides


def cut(
    network: Network,
    plane: Plane | None,
    box: tuple[tuple[float, float], tuple[float, float]],
    limit: int,
    threads: int | None,
    progress: bool | None,
) -> Complex:
    """Cut the rectangle, and check the result against the network."""
    if limit < 1:
        raise SettingError(f"limit is how many regions there may be, 1 or more; got {limit}.")
    flat = network if plane is None else on_plane(network, plane)
    (x0, x1), (y0, y1) = box
    began = time.perf_counter()
    threads = threads or cores()
    in_tiles = flat.kinks > LARGE
    with telling(progress, in_tiles) as report:
        if in_tiles:
            mesh, rows, counts = Tiles(flat, box, threads, limit, report, lines_of(flat, plane)).run()
        else:
            mesh, rows, counts = in_one(flat, box, limit, threads, report)
    complete = len(counts) == len(flat.bends)
    found = Complex(
        box=box,
        count=mesh.faces,
        counts=counts,
        kinks=flat.kinks,
        complete=complete,
        signs=mesh.signs,
        exact=mesh.exact,
        euler=mesh.corners - len(mesh.ends) + mesh.faces,
        area_error=abs(float(mesh.areas().sum()) / ((x1 - x0) * (y1 - y0)) - 1),
        residual=0.0,
        seconds=0.0,
        plane=plane,
        network=network,
        flat=flat,
        mesh=mesh,
        rows=rows if complete else rows._replace(values=flat(mesh.xy)),
        threads=threads,
        limit=limit,
    )
    residual = difference(found) if complete else float("nan")
    return replace(found, residual=residual, seconds=time.perf_counter() - began)


def in_one(flat: Network, box: Any, limit: int, threads: int, report: Any) -> tuple[Mesh, Rows, tuple[int, ...]]:
    """The mesh of a rectangle that is cut as a whole, the rows of its vertices, the faces after each bend."""
    mesh = rectangle(box)
    rows = Cutter(Flow(flat), Exact(flat), mesh, threads, limit, report).run()
    return mesh, rows, tuple(map(len, mesh.above))


def difference(found: Complex) -> float:
    """How far the map of faces, at their middle, is from the network's own output."""
    count = min(CHECKED, max(WORK // max(found.kinks, 1), 100))
    some = np.random.default_rng(0).permutation(found.count)[:count]
    wanted = found.flat(found.centres[some])
    got = found.mesh.mean_of(found.values)[some]
    return float(abs(got - wanted).max() / max(abs(found.values).max(), 1e-300))
