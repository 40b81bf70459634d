"""The smallest network that is found to do the same on a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import GeometryError
from ..geometry import lowered
from ..layers import Activation, Dense, Parallel, Sequential
from ..module import Layer, parameters
from ..records import Record, unlisted
from ._chain import single
from ._coarser import as_line, coarser
from ._linear import collapsed, folded
from ._ranges import ranges
from ._record import Box, at_least_zero, checked_box, looked, scattered
from ._stages import Stage, net_of, stages_of
from ._thin import Removal, Thinning, alike, constant, unread

RULES = (unread, constant, folded, alike, collapsed)


@dataclass(frozen=True, eq=False)
class Simplification(Record):
    """A smaller network that does the same on a box as another, and why every unit that is gone was not needed.

    On the `box`, `|net − original| ≤ difference` for every output, in real arithmetic with the weights as they are
    stored: proven, by what each removal costs at most and by what float32 rounds off the weights that were added up. It
    is 0 where nothing had to be rounded. `measured` is the largest difference that was found in float64, with its
    rounding; `looked_at` says where.
    `neurons` and `parameters` are (before, after).
    """

    neurons: tuple[int, int]
    parameters: tuple[int, int]
    removed: tuple[Removal, ...]
    box: Box
    tolerance: float
    difference: float
    measured: float
    looked_at: str
    net: Sequential = unlisted(repr=False)
    original: Layer = unlisted(repr=False)


def simplify(net: Layer, box: Any, *, tolerance: float = 0.0) -> Simplification:
    """The smallest network that is found to be the same on a box, or to be within a tolerance of it there.

    Left out are units that nothing reads, that give one number everywhere on the box, and that are multiples of
    others. Units that are on everywhere are part of a linear map, and handed on by as few units as that needs; of
    opposite units one is part of it where that saves one. A layer that is linear as a whole goes into the next. What
    goes into a unit over the box is bounded by `certify.bounds`, or decided by a mixed-integer program. With a
    `tolerance` further units become constants or straight, those that cost the least at the outputs first, as long as
    the proven sum allows. A network of one input and one output is written anew as one hidden layer where that is
    smaller, from its exact pieces.

    Raises: SettingError where a part is neither Dense nor an activation, for a box that is empty or does not fit, or a
        tolerance below 0.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.array([[1.0, -1.0, 2.0]]), np.array([0.0, -3.0, 0.0])), Activation("relu"),
        ...                   Dense(np.array([[1.0], [5.0], [1.0]]), np.zeros(1))])
        >>> found = simplify(net, (-1, 1))
        >>> found.neurons, found.difference
        ((3, 1), 0.0)
        >>> [(gone.unit, gone.reason) for gone in found.removed]
        [('layers[1][1]', 'off everywhere on the box'), ('layers[1][2]', '2 times layers[1][0]')]
    """
    stages, aside = stages_of(net)
    sides = checked_box(box, len(stages[0].weight))
    tolerance = at_least_zero("tolerance", tolerance)
    work = Thinning(stages, [], np.zeros(stages[-1].width), [], [])
    steep = 1.0 if aside is None else Stage(np.eye(1), np.zeros(1), aside).lipschitz
    settle(work, sides)
    if tolerance > 0:
        while coarser(work, tolerance / steep - rounded(work)):
            settle(work, sides)
    if len(sides) == 1:
        as_line(work, stages_of(net)[0], sides[0], tolerance / steep)
    return told(work, net, aside, sides, tolerance, steep)


def settle(work: Thinning, box: Box) -> None:
    """Apply the rules until none of them finds anything; after each that did, everything is bounded again."""
    look(work, box)
    while any(rule(work, k) for k in range(len(work.stages) - 1) for rule in RULES):
        look(work, box)


def look(work: Thinning, box: Box) -> None:
    """Bound what goes into the units and the stages, as they are now."""
    low, high = np.array(box).T
    work.lies, work.spans = ranges(work.stages, box), [(low, high)]
    for stage, lies in zip(work.stages, work.lies, strict=True):
        work.spans.append(stage.span(lies.low, lies.high))


def rounded(work: Thinning) -> np.ndarray:
    """How far the outputs move at most when the weights become those of float32."""
    off = np.zeros(len(work.stages[0].weight))
    for k, stage in enumerate(work.stages):
        weight, bias = single(stage.weight), single(stage.bias)
        lost = abs(weight - stage.weight).T @ work.reach(k) + abs(bias - stage.bias)
        off = stage.lipschitz * (abs(weight).T @ off + lost)
    return off


def told(
    work: Thinning, net: Layer, aside: Activation | None, box: Box, tolerance: float, steep: float
) -> Simplification:
    """The record, with the difference as it was proven and as it was found."""
    small, before = net_of(work.stages, aside), stages_of(net)[0]
    measured, where = difference(net_of(before, dtype=np.float64), net_of(work.stages), box, before[-1].width)
    return Simplification(
        neurons=(neurons_of(before), neurons_of(work.stages)),
        parameters=(weights_of(net), weights_of(small)),
        removed=tuple(work.removed),
        box=box,
        tolerance=tolerance,
        difference=steep * float((work.spent + rounded(work)).max(initial=0.0)),
        measured=steep * measured,
        looked_at=where,
        net=small,
        original=net,
    )


def weights_of(net: Layer) -> int:
    return sum(a.size for a in parameters(net).values())


def neurons_of(stages: list[Stage]) -> int:
    return sum(stage.width for stage in stages if stage.curve is not None)


def difference(a: Sequential, b: Sequential, box: Box, n_out: int) -> tuple[float, str]:
    """The largest difference of two networks that is found, at all corners of the regions of `a − b` if few."""
    minus: Any = Dense(jnp.asarray(-np.eye(n_out), jnp.float32), None)
    apart = Parallel([a, Sequential([*b.layers, minus])], "sum")
    try:
        network = lowered(apart, (len(box),))
    except GeometryError:  # a smooth curve has no regions
        return largest_at(a, b, scattered(box)), "inputs at random"
    at, where = looked(network, network.kinks, box)
    return float(abs(network(at)).max()), where


def largest_at(a: Sequential, b: Sequential, x: np.ndarray) -> float:
    with jax.enable_x64(True):
        return float(abs(np.asarray(a(jnp.asarray(x))) - np.asarray(b(jnp.asarray(x)))).max())
