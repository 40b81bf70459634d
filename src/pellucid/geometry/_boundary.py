"""Where the answer of a network changes, within a complex: exact lines, and the pieces of each answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..records import Record, unlisted
from ._cut import Cutter, first_rows
from ._exact import Exact
from ._flow import Flow, Rows
from ._mesh import Mesh
from ._network import Network
from ._plane import decision, joined


@dataclass(frozen=True, eq=False)
class Boundary(Record):
    """The decision boundary: straight pieces joined into lines, and the connected pieces of the plane it separates.

    `lines` are the corners (n, 2) of each line; one that closes ends where it begins. Where three answers meet, lines
    end. `answers` says of each connected piece which output is the largest in it (of a single output: 1 above the
    level, 0 below), `areas` its area. `residual` is the largest difference of the two largest outputs (or from the
    level) on the boundary, relative to the largest output.
    """

    level: float
    lines: tuple[np.ndarray, ...]
    length: float
    answers: np.ndarray
    areas: np.ndarray
    residual: float
    mesh: Mesh = unlisted(repr=False)
    answer_of: np.ndarray = unlisted(repr=False)  # of each face of the mesh, which is cut by the boundary
    piece_of: np.ndarray = unlisted(repr=False)

    @property
    def count(self) -> int:
        """How many connected pieces there are."""
        return len(self.answers)

    @cached_property
    def closed(self) -> tuple[bool, ...]:
        return tuple(bool((line[0] == line[-1]).all()) for line in self.lines)


def boundary_of(flat: Network, mesh: Mesh, rows: Rows, level: float, threads: int) -> Boundary:
    """Cut the faces once more, by what tells the answers apart."""
    values, scale = rows.values, rows.scale
    behind = decision(flat.n_out, level)
    start, whole = Flow(behind).first, joined(flat, behind)
    further = mesh.copy()
    cutter = Cutter(Flow(whole), Exact(whole), further, threads, np.iinfo(np.int64).max)
    if behind.bends:
        values = cutter.run(len(flat.bends), first_rows(start, values, scale)).values[:, 1:]
    middle = further.mean_of(values)
    answer = (middle[:, 0] > level).astype(int) if flat.n_out == 1 else middle.argmax(1)
    sides = further.sides()
    apart: Any = (sides >= 0).all(1)
    apart[apart] = answer[sides[apart, 0]] != answer[sides[apart, 1]]
    ends = further.ends[apart]
    lines = [further.xy[chain] for chain in chains(ends)]
    pieces = connected(further.faces, sides[(sides >= 0).all(1) & ~apart])
    first_of = np.unique(pieces, return_index=True)[1]
    return Boundary(
        level=level,
        lines=tuple(lines),
        length=float(sum(np.linalg.norm(np.diff(line, axis=0), axis=1).sum() for line in lines)),
        answers=answer[first_of],
        areas=np.bincount(pieces, further.areas()),
        residual=margin(flat(further.xy[np.unique(ends)]), level),
        mesh=further,
        answer_of=answer,
        piece_of=pieces,
    )


def margin(values: np.ndarray, level: float) -> float:
    """How far the outputs at corners of the boundary are from a tie, relative to the largest of them."""
    if not len(values):
        return 0.0
    if values.shape[1] == 1:
        return float(abs(values - level).max() / max(abs(values).max(), abs(level), 1e-300))
    two = np.sort(values, 1)[:, -2:]
    return float((two[:, 1] - two[:, 0]).max() / max(abs(values).max(), 1e-300))


def connected(faces: int, pairs: np.ndarray) -> np.ndarray:
    """The number of the connected piece of each face, given pairs of faces that belong together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(faces, faces))
    return connected_components(graph, directed=False)[1]


def chains(ends: np.ndarray) -> list[list[int]]:
    """Segments (n, 2) of vertex numbers joined into lines that end where one or more than two segments meet."""
    at: dict[int, list[int]] = {}
    for i, (a, b) in enumerate(ends.tolist()):
        at.setdefault(a, []).append(i)
        at.setdefault(b, []).append(i)
    used = np.zeros(len(ends), bool)
    found = []
    corners = [v for v, edges in at.items() if len(edges) != 2]
    for v in [*corners, *at]:  # first those with ends, then what is left: the closed ones
        for i in at[v]:
            if not used[i]:
                found.append(followed(v, i, ends, at, used))
    return found


def followed(v: int, i: int, ends: np.ndarray, at: Any, used: np.ndarray) -> list[int]:
    """From vertex v along segment i until the line ends or comes back."""
    line = [v]
    while True:
        used[i] = True
        a, b = ends[i].tolist()
        v = b if v == a else a
        line.append(v)
        onward = [j for j in at[v] if not used[j]]
        if len(at[v]) != 2 or not onward:
            return line
        i = onward[0]
