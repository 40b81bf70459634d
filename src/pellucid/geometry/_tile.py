"""One tile of the plane, cut on its own: its mesh, its patterns, and what lies along its sides."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple

import numpy as np

from ._cut import Cutter
from ._exact import Exact
from ._flow import Rows
from ._mesh import Mesh, rectangle, short
from ._narrow import Narrow
from ._narrow_flow import NarrowFlow
from ._original import Original
from ._tile_bounds import Box
from ._whole import Whole


class Side(NamedTuple):
    """What lies along a side, counterclockwise: n + 1 vertices, and the faces and edges of the n segments between."""

    vertices: np.ndarray
    faces: np.ndarray
    edges: np.ndarray

    def moved(self, vertices: int, faces: int, edges: int) -> Side:
        return Side(self.vertices + vertices, self.faces + faces, self.edges + edges)

    def reversed(self) -> Side:
        return Side(self.vertices[::-1], self.faces[::-1], self.edges[::-1])


@dataclass(eq=False)
class Tile:
    """A part of the plane with its own vertices, edges and faces.

    `counts` are its faces after each bend. Patterns: `fixed` are the pieces of all units, packed; `kept` numbers the
    units that bend here among those of all bends, and `bits` holds for every face which of their lines it is above.
    Of the faces along the sides, `outer`, `ancestors` (bends, faces) says what they were cut from.
    """

    box: Box
    depth: int
    mesh: Mesh
    rows: Rows
    counts: np.ndarray
    fixed: list[list[np.ndarray]]
    kept: np.ndarray
    bits: np.ndarray
    places: list[tuple[int, int, int]]  # of each bend cut: the first byte of its bits, its units and kinks
    leaders: np.ndarray  # of each unit kept: which of those cut tells its piece,
    told: np.ndarray  # and how: (units kept, its pieces)
    sides: list[Side]
    outer: np.ndarray
    ancestors: np.ndarray

    @property
    def shared(self) -> np.ndarray:
        """How many faces after each bend lie along the sides."""
        return np.array([len(np.unique(ids)) for ids in self.ancestors], int)

    @property
    def bytes(self) -> int:
        arrays = [*vars(self.mesh).values(), self.rows.values, self.bits, self.ancestors]
        return sum(a.nbytes for a in arrays if isinstance(a, np.ndarray)) + sum(a.nbytes for p in self.fixed for a in p)

    def pieces_here(self, faces: np.ndarray) -> np.ndarray:
        """The pieces of the units kept in these faces, (faces, kept)."""
        words, found = self.bits[faces].view(np.uint8), []
        for start, n, kinks in self.places:
            bits = np.unpackbits(words[:, start:], axis=1, count=n * kinks, bitorder="little")
            found.append(bits.reshape(len(faces), kinks, n).sum(1, dtype=np.int8))
        if not found:
            return np.zeros((len(faces), 0), np.int8)
        return self.told[np.arange(len(self.kept)), np.concatenate(found, 1)[:, self.leaders]]

    def pieces(self, faces: np.ndarray, widths: list[int]) -> list[np.ndarray]:
        """Of every bend the pieces of its units in these faces, (faces, units); where several are the same, of the
        first."""
        found = [np.repeat(fixed[None], len(faces), 0) for fixed in unpacked(self.fixed, widths)]
        here, start, at = self.pieces_here(faces), 0, 0
        for whole, width in zip(found, widths, strict=True):
            stop = int(np.searchsorted(self.kept, start + width))
            whole[:, self.kept[at:stop] - start] = here[:, at:stop]
            start, at = start + width, stop
        return found


def packed(pieces: list[np.ndarray], kinks: list[int]) -> list[list[np.ndarray]]:
    """The pieces of all units, bit by bit."""
    return [
        [np.packbits(part >> bit & 1) for bit in range(count.bit_length())]
        for part, count in zip(pieces, kinks, strict=True)
    ]


def unpacked(planes: list[list[np.ndarray]], widths: list[int]) -> list[np.ndarray]:
    return [
        sum((np.unpackbits(plane, count=width).astype(np.int8) << bit for bit, plane in enumerate(part)),
            np.zeros(width, np.int8))
        for part, width in zip(planes, widths, strict=True)
    ]  # fmt: skip


def cut_tile(whole: Whole, exact: Exact, lock: Lock, narrow: Narrow, depth: int) -> Tile:
    """Cut a rectangle by the first `depth` bends of the network narrowed to it.

    Raises: FlatLeader where the pieces of units that are led are not known on a face: they must be cut themselves.
    """
    network, flow = whole.network, NarrowFlow(narrow)
    flow.stages = [stage for stage, bend in zip(flow.stages, flow.bends, strict=True) if bend < depth]
    bends = flow.bends[: len(flow.stages)]
    mesh = rectangle(narrow.box)
    original = Original(whole, exact, lock, narrow, bends)
    cutter = Cutter(flow, original, mesh, 1, np.iinfo(np.int64).max)
    for bend, unit in {group.leader for group in narrow.led if group.strict and group.leader[0] in bends}:
        cutter.watched.setdefault(bends.index(bend), []).append(int(np.searchsorted(narrow.left[bend], unit)))
    rows = cutter.run()
    if depth < len(network.bends):
        rows = Rows(np.zeros((len(mesh.xy), 0)), np.zeros(0), np.zeros(0), np.zeros((3, 0)))
    widths = [step.width for step in network.bends]
    starts = np.cumsum([0, *widths])
    counts, words, places, ancestors = history(mesh, flow, bends, depth)
    sides = sides_of(mesh)
    outer = np.unique(np.concatenate([side.faces for side in sides]))
    for table in (mesh.cut, mesh.drawn):
        in_network(table, bends, narrow, widths)
    mesh.parents, mesh.above = [], []
    kinks = [len(step.bend.kinks) for step in network.bends]
    kept, leaders, told = whose(narrow, bends, depth, starts, max([1, *kinks]) + 1)
    return Tile(
        narrow.box, depth, mesh, rows, counts, packed(list(narrow.pieces), kinks), kept, words, places, leaders, told,
        sides, outer, short(ancestors[:, outer]),
    )  # fmt: skip


def whose(
    narrow: Narrow, bends: list[int], depth: int, starts: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The units that are not on one piece, as numbers among those of all bends, in order; which of those that were cut
    tells the piece of each; and how, (units, pieces)."""
    cut = np.concatenate([np.zeros(0, int), *(starts[b] + narrow.left[b] for b in bends)])
    led = [group for group in narrow.led if group.leader[0] in bends and group.bend < depth]
    kept = [cut, *(starts[group.bend] + group.units for group in led)]
    place = [np.searchsorted(cut, starts[group.leader[0]] + group.leader[1]) for group in led]
    leaders = [np.arange(len(cut)), *(np.full(len(g.units), i) for g, i in zip(led, place, strict=True))]
    own = np.repeat(np.arange(most, dtype=np.int8)[None], len(cut), 0)
    told = [own, *(np.pad(group.pieces.T.astype(np.int8), ((0, 0), (0, most - 2))) for group in led)]
    order = np.argsort(np.concatenate(kept), kind="stable")
    return tuple(np.concatenate(part)[order] for part in (kept, leaders, told))  # pyright: ignore[reportReturnType]


