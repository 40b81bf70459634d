"""A certificate verified again, by code that shares nothing with the one that found it.

The tree of cuts is walked from the whole space down, each part made from its parent, so the parts cover it. Every part
is bounded anew in NumPy, by lines above and below every curve whose offsets are worked out here, with its own count of
rounding; a leaf's own slopes and multipliers are taken from the certificate, and any of them give a true bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import CertifyError, PellucidError
from ..geometry import Network, lowered
from ..module import Layer
from ..records import Record
from ._certificate import Certificate, Proof
from ._lipschitz import Lipschitz
from ._lipschitz_check import check_lipschitz
from ._monotone_check import check_monotone
from ._range import OutputRange
from ._recheck_bounds import Ball, Bounder, Marks

BATCH = 64
CUTS = 6  # how often a leaf that does not hold at once is cut again
MENTIONED = 20
SAID = 4e-7  # of what is said, by which a proof may be of a little less


@dataclass(frozen=True)
class Recheck(Record):
    """Whether a proof holds: how many leaves were verified, and what is wrong, in words."""

    holds: bool
    leaves: int
    problems: tuple[str, ...]
    seconds: float


def recheck(certificate: Any, net: Layer | Network, *, shape: tuple[int, ...] | None = None) -> Recheck:
    """Verify the proof of a certificate of this network again.

    What holds then is what the proof says: over its box or ball no input meets one of its clauses, an output rises with
    a feature, or the derivative is nowhere steeper. It is refused, too, where the record says more than its proof.

    Raises: CertifyError where the certificate holds no proof, or one of another kind.
    Example:
        >>> import pellucid as pl
        >>> net = pl.mlp([2, 8, 2], key=0)
        >>> found = pl.certify.robust(net, [[0.3, 0.4]], 0.001).certificates[0]
        >>> found.verdict, recheck(found, net).holds
        ('proven', True)
    """
    start = perf_counter()
    proof = getattr(certificate, "proof", None)
    if not isinstance(proof, Proof):
        raise CertifyError("The certificate holds no proof: there is nothing to verify.")
    if proof.kind not in CHECKERS:
        raise CertifyError(f"There is no checker for a proof of kind {proof.kind!r}: known are {', '.join(CHECKERS)}.")
    try:
        leaves, problems = CHECKERS[proof.kind](proof, net, shape)
        problems = contradictions(certificate, proof) + problems
    except (KeyError, IndexError, TypeError, ValueError) as error:
        if isinstance(error, PellucidError):
            raise
        leaves, problems = 0, [f"The proof is damaged: {type(error).__name__}: {error}."]
    return Recheck(not problems, leaves, tuple(problems[:MENTIONED]), perf_counter() - start)


def contradictions(record: Any, proof: Proof) -> list[str]:
    """Where a record says something else than its proof."""
    match record:
        case Certificate():
            low, high = record.bounds
            if record.verdict != "proven" or not 0 <= low <= high:
                return [f"It says {record.verdict}, of a margin from {low:g} to {high:g}, and holds a proof."]
        case OutputRange():
            n = len(record.low)
            ends = np.concatenate([record.low, -record.high])
            said = np.array([-float(proof.arrays[f"0.{k}.shift"][0]) for k in range(2 * n)])
            rows = np.array([proof.arrays[f"0.{k}.rows"][0] for k in range(2 * n)])
            if not np.array_equal(rows, np.concatenate([np.eye(n), -np.eye(n)])):
                return ["Its proof is about other outputs."]
            size = np.maximum.reduce([abs(e) for e in (record.low, record.high, record.lowest, record.highest)])
            if (ends > said + SAID * np.tile(size, 2)).any():
                return ["It says that the outputs lie closer together than its proof does."]
        case Lipschitz():
            high, share = float(proof.about["high"]), float(proof.about["share"])
            if not record.low <= record.high <= high <= record.high * (1 + share) * (1 + SAID):
                return [f"It says that the network is no steeper than {record.high:g}, and its proof {high:g}."]
    return []


@dataclass(frozen=True, eq=False)
class Parts:
    """Parts of the space: their nodes, how often each leaf was cut again, boxes, and the units' bounds."""

    node: np.ndarray
    cuts: np.ndarray
    low: np.ndarray
    high: np.ndarray
    unit_low: np.ndarray
    unit_high: np.ndarray

    def of(self, which: Any) -> Parts:
        return Parts(*(array[which] for array in vars(self).values()))

    @staticmethod
    def together(parts: list[Parts]) -> Parts:
        return Parts(*(np.concatenate(arrays) for arrays in zip(*(vars(p).values() for p in parts), strict=True)))


