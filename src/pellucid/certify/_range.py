"""The range of every output over a box, both ends with the inputs that reach them."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import CertifyError, SettingError
from ..geometry import Network
from ..module import Layer
from ..records import Record, unlisted
from ._attack import attack
from ._bounds import certified
from ._certificate import Proof
from ._claim import Claim, Clause
from ._decide import SECONDS, TOO_LARGE, checked, is_number, margin_at, proof_of
from ._program import Certified
from ._search import SLACK, Search, ready
from ._space import spaces_of
from ._telling import telling
from ._tree import Tree


@dataclass(frozen=True)
class OutputRange(Record):
    """What each output lies between over a box, and how near to that it comes.

    Shapes: low, high (outputs,), proven; lowest, highest (outputs,), reached in float64 at the inputs lowest_at and
    highest_at (outputs, n). `names` are those of the outputs, where they are known. `exact` says for each output if
    both ends are within the tolerance of what is reached. `proof` is read by `recheck`.
    """

    low: np.ndarray
    lowest: np.ndarray
    lowest_at: np.ndarray
    high: np.ndarray
    highest: np.ndarray
    highest_at: np.ndarray
    exact: np.ndarray
    tolerance: float
    boxes: int
    seconds: float
    advice: str
    arithmetic: str
    names: tuple[str, ...] = ()
    proof: Proof | None = unlisted(default=None)


def output_range(
    net: Layer | Network,
    box: Any,
    *,
    tolerance: float = 1e-3,
    arithmetic: str | None = None,
    shape: tuple[int, ...] | None = None,
    seconds: float | None = SECONDS,
    progress: bool | None = None,
) -> OutputRange:
    """The least and the largest value of every output over one box or ball, `min f(x)` and `max f(x)`.

    The proven ends are beyond those reached by at most `tolerance` of the range, or by what rounding of the network
    alone may add; after `seconds` by more, and `advice` says so.

    Raises: CertifyError where a part has no bound or the box is empty; SettingError for a tolerance not above 0.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> net = Sequential([Dense(np.array([[1.0, -1.0]]), None), Activation("relu"), Dense(np.ones((2, 1)), None)])
        >>> found = output_range(net, [(-1, 2)])
        >>> bool(abs(found.lowest[0]) < 2e-3), found.highest.tolist(), found.highest_at.tolist(), found.exact.tolist()
        (True, [2.0], [[2.0]], [True])
    """
    if not (is_number(tolerance) and tolerance > 0):
        raise SettingError(f"tolerance is a part of the range above 0, got {tolerance!r}.")
    limit = checked(seconds)
    ready()
    start = perf_counter()
    end = start + limit
    it = certified(net, shape, arithmetic)
    space = spaces_of(box, it.network)
    if len(space.low) != 1:
        raise CertifyError(f"output_range is of one box or ball, got {len(space.low)}.")
    n, stopped = it.network.n_out, False
    rows = np.concatenate([np.eye(n), -np.eye(n)])
    whole = Claim(it, space, tuple(Clause(row[None], np.zeros(1)) for row in rows))
    at, least = attack(whole, np.random.default_rng(0))
    width = np.maximum(-least[n:] - least[:n], 1e-9 * np.maximum(abs(least[n:]), abs(least[:n])))
    searches = []
    for k, clause in enumerate(whole.clauses):
        rounding = 2 * float(least[k] - margin_at(it, clause, at[k]))
        search = Search(whole, clause, end, max(tolerance * float(width[k % n]), rounding))
        search.lowest, search.at = float(least[k]), at[k]
        searches.append(search)
    try:
        with telling(progress, "ranges") as told:
            for k, search in enumerate(searches):
                search.end = end if end == np.inf else perf_counter() + (end - perf_counter()) / (len(searches) - k)
                search.run(told)
    except KeyboardInterrupt:
        stopped = True
    return record(it, whole, searches, tolerance, perf_counter() - start, stopped)


def record(
    it: Certified, whole: Claim, searches: list[Search], tolerance: float, seconds: float, stopped: bool
) -> OutputRange:
    n = len(searches) // 2
    bounds, reached = (np.array([getattr(s, name) for s in searches]) for name in ("bound", "lowest"))
    at = np.array([s.at for s in searches])
    tight = np.array([not s.open and not s.stuck for s in searches])
    exact = tight[:n] & tight[n:]
    advice = ""
    if not exact.all():
        what = "Stopped" if stopped else "The time was up" if any(s.open for s in searches) else "Rounding is the limit"
        names = ", ".join(map(str, np.flatnonzero(~exact)))
        advice = (
            f"{what}: the ends of output {names} are proven, and looser than asked. Give more seconds=, or tolerance=."
        )
    advice = advice if np.isfinite(bounds).all() else TOO_LARGE
    boxes = sum(s.boxes for s in searches)
    proof = proven(whole, searches) if tight.all() else None
    return OutputRange(
        bounds[:n], reached[:n], at[:n], -bounds[n:], -reached[n:], at[n:], exact, tolerance, boxes, seconds, advice,
        it.arithmetic, proof=proof,
    )  # fmt: skip


def proven(whole: Claim, searches: list[Search]) -> Proof:
    """That no output is below its low or above its high."""
    clauses: list[Clause] = []
    trees: list[Tree] = []
    for search in searches:
        slack = SLACK * max(abs(search.bound), search.slack / SLACK)
        clauses.append(Clause(search.clause.rows, np.array([slack - search.bound])))
        trees.append(search.tree)
    return proof_of([(Claim(whole.it, whole.space, tuple(clauses)), trees)])
