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

MOST = 20_000  # vertices whose exact places are worked out; their fractions may have thousands of digits


def npz(found: Complex, path: str | Path) -> Path:
    mesh, buffer = found.mesh, io.BytesIO()
    np.savez_compressed(
        buffer, xy=mesh.xy, values=found.values, edges=mesh.ends, drawn=mesh.drawn, sides=found.sides, ptr=mesh.ptr,
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
    mesh, exact = found.mesh, Exact(found.flat)
    points: list[tuple[int, ...]] = []
    for v, (a, b) in enumerate(mesh.between.tolist()):
        if a < 0:
            points.append(point_of(mesh.xy[v]))
            continue
        bend, line = mesh.cut[v].tolist()
        n = found.flat.bends[bend].width
        at = [exact.kinked(points[i], bend, line % n, line // n) for i in (a, b)]
        points.append(crossing(points[a], points[b], *at))
    return points
