"""The region of one input: the half-spaces where one affine map holds, in any number of dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import GeometryError
from ..module import Layer
from ..records import Record
from ._network import Network, flat, lowered
from ._polytope import TIGHT, Ball, ball, facets, merged, needed
from ._swept import listed

DEAD = 1e-13  # of the steepest kink of its layer: what is flatter does not depend on the input
MOST = 2**26  # numbers in all normals, to hold them at once
MOST_SWEPT = 2**31  # and to go through them
ROWS = 5000  # half-spaces that are sorted out
SOON = 2**20  # numbers in normals of which the facets are told apart within seconds


@dataclass(frozen=True)
class Kink(Record):
    """A unit that bends: bend `bend` of the network, its unit, which of its kinks, and the unit in words."""

    bend: int
    unit: int
    kink: int
    name: str


@dataclass(frozen=True)
class Facet(Record):
    """One side of a region, at `distance` from x: the units that bend there, and the box's side where it is one.

    `side` is such as `x[3] ≥ 0`; empty where it is no side of the box.
    """

    distance: float
    units: tuple[Kink, ...]
    side: str

    @property
    def name(self) -> str:
        """What is there, in words."""
        return ", ".join([*(unit.name for unit in self.units), *([self.side] if self.side else [])])


@dataclass(frozen=True)
class Region(Record):
    """Where the affine map of x holds: `normal · z ≤ offset` for each of its facets, and none of them can be left out.

    Facets are in the order of their distance from x; the rows of `normal` (facets, n_in) have length 1. `radius` is
    that of the largest ball inside, about `centre`: inf where balls of every size fit, and 0 where the region is flat,
    as it may be for an x on several kinks. `room` (n_in, 2) says how far x can go down and up along each coordinate
    alone, and `stops` which facet ends it (−1: none does). Of all `hyperplanes`, `dead` do not depend on the input
    there, and `touching` pass through x, which then belongs to the region of the pieces before these kinks.

    Half-spaces that cut off less than `tolerance` of their distance from the middle count as none; duplicates are one
    facet with several units. Not `minimal`, it lists half-spaces that others imply as well. Not `complete`, as for
    networks with more than 67 million numbers in their normals, it lists the nearest and those that end a coordinate's
    range: `room` is right, while `centre` and `radius` are NaN.
    """

    x: np.ndarray
    normal: np.ndarray
    offset: np.ndarray
    facets: tuple[Facet, ...]
    centre: np.ndarray
    radius: float
    room: np.ndarray
    stops: np.ndarray
    hyperplanes: int
    dead: int
    touching: int
    tolerance: float
    box: np.ndarray | None
    minimal: bool
    complete: bool

    def contains(self, points: Any) -> np.ndarray:
        """Which of these points (n, n_in) lie in the region, its facets included.

        Raises: GeometryError where it does not list all that bounds it.
        """
        if not self.complete:
            raise GeometryError("The region of so large a network lists only the kinks that are near: it cannot tell.")
        points = np.asarray(points, float)
        reach = np.abs(points).max(initial=0.0) + np.abs(self.offset).max(initial=0.0)
        return (points @ self.normal.T <= self.offset + self.tolerance * reach).all(1)


class Sides(NamedTuple):
    """Half-spaces `normal · (z − x) ≤ slack`; a row below 0 in `owner` is a side of the box, ~row of 2 n_in."""

    normal: np.ndarray
    slack: np.ndarray
    owner: np.ndarray


def region(
    net: Layer | Network, x: Any, box: Any = None, *, names: Sequence[str] = (), minimal: bool | None = None
) -> Region:
    """The region of one input: every facet and who bends there, the largest ball, and the room along each coordinate.

    `box` bounds the inputs, (n_in, 2) or one pair for all; its sides are then facets too. `names` are those of the
    inputs. Distances are in the network's own inputs. `minimal` leaves out the half-spaces that bound nothing; by
    default where that takes seconds, which it does up to about a million numbers in all normals.

    Raises: GeometryError where the network has no regions, x lies outside of the box, the normals of all kinks would
        take minutes, or too many of them are left to tell which are facets.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([-1.0, -1.0])), Activation("relu")])
        >>> found = region(net, [0.5, 0.0], box=(0, 4))
        >>> [(facet.name, facet.distance) for facet in found.facets]
        [('x[1] ≥ 0', 0.0), ('layers[1][0]', 0.5), ('x[0] ≥ 0', 0.5), ('layers[1][1]', 1.0)]
        >>> found.radius, found.room.tolist()
        (0.5, [[0.5, 0.5], [0.0, 1.0]])
    """
    network = lowered(net) if isinstance(net, Network) or np.ndim(x) < 2 else lowered(net, np.shape(x))
    x = point(network, x)
    return region_of(network, x, None if box is None else box_of(network, x, box), names, None, minimal)


def region_of(
    network: Network,
    x: np.ndarray,
    bounds: Any,
    names: Sequence[str],
    shown: np.ndarray | None,
    minimal: bool | None = None,
) -> Region:
    """`region` of a point and bounds that were checked; `shown` are the bounds in the users' units, for the names."""
    size = network.kinks * network.n_in
    if size > MOST_SWEPT:
        raise GeometryError(
            f"The region is cut by {network.kinks:,} kinks in {network.n_in:,} dimensions, whose normals have "
            f"{size:,} numbers: ask about a slice of the input, or a smaller network."
        )
    complete = size <= MOST
    if complete:
        planes = network.hyperplanes(x)
        length = np.linalg.norm(planes.normal, axis=1)
        owner = np.flatnonzero(length > DEAD * steepest(length, planes.bend))
        dead = len(planes.value) - len(owner)
    else:
        planes, dead = listed(network, x, DEAD)
        length, owner = np.linalg.norm(planes.normal, axis=1), np.arange(len(planes.value))
    before = np.where(planes.value[owner] > 0, -1.0, 1.0)  # on a kink counts as before it
    sides = Sides(
        planes.normal[owner] * (before / length[owner])[:, None], np.abs(planes.value[owner]) / length[owner], owner
    )
    near = TIGHT * (1 + np.abs(x).max(initial=0.0))
    touching = int((sides.slack <= near * 1e-3).sum())
    sides = sides if bounds is None else within(sides, x, bounds)
    groups = merged(sides.normal, sides.slack, near)
    first = np.array([rows[sides.slack[rows].argmin()] for rows in groups], int)
    normal, slack = sides.normal[first], sides.slack[first]
    largest = ball(normal, slack) if complete else Ball(np.full(len(x), np.nan), np.nan)
    radius = 0.0 if largest.radius <= near * 1e-2 else largest.radius
    minimal = complete and (normal.size <= SOON if minimal is None else minimal)
    kept = bounding(normal, slack, largest.middle, radius) if minimal else np.arange(len(slack))
    kept = kept[np.argsort(slack[kept], kind="stable")]
    normal, slack = normal[kept], slack[kept]
    shown = bounds if shown is None else shown
    found = tuple(
        facet(network, planes, sides, groups[i], float(s), shown, names) for i, s in zip(kept, slack, strict=True)
    )
    room, stops = rooms(normal, slack)
    return Region(
        x, normal, normal @ x + slack, found, x + largest.middle, radius, room, stops,
        network.kinks, dead, touching, TIGHT, bounds, minimal, complete,
    )  # fmt: skip


