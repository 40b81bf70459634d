"""Claims decided: bounded, attacked, and where neither settles it searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from ..errors import SettingError
from ._attack import attack
from ._bounds import enclose
from ._certificate import Certificate, Counterexample, Proof
from ._claim import Claim, Clause
from ._program import Certified
from ._search import SLACK, Search, ready
from ._space import Spaces
from ._telling import Told, telling
from ._tree import Tree

SECONDS = 60.0
TOO_LARGE = "Numbers get too large to be bounded: ask with arithmetic='float64' or 'real', or about a smaller box."


@dataclass(eq=False)
class Course:
    """What is known of a claim so far: of each clause a tree, None while it is open, the proven margin and the least
    found; how many parts were bounded, and which share of the clause last searched is proven."""

    claim: Claim
    trees: list[Tree | None] = field(default_factory=list)
    margins: np.ndarray = field(default_factory=lambda: np.full(1, -np.inf))
    lowest: np.ndarray = field(default_factory=lambda: np.full(1, np.inf))
    boxes: int = 0
    share: float = 0.0
    stuck: bool = False
    counterexample: Counterexample | None = None

    @property
    def open(self) -> list[int]:
        return [k for k, tree in enumerate(self.trees) if tree is None]

    @property
    def proven(self) -> bool:
        return bool(self.trees) and not self.open


def decide(
    claims: Sequence[Claim],
    question: str,
    seconds: float | None = SECONDS,
    progress: bool | None = None,
    *,
    tops: Sequence[np.ndarray] | None = None,
    seed: int = 0,
) -> Certificate:
    """All claims proven, one refuted, or unknown after some seconds; they are of one network.

    `tops` are the largest of each claim's rows, negated, where a first bound is already known.
    """
    limit = checked(seconds)
    ready()
    start = perf_counter()
    end = start + limit
    courses, stopped = [Course(claim) for claim in claims], False
    try:
        with telling(progress, "proving") as told:
            for i, course in enumerate(courses):
                bounded(course, None if tops is None else tops[i])
                settle(course, end, told, seed)
                if course.counterexample is not None:
                    break
    except KeyboardInterrupt:
        stopped = True
    return certificate(courses, question, perf_counter() - start, stopped)


def checked(seconds: float | None) -> float:
    """How long to go on, inf for None.

    Raises: SettingError for a time that is not above 0.
    """
    if seconds is not None and not (is_number(seconds) and seconds > 0):
        raise SettingError(f"seconds must be above 0, or None for no limit; got {seconds!r}.")
    return np.inf if seconds is None else float(seconds)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def settle(course: Course, end: float, told: Told | None, seed: int) -> None:
    """An attack on what the first bound leaves, then a search for each clause."""
    claim = course.claim
    if not course.open:
        return
    found, course.lowest = attack(claim, np.random.default_rng(seed))
    for k in np.argsort(course.lowest):
        if course.lowest[k] > 0:
            break
        course.counterexample = claim.refuted(found[k])
        if course.counterexample is not None:
            return
    for k in course.open:
        if margin_at(claim.it, claim.clauses[k], found[k]) <= 0:  # no bound can be better than that of one point
            course.stuck = True
            return
        search = Search(claim, claim.clauses[k], end)
        try:
            search.run(told)
        finally:
            course.boxes += search.boxes
            course.share, course.stuck = search.done, course.stuck or search.stuck
            course.margins[k] = max(course.margins[k], search.bound)
            course.lowest[k] = min(course.lowest[k], search.lowest)
        course.counterexample = search.counterexample
        if course.counterexample is not None or search.open:
            return
        if not search.stuck:
            course.trees[k] = search.tree


def margin_at(it: Certified, clause: Clause, x: np.ndarray) -> float:
    """What is proven of a clause's margin at one input: the margin there, less what rounding may take."""
    point = Spaces(x[None], x[None], x[None], np.zeros(1), np.inf)
    return float((clause.shift - enclose(it, point, -clause.rows).top[0]).max())