def check_boxes(proof: Proof, net: Layer | Network, shape: Any) -> tuple[int, list[str]]:
    """A proof by boxes: of every part and clause its tree."""
    network = lowered(net, tuple(proof.about["shape"]) if shape is None else shape, curves=True)
    bounder = Bounder(network, proof.about["format"])
    leaves, problems = 0, [] if proof.about["clauses"] else ["It is about no part of the space."]
    for i, (norm, clauses) in enumerate(zip(proof.about["norms"], proof.about["clauses"], strict=True)):
        if not clauses:
            problems.append(f"Part {i} has no clause: nothing is proven of it.")
        for k in range(clauses):
            arrays = {name.split(".", 2)[2]: a for name, a in proof.arrays.items() if name.startswith(f"{i}.{k}.")}
            space = [np.asarray(proof.arrays[f"{i}.{name}"], float) for name in ("low", "high", "centre", "radius")]
            try:
                leaves += TreeCheck(bounder, space, norm, arrays).run()
            except Wrong as wrong:
                problems.append(f"Part {i}, clause {k}: {wrong}")
    return leaves, problems


class Wrong(Exception):
    """Why a proof does not hold."""


class TreeCheck:
    """One tree of cuts, and the clause that it proves."""

    def __init__(self, bounder: Bounder, space: list[np.ndarray], norm: str, arrays: dict[str, np.ndarray]):
        low, high, centre, radius = space
        n = bounder.network.n_in
        if low.shape != (n,) or high.shape != (n,) or not (low <= high).all():
            raise Wrong("its box is not one of the network's inputs.")
        if norm not in ("1", "2", "inf"):
            raise Wrong(f"there is no norm {norm!r}.")
        self.bounder, self.arrays = bounder, arrays
        self.ball = None if norm == "inf" else Ball(float(norm), centre, float(radius))
        self.rows, self.shift = arrays["rows"], arrays["shift"]
        self.var, self.at, self.child, self.row = (arrays[name] for name in ("var", "at", "child", "row"))
        units = bounder.units
        whole = np.full((1, units), -np.inf), np.full((1, units), np.inf)
        self.open = [Parts(np.zeros(1, int), np.zeros(1, int), low[None], high[None], *whole)]
        self.leaves = 0

    def run(self) -> int:
        while self.open:
            parts = self.open.pop()
            if len(parts.node) > BATCH:
                self.open.append(parts.of(slice(BATCH, None)))
                parts = parts.of(slice(BATCH))
            self.step(parts)
        return self.leaves

    def step(self, parts: Parts) -> None:
        """Bound some parts; those that are cut make two, and leaves are to hold."""
        state = self.bounder.state(parts.low, parts.high, parts.unit_low, parts.unit_high, self.ball)
        parts = Parts(parts.node, parts.cuts, parts.low, parts.high, *state.units())
        var = self.var[parts.node]
        leaf, there = var == -1, ~(state.empty | self.outside(parts))
        self.leaves += int((leaf & (parts.cuts == 0)).sum())
        if (var < -1).any():
            raise Wrong(f"node {parts.node[var < -1][0]} is neither cut nor proven.")
        again = []
        here = np.flatnonzero(leaf & there)
        if len(here):
            holds = self.margins(parts, state, here) > 0
            failed = here[~holds]
            if (parts.cuts[failed] >= CUTS).any():
                raise Wrong(f"leaf {parts.node[failed][0]} does not hold.")
            if len(failed):
                again.append(self.cut_again(parts.of(failed)))
        here = np.flatnonzero(~leaf & there)
        if len(here):
            again.append(self.cut(parts.of(here)))
        if again:
            self.open.append(Parts.together(again))

    def outside(self, parts: Parts) -> np.ndarray:
        """Whether parts have no point in the ball."""
        if self.ball is None:
            return np.zeros(len(parts.node), bool)
        low, high = parts.low - self.ball.centre, parts.high - self.ball.centre
        nearest = np.where(low > 0, low, np.where(high < 0, high, 0.0))
        return np.linalg.norm(nearest, self.ball.norm, axis=1) > self.ball.radius * (1 + 1e-10)

    def margins(self, parts: Parts, state: Any, here: np.ndarray) -> np.ndarray:
        """What is proven of the margins of some leaves."""
        node = parts.node[here]
        row = self.row[node]
        if not ((row >= 0) & (row < len(self.rows))).all():
            raise Wrong(f"leaf {node[0]} names no row of its clause.")
        own = self.arrays["own"][node]
        found = np.full(len(here), -np.inf)
        for mine in (False, True):
            some = np.flatnonzero((own >= 0) == mine)
            if len(some):
                marks = self.marks(own[some]) if mine else None
                top = self.bounder.largest(state.of(here[some]), -self.rows[row[some]], self.ball, marks)
                found[some] = self.shift[row[some]] - top
        return found

    def marks(self, own: np.ndarray) -> Marks:
        """The slopes and multipliers of leaves."""
        lift = np.zeros((len(own), self.bounder.units))
        lift[:, self.arrays["lifted"]] = self.arrays["lift"][own]
        marks = self.arrays["marks"][own]
        if not np.isfinite(lift).all():
            raise Wrong("a multiplier is not finite.")
        return Marks(marks[:, 0] / 255, marks[:, 1] / 255, lift)

    def cut(self, parts: Parts) -> Parts:
        """Both parts of nodes, as the tree says."""
        var, at, child, n = self.var[parts.node], self.at[parts.node], self.child[parts.node], parts.low.shape[1]
        if not ((parts.node < child) & (child + 1 < len(self.var)) & (var < n + self.bounder.units)).all():
            raise Wrong("a node has no parts, or is cut by nothing.")
        return Parts.together([side(parts, child + k, var, at, k) for k in (0, 1)])

    def cut_again(self, parts: Parts) -> Parts:
        """Leaves cut along their widest side, to bound both halves closer."""
        wide = parts.high - parts.low
        var = (wide / np.maximum(wide.max(0), 1e-300)).argmax(1)
        at = (parts.low + wide / 2)[np.arange(len(var)), var]
        halves = [side(parts, parts.node, var, at, k) for k in (0, 1)]
        return Parts.together([Parts(p.node, p.cuts + 1, *list(vars(p).values())[2:]) for p in halves])


def side(parts: Parts, node: np.ndarray, var: np.ndarray, at: np.ndarray, upper: int) -> Parts:
    """What lies on one side of a cut: of an input, or behind these of a unit."""
    low, high, unit_low, unit_high = (a.copy() for a in list(vars(parts).values())[2:])
    for i, (v, place) in enumerate(zip(var.tolist(), at.tolist(), strict=True)):
        lows, highs, k = (low, high, v) if v < low.shape[1] else (unit_low, unit_high, v - low.shape[1])
        if upper:
            lows[i, k] = max(lows[i, k], place)
        else:
            highs[i, k] = min(highs[i, k], place)
    keep = (low <= high).all(1) & (unit_low <= unit_high).all(1)
    return Parts(node, parts.cuts, low, high, unit_low, unit_high).of(keep)


CHECKERS: dict[str, Callable[[Proof, Any, Any], tuple[int, list[str]]]] = {
    "boxes": check_boxes,
    "lipschitz": check_lipschitz,
    "monotone": check_monotone,
}