def point(network: Network, x: Any) -> np.ndarray:
    """One input as a row of float64.

    Raises: GeometryError where it is not one input of the network, or not finite.
    """
    x = flat(network, np.reshape(np.asarray(x, float), (1, -1)))[0]
    if not np.isfinite(x).all():
        where = int(np.flatnonzero(~np.isfinite(x))[0])
        raise GeometryError(f"Input {where} of x is {x[where]}: a region belongs to a point, so give a finite number.")
    return x


def box_of(network: Network, x: np.ndarray, box: Any) -> np.ndarray:
    """The bounds of each input (n_in, 2).

    Raises: GeometryError where they are not pairs that rise, or x lies outside of them.
    """
    try:
        bounds = np.broadcast_to(np.asarray(box, float), (network.n_in, 2))
    except ValueError:
        raise GeometryError(
            f"The box wants a pair (low, high), or {network.n_in} of them; got the shape {np.shape(box)}."
        ) from None
    low, high = bounds.T
    if not (low < high).all():
        i = int(np.flatnonzero(~(low < high))[0])
        raise GeometryError(f"The box is empty along input {i}: {low[i]:g} to {high[i]:g}; low must be below high.")
    out = np.flatnonzero((x < low) | (x > high))
    if len(out):
        i = int(out[0])
        raise GeometryError(
            f"x lies outside of the box: input {i} is {x[i]:g}, the box goes from {low[i]:g} to {high[i]:g}. "
            "Widen the box, or leave it out."
        )
    return bounds


