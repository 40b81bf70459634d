"""A planar subdivision into convex faces: vertices, edges, faces, and what each was cut by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _mesh_kernels as kernels
from ._network import Network

if TYPE_CHECKING:
    from ._join import Patterns


@dataclass
class Mesh:
    """A planar subdivision into convex faces.

    Every vertex but the corners lies between two others, `between`, where a line crosses: line `cut[v, 1]` of bend
    `cut[v, 0]`. That is what a vertex *is*; `xy` are its floats, `error` says how far a value at it may be off, in
    units of each value's own scale, at these floats, and `away` how far these are from the
    vertex. Edge e runs along line `drawn[e, 1]` of bend `drawn[e, 0]` (−1: the box), at most `aside[e]` beside it.
    The vertices and edges of face f are `vertices[ptr[f]:ptr[f + 1]]`, counterclockwise, and `edges`, each from its
    vertex to the next. `parents` and `above` say for every bend which face a face was cut from, and which lines it is
    above.
    """

    xy: np.ndarray
    error: np.ndarray
    away: np.ndarray
    between: np.ndarray
    cut: np.ndarray
    ends: np.ndarray
    drawn: np.ndarray
    aside: np.ndarray
    ptr: np.ndarray
    vertices: np.ndarray
    edges: np.ndarray
    parents: list[np.ndarray] = field(default_factory=list)
    above: list[np.ndarray] = field(default_factory=list)
    signs: int = 0
    exact: int = 0
    patterns: Patterns | None = None
    hidden: int = 0

    @property
    def faces(self) -> int:
        return len(self.ptr) - 1

    @property
    def corners(self) -> int:
        """How many vertices are corners of faces: the first ones."""
        return len(self.xy) - self.hidden

    def sides(self) -> np.ndarray:
        """The faces left and right of every edge, −1 where there is none."""
        found = np.full((len(self.ends), 2), -1)
        kernels.sides(self.ptr, self.vertices, self.edges, self.ends, found)
        return found

    def areas(self) -> np.ndarray:
        found = np.empty(self.faces)
        kernels.areas(self.ptr, self.vertices, self.xy, found)
        return found

    def mean_of(self, values: np.ndarray) -> np.ndarray:
        """The mean over each face's vertices of numbers (vertices, n)."""
        return np.add.reduceat(values[self.vertices], self.ptr[:-1]) / np.diff(self.ptr)[:, None]

    def pieces(self, network: Network, faces: np.ndarray) -> list[np.ndarray]:
        """Of every bend the pieces that its units are on in these faces, (faces, units)."""
        found, at = [], np.asarray(faces)
        later = network.bends[self.patterns.depth if self.patterns else 0 :]
        for step, parents, above in reversed(list(zip(later, self.parents, self.above, strict=False))):
            kinks = len(step.bend.kinks)
            bits = np.unpackbits(above[at].view(np.uint8), axis=1, count=step.width * kinks, bitorder="little")
            found.append(bits.reshape(len(at), kinks, step.width).sum(1, dtype=np.int8))
            at = parents[at]
        return [*(self.patterns.pieces(at) if self.patterns else []), *found[::-1]]

    def locate(self, points: np.ndarray, box: Any) -> np.ndarray:
        """The face that holds each point, −1 outside the box."""
        low, high = (np.array(side, float) for side in zip(*box, strict=True))
        n = max(1, int(np.sqrt(self.faces / 2)))
        size = (high - low) / n
        first, found = kernels.buckets(self.ptr, self.vertices, self.xy, low, size, n)
        answer = np.full(len(points), -1)
        kernels.locate(points, first, found, self.ptr, self.vertices, self.xy, low, size, n, answer)
        answer[((points < low) | (points > high)).any(1)] = -1
        return answer

    def copy(self) -> Mesh:
        """Another mesh of the same arrays, to be cut further; cutting makes new arrays."""
        return replace(self, parents=list(self.parents), above=list(self.above), hidden=0)


def polygon(corners: np.ndarray) -> Mesh:
    """One face: the convex polygon with these corners, counterclockwise."""
    n = len(corners)
    numbers = short(np.arange(n))
    none, ends = np.full((n, 2), -1, np.int32), np.stack([numbers, (numbers + 1) % n], 1)
    drawn = np.stack([none[:, 0], numbers], 1)
    return Mesh(
        np.array(corners, float), np.ones(n), np.zeros(n), none, none.copy(), ends, drawn, np.zeros(n),
        np.array([0, n]), numbers, numbers.copy(),
    )  # fmt: skip


def rectangle(box: Any) -> Mesh:
    """One face: a rectangle with the sides (low, high) along both axes."""
    (x0, x1), (y0, y1) = box
    return polygon(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))


def short(numbers: np.ndarray) -> np.ndarray:
    """Numbers of vertices, edges and faces take half the memory as int32."""
    return numbers.astype(np.int32)
