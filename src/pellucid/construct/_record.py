"""What every construction gives: the network, its size, its proven error, and what was measured on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import SettingError
from ..geometry import Network, along, complex_of, enumerate_regions, lowered
from ..layers import Sequential
from ..module import Layer
from ..records import Record, unlisted
from ._chain import Chain, layers_of, single, stored

Box = tuple[tuple[float, float], ...]
Truth = Callable[[np.ndarray], np.ndarray]
LINE, PLANE, SPACE = 20_000, 3000, 300  # kinks of a network of one input, two, and more, whose regions are looked at
REGIONS, POINTS, REGULAR = 10_000, 2000, 30
ROUNDING = 2.0**-36  # relative: what float64 may lose where a network is compared with the truth
FINE = 2.0**-26  # of the reach of an axis: the inputs looked at are multiples of it, for which sums are mostly exact
LARGEST = float(np.finfo(np.float32).max)
SEEN, SIDE = 1201, 121  # places on a line, and along each axis of a plane, that are drawn


@dataclass(frozen=True, eq=False)
class Construction(Record):
    """A network that was built, and what is known about it.

    On the `box`, `|net − what| ≤ error` for every output, in real arithmetic with the weights as they are stored;
    `proof` says what that rests on. `measured` is the largest error that was found in float64, with its rounding, `at`
    an input; `looked_at` says where. Computed in float32 the outputs are off by `residual` more, the largest that was
    found. `neurons` are ReLUs, in `depth` hidden layers of at most `width`; `parameters` are all weights and biases,
    `nonzero` those that are not 0. `best` is a lower bound of the error of any network of one hidden layer with as many
    neurons, where there is one. `notes` tell what else was looked at, and why it was not taken.
    """

    what: str
    neurons: int
    depth: int
    width: int
    parameters: int
    nonzero: int
    box: Box
    error: float
    proof: str
    measured: float
    at: tuple[float, ...]
    looked_at: str
    residual: float
    best: float | None
    notes: tuple[str, ...]
    net: Sequential = unlisted(repr=False)
    target: Truth = unlisted(repr=False)

    def along(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """From the lower to the upper corner of the box: places, what the first output should be there, and is."""
        low, high = np.array(self.box).T
        share = np.linspace(0, 1, SEEN)
        x = low + share[:, None] * (high - low)
        t = x[:, 0] if len(self.box) == 1 else share
        return t, self.target(x)[:, 0], lowered(self.net, (len(self.box),))(x)[:, 0]

    def over(self) -> tuple[np.ndarray, np.ndarray]:
        """On a grid over two inputs, rows along the second: the first output, and what it is off by."""
        x, y = (np.linspace(*side, SIDE) for side in self.box)
        at = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
        made = lowered(self.net, (2,))(at)[:, 0]
        return made.reshape(SIDE, SIDE), (made - self.target(at)[:, 0]).reshape(SIDE, SIDE)

    def noted(self, *notes: str) -> Construction:
        """The same with more notes."""
        return replace(self, notes=(*self.notes, *notes))


def built(
    chain: Chain,
    box: Box,
    target: Truth,
    what: str,
    error: float,
    proof: str,
    *,
    best: float | None = None,
    notes: tuple[str, ...] = (),
    more: np.ndarray | None = None,
    points: tuple[np.ndarray, str] | None = None,
    regular: bool = False,
) -> Construction:
    """The record of a chain; `target` is the truth, (points, n_in) -> (points, n_out), NaN where nothing is promised.

    Raises: SettingError where an error is found that is larger than the proven one: something that was given is wrong.

    The network is looked at at the corners of its regions and at `more` inputs, or at `points`, with words for them. In
    a `regular` one many kinks meet in a point, and then telling its regions apart takes time, so fewer of them are.
    """
    net, exact = layers_of(chain), stored(chain)
    at, where = looked(net, chain.neurons * (REGULAR if regular else 1), box) if points is None else points
    at = at if more is None else np.concatenate([at, more])
    made = exact(at)
    off = np.nan_to_num(abs(made - target(at))).max(1)
    worst = int(off.argmax())
    if off[worst] > error * (1 + ROUNDING) + ROUNDING * float(abs(made).max()):
        raise SettingError(
            f"At x = {', '.join(f'{c:g}' for c in at[worst])} the network is off by {off[worst]:.3g}, though "
            f"{error:.3g} is what its proof allows. Something it rests on does not hold: {proof}."
        )
    return Construction(
        what=what,
        neurons=chain.neurons,
        depth=chain.depth,
        width=max([0, *(len(bias) for _, bias in chain.maps[:-1])]),
        parameters=sum(w.size + b.size for w, b in chain.maps),
        nonzero=sum(int((w != 0).sum() + (b != 0).sum()) for w, b in exact.maps),
        box=box,
        error=float(error),
        proof=proof,
        measured=float(off[worst]),
        at=tuple(at[worst].tolist()),
        looked_at=where,
        residual=rounding(net, exact, box, at),
        best=best,
        notes=notes,
        net=net,
        target=target,
    )


def looked(net: Layer | Network, kinks: int, box: Box) -> tuple[np.ndarray, str]:
    """The inputs at which a network is compared with the truth: the corners of its exact regions, and their middles."""
    points, where = seen(net, kinks, box)
    low, high = np.array(box).T
    step = FINE * 2.0 ** np.ceil(np.log2(np.maximum(abs(low), abs(high))))
    return np.clip(np.round(points / step) * step, low, high), where


def seen(net: Layer | Network, kinks: int, box: Box) -> tuple[np.ndarray, str]:
    """The corners of regions and their middles as they are; where there would be too many, inputs at random."""
    low, high = np.array(box).T
    if len(box) == 1 and kinks <= LINE:
        found = along(net, low, high)
        ends = low + found.ends[:, None] * (high - low)
        return np.concatenate([ends, (ends[1:] + ends[:-1]) / 2]), f"{len(found.slopes):,} pieces and their ends"
    if len(box) == 2 and kinks <= PLANE:
        found = complex_of(net, box, limit=REGIONS, progress=False)
        middles = (found.xy[found.edges[:, 0]] + found.xy[found.edges[:, 1]]) / 2
        points = [found.xy, middles, found.centres]
        if not found.complete:
            return np.concatenate([*points, scattered(box)]), f"{POINTS:,} inputs at random, and regions of some layers"
        return np.concatenate(points), f"{found.count:,} regions and their corners"
    if 3 <= len(box) <= 8 and kinks <= SPACE:
        found = enumerate_regions(net, box, limit=REGIONS)
        some = "" if found.complete else "the first "
        points = np.concatenate([found.vertices, found.interior, scattered(box)])
        return points, f"{some}{found.count:,} regions and their corners"
    return scattered(box), f"{POINTS:,} inputs at random"


def scattered(box: Box) -> np.ndarray:
    """Inputs at random in a box."""
    low, high = np.array(box, float).reshape(-1, 2).T
    return np.random.default_rng(0).uniform(low, high, (POINTS, len(low)))


def rounding(net: Sequential, exact: Chain, box: Box, at: np.ndarray) -> float:
    """How far the outputs in float32 are from those in float64, at inputs that are float32 numbers."""
    some = at[np.linspace(0, len(at) - 1, min(len(at), POINTS)).astype(int)]
    x = np.concatenate([some, scattered(box)]).astype(np.float32)
    return float(abs(np.asarray(net(x), float) - exact(x.astype(float))).max())


def checked_box(box: Any, n: int | None = None) -> Box:
    """A box as pairs of floats; one pair alone stands for all of `n` inputs.

    Raises: SettingError where it is empty, endless, beyond what float32 tells apart, or has not `n` sides.
    """
    try:
        sides = np.asarray(box, float)
    except (TypeError, ValueError):
        sides = np.zeros(0)
    if sides.shape == (2,):
        sides = np.tile(sides, (n or 1, 1))
    if sides.ndim != 2 or sides.shape[-1] != 2 or not len(sides):
        raise SettingError(f"A box is a pair (low, high) for each input, as in [(-1, 1), (0, 2)]; got {box!r}.")
    if n is not None and len(sides) != n:
        raise SettingError(f"The box has {len(sides)} side{'s' * (len(sides) != 1)}, and there are {n} inputs.")
    for low, high in np.reshape(sides, (-1, 2)).tolist():
        if not (np.isfinite(low) and np.isfinite(high)):
            raise SettingError(f"The box must end somewhere: a side from {low:g} to {high:g} does not.")
        if not low < high:
            raise SettingError(f"The box is empty: a side from {low:g} to {high:g}.")
        if max(abs(low), abs(high)) > LARGEST:
            raise SettingError(f"The box goes beyond float32, to {max(low, high, key=abs):g}: take other units.")
        if len(set(single([low, high]).tolist())) == 1:
            raise SettingError(f"The box is too thin for float32, from {low!r} to {high!r}: move it, or make it wider.")
    return tuple((float(low), float(high)) for low, high in np.reshape(sides, (-1, 2)))


def whole(name: str, value: Any, least: int) -> int:
    """A whole number that is at least so large.

    Raises: SettingError where it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise SettingError(f"{name} is a whole number of {least} or more, got {value!r}.")
    return int(value)


def above_zero(name: str, value: Any) -> float:
    """A number above 0.

    Raises: SettingError where it is not.
    """
    number = finite(value)
    if not number > 0:
        raise SettingError(f"{name} is a number above 0, got {value!r}.")
    return number


def at_least_zero(name: str, value: Any) -> float:
    """A number of 0 or more.

    Raises: SettingError where it is not.
    """
    number = finite(value)
    if not number >= 0:
        raise SettingError(f"{name} is a number of 0 or more, got {value!r}.")
    return number


def finite(value: Any) -> float:
    """A number, NaN for what is none or has no end."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return np.nan
    return number if np.isfinite(number) else np.nan
