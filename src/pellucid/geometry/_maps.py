"""The affine maps of all faces, and which neighbours have the same."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ._network import Network

FACES = 4096  # at a time
SAME = 1e-11  # of the steepest slope: less is taken for rounding


@dataclass(frozen=True, eq=False)
class Maps:
    """Of every face the slopes (F, 2, n_out) and offsets (F, n_out): `f(s, t) = [s, t] slopes + offset`.

    `region` (F,) numbers the linear regions: faces that are joined by edges at which nothing bends share a number.
    `close` counts the edges whose bend is so slight that it may be rounding; they are taken for no bend below 1e-11 of
    the steepest slope.
    """

    slopes: np.ndarray
    offsets: np.ndarray
    region: np.ndarray
    close: int

    @property
    def count(self) -> int:
        return int(self.region.max()) + 1

    @cached_property
    def size(self) -> np.ndarray:
        """How many faces each linear region has."""
        return np.bincount(self.region)


def maps_of(flat: Network, mesh: Any, xy: np.ndarray, values: np.ndarray) -> Maps:
    """The maps of all faces of a mesh, taken back from the outputs through each face's pattern."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    parts = [np.arange(i, min(i + FACES, mesh.faces)) for i in range(0, mesh.faces, FACES)]
    slopes = np.concatenate([slopes_of(flat, mesh.pieces(flat, part)) for part in parts])
    middle, height = mesh.mean_of(xy), mesh.mean_of(values)
    offsets = height - np.einsum("fi,fio->fo", middle, slopes)
    sides = mesh.sides()
    inner = (sides >= 0).all(1)
    left, right = sides[inner].T
    bent = abs(slopes[left] - slopes[right]).max((1, 2))
    steep = max(abs(slopes).max(), 1e-300)
    same = bent <= SAME * steep
    graph = coo_array((np.ones(int(same.sum())), (left[same], right[same])), shape=(mesh.faces, mesh.faces))
    _, region = connected_components(graph, directed=False)
    return Maps(slopes, offsets, region, int(((bent > 1e-15 * steep) & (bent < 1e-9 * steep)).sum()))


def slopes_of(flat: Network, pieces: list[np.ndarray]) -> np.ndarray:
    """The derivative (faces, n_in, n_out) where units are on these pieces, one row for each face."""
    faces = len(pieces[0]) if pieces else 1
    n_out = flat.n_out
    found = []
    for output in range(n_out):
        start = np.zeros((faces, n_out))
        start[:, output] = 1
        found.append(flat.taken_back(pieces, start))
    return np.stack(found, 2)
