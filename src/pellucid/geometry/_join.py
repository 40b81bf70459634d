"""Tiles joined into one mesh: what was cut only because a tile ended there is whole again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import GeometryError
from . import _join_kernels as kernels
from ._flow import Rows
from ._mesh import Mesh, short
from ._network import Network
from ._tile import Side, Tile, unpacked

MISTAKE = "This is a mistake in Pellucid, not yours."


@dataclass(eq=False)
class Node:
    """A rectangle: a tile, or two halves, the lower one first, `axis` being the one that was halved."""

    tile: Tile | None = None
    axis: int = 0
    halves: tuple[Node, ...] = ()

    def tiles(self) -> list[Tile]:
        return [self.tile] if self.tile else [tile for half in self.halves for tile in half.tiles()]


@dataclass(frozen=True, eq=False)
class Patterns:
    """The patterns of joined faces: each is that of a face of some tile, `faces` (F,) numbering those of all tiles."""

    tiles: tuple[Tile, ...]
    firsts: np.ndarray
    faces: np.ndarray
    speaks: Sequence[np.ndarray]

    @property
    def depth(self) -> int:
        """Of how many bends they are."""
        return self.tiles[0].depth

    def pieces(self, at: np.ndarray) -> list[np.ndarray]:
        """Of every bend the pieces that its units are on in these faces, (faces, units)."""
        wanted = self.faces[at]
        of = np.searchsorted(self.firsts, wanted, side="right") - 1
        widths = [len(speaks) for speaks in self.speaks]
        found = [np.empty((len(wanted), width), np.int8) for width in widths[: self.depth]]
        for number in np.unique(of):
            here = np.flatnonzero(of == number)
            parts = self.tiles[number].pieces(wanted[here] - self.firsts[number], widths)
            for whole, part, speaks in zip(found, parts, self.speaks, strict=False):
                whole[here] = part[:, speaks]
        return found


class Joining:
    """Puts the tiles of a tree together."""

    def __init__(self, network: Network, tree: Node, speaks: Sequence[np.ndarray]):
        self.network, self.speaks = network, speaks
        self.tiles = tree.tiles()
        self.number = {id(tile): i for i, tile in enumerate(self.tiles)}
        meshes = [tile.mesh for tile in self.tiles]
        self.firsts = [np.cumsum([0, *map(len, of)]) for of in (
            [m.xy for m in meshes], [m.ptr[1:] for m in meshes], [m.ends for m in meshes])]  # fmt: skip
        vertices, faces, edges = (int(first[-1]) for first in self.firsts)
        self.vertex, self.face, self.edge = (np.arange(n, dtype=np.int32) for n in (vertices, faces, edges))
        self.gone, self.dropped = np.zeros(edges, bool), np.zeros(vertices, bool)
        self.widths = [len(of) for of in speaks]
        self.starts = np.cumsum([0, *self.widths])
        self.xy, self.away = (self.whole(name) for name in ("xy", "away"))
        self.drawn = self.whole("drawn")
        self.met: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # faces on both sides, the first bend between
        self.corners = np.array([side.vertices[0] for side in self.joined(tree)])

    def whole(self, name: str) -> np.ndarray:
        """An array of all tiles' meshes, which then hold it no more."""
        parts = [getattr(tile.mesh, name) for tile in self.tiles]
        for tile in self.tiles:
            setattr(tile.mesh, name, None)
        return np.concatenate(parts)

    def joined(self, node: Node) -> list[Side]:
        """The four sides of a rectangle whose tiles are joined."""
        if node.tile:
            i = self.number[id(node.tile)]
            return [side.moved(*(int(first[i]) for first in self.firsts)) for side in node.tile.sides]
        low, high = (self.joined(half) for half in node.halves)
        if node.axis == 0:
            self.meet(low[1], high[3].reversed())
            return [self.follow(low[0], high[0]), high[1], self.follow(high[2], low[2]), low[3]]
        self.meet(low[2], high[0].reversed())
        return [low[0], self.follow(low[1], high[1]), high[2], self.follow(high[3], low[3])]

    def follow(self, first: Side, second: Side) -> Side:
        """Two sides in one line; where they meet in the middle of a face there is no vertex."""
        a, b = (kernels.root(self.face, side.faces[i]) for side, i in ((first, -1), (second, 0)))
        if a != b:
            return Side(*(np.concatenate([x, y]) for x, y in zip((first[0][:-1], *first[1:]), second, strict=True)))
        self.dropped[[first.vertices[-1], second.vertices[0]]] = True
        kernels.unite(self.edge, first.edges[-1:], second.edges[:1])
        parts = zip((first.vertices[:-1], *first[1:]), (x[1:] for x in second), strict=True)
        return Side(*(np.concatenate([x, y]) for x, y in parts))

    def meet(self, one: Side, other: Side) -> None:
        """Join along a common side: both have found the same vertices on it."""
        if len(one.vertices) != len(other.vertices):
            raise GeometryError(
                f"Two tiles found {len(one.vertices)} and {len(other.vertices)} vertices on one side. {MISTAKE}"
            )
        apart = abs(self.xy[one.vertices] - self.xy[other.vertices]).max(1)
        known = self.away[one.vertices] + self.away[other.vertices]
        if (apart > known + 1e-12 * abs(self.xy[one.vertices]).max()).any():
            raise GeometryError(f"Two tiles found different vertices on the side they share. {MISTAKE}")
        kernels.unite(self.vertex, one.vertices, other.vertices)
        bend, line = self.between(one.faces, other.faces)
        same = bend == len(self.widths)
        self.gone[one.edges[same]] = self.gone[other.edges[same]] = True
        kernels.unite(self.face, one.faces[same], other.faces[same])
        kernels.unite(self.edge, one.edges[~same], other.edges[~same])
        self.drawn[one.edges[~same]] = np.stack([bend[~same], line[~same]], 1)
        self.met.append((one.faces, other.faces, bend))

    def between(self, one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The first bend whose pieces differ in two faces, and its first line between them; behind all bends: none."""
        bend, line = np.full(len(one), len(self.widths)), np.zeros(len(one), int)
        firsts = self.firsts[1]
        of = np.stack([np.searchsorted(firsts, faces, side="right") - 1 for faces in (one, other)], 1)
        pairs, which = np.unique(of, axis=0, return_inverse=True)
        for p, pair in enumerate(pairs.tolist()):
            here = np.flatnonzero(which.reshape(-1) == p)
            tiles = [self.tiles[i] for i in pair]
            units = np.union1d(*(tile.kept for tile in tiles))
            a, b = (
                self.pieces(tile, faces[here] - firsts[i], units)
                for tile, i, faces in zip(tiles, pair, (one, other), strict=True)
            )
            differ = a != b
            some = differ.any(1)
            at = np.searchsorted(self.starts, units[differ.argmax(1)], side="right") - 1 if len(units) else some
            for i in np.flatnonzero(some).tolist():
                k = int(at[i])
                mine = np.flatnonzero(differ[i] & (units < self.starts[k + 1]))
                kink = np.minimum(a[i, mine], b[i, mine]).astype(int)
                bend[here[i]] = k
                line[here[i]] = (kink * self.widths[k] + units[mine] - self.starts[k]).min()
        return bend, line

    def pieces(self, tile: Tile, faces: np.ndarray, units: np.ndarray) -> np.ndarray:
        """The pieces of some units, numbered among those of all bends, in faces of a tile; (faces, units)."""
        fixed = np.concatenate(unpacked(tile.fixed, self.widths))[units]
        found = np.repeat(fixed[None], len(faces), 0)
        found[:, np.searchsorted(units, tile.kept)] = tile.pieces_here(faces)
        return found

    def counts(self) -> tuple[int, ...]:
        """How many regions there are after each bend."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        firsts = self.firsts[1]
        place = np.full(int(firsts[-1]), -1, np.int32)
        for tile, first in zip(self.tiles, firsts, strict=False):
            place[first + tile.outer] = np.arange(len(tile.outer))
        one, other, bend = (np.concatenate([np.zeros(0, int), *parts]) for parts in zip(*self.met, strict=True)) if (
            self.met) else (np.zeros(0, int),) * 3  # fmt: skip
        outer = np.concatenate([[0], np.cumsum([len(tile.outer) for tile in self.tiles])])
        ends = []
        for faces in (one, other):
            ends.append(outer[np.searchsorted(firsts, faces, side="right") - 1] + place[faces])
        found = []
        for b in range(self.tiles[0].depth):
            before = np.cumsum([0, *(tile.counts[b] for tile in self.tiles)])
            ids = np.concatenate([tile.ancestors[b] + n for tile, n in zip(self.tiles, before, strict=False)])
            names, ids = np.unique(ids, return_inverse=True)
            same = bend > b
            pairs = coo_array((np.ones(int(same.sum()), bool), tuple(ids[end[same]] for end in ends)),
                              shape=(len(names), len(names)))  # fmt: skip
            merged = len(names) - connected_components(pairs, directed=False, return_labels=False)
            found.append(int(before[-1]) - int(merged))
        return tuple(found)

    def mesh(self) -> tuple[Mesh, Rows]:
        """The joined mesh, and the rows of its vertices."""
        ends = self.moved("ends", self.firsts[0])
        for parent in (self.vertex, self.face):
            kernels.roots(parent)
        self.dropped[self.vertex[self.dropped]] = True
        self.straighten(ends)
        kernels.roots(self.edge)
        self.gone[self.edge[self.gone]] = True
        ends = self.vertex[ends]
        ptr, vertices, edges, origin = self.polygons(ends)
        used = np.zeros(len(self.vertex), bool)
        used[vertices] = True
        between = self.moved("between", self.firsts[0])
        between[between >= 0] = self.vertex[between[between >= 0]]
        order, hidden = self.needed(used, between)
        place = np.full(len(used), -1, np.int32)
        place[order] = np.arange(len(order))
        lines = np.zeros(len(self.edge), bool)
        lines[edges] = True
        aside = np.zeros(len(lines))
        np.maximum.at(aside, self.edge, self.whole("aside"))
        edge_place = short(np.cumsum(lines) - 1)
        between = between[order]
        between[between >= 0] = place[between[between >= 0]]
        patterns = Patterns(tuple(self.tiles), self.firsts[1], origin, self.speaks)
        signs, exact = (sum(getattr(tile.mesh, name) for tile in self.tiles) for name in ("signs", "exact"))
        mesh = Mesh(
            self.xy[order], self.whole("error")[order], self.away[order], between, self.whole("cut")[order],
            place[ends[lines]], self.drawn[lines], aside[lines], ptr, place[vertices], edge_place[edges],
            signs=signs, exact=exact, patterns=patterns, hidden=hidden,
        )  # fmt: skip
        return mesh, self.rows(order)

    def moved(self, name: str, firsts: np.ndarray) -> np.ndarray:
        """An array of all tiles' vertex or edge numbers, −1 being none, as numbers among those of all tiles."""
        for tile, first in zip(self.tiles, firsts, strict=False):
            numbers = getattr(tile.mesh, name)
            setattr(tile.mesh, name, np.where(numbers >= 0, numbers + np.int32(first), np.int32(-1)))
        return self.whole(name)

    def straighten(self, ends: np.ndarray) -> None:
        """Drop vertices of two edges that are left where tiles met: one line went through, and is one edge again."""
        on_side = np.zeros(len(self.vertex), bool)
        for tile, first in zip(self.tiles, self.firsts[0], strict=False):
            for side in tile.sides:
                on_side[self.vertex[side.vertices + first]] = True
        on_side[self.dropped] = False
        on_side[self.vertex[self.corners]] = False
        kernels.roots(self.edge)
        pairs = []
        for end in ends.T:
            here = np.flatnonzero(on_side[self.vertex[end]])
            edge = self.edge[here]
            kept = ~self.gone[edge]
            pairs.append(np.stack([self.vertex[end[here[kept]]], edge[kept]], 1))
        at, edge = np.unique(np.concatenate(pairs), axis=0).T
        vertices, first, count = np.unique(at, return_index=True, return_counts=True)
        two = count == 2
        self.dropped[vertices[two]] = True
        kernels.unite(self.edge, edge[first[two]], edge[first[two] + 1])

    def polygons(self, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The joined faces: where each begins, their vertices and edges, and a tile's face that each one is of."""
        faces = len(self.face)
        sizes = np.concatenate([np.diff(tile.mesh.ptr) for tile in self.tiles])
        fv, fe = self.moved("vertices", self.firsts[0]), self.moved("edges", self.firsts[2])
        ptr = np.concatenate([[0], np.cumsum(sizes)])
        touched = np.zeros(faces, bool)
        for tile, first in zip(self.tiles, self.firsts[1], strict=False):
            touched[first + tile.outer] = True
        members = np.flatnonzero(touched)
        members = members[np.argsort(self.face[members], kind="stable")]
        group = self.face[members]
        entries = int(sizes[members].sum())
        new_sizes, new_v, new_e = np.empty(len(members), int), *(np.empty(entries, np.int32) for _ in range(2))
        count, total = kernels.polygons(
            members, group, ptr, fv, fe, self.vertex, self.edge, self.gone, self.dropped, new_sizes, new_v, new_e, ends
        )
        if count < 0:
            raise GeometryError(f"The edges of a joined region do not close. {MISTAKE}")
        alone = np.repeat(~touched, sizes)
        sizes = np.concatenate([sizes[~touched], new_sizes[:count]])
        origin = np.concatenate([np.flatnonzero(~touched), np.unique(group)])
        vertices = np.concatenate([self.vertex[fv[alone]], new_v[:total]])
        edges = np.concatenate([self.edge[fe[alone]], new_e[:total]])
        return np.concatenate([[0], np.cumsum(sizes)]), vertices, edges, origin

    def needed(self, used: np.ndarray, between: np.ndarray) -> tuple[np.ndarray, int]:
        """The vertices of faces, and behind them those that others lie between, with how many these are."""
        kept, new = used.copy(), np.flatnonzero(used)
        while len(new):
            ends = between[new].reshape(-1)
            ends = np.unique(ends[ends >= 0])
            new = ends[~kept[ends]]
            kept[new] = True
        hidden = np.flatnonzero(kept & ~used)
        return np.concatenate([np.flatnonzero(used), hidden]), len(hidden)

    def rows(self, order: np.ndarray) -> Rows:
        found: list[Any] = []
        for i, of in enumerate((None, np.minimum, np.maximum, np.maximum)):
            parts = [tile.rows[i] for tile in self.tiles]
            found.append(np.concatenate(parts)[order] if of is None else of.reduce(parts))
        for tile in self.tiles:
            tile.rows = Rows(*(np.zeros(0) for _ in range(4)))
        return Rows(*found)