def bounded(course: Course, top: np.ndarray | None) -> None:
    """What one bound of the whole space proves of each clause."""
    claim = course.claim
    known = enclose(claim.it, claim.space, -claim.rows).top[0] if top is None else top
    y = claim.it.network(claim.space.centre)[0]
    first = 0
    course.boxes, course.margins = 1, np.zeros(len(claim.clauses))
    course.lowest = claim.margins(y[None])[0]
    for k, clause in enumerate(claim.clauses):
        margins = clause.shift - known[first : first + len(clause.shift)]
        first += len(clause.shift)
        row, tree = int(margins.argmax()), None
        course.margins[k] = margins[row]
        if margins[row] > SLACK * clause.size(y):
            tree = Tree()
            tree.close(np.array([0]), np.array([row]))
        course.trees.append(tree)


def certificate(courses: Sequence[Course], question: str, seconds: float, stopped: bool) -> Certificate:
    """The answer as a record."""
    bounds = min(float(c.margins.min()) for c in courses), min(float(c.lowest.min()) for c in courses)
    refuted = next((c.counterexample for c in courses if c.counterexample is not None), None)
    verdict, proof, advice = "unknown", None, ""
    if refuted is not None:
        verdict, bounds = "counterexample", (bounds[0], min(bounds[1], -refuted.margin))
    elif all(c.proven for c in courses):
        verdict = "proven"
        proof = proof_of([(c.claim, [tree for tree in c.trees if tree is not None]) for c in courses])
    else:
        advice = advice_of(courses, bounds, seconds, stopped)
    boxes, arithmetic = sum(c.boxes for c in courses), courses[0].claim.it.arithmetic
    return Certificate(question, verdict, bounds, refuted, boxes, seconds, advice, arithmetic, proof)


def advice_of(courses: Sequence[Course], bounds: tuple[float, float], seconds: float, stopped: bool) -> str:
    """What it would take to know."""
    between = f"the least margin lies between {bounds[0]:.3g} and {bounds[1]:.3g}"
    if bounds[1] <= 0:
        return (
            f"An input refutes it in float64 alone, or as the network runs alone: {between}, within rounding of 0. Ask "
            "for a little less, or with arithmetic='real'."
        )
    if bounds[0] == -np.inf:
        return TOO_LARGE
    if any(c.stuck for c in courses):
        return f"{between.capitalize()}, within rounding of 0: ask for a little less, or with arithmetic='real'."
    share = f"{max(c.share for c in courses):.1%} of what was searched is proven"
    return (
        f"{'Stopped' if stopped else 'The time was up'} after {seconds:.1f} s and {sum(c.boxes for c in courses):,} "
        f"parts: {share}, no input was found that refutes it, and {between}. Give more seconds=, or a smaller box."
    )


def proof_of(parts: Sequence[tuple[Claim, list[Tree]]]) -> Proof:
    """What a checker needs: of each part the space, the clauses, and the tree of each clause."""
    it, arrays, norms = parts[0][0].it, {}, []
    for i, (claim, trees) in enumerate(parts):
        space = claim.space
        norms.append({1.0: "1", 2.0: "2"}.get(space.norm, "inf"))
        for name in ("low", "high", "centre", "radius"):
            arrays[f"{i}.{name}"] = getattr(space, name)[0]
        for k, (clause, tree) in enumerate(zip(claim.clauses, trees, strict=True)):
            arrays |= {f"{i}.{k}.rows": clause.rows, f"{i}.{k}.shift": clause.shift}
            arrays |= {f"{i}.{k}.{name}": array for name, array in tree.arrays().items()}
    about = {
        "norms": norms, "clauses": [len(trees) for _, trees in parts], "format": it.format.name,
        "shape": list(it.network.shape),
    }  # fmt: skip
    return Proof("boxes", about, {name: np.asarray(array) for name, array in arrays.items()})
