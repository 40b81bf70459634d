"""The smallest change of one or two chosen features that changes a network's answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import SettingError
from ..module import Layer
from ..records import Record
from ._along import along
from ._closest import length
from ._first_flip import Found, settle
from ._flip import answered, checked_seconds
from ._flip_search import LARGEST, TOLERANCE
from ._network import Network, lowered
from ._plane import Plane, on_plane
from ._question import Question, numbered, question
from ._region import input_name

STRIDE = 8.0  # how much farther each look goes where there is no box


@dataclass(frozen=True)
class WhatIf(Record):
    """The smallest change of one or two features, the others held, at which the answer changes.

    `change` is that of each feature in its own unit, and `distance` its size in units of `scale`: of one feature
    `|change| / scale`, of two `√Σ (change / scale)²`. `down` and `up` are the changes that one feature needs in either
    direction, None where none within the box does it. `status` is "exact"; "none", where it is proven that no change
    within the box does it; or "bounds", where the search ended before: the smallest change is then at least `lower`,
    and at most `distance`. `answer`, `to` and `margin` are as in `NearestFlip`; `point` is the whole input after it.
    """

    status: str
    features: tuple[int, ...]
    names: tuple[str, ...]
    change: np.ndarray | None
    down: float | None
    up: float | None
    distance: float
    lower: float
    scale: np.ndarray
    x: np.ndarray
    point: np.ndarray | None
    answer: int
    to: int | None
    margin: float | None
    seconds: float

    @property
    def sentence(self) -> str:
        """The change in words."""
        who = " and ".join(self.names)
        if self.change is None:
            where = "within the box" if self.status == "none" else f"up to {self.lower:.3g} times its scale"
            return f"No change of {who} alone {where} flips the answer."
        parts = [
            f"{name} {'rises' if d > 0 else 'falls'} by {abs(d):.4g}, to {self.x[i] + d:.4g}"
            for name, d, i in zip(self.names, self.change, self.features, strict=True)
            if d != 0
        ]
        least = "" if self.status == "exact" else f" (the least change is at least {self.lower:.3g} times the scale)"
        return f"The answer flips from {self.answer} to {self.to} if {' and '.join(parts) or 'nothing changes'}{least}."


def what_if(
    net: Layer | Network,
    x: Any,
    features: int | Sequence[int],
    *,
    target: int | None = None,
    output: int | None = None,
    level: float = 0.0,
    box: Any = None,
    scale: Any = None,
    seconds: float | None = 30.0,
    shape: tuple[int, ...] | None = None,
    names: Sequence[str] = (),
) -> WhatIf:
    """The smallest change of one feature, or of two together, that changes the answer; the others stay as they are.

    `target`, `output`, `level`, `box` and `shape` are those of `nearest_flip`. `scale` is what each of the features is
    measured in, such as its standard deviation: one number, or one for each. For one feature the network is followed
    along the line in both directions, from bend to bend; for two the nearest flip is searched in their plane.

    Raises: GeometryError, SettingError for a network, an input, a box or a feature that does not fit.

    Example:
        >>> from pellucid.layers import Dense
        >>> found = what_if(Dense(np.array([[1.0], [-2.0]]), np.zeros(1)), [3.0, 1.0], [1])
        >>> found.status, found.up, found.down
        ('exact', 0.5, None)
        >>> print(found.sentence)
        The answer flips from 1 to 0 if x[1] rises by 0.5, to 1.5.
    """
    start = perf_counter()
    network = lowered(net, shape)
    asked = question(network, x, target, output, level, box)
    chosen = chosen_features(network, features)
    sizes = scales(scale, len(chosen))
    end = np.inf if checked_seconds(seconds) is None else start + float(seconds or 0)
    none = WhatIf(
        "none", chosen, tuple(input_name(network, i, names) for i in chosen), None, None, None, np.inf, np.inf, sizes,
        asked.x, None, asked.answer, None, None, 0.0,
    )  # fmt: skip
    margins = asked.margins(asked.x[None])[0]
    if (margins >= 0).any():
        here = with_flip(none, asked, Found(0.0, asked.x, int(margins.argmax())))
        return replace(here, status="exact", lower=0.0, seconds=perf_counter() - start)
    found = of_one(none, asked, end) if len(chosen) == 1 else of_two(none, asked, end)
    return replace(found, seconds=perf_counter() - start)


def chosen_features(network: Network, features: int | Sequence[int]) -> tuple[int, ...]:
    many = list(features) if isinstance(features, Sequence | np.ndarray) else [features]
    chosen = tuple(numbered(i, network.n_in, "input") for i in many)
    if len(chosen) not in (1, 2) or len(set(chosen)) < len(chosen):
        raise SettingError(f"features names one input or two different ones; got {features!r}.")
    return chosen


def scales(scale: Any, n: int) -> np.ndarray:
    sizes = np.asarray(1.0 if scale is None else scale, float)
    if sizes.shape not in ((), (n,)) or not (np.isfinite(sizes) & (sizes > 0)).all():
        raise SettingError(f"scale is one number above 0, or one for each of the {n} features; got {scale!r}.")
    return np.broadcast_to(sizes, n).copy()


def with_flip(found: WhatIf, asked: Question, flip: Found) -> WhatIf:
    """The record with this flip as its smallest."""
    assert flip.z is not None
    change = (flip.z - asked.x)[list(found.features)]
    return replace(
        found,
        change=change,
        distance=float(np.sqrt(((change / found.scale) ** 2).sum())),
        point=flip.z,
        to=asked.classes[flip.row],
        margin=float(asked.margins(flip.z[None])[0, flip.row]),
    )


def of_one(found: WhatIf, asked: Question, end: float) -> WhatIf:
    """One feature, down and up."""
    (feature,), (size,) = found.features, found.scale
    ways, flips, looked = [], [], []
    for sign, room in ((-1.0, -asked.low[feature]), (1.0, asked.high[feature])):
        flip, far = on_ray(asked, feature, sign, float(room), float(size), end)
        looked.append(np.inf if far >= room else far / size)
        ways.append(None if flip.z is None else float(flip.z[feature] - asked.x[feature]))
        flips.append(flip)
    best = min(flips, key=lambda flip: flip.distance)
    found = replace(found, down=ways[0], up=ways[1])
    if best.z is not None:
        found = with_flip(found, asked, best)
    lower = min(found.distance, *looked)
    exact = lower >= found.distance * (1 - TOLERANCE)
    return replace(found, lower=lower, status="none" if np.isinf(lower) else "exact" if exact else "bounds")


def on_ray(asked: Question, feature: int, sign: float, room: float, size: float, end: float) -> tuple[Found, float]:
    """The first flip where one feature goes one way, and how far was looked."""
    done, nothing = 0.0, Found(np.inf, None, 0)
    far = min(room, STRIDE * (size + abs(float(asked.x[feature]))))
    while far > done:
        a, b = asked.x.copy(), asked.x.copy()
        a[feature] += sign * done
        b[feature] += sign * far
        pieces = along(asked.network, a, b)
        crossed = crossing(pieces.ends, pieces.values @ asked.rows.T + asked.shift)
        if crossed is not None:
            delta = np.zeros_like(a)
            delta[feature] = sign * (done + crossed * (far - done))
            return reached(asked, delta), done + crossed * (far - done)
        done = far
        if perf_counter() < end and far < LARGEST * size:
            far = min(room, far * STRIDE)
    return nothing, done


def reached(asked: Question, delta: np.ndarray) -> Found:
    """The flip at δ, or a trifle behind; where rounding hides it, δ itself: its margin says how much is lacking."""
    flip = settle(asked, 2, delta)
    if flip.z is not None:
        return flip
    z = asked.within(delta)
    return Found(float(length(z - asked.x, 2)), z, int(asked.margins(z[None])[0].argmax()))


def crossing(t: np.ndarray, margins: np.ndarray) -> float | None:
    """The first t at which one of the margins, straight from each t to the next, reaches 0."""
    there = np.flatnonzero((margins >= 0).any(1))
    if not len(there):
        return None
    i = int(there[0])
    if i == 0:
        return float(t[0])
    before, after = margins[i - 1], margins[i]
    up = after >= 0
    share = (before[up] / (before[up] - after[up])).min()
    return float(t[i - 1] + share * (t[i] - t[i - 1]))


def of_two(found: WhatIf, asked: Question, end: float) -> WhatIf:
    """Two features: the nearest flip of the network on their plane, in units of their scale."""
    directions = np.zeros((2, asked.network.n_in))
    directions[[0, 1], list(found.features)] = found.scale
    low, high = (side[list(found.features)] / found.scale for side in (asked.low, asked.high))
    on = on_plane(asked.network, Plane(asked.x, directions, {}))
    flat = Question(on, np.zeros(2), asked.rows, asked.shift, asked.answer, asked.classes, low, high)
    near = answered(flat, 2.0, end, perf_counter())
    if near.point is None:
        return replace(found, status=near.status, lower=near.lower)
    flip = reached(asked, near.point @ directions)
    return replace(with_flip(found, asked, flip), status=near.status, lower=near.lower)
