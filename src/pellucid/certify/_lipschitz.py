"""How steep a network is: the largest norm of its derivative in a box."""

from __future__ import annotations

from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..affine import Smooth
from ..errors import GeometryError, SettingError
from ..geometry import Network, enumerate_regions, zaslavsky
from ..geometry._given import outputs_of
from ..module import Layer
from ..records import Record, unlisted
from ..train import Run
from ._certificate import Proof
from ._decide import SECONDS, checked, is_number
from ._lipschitz_proof import proof_of
from ._lipschitz_search import SPARE, Steepest, enclosed_norms, jacobians, norms
from ._monotone_ask import Asked, asked, goal_of
from ._monotone_slopes import Interval, bounds_back
from ._search import ready
from ._telling import telling

DUAL = {1.0: "inf", 2.0: "2", np.inf: "1"}
LIMIT = 50_000  # regions, up to which all of them are looked at
EXACT = 1e-9  # relative: ends that are nearer are one number
FORESEEN = 1_000_000  # regions of as many hyperplanes in general position, up to which they are counted
PROVING = 5.0  # seconds for the proof of what all regions gave
SOLID = 6  # inputs, up to which regions are kept as their corners in good time
CHUNK = 2**12  # regions at a time


@dataclass(frozen=True)
class Lipschitz(Record):
    """The least L with `‖f(x) − f(z)‖ ≤ L ‖x − z‖` for all x and z in the box: from `low` to `high`.

    Both are in `norm`, 1, 2 or inf; of one output L is the largest norm of the gradient in the `dual` norm, of several
    the largest operator norm of the Jacobian. `low` is met around the input `at`, where the derivatives are `jacobian`
    (outputs, inputs). `exact` says that both ends are one number but for rounding. `method` is "regions", where all of
    them were looked at (`parts` of them), or "bounds" of so many parts of the box. Inputs and outputs are in the units
    of the network, which of a run's columns are standard deviations. `proof` is read by `recheck`: it proves `high`, or
    where all regions were looked at `high (1 + proof.about["share"])`, the share being the tolerance, or more where the
    time was up.
    """

    norm: float
    dual: str
    low: float
    high: float
    exact: bool
    at: np.ndarray
    jacobian: np.ndarray
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    box: tuple[tuple[float, float], ...]
    method: str
    parts: int
    arithmetic: str
    seconds: float
    proof: Proof | None = unlisted(default=None)


def lipschitz(
    net: Layer | Network | Run,
    box: Any = None,
    norm: float = 2,
    *,
    data: Any = None,
    output: str | int | None = None,
    tolerance: float = 1e-3,
    shape: tuple[int, ...] | None = None,
    seconds: float | None = SECONDS,
    progress: bool | None = None,
) -> Lipschitz:
    """The Lipschitz constant of a network in a box: how much an output can change for a change of the input.

    The box is that of a run's rows by default, or of `data`, as in `monotone`; `output` asks for one output alone.
    Where a network of straight pieces has few regions in the box, the constant is exact: the largest norm of their
    maps. Else bounds of the derivative over ever smaller parts of the box are narrowed until both ends are within
    `tolerance` of each other, or the time is over.

    Raises: SettingError for another norm, or an output there is not; CertifyError where nothing says where the inputs
        lie, or a part of the network has no bound.
    Source: Jordan and Dimakis 2020, Exactly computing the local Lipschitz constant of ReLU networks; Shi and others
        2022, Efficiently computing local Lipschitz constants of neural networks via bound propagation.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.array([[1.0, 2.0]]), None), Activation("relu"), Dense(np.ones((2, 1)), None)])
        >>> found = lipschitz(net, [(-1, 1)])
        >>> round(found.high, 6), found.exact
        (3.0, True)
    """
    if not is_number(norm) or norm not in DUAL:
        raise SettingError(f"norm is 1, 2 or inf, got {norm!r}.")
    if not (is_number(tolerance) and 0 <= tolerance < 1):
        raise SettingError(f"tolerance is a part of the constant, from 0 to below 1; got {tolerance!r}.")
    limit = checked(seconds)
    ready()
    start = perf_counter()
    end = start + limit
    found = replace(asked(net, box, data, shape), groups=(), choices=())  # from one choice to another there is a way
    n_out = found.it.network.n_out
    one = None if output is None else goal_of(net, found.it, output).output
    rows = np.eye(n_out) if one is None else np.eye(n_out)[[one]]
    with telling(progress, "proving") as told:
        known = by_regions(found, rows, float(norm), start + (end - start) / 2)
        level = 0.0 if known is None else known.high * (1 + max(tolerance, EXACT))
        search = Steepest(found, rows, float(norm), level)
        if known is None:
            search.run(end, tolerance, told)
            known = Known("bounds", search.parts, search.low, search.high, search.at)
        else:
            search.run(min(end, perf_counter() + PROVING), 0.0, told)
    proof = proof_of(search, max(level, search.high), known.high) if search.high < np.inf else None
    at = (found.low + found.high) / 2 if known.at is None else known.at
    sides = found.raw(np.stack([found.low, found.high]))
    names = outputs_of(net, n_out)[0] if isinstance(net, Run) else tuple(f"output {k}" for k in range(n_out))
    return Lipschitz(
        float(norm), DUAL[float(norm)], known.low, known.high, known.high <= known.low * (1 + EXACT), at,
        jacobians(found.it.network, at[None], rows)[0][0], found.names, names if one is None else (names[one],),
        tuple(map(tuple, sides.T.tolist())), known.method, known.parts, found.it.arithmetic, perf_counter() - start,
        proof,
    )  # fmt: skip


class Known(NamedTuple):
    """What is known of the largest norm, how, and the input around which the lower end is met."""

    method: str
    parts: int
    low: float
    high: float
    at: np.ndarray | None


class TooManyError(Exception):
    """There are more regions than can be looked at in time."""


def by_regions(found: Asked, rows: np.ndarray, norm: float, end: float) -> Known | None:
    """The largest norm over all regions; None where the network has no straight pieces, or too many."""
    network = found.it.network
    smooth = any(isinstance(step.operator, Smooth) for step in network.curves)
    if smooth or network.n_in > SOLID or not (found.low < found.high).all():
        return None
    if zaslavsky(network.kinks, network.n_in) > FORESEEN:
        return None

    def told(count: int) -> None:
        if perf_counter() > end:
            raise TooManyError

    try:
        regions = enumerate_regions(network, np.stack([found.low, found.high], 1), LIMIT, told)
    except (TooManyError, GeometryError):
        return None
    if not regions.complete or regions.undecided:
        return None
    pieces, low, high, at = regions.pieces(), 0.0, 0.0, None
    for first in range(0, regions.count, CHUNK):
        inside = regions.interior[first : first + CHUNK]
        some = [piece[first : first + CHUNK] for piece in pieces]
        slopes = [step.bend.slope(piece) for step, piece in zip(network.bends, some, strict=True)]
        ranges = [Interval(slope, slope) for slope in slopes]
        sides = [bounds_back(network, ranges, np.tile(row, (len(inside), 1)))[0] for row in rows]
        least, most = (np.stack(side, 1) for side in zip(*sides, strict=True))
        high = max(high, float(enclosed_norms(least, most, norm).max()))
        size = norms(least / 2 + most / 2, norm) * (1 - 1e-12) - norms(most - least, norm)
        if size.max() > low:
            low, at = float(size.max()), inside[size.argmax()]
    return Known("regions", regions.count, low, high * (1 + 2 * SPARE), at)