def history(
    mesh: Mesh, flow: NarrowFlow, bends: list[int], depth: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int, int]], np.ndarray]:
    """Of all faces: how many there were after each bend, the bits of their lines, where these are, what they were."""
    faces, at = mesh.faces, np.arange(mesh.faces)
    counts, ancestors = np.ones(depth, int), np.zeros((depth, faces), int)
    last, parts = depth, []
    for bend, parents, above in reversed(list(zip(bends, mesh.parents, mesh.above, strict=True))):
        counts[bend:last], ancestors[bend:last] = len(parents), at
        parts.append(above[at])
        at, last = parents[at], bend
    parts = parts[::-1]
    firsts = 8 * np.cumsum([0, *(part.shape[1] for part in parts)])
    places = [(int(first), stage.n, len(stage.bend.kinks)) for first, stage in zip(firsts, flow.stages, strict=False)]
    return counts, np.concatenate([np.zeros((faces, 0), np.uint64), *parts], 1), places, ancestors


def sides_of(mesh: Mesh) -> list[Side]:
    """Bottom, right, top and left; the pieces of a side stay in their order and direction."""
    left = mesh.sides()[:, 0]
    found = []
    for k in range(4):
        edges = np.flatnonzero((mesh.drawn[:, 0] == -1) & (mesh.drawn[:, 1] == k))
        vertices = np.append(mesh.ends[edges, 0], mesh.ends[edges[-1], 1])
        found.append(Side(vertices, left[edges], edges))
    return found


def in_network(table: np.ndarray, bends: list[int], narrow: Narrow, widths: list[int]) -> None:
    """Bends and lines of a narrow network as those of the network itself, in place."""
    stage = table[:, 0].copy()
    for s, bend in enumerate(bends):
        here = stage == s
        units, line = narrow.left[bend], table[here, 1]
        table[here, 0] = bend
        table[here, 1] = line // len(units) * widths[bend] + units[line % len(units)]
