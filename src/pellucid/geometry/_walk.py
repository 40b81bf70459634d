"""From region to neighbouring region, outward from one input, in any dimension."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import GeometryError, SettingError, unknown
from ..module import Layer
from ..records import Record, unlisted
from ._blocks import curves
from ._corners import Corners, corners_of, distance_to, middle_of_facet
from ._neighbour import Flip, Maps
from ._network import Local, Network, flat, lowered
from ._polytope import ball, facets, merged

if TYPE_CHECKING:
    from ._enumerate import Progress, Regions

ORDERS = ("breadth", "distance")
FLAT = 1e-12  # relative: a normal shorter than this is none, a ball smaller than this is no region
ANEW = 32  # so many updates one behind the other, then the maps are made from the start again
FEW = 6  # up to so many inputs a region in a box is described by its corners
HELD = 2**28  # bytes of maps of regions whose neighbours are still to come
Piece = np.ndarray


@dataclass(frozen=True)
class Visited(Record):
    """One region that a walk came to: its number, a point inside, and how far round that point it reaches at least.

    It was entered through a kink of a unit, `entered`, such as `layers[1][5]`, from the region with the number
    `came_from` ("" and −1 for the first); `depth` is the number of facets crossed on the way, and
    `distance` that from the start to the nearest point of the region, None where it was not asked for. `updated` says
    how often in a row its maps were updated from the neighbour's, and not made anew.
    """

    number: int
    interior: np.ndarray
    radius: float
    entered: str
    came_from: int
    depth: int
    distance: float | None
    updated: int
    network: Network = unlisted(repr=False)
    patterns: tuple[Piece, ...] = unlisted(repr=False)

    def pieces(self) -> list[Piece]:
        """Of every bend the pieces that its units are on, (units,)."""
        return list(self.patterns)

    def local(self) -> Local:
        """The affine map of the region: `f(x) = x W + c`."""
        return self.network.local_of(self.pieces())


@dataclass(eq=False)
class Node:
    """A region in the making: the pieces, and what every bend is given as a map of the input, (inputs + 1, units)."""

    pieces: list[Piece]
    maps: list[np.ndarray] | None
    key: int
    depth: int
    updated: int
    entered: str = ""
    came_from: int = -1
    number: int = -1
    middle: np.ndarray | None = None
    radius: float = 0.0
    distance: float | None = None
    shape: Corners | None = None
    halves: Halves | None = None


class Halves(NamedTuple):
    """A region as `normal · x ≤ slack`, rows of length 1; `line` says which row is whose, −1 for a side of the box.

    `null` lines are on their kink all over the region.
    """

    normal: np.ndarray
    slack: np.ndarray
    line: np.ndarray
    null: np.ndarray


class Beyond(NamedTuple):
    """What lies beyond a facet of a region: the way out, and a point inside the facet, where one is known."""

    node: Node
    flips: list[Flip]
    key: int
    entered: str
    out: np.ndarray
    at: np.ndarray | None


def walk(
    net: Layer | Network, x: Any, box: Any = None, order: str = "breadth", limit: int | None = None
) -> Iterator[Visited]:
    """The regions of a network outward from that of x, each but once: an iterator.

    By "breadth": those that are fewer facets away first. By "distance": those that are nearer to x first, exactly,
    since all regions on the way to one are as near or nearer. Beyond a facet a unit is on another piece, and with it
    every later map changes by a rank-one term, `ΔZ = Δa ⊗ ∂z/∂a`. Regions outside the `box`, a pair (low, high) for
    each input, are left out, and parts outside it cut off. Regions too thin for float64 are passed over.

    Raises: SettingError for an unknown order, an impossible limit or box; GeometryError where x is not one input, lies
        outside the box or where no region can be found around it.
    Source: the visited set by exclusive or of random words: Zobrist 1970. Distance as least-distance programming:
        Lawson and Hanson 1974, chapter 23.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.eye(2), np.zeros(2)), Activation("relu"), Dense(np.ones((2, 1)), np.zeros(1))])
        >>> [(seen.depth, seen.entered, round(seen.distance, 9)) for seen in walk(net, [2.0, 1.0], order="distance")]
        [(0, '', 0.0), (1, 'layers[1][1]', 1.0), (1, 'layers[1][0]', 2.0), (2, 'layers[1][0]', 2.236067977)]
    """
    if order not in ORDERS:
        raise unknown("order of a walk", order, ORDERS)
    if limit is not None and limit < 1:
        raise SettingError(f"limit is at least 1 or None, got {limit}.")
    start = np.asarray(x, float)
    network = lowered(net, start.shape if not isinstance(net, Network) and start.ndim > 1 else None)
    points = flat(network, start.reshape(1, -1))
    return Walker(network, points[0], sides_of(box, network, points[0]), order == "distance", limit).run()


def sides_of(box: Any, network: Network, x: np.ndarray) -> np.ndarray:
    """The box as (inputs, 2), without end where there is none."""
    if not np.isfinite(x).all():
        raise GeometryError("A walk starts from finite numbers; x holds NaN or infinity.")
    if box is None:
        return np.tile([-np.inf, np.inf], (network.n_in, 1))
    from ._enumerate import checked_box

    sides = np.array(checked_box(box))
    if len(sides) != network.n_in:
        raise GeometryError(f"The box has {len(sides)} sides, the network {network.n_in} inputs: give one for each.")
    if not ((sides[:, 0] <= x) & (x <= sides[:, 1])).all():
        raise GeometryError("x lies outside the box: start inside it.")
    return sides


class Walker:
    """A walk under way."""

    def __init__(self, network: Network, x: np.ndarray, sides: np.ndarray, by_distance: bool, limit: int | None):
        self.network, self.x, self.sides, self.by_distance, self.limit = network, x, sides, by_distance, limit
        self.maps = Maps(network)
        self.curves = curves(network)
        self.owners = owners(network)
        draw = np.random.default_rng(0)
        self.words = [draw.integers(0, 2**63, (len(c.bend.kinks) + 1, c.width), np.uint64) for c in self.curves]
        self.seen: set[int] = set()
        self.queue: deque[Beyond] = deque()
        self.heap: list[tuple[float, int, Node | Beyond]] = []
        self.held: deque[Node] = deque()
        self.by_corners = 1 < network.n_in <= FEW and bool(np.isfinite(sides).all())
        self.bytes = 8 * (network.n_in + 1) * sum(c.width for c in self.curves) or 1
        self.pushed = self.thin = self.found = 0

    def run(self) -> Iterator[Visited]:
        node = self.first()
        self.seen.add(node.key)
        while node is not None:
            node.number = self.found
            self.found += 1
            assert node.middle is not None
            yield Visited(
                node.number, node.middle, node.radius, node.entered, node.came_from, node.depth, node.distance,
                node.updated, self.network, tuple(node.pieces),
            )  # fmt: skip
            if self.found == self.limit:
                return
            self.expand(node)
            node = self.nearest() if self.by_distance else self.earliest()

    def first(self) -> Node:
        """The region of x; where x is on kinks and its own pattern holds on no open set, one that it touches."""
        draw, x = np.random.default_rng(0), self.x
        for k in range(20):
            pieces = [p[0] for p in self.network.pieces(x[None])]
            node = Node(pieces, self.maps.anew(pieces), self.key(pieces), 0, 0)
            if self.settled(node):
                return node
            step = draw.normal(size=len(x)) * 1e-9 * 2**k * max(1.0, abs(self.x).max())
            x = np.clip(self.x + step, *self.sides.T)
        raise GeometryError("All regions around x are too thin for float64: start the walk elsewhere.")

    def key(self, pieces: list[Piece]) -> int:
        """A pattern as one number: the exclusive or of a random word for each unit and its piece."""
        key = np.uint64(0)
        for words, piece in zip(self.words, pieces, strict=True):
            key ^= np.bitwise_xor.reduce(np.take_along_axis(words, piece[None].astype(int), 0)[0])
        return int(key)

    def settled(self, node: Node) -> bool:
        """Find a middle of a region, and its distance where asked for; False where it is too thin."""
        halves = self.halves(node)
        at = self.x if node.middle is None else node.middle
        slack = halves.slack - halves.normal @ at
        if slack.min(initial=np.inf) <= 1e-6 * np.median(slack) or not self.by_corners:
            found = ball(halves.normal, slack)
            at, slack = at + found.middle, slack - halves.normal @ found.middle
            node.radius = found.radius
        else:
            node.radius = float(slack.min())
        if not node.radius > 100 * FLAT * (max(1.0, abs(at).max()) if np.isfinite(node.radius) else 1.0):
            return False
        node.middle = at
        if self.by_corners:
            node.shape = corners_of(halves.normal, slack, 2 * self.network.n_in)
        if node.shape is not None:
            shift = node.shape.corners.mean(0)
            node.middle = at + shift
            node.radius = float((slack - halves.normal @ shift).min())
            node.shape = Corners(node.shape.corners + at, node.shape.facets, node.shape.middles + at)
        if self.by_distance:
            node.distance = distance_to(halves.normal, halves.slack - halves.normal @ self.x)
        return True

    def halves(self, node: Node) -> Halves:
        """The half-spaces that the pieces and the box put a region into."""
        if node.halves is not None:
            return node.halves
        if node.maps is None:
            node.maps, node.updated = self.maps.anew(node.pieces), 0
        normals, slacks = [], []
        for curve, made, piece in zip(self.curves, node.maps, node.pieces, strict=True):
            for k, kink in enumerate(curve.bend.kinks):
                side = np.where(piece > k, -1.0, 1.0)
                normals.append(side[:, None] * made[:-1].T)
                slacks.append(side * (kink - made[-1]))
        d = self.network.n_in
        normal = np.concatenate([np.zeros((0, d)), *normals])
        slack = np.concatenate([np.zeros(0), *slacks])
        length = np.linalg.norm(normal, axis=1)
        there = length > FLAT * max(length.max(initial=0.0), 1e-300)
        null = np.flatnonzero(~there & (abs(slack) <= FLAT * np.maximum(1.0, abs(slack).max(initial=0.0))))
        ends = np.isfinite(self.sides)
        walls = np.concatenate([-np.eye(d)[ends[:, 0]], np.eye(d)[ends[:, 1]]])
        limits = np.concatenate([-self.sides[ends[:, 0], 0], self.sides[ends[:, 1], 1]])
        node.halves = Halves(
            np.concatenate([normal[there] / length[there, None], walls]),
            np.concatenate([slack[there] / length[there], limits]),
            np.concatenate([np.flatnonzero(there), np.full(len(walls), -1)]),
            null,
        )
        return node.halves

    def expand(self, node: Node) -> None:
        """Put the neighbours of a region that are new into the queue."""
        halves, middle = self.halves(node), node.middle
        assert middle is not None
        slack = halves.slack - halves.normal @ middle
        near = 1e-9 * (node.radius if np.isfinite(node.radius) else 1.0)
        if node.shape is not None:
            bounding, inside = node.shape.facets, node.shape.middles
        else:
            groups = merged(halves.normal, slack, near)
            first = np.array([group[slack[group].argmin()] for group in groups], int)
            bounding = first[facets(halves.normal[first], slack[first])] if len(first) else first
            inside = [None] * len(bounding)
        crossed = np.zeros(len(slack), bool)
        for row, at in zip(bounding.tolist(), inside, strict=True):
            alike = abs(halves.normal - halves.normal[row]).max(1) <= 1e-9
            alike &= abs(slack - slack[row]) <= near
            lines = halves.line[alike]
            if crossed[row] or (lines < 0).any():
                continue
            crossed |= alike
            self.cross(node, halves, row, lines, at)
        self.hold(node)

    def cross(self, node: Node, halves: Halves, row: int, group: np.ndarray, at: np.ndarray | None) -> None:
        """Put the region beyond one facet into the queue; `at` is a point inside the facet, where one is known."""
        flips = self.beyond(node, halves, row, group, at)
        changes = np.uint64(0)
        for flip in flips:
            words = self.words[flip.bend]
            changes ^= words[node.pieces[flip.bend][flip.unit], flip.unit] ^ words[flip.piece, flip.unit]
        key = node.key ^ int(changes)
        if key in self.seen:
            return
        self.seen.add(key)
        bend, unit, _ = self.owners[:, group[0]].tolist()
        self.pushed += 1
        entry = Beyond(node, flips, key, self.network.name(bend, unit), halves.normal[row], at)
        if self.by_distance:
            least = max(0.0, float(halves.slack[row] - halves.normal[row] @ self.x))
            heappush(self.heap, (least, self.pushed, entry))
        else:
            self.queue.append(entry)

    def beyond(self, node: Node, halves: Halves, row: int, group: np.ndarray, at: np.ndarray | None) -> list[Flip]:
        """What bends otherwise beyond a facet: the one unit whose kink it is.

        Where several units share the facet, or one is on its kink all over the region, what counts is how the units
        change on the way out through a point inside the facet.
        """
        if len(group) == 1 and not len(halves.null):
            bend, unit, kink = self.owners[:, group[0]].tolist()
            here = int(node.pieces[bend][unit])
            return [Flip(bend, unit, kink if here > kink else kink + 1)]
        middle = node.middle
        if at is None and middle is not None:
            at = middle + middle_of_facet(halves.normal, halves.slack - halves.normal @ middle, row)
        assert at is not None
        reach = max(float(abs(at).max()), 0.0 if middle is None else float(abs(middle).max()))
        there = self.maps.on_the_way(at, halves.normal[row], reach)
        return [
            Flip(b, int(u), int(new[u]))
            for b, (old, new) in enumerate(zip(node.pieces, there, strict=True))
            for u in np.flatnonzero(old != new)
        ]

    def hold(self, node: Node) -> None:
        """Keep the maps of this region for its neighbours, and let the oldest go."""
        node.halves = node.shape = None
        self.held.append(node)
        while len(self.held) * self.bytes > HELD:
            self.held.popleft().maps = None

    def made(self, entry: Beyond) -> Node | None:
        """The region beyond a facet; None where it is too thin."""
        node, flips = entry.node, entry.flips
        pieces = list(node.pieces)
        for bend in {flip.bend for flip in flips}:
            pieces[bend] = pieces[bend].copy()
        for flip in flips:
            pieces[flip.bend][flip.unit] = flip.piece
        if node.maps is None or node.updated >= ANEW or len({flip.bend for flip in flips}) != 1:
            maps, updated = self.maps.anew(pieces), 0
        else:
            maps, updated = self.maps.updated(node.maps, node.pieces, pieces, flips), node.updated + 1
        new = Node(pieces, maps, entry.key, node.depth + 1, updated, entry.entered, node.number)
        new.middle = node.middle
        if entry.at is not None:
            new.middle = self.stepped(self.halves(new), entry.at, entry.out)
        if self.settled(new):
            return new
        self.thin += 1
        return None

    def stepped(self, halves: Halves, at: np.ndarray, out: np.ndarray) -> np.ndarray:
        """Half-way from a facet through the region behind it."""
        rate, slack = halves.normal @ out, halves.slack - halves.normal @ at
        ahead = rate > 1e-9
        return at + 0.5 * max(0.0, float((slack[ahead] / rate[ahead]).min(initial=np.inf))) * out

    def earliest(self) -> Node | None:
        while self.queue:
            found = self.made(self.queue.popleft())
            if found is not None:
                return found
        return None

    def nearest(self) -> Node | None:
        """The next by distance: a region is made when its facet is nearest, and goes back with its own distance."""
        while self.heap:
            least, _, what = heappop(self.heap)
            if isinstance(what, Node):
                return what
            found = self.made(what)
            if found is None:
                continue
            self.pushed += 1
            heappush(self.heap, (max(least, found.distance or 0.0), self.pushed, found))
        return None


def owners(network: Network) -> np.ndarray:
    """Bend, unit and kink of every line, (3, lines)."""
    rows = [
        np.stack([np.full(c.width, b), np.arange(c.width), np.full(c.width, k)])
        for b, c in enumerate(curves(network))
        for k in range(len(c.bend.kinks))
    ]
    return np.concatenate([np.zeros((3, 0), int), *rows], 1)


def walked_regions(
    network: Network, sides: Any, limit: int, progress: Progress | None, tolerance: float, room: int
) -> Regions:
    """The record of all regions in a box, found by walking: without corners and extremes."""
    from ._enumerate import Regions

    box = np.array(sides)
    walker = Walker(network, box.mean(1), box, False, limit + 1)
    interior, rows, off, largest, stopped = [], [], 0.0, 1e-300, ""
    bends = curves(network)
    ends = np.cumsum([curve.words for curve in bends]).tolist()
    for seen in walker.run():
        if len(rows) == limit or sum(row.nbytes for row in rows[:1]) * len(rows) > room:
            stopped = "limit" if len(rows) == limit else "memory"
            break
        rows.append(packed(network, seen.patterns))
        interior.append(seen.interior)
        weight, bias = seen.local()
        value = network(seen.interior[None])[0]
        off = max(off, float(abs(seen.interior @ weight + bias - value).max(initial=0.0)))
        largest = max(largest, float(abs(value).max(initial=0.0)))
        if progress is not None:
            progress(len(rows))
    above, inside = np.array(rows), np.array(interior)
    none = np.zeros(0, np.int64)
    return Regions(
        box=tuple(map(tuple, box.tolist())), count=len(rows), complete=not stopped, stopped=stopped,
        bends=tuple(curve.path for curve in bends),
        per_bend=tuple(len(np.unique(above[:, :end], axis=0)) for end in ends), lowest=(), highest=(),
        tolerance=tolerance, decisions=walker.pushed, undecided=walker.thin, mismatched=0, residual=off / largest,
        memory=above.nbytes + inside.nbytes, network=network, interior=inside, above=above,
        vertices=np.zeros((0, len(box))), pool=none, starts=np.zeros(len(rows) + 1, np.int64),
    )  # fmt: skip


def packed(network: Network, pieces: tuple[Piece, ...]) -> np.ndarray:
    """A pattern as bits: of each bend's lines, in whole words, those that the region is above."""
    found = []
    for curve, piece in zip(curves(network), pieces, strict=True):
        above = (piece > np.arange(len(curve.bend.kinks))[:, None]).reshape(-1)
        bits = np.packbits(np.pad(above, (0, -len(above) % 64)), bitorder="little")
        found.append(bits.view(np.uint64))
    return np.concatenate([np.zeros(0, np.uint64), *found])