def steepest(length: np.ndarray, bend: np.ndarray) -> np.ndarray:
    """For each kink the longest normal of its bend."""
    most = np.zeros(int(bend.max(initial=-1)) + 1)
    np.maximum.at(most, bend, length)
    return most[bend]


def within(sides: Sides, x: np.ndarray, bounds: np.ndarray) -> Sides:
    """The sides that the box reaches, and those of the box."""
    low, high = bounds[:, 0] - x, bounds[:, 1] - x
    with np.errstate(invalid="ignore"):
        most = np.fmax(sides.normal * low, sides.normal * high).sum(1)
    met = np.flatnonzero(~(most < sides.slack))
    n = len(x)
    normal, slack = np.vstack([-np.eye(n), np.eye(n)]), np.concatenate([np.abs(low), high])
    real = np.flatnonzero(np.isfinite(slack))
    return Sides(
        np.vstack([sides.normal[met], normal[real]]),
        np.concatenate([sides.slack[met], slack[real]]),
        np.concatenate([sides.owner[met], ~real]),
    )


def bounding(normal: np.ndarray, slack: np.ndarray, middle: np.ndarray, radius: float) -> np.ndarray:
    """The rows that none of the others implies; in a flat region one after the other, by linear programs."""
    if not len(normal):
        return np.zeros(0, int)
    if len(normal) > ROWS:
        raise GeometryError(
            f"Which of {len(normal):,} half-spaces are facets would take too long to tell: give a tighter box, or "
            "minimal=False to list them all."
        )
    if radius > 0:
        return facets(normal, slack - normal @ middle)
    state = np.zeros(len(normal), np.int8)
    needed(normal, slack, state)
    return np.flatnonzero(state == 1)


def rooms(normal: np.ndarray, slack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far 0 can go down and up along each coordinate, and which row ends it."""
    n = normal.shape[1]
    room, stops = np.full((n, 2), np.inf), np.full((n, 2), -1)
    if len(normal):
        for k, sign in enumerate((-1.0, 1.0)):
            pace = sign * normal
            with np.errstate(divide="ignore", invalid="ignore"):
                far = np.where(pace > 1e-12, slack[:, None] / pace, np.inf)
            stop = far.argmin(0)
            room[:, k] = far[stop, np.arange(n)]
            stops[:, k] = np.where(np.isfinite(room[:, k]), stop, -1)
    return room, stops


def facet(
    network: Network, planes: Any, sides: Sides, rows: np.ndarray, distance: float, box: Any, names: Sequence[str]
) -> Facet:
    """The record of one facet, from the rows that coincide there."""
    owners = sides.owner[rows]
    units = tuple(
        Kink(
            int(planes.bend[i]), int(planes.unit[i]), int(planes.kink[i]),
            network.name(int(planes.bend[i]), int(planes.unit[i])),
        )
        for i in owners[owners >= 0]
    )  # fmt: skip
    own = ~owners[owners < 0]
    return Facet(distance, units, "" if not len(own) else side_name(network, int(own[0]), box, names))


def side_name(network: Network, side: int, box: np.ndarray, names: Sequence[str]) -> str:
    """A side of the box in words."""
    high, i = divmod(side, network.n_in)
    return f"{input_name(network, i, names)} {'≤' if high else '≥'} {box[i, high]:.6g}"


def input_name(network: Network, i: int, names: Sequence[str] = ()) -> str:
    if names:
        return names[i]
    return f"x[{', '.join(map(str, np.unravel_index(i, network.shape)))}]"
