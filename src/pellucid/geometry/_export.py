"""A complex as files for other programs: arrays, GeoJSON, SVG, and a certificate that can be checked exactly."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GeometryError
from ..store import write_bytes, write_text
from ._exact import Exact, crossing, point_of

if TYPE_CHECKING:
    from ._complex import Complex
    from ._mesh import Mesh

MOST = 20_000  # vertices whose exact places are worked out; their fractions may have thousands of digits


def npz(found: Complex, path: str | Path) -> Path:
    mesh, buffer = found.mesh, io.BytesIO()
    np.savez_compressed(
        buffer, xy=found.xy, values=found.values, edges=mesh.ends, drawn=mesh.drawn, sides=found.sides, ptr=mesh.ptr,
        face_vertices=mesh.vertices, face_edges=mesh.edges, areas=found.areas, box=np.array(found.box),
    )  # fmt: skip
    return write_bytes(Path(path), buffer.getvalue())


def geojson(found: Complex, path: str | Path) -> Path:
    features = []
    maps = found.maps if found.complete else None
    for f in range(found.count):
        corners = found.xy[found.face(f)].tolist()
        about: dict[str, Any] = {"face": f, "area": float(found.areas[f])}
        if maps is not None:
            about |= {
                "slopes": maps.slopes[f].T.tolist(),
                "offset": maps.offsets[f].tolist(),
                "linear_region": int(maps.region[f]),
            }
        shape = {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}
        features.append({"type": "Feature", "geometry": shape, "properties": about})
    return write_text(path, json.dumps({"type": "FeatureCollection", "features": features}))


def svg(found: Complex, path: str | Path, **options: Any) -> Path:
    buffer = io.BytesIO()
    found.plot(**options).savefig(buffer, format="svg")
    return write_bytes(Path(path), buffer.getvalue())


def certificate(found: Complex, path: str | Path) -> Path:
    """Every corner as a pair of fractions, every face with its corners and pattern, in the form `verify` reads.

    Raises: GeometryError above 20,000 vertices, or where the complex is a slice: the certificate is of a network of two
        inputs.
    """
    found.whole()
    if found.plane is not None:
        raise GeometryError("A certificate is of a network of two inputs; this is a slice through more.")
    if len(found.xy) > MOST:
        raise GeometryError(f"A certificate holds at most {MOST:,} vertices, these are {len(found.xy):,}: smaller box.")
    pieces = found.mesh.pieces(found.flat, np.arange(found.count))
    faces = [
        {"vertices": found.face(f).tolist(), "pattern": [p[f].tolist() for p in pieces]} for f in range(found.count)
    ]
    try:
        vertices = [{"xy": [f"{x}/{q}", f"{y}/{q}"]} for x, y, q in exact_points(found)]
    except ValueError:  # Python's own limit of digits
        raise GeometryError(
            "The corners are fractions of more than 4,300 digits, which no certificate holds: the network is too deep."
        ) from None
    return write_text(path, json.dumps({"box": found.box, "vertices": vertices, "faces": faces}))


def exact_points(found: Complex) -> list[tuple[int, ...]]:
    """Every vertex as whole numbers X, Y over Q."""
    exact, points = Exact(found.flat), {}
    return [exact_point(found.mesh, exact, v, points) for v in range(len(found.xy))]


def exact_point(mesh: Mesh, exact: Exact, v: int, points: dict[int, tuple[int, ...]]) -> tuple[int, ...]:
    """A vertex, and those it lies between, as far as they are not known."""
    if v not in points:
        a, b = mesh.between[v].tolist()
        if a < 0:
            points[v] = point_of(mesh.xy[v])
            return points[v]
        bend, line = mesh.cut[v].tolist()
        n = exact.network.bends[bend].width
        ends = [exact_point(mesh, exact, i, points) for i in (a, b)]
        at_a, at_b = (exact.kinked(p, bend, line % n, line // n) for p in ends)
        points[v] = crossing(ends[0], ends[1], at_a, at_b)
    return points[v]
