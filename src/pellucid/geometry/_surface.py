"""The exact level set of a network of three inputs, as a mesh of polygons."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GeometryError, SettingError
from ..module import Layer
from ..records import Record, unlisted
from ._network import Network, lowered
from ._telling import telling

if TYPE_CHECKING:
    from ._solid import Solid

SEED = 20240229  # of the numbers that patterns are hashed with
ROWS = 4096


@dataclass(frozen=True, eq=False)
class Surface(Record):
    """Where one output of a network of three inputs is at a level, in a box: a mesh of convex polygons.

    Each polygon is the piece of the level set in one region, where the network is one affine map, whose `gradient` is
    at right angles to it; seen from where the output is higher its corners run counterclockwise. Neighbours share
    corners and edges. `drawn` is which unit bends along an edge, by its bend and line; the box is bend −1.

    `area` and `volume` are in units of the input; `volume` is that of the part of the box where the output is not above
    the level. `watertight`: off the box every edge belongs to an even number of polygons, two but for the `branching`
    edges, where sheets meet. `euler` is V − E + F, 2 for each closed sheet without holes; `sheets` is how many separate
    parts there are. `residual` is the largest |f(v) − level| over all vertices, of the network itself in float64;
    `volume_error` is how far the volumes of all cells are from filling the box, relative to it.

    Of the `signs` decided, `exact` were left open by float64 and decided in rational arithmetic. `touching` faces of
    the complex are at the level without a change of sign, and `flat` regions are wholly at the level: neither has
    polygons inside it. `note` says what there is to know, such as that the level is not met.

    Shapes: vertices (V, 3); polygon p has the corners `corners[ptr[p]:ptr[p + 1]]`, and `sides` of it are edges, each
        from its corner to the next; pattern (P,), a 64-bit hash of its region's pieces; gradient (P, 3), areas (P,);
        edges (E, 2) of vertices; drawn (E, 2).
    """

    box: tuple[tuple[float, float], ...]
    level: float
    output: int
    vertices: np.ndarray
    ptr: np.ndarray
    corners: np.ndarray
    sides: np.ndarray
    pattern: np.ndarray
    gradient: np.ndarray
    areas: np.ndarray
    edges: np.ndarray
    drawn: np.ndarray
    area: float
    volume: float
    watertight: bool
    branching: int
    open_edges: int
    euler: int
    sheets: int
    residual: float
    volume_error: float
    signs: int
    exact: int
    touching: int
    flat: int
    seconds: float
    note: str
    network: Network = unlisted()

    @property
    def count(self) -> int:
        """How many polygons there are."""
        return len(self.ptr) - 1

    def polygon(self, p: int) -> np.ndarray:
        """The corners of one polygon, (n, 3)."""
        return self.vertices[self.corners[self.ptr[p] : self.ptr[p + 1]]]

    def unit(self, edge: int) -> str:
        """What bends along an edge, such as `layers[1][5]`; a side of the box has no name."""
        bend, line = self.drawn[edge].tolist()
        return "the box" if bend < 0 else self.network.name(bend, line % self.network.bends[bend].width)

    def triangles(self) -> np.ndarray:
        """The polygons as triangles (n, 3) of vertices, each polygon a fan from its first corner."""
        sizes = np.diff(self.ptr)
        first = np.repeat(self.ptr[:-1], sizes - 2)
        place = np.arange(len(first)) - np.repeat(np.cumsum(sizes - 2) - (sizes - 2), sizes - 2)
        return self.corners[np.stack([first, first + place + 1, first + place + 2], 1)]

    def to_ply(self, path: str | Path) -> Path:
        """Write the polygons and edges as PLY, every number to its last digit. See `to_glb` for what is raised."""
        from ._mesh_files import ply

        return ply(self, path)

    def to_obj(self, path: str | Path) -> Path:
        """Write the polygons and edges as OBJ, every number to its last digit. See `to_glb` for what is raised."""
        from ._mesh_files import obj

        return obj(self, path)

    def to_glb(self, path: str | Path) -> Path:
        """Write the triangles, and the bends as lines, as binary glTF, in float32.

        Raises: GeometryError where there is no polygon; StoreError where the file cannot be written, then nothing is;
            SettingError where trimesh is not installed.
        """
        from ._mesh_files import glb

        return glb(self, path)


def surface_of(
    net: Layer | Network,
    box: Any,
    level: float = 0.0,
    output: int | None = None,
    progress: bool | None = None,
) -> Surface:
    """The exact level set `f(x) = level` of one output in a box, a pair (low, high) for each of three inputs.

    The box is cut by one kink after the other, each line at each vertex by its sign, and cells that the output cannot
    be at the level in are let go by bounds on the way; last the level cuts what is left. Vertices, edges and faces are
    shared by the cells around them, so the mesh has no cracks, and no part of it can be missed.

    Raises: GeometryError where the network has not three inputs, a weight that is no number, or a layer that is not
        piecewise linear; SettingError for an empty or endless box, a level that is no number, or an output that is not
        there.
    Source: Berzins 2023, "Polyhedral complex extraction from ReLU networks using edge subdivision"; Lei and Jia 2020,
        "Analytic marching".
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.eye(3), np.zeros(3)), Activation("abs"), Dense(np.ones((3, 1)), -np.ones(1))])
        >>> found = surface_of(net, [(-2, 2)] * 3)  # |x| + |y| + |z| = 1
        >>> found.count, found.watertight, found.euler, round(found.volume, 9), round(found.area**2, 9)
        (8, True, 2, 1.333333333, 48.0)
    """
    from ._enumerate import checked_box, flat_input
    from ._solid import Solid

    sides = checked_box(box)
    network = lowered(net, (3,) if not isinstance(net, Network) and flat_input(net) else None)
    if network.n_in != 3 or len(sides) != 3:
        raise GeometryError(
            f"surface_of wants a network of 3 inputs and a box of 3 sides, got {network.n_in} and {len(sides)}. A "
            "slice or a network of fewer inputs has curves in place of surfaces: see complex_of and slice_of."
        )
    level, output = checked_level(level), checked_output(network, output)
    began = time.perf_counter()
    low, high = np.array(sides).T
    with telling(progress) as report:
        solid = Solid(network, low, high, output, level)
        solid.run(report)
    return put_together(solid, sides, began)


def checked_level(level: Any) -> float:
    try:
        found = float(level)
    except (TypeError, ValueError):
        found = np.nan
    if not np.isfinite(found):
        raise SettingError(f"level is a finite number, got {level!r}.")
    return found


def checked_output(network: Network, output: int | None) -> int:
    if output is None and network.n_out != 1:
        raise SettingError(f"The network has {network.n_out} outputs: say which, from output=0 to {network.n_out - 1}.")
    chosen = 0 if output is None else output
    if isinstance(chosen, bool) or not isinstance(chosen, int | np.integer) or not 0 <= chosen < network.n_out:
        raise SettingError(f"output is a whole number from 0 to {network.n_out - 1}, got {output!r}.")
    return int(chosen)


def put_together(solid: Solid, box: tuple[tuple[float, float], ...], began: float) -> Surface:
    """The record, from a box that has been cut."""
    from ._solid import Sheets

    network, level, output = solid.network, solid.level, solid.output
    found = solid.sheets() if solid.nc else Sheets.none()
    size = float(np.prod([high - low for low, high in box]))
    pattern, gradient = regions(network, found.inside, output)
    times = np.bincount(found.sides, minlength=len(found.edges))
    low, high = np.array(box).T
    at = found.vertices[found.edges]
    on_box = ((at == low).all(1) | (at == high).all(1)).any(1)
    heights = network(found.vertices)[:, output] if len(found.vertices) else np.zeros(0)
    return Surface(
        box=box,
        level=level,
        output=output,
        vertices=found.vertices,
        ptr=found.ptr,
        corners=found.corners,
        sides=found.sides,
        pattern=pattern,
        gradient=gradient,
        areas=found.areas,
        edges=found.edges,
        drawn=found.drawn,
        area=float(found.areas.sum()),
        volume=solid.inside + found.inside_volume,
        watertight=bool((on_box | (times % 2 == 0)).all()),
        branching=int((times > 2).sum()),
        open_edges=int((times == 1).sum()),
        euler=len(found.vertices) - len(found.edges) + len(found.areas),
        sheets=hanging_together(found.edges, len(found.vertices)),
        residual=float(abs(heights - level).max(initial=0)),
        volume_error=abs((solid.inside + found.inside_volume + solid.outside + found.outside_volume) / size - 1),
        signs=solid.decided,
        exact=solid.asked,
        touching=found.touching,
        flat=found.flat,
        seconds=time.perf_counter() - began,
        note=note(solid, found, box),
        network=network,
    )


def regions(network: Network, points: np.ndarray, output: int) -> tuple[np.ndarray, np.ndarray]:
    """Of the regions of these points a hash of the pieces, `Σ piece · a random number` mod 2^64, and the gradient."""
    rng = np.random.default_rng(SEED)
    keys = [rng.integers(0, 2**64, step.width, np.uint64, endpoint=False) for step in network.bends]
    pattern, gradient = np.zeros(len(points), np.uint64), np.zeros((len(points), 3))
    for a in range(0, len(points), ROWS):
        some = slice(a, a + ROWS)
        pieces = network.pieces(points[some])
        for piece, key in zip(pieces, keys, strict=True):
            pattern[some] += (piece.astype(np.uint64) * key).sum(1, dtype=np.uint64)
        start = np.zeros((len(points[some]), network.n_out))
        start[:, output] = 1
        gradient[some] = network.taken_back(pieces, start)
    return pattern, gradient


def hanging_together(edges: np.ndarray, n: int) -> int:
    """How many parts the edges leave the vertices in."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not n:
        return 0
    return int(connected_components(coo_array((np.ones(len(edges)), edges.T), shape=(n, n)), directed=False)[0])


def note(solid: Solid, found: Any, box: Any) -> str:
    """What there is to know, in a sentence or a few."""
    words = []
    if not len(found.areas):
        heights = solid.network(solid.corners)[:, solid.output]
        words.append(
            f"The level {solid.level:.6g} is not crossed in the box, so the surface is empty; at the box's corners the "
            f"output is from {heights.min():.6g} to {heights.max():.6g}."
        )
    if found.flat:
        words.append(
            f"The output is at the level throughout {found.flat} regions; where it rises above, there is a polygon."
        )
    if found.touching:
        words.append(f"On {found.touching} faces of the complex the output comes to the level and turns back.")
    if solid.network.set_aside:
        words.append(f"The level is that of the output before the {solid.network.set_aside} at the end.")
    return " ".join(words)
