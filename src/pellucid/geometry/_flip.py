"""The nearest point at which a network's answer changes."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import SettingError
from ..module import Layer
from ..records import Record
from ._first_flip import Found, near_flip
from ._flip_search import TOLERANCE, Search
from ._network import Network, lowered
from ._question import Question, question


@dataclass(frozen=True)
class NearestFlip(Record):
    """The nearest point at which the answer changes.

    `status` is "exact": no flip is nearer than `lower`, and there is one at `distance`, the two being equal up to
    `tolerance`, relative; "bounds": the time was up, the nearest flip lies between `lower` and `distance`, which is inf
    where none was found; "none": it is proven that there is none in the box. `answer` is the class of x and `to` that
    of the flip; where one output crosses a level they are 1 above it and 0 below. `margin` is what the network itself
    makes of the point in float64: how far the output of class `to` is above that of `answer`, or the output beyond the
    level. `pattern` are the pieces that the units are on in the region of the point, bend by bend. `subsets` is how
    many parts of the ball were bounded. Bounds are float64 arithmetic without directed rounding.
    """

    status: str
    norm: float
    distance: float
    lower: float
    tolerance: float
    x: np.ndarray
    point: np.ndarray | None
    answer: int
    to: int | None
    margin: float | None
    pattern: tuple[np.ndarray, ...]
    subsets: int
    seconds: float

    @property
    def sentence(self) -> str:
        """The flip in words."""
        if self.status == "none":
            return "No point of the box flips the answer."
        size = {1: "a total change", 2: "a distance", np.inf: "a largest change"}[self.norm]
        if self.point is None:
            return f"No flip was found; there is none within {size} of {self.lower:.4g}."
        proof = "the nearest possible" if self.status == "exact" else f"the nearest is not below {self.lower:.4g}"
        return f"The answer flips from {self.answer} to {self.to} at {size} of {self.distance:.4g}, {proof}."


def nearest_flip(
    net: Layer | Network,
    x: Any,
    norm: float = 2,
    *,
    target: int | None = None,
    output: int | None = None,
    level: float = 0.0,
    box: Any = None,
    seconds: float | None = 30.0,
    shape: tuple[int, ...] | None = None,
) -> NearestFlip:
    """The nearest z to x at which the answer changes: `min ‖z − x‖`, in the norm 1, 2 or inf.

    With several outputs the answer is the largest, and changes where another's, or that of class `target`, reaches it;
    with one, or with `output`, where that crosses `level`. `box`, one pair (low, high) or one for each input, is where
    z may lie. After `seconds` the search ends with bounds; None is no limit. `shape` is that of one example, where the
    network does not say it.

    Every flip nearer than the best one known lies in a ball. There every bend lies between two lines, which give a
    half-space that holds all flips; its distance is a lower bound. Where that is too low, the ball is cut in two at the
    kink that loosens it most, and both parts are bounded anew, each over the cap of the ball its half-spaces leave.

    Raises: GeometryError, SettingError for a network, an input, a box or a class that does not fit.
    Source: Zhang and others 2018; Wang and others 2021, beta-CROWN: half-spaces of cuts.

    Example:
        >>> import pellucid as pl
        >>> found = nearest_flip(pl.mlp([2, 8, 3], key=0), [0.3, 0.4])
        >>> found.status, bool(abs(found.margin) < 1e-9)
        ('exact', True)
    """
    start = perf_counter()
    if norm not in (1, 2, np.inf):
        raise SettingError(f"norm is 1, 2 or inf, got {norm!r}.")
    network = lowered(net, shape)
    asked = question(network, x, target, output, level, box)
    end = np.inf if checked_seconds(seconds) is None else start + float(seconds or 0)
    return answered(asked, float(norm), end, start)


def checked_seconds(seconds: float | None) -> float | None:
    if seconds is not None and not seconds > 0:
        raise SettingError(f"seconds must be above 0, or None for no limit; got {seconds}.")
    return seconds


def answered(asked: Question, norm: float, end: float, start: float) -> NearestFlip:
    """The nearest flip of a question, or what is known of it at the end of the time."""
    margins = asked.margins(asked.x[None])[0]
    if (margins >= 0).any():
        search = Search(asked, norm, Found(0.0, asked.x, int(margins.argmax())), end)
    else:
        search = Search(asked, norm, near_flip(asked, norm), end)
        search.run()
    best, lower = search.best, min(search.lower, search.best.distance)
    exact = lower >= best.distance * (1 - 2 * TOLERANCE)
    status = "none" if np.isinf(lower) else "exact" if exact else "bounds"
    z = best.z
    margin = None if z is None else float(asked.margins(z[None])[0, best.row])
    pattern = () if z is None else tuple(p[0] for p in asked.network.pieces(z[None]))
    to = None if z is None else asked.classes[best.row]
    return NearestFlip(
        status, norm, best.distance, lower, TOLERANCE, asked.x, z, asked.answer, to, margin, pattern, search.count,
        perf_counter() - start,
    )  # fmt: skip
