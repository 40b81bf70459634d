"""Sound bounds of a network over boxes and balls, many at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..errors import CertifyError, SettingError, unknown
from ..geometry import Network, lowered
from ..geometry._network import without_link
from ..machine import cores, one_thread_each
from ..module import Layer
from ..records import Record
from . import _boxes as kernels
from ._program import Certified, dtype_of, format_of
from ._space import Spaces, spaces_of

METHODS = ("interval", "crown", "alpha")  # as numbered in `_boxes`


class Enclosure(NamedTuple):
    """Bounds of the units that go into curves, side by side in the order of `network.curves`, and the largest value of
    each row asked of the outputs. Where a space has no point, low is inf and the largest −inf.

    Shapes: low, high (spaces, units); top (spaces, rows).
    """

    low: np.ndarray
    high: np.ndarray
    top: np.ndarray


@dataclass(frozen=True)
class Bounds(Record):
    """What the outputs of a network lie between, for each box: low and high (boxes, outputs).

    `set_aside` is what stands behind the outputs that are bounded, such as a softmax; `arithmetic` says what the bounds
    hold for.
    """

    low: np.ndarray
    high: np.ndarray
    method: str
    arithmetic: str
    set_aside: str
    seconds: float


def certified(net: Layer | Network, shape: Any = None, arithmetic: str | None = None) -> Certified:
    """A network ready to be bounded; `arithmetic` is "real", or the numbers it runs in, by default its own.

    Raises: CertifyError where a part has no bound, or it is no network; GeometryError where the input's shape is not
        known or a weight is no number; SettingError for an unknown arithmetic.
    """
    if not isinstance(net, Layer | Network):
        hint = ": its net is, of inputs as its preprocess gives them." if hasattr(net, "preprocess") else "."
        raise CertifyError(f"A proof is of a network, a layer or a lowered one; {type(net).__name__} is none{hint}")
    network, format = lowered(net, shape, curves=True), format_of(net, arithmetic)
    if isinstance(net, Network):
        return Certified(network, format, network, np.dtype(float))
    return Certified(network, format, without_link(net, ())[0], np.dtype(dtype_of(net)))


def enclose(
    it: Certified,
    spaces: Spaces,
    rows: np.ndarray,
    method: str = "crown",
    given: Any = None,
    threads: int | None = None,
) -> Enclosure:
    """Bounds of all units and of `rows @ outputs`, (rows, n_out), over each space.

    `given` are bounds of the units, low and high, that are known or asked for, such as the sides of a split. With
    "alpha" those of "crown" are known: where lines have other slopes, tighter units may make a looser bound.
    """
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    if method == "alpha":
        first = enclose(it, spaces, rows, "crown", given, threads)
        best = bounded(it, spaces, rows, "alpha", (first.low, first.high), threads)
        return best._replace(top=np.minimum(first.top, best.top))
    return bounded(it, spaces, rows, method, given, threads)


def bounded(it: Certified, spaces: Spaces, rows: np.ndarray, method: str, given: Any, threads: int | None) -> Enclosure:
    """The spaces shared out among threads."""
    none = np.empty((0, 0))
    low, high = (none, none) if given is None else (np.ascontiguousarray(part) for part in given)
    columns, count = np.ascontiguousarray(rows.T, float), len(spaces.low)
    threads = min(threads or cores(), max(count, 1))
    size = max(1, -(-count // (4 * threads))) if threads > 1 else max(count, 1)

    def some(first: int) -> Any:
        part = slice(first, first + size)
        asked = (low[part], high[part]) if given is not None else (none, none)
        return kernels.bound_boxes(it.program, tuple(spaces.part(part)), asked, columns, METHODS.index(method))

    with one_thread_each(), ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(some, range(0, count, size)))
    return Enclosure(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def bounds(
    net: Layer | Network,
    box: Any,
    method: str = "crown",
    *,
    arithmetic: str | None = None,
    shape: tuple[int, ...] | None = None,
    threads: int | None = None,
) -> Bounds:
    """What every output lies between, over a box or several, `low ≤ f(x) ≤ high` for all x in each.

    `box` holds a pair (low, high) for each input, or such boxes; or balls, made by `around`. Methods: "interval" hands
    intervals on from step to step; "crown" goes back from each unit with lines above and below every curve; "alpha"
    also looks for the best slopes of these lines. The bounds hold in exact arithmetic and for the network as it runs,
    whatever the order of its sums; with `arithmetic="real"` for exact arithmetic alone.

    Raises: CertifyError where a part has no bound or a box is empty; SettingError for an unknown method.
    Source: Zhang and others 2018, CROWN; Xu and others 2021, alpha-CROWN; Higham 2002, section 3.1.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.eye(2), None), Activation("relu"), Dense(np.array([[1.0], [-1.0]]), None)])
        >>> found = bounds(net, [(-1, 2), (0, 1)])
        >>> found.low.round(3).tolist(), found.high.round(3).tolist()
        ([[-1.0]], [[2.0]])
    """
    start = perf_counter()
    if threads is not None and threads < 1:
        raise SettingError(f"threads is 1 or more, got {threads}.")
    it = certified(net, shape, arithmetic)
    spaces, n = spaces_of(box, it.network), it.network.n_out
    top = enclose(it, spaces, np.concatenate([np.eye(n), -np.eye(n)]), method, threads=threads).top
    return Bounds(-top[:, n:], top[:, :n], method, it.arithmetic, it.network.set_aside, perf_counter() - start)
