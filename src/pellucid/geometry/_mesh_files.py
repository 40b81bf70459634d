"""A surface as a file: PLY and OBJ with its polygons and bends in full, binary glTF as triangles and lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import GeometryError, SettingError
from ..store import write_bytes

if TYPE_CHECKING:
    from ._surface import Surface


def ply(found: Surface, path: str | Path) -> Path:
    """PLY as text: vertices with every digit of a float64, faces, and edges with the bend and the line along them."""
    corners = np.split(filled(found).corners, found.ptr[1:-1])
    lines = ["ply", "format ascii 1.0", "comment an exact level set, written by pellucid"]
    lines += [f"element vertex {len(found.vertices)}", *(f"property double {axis}" for axis in "xyz")]
    lines += [f"element face {found.count}", "property list uchar int vertex_indices"]
    lines += [
        f"element edge {len(found.edges)}",
        *(f"property int {n}" for n in ("vertex1", "vertex2", "bend", "line")),
    ]
    lines += ["end_header", *(f"{x!r} {y!r} {z!r}" for x, y, z in found.vertices.tolist())]
    lines += [" ".join(map(str, [len(polygon), *polygon.tolist()])) for polygon in corners]
    lines += [" ".join(map(str, edge)) for edge in np.concatenate([found.edges, found.drawn], 1).tolist()]
    return write_bytes(Path(path), "\n".join([*lines, ""]).encode())


def obj(found: Surface, path: str | Path) -> Path:
    """OBJ: `v` with every digit of a float64, `f` with all corners of a polygon, `l` for the edges."""
    corners = np.split(filled(found).corners + 1, found.ptr[1:-1])
    lines = ["# an exact level set, written by pellucid", "o surface"]
    lines += [f"v {x!r} {y!r} {z!r}" for x, y, z in found.vertices.tolist()]
    lines += ["f " + " ".join(map(str, polygon.tolist())) for polygon in corners]
    lines += [f"l {a} {b}" for a, b in (found.edges + 1).tolist()]
    return write_bytes(Path(path), "\n".join([*lines, ""]).encode())


def glb(found: Surface, path: str | Path) -> Path:
    """Binary glTF by trimesh: a mesh "surface" and the lines "bends"."""
    trimesh = needed()
    filled(found)
    scene: Any = trimesh.Scene()
    mesh = trimesh.Trimesh(found.vertices, found.triangles(), process=False)
    scene.add_geometry(mesh, node_name="surface", geom_name="surface")
    entities = [trimesh.path.entities.Line(edge) for edge in found.edges]
    bends = trimesh.path.Path3D(entities, found.vertices, process=False)
    scene.add_geometry(bends, node_name="bends", geom_name="bends")
    return write_bytes(Path(path), scene.export(file_type="glb"))


def needed() -> Any:
    """trimesh.

    Raises: SettingError where it is not installed, with how to install it.
    """
    try:
        import trimesh
        import trimesh.path.entities
    except ImportError as error:
        raise SettingError(
            'Writing .glb needs trimesh: pip install "pellucid[surfaces]". PLY and OBJ can be written without it.'
        ) from error
    return trimesh


def filled(found: Surface) -> Surface:
    """Raises: GeometryError where there is no polygon to write."""
    if not found.count:
        raise GeometryError(f"There is no polygon to write. {found.note}")
    return found
