"""Cures tried on short trainings before they are given: the smallest change that works, with before and after."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from statistics import median
from typing import Any

from ..language import key_of, phrase
from ..records import Record, unlisted
from ._changes import CHANGES
from ._finding import Finding
from ._patient import Patient
from ._program import Program
from ._rule import also
from ._telling import Tell, silent
from ._trials import applicable, changed, redrawn, tried

ENOUGH = 0.05  # of what there is to learn: a smaller change is taken that comes as near to the best
BETTER = 0.02  # of what there is to learn: less is not told from chance
FINALISTS = 4  # changes that are tried from other draws
COMMON = (
    "suited output", "standardise inputs", "standardise targets", "adam at 0.01", "adam", "fresh start", "rate × 10",
    "rate / 10", "tanh inside", "relu inside", "epochs × 5", "wider", "rate × 100", "no decay", "no dropout",
    "epochs × 25",
)  # fmt: skip
SUITED = ("drop rows", "suited output", "standardise inputs", "standardise targets")
BUNDLES = (
    (*SUITED, "adam at 0.01"),
    (*SUITED, "tanh inside", "adam at 0.01"),
    (*SUITED, "relu inside", "adam", "epochs × 5"),
    (*SUITED, "fresh start", "adam at 0.01", "epochs × 25"),
    (*SUITED, "wider", "adam at 0.01", "epochs × 25"),
)


@dataclass(frozen=True)
class Prescription(Record):
    """A change that was tried and works: what to change, in words and as code, and the scores before and after.

    `before` and `after` are the scores of several trainings (accuracy or R² on the rows learned from), each from
    another draw of the start and another order of the rows. `settings` are those that change: (before, after).
    `tried` is how many changes were compared. `changes` is empty where nothing that was tried is better than chance.
    """

    changes: tuple[str, ...]
    words: str
    code: str
    settings: dict[str, tuple[Any, Any]]
    before: tuple[float, ...]
    after: tuple[float, ...]
    metric: str
    tried: int
    seconds: float
    program: Program = unlisted(default=None)

    def __bool__(self) -> bool:
        return bool(self.changes)

    def apply(self) -> Program:
        """The mended program: network before the first step, rows and settings. The given one stays as it is."""
        return self.program


def prescribe(
    patient: Patient,
    findings: Sequence[Finding],
    rules: dict[str, Any],
    seconds: float,
    seeds: int,
    tell: Tell = silent,
) -> Prescription:
    """Search for the smallest change that works; see `Diagnosis.prescribe`."""
    search = Search(patient, seconds, tell)
    names = candidates(findings, rules)
    before = search.against_chance((), seeds)
    after = search.proved(search.pruned(search.one_that_does(names)), {}, seeds)
    best = search.surest(after)
    if not best or not search.near(median(after[best])):
        after = search.proved(search.pruned(search.best_of(names)), after, seeds)
        best = search.surest(after)
    span = max(1 - patient.trivial, 1e-9)
    if not best or median(after[best]) - median(before) < BETTER * span:
        best = ()
    given = changed(patient.program, search.task, *best) if best else patient.program
    assert given is not None
    return Prescription(
        changes=best,
        words=in_words(best),
        code="\n".join(code_of(name, given) for name in best),
        settings=settings_changed(patient.program, given),
        before=tuple(before),
        after=tuple(after[best] if best else before),
        metric=search.task.words,
        tried=len(search.known),
        seconds=time.perf_counter() - search.began,
        program=given,
    )


def in_words(changes: tuple[str, ...]) -> str:
    """What is changed, one after the other."""
    if not changes:
        return phrase("nothing that was tried is better")
    return reduce(also, (CHANGES[name].words for name in changes))


def candidates(findings: Sequence[Finding], rules: dict[str, Any]) -> list[str]:
    """The cures of the findings, first those that explain most; behind them what helps most often."""
    own = [
        name
        for finding in findings
        if finding.confidence != "harmless"
        for name in rules.get(finding.numbers.get("rule", ""), ())
    ]
    return list(dict.fromkeys([*own, *COMMON]))


class Search:
    """Tries changes of one program, each once, until the time is over."""

    def __init__(self, patient: Patient, seconds: float, tell: Tell = silent):
        assert patient.task is not None
        assert patient.base is not None
        self.patient, self.task = patient, patient.task
        self.began, self.seconds, self.tell = time.perf_counter(), seconds, tell
        self.known: dict[tuple[str, ...], float] = {(): patient.above(patient.base.score)}
        self.top = max(self.known[()], patient.above(patient.reference))

    @property
    def left(self) -> float:
        return self.seconds - (time.perf_counter() - self.began)

    def score(self, names: tuple[str, ...]) -> float:
        """What the program reaches with these changes; that of the constant answer where it cannot be tried."""
        names = ordered(names)
        if names not in self.known and self.left > 0:
            after = changed(self.patient.sample, self.task, *names)
            found = after and tried(
                after, self.task, self.steps(after), seconds=max(self.left / 4, 1.0), like=self.patient.like
            )
            self.known[names] = self.patient.above(found.score) if found else self.patient.trivial
            self.tell(
                f"{', '.join(names)}: {self.reached(self.known[names])}"
                if found
                else f"{', '.join(names)}: cannot be tried"
            )
        return self.known.get(names, self.patient.trivial)

    def reached(self, score: float) -> str:
        return f"{self.task.words} {score:.3g}"

    def steps(self, program: Program) -> int:
        """As many as for the epochs that the patient has, times the epochs of the program, of its batch size."""
        times = program.settings.epochs / max(self.patient.settings.epochs, 1)
        batches = self.patient.sample.settings.batch_size / program.settings.batch_size
        return max(1, round(self.patient.steps * times * batches))

    def near(self, score: float) -> bool:
        """Whether that is (nearly) as good as anything known."""
        return score >= max([self.top, *self.known.values()]) - ENOUGH * max(1 - self.patient.trivial, 1e-9)

    def one_that_does(self, names: list[str]) -> tuple[str, ...]:
        """The first single change that comes near the best known, of those that the findings call for first."""
        for name in names[:6]:
            if self.near(self.score((name,))) and self.known[()] < self.score((name,)):
                return (name,)
        return ()

    def proved(
        self, best: tuple[str, ...], known: dict[tuple[str, ...], list[float]], seeds: int
    ) -> dict[tuple[str, ...], list[float]]:
        """The scores of the finalists from other draws, with those that are known."""
        return known | {key: self.against_chance(key, seeds) for key in self.finalists(best) if key not in known}

    def best_of(self, names: list[str]) -> tuple[str, ...]:
        """The bundles, all single changes, and then one added to the best so far after the other."""
        for bundle in BUNDLES:
            self.score(applicable(self.patient.sample, self.task, bundle))
        for name in names:
            self.score((name,))
        best = max(self.known, key=lambda key: (self.known[key], -len(key)))
        while not self.near(self.known[best]) and self.left > 0 and len(best) < 6:
            more = max(self.additions(best, names), key=self.score, default=best)
            if self.score(more) <= self.known[best] + 1e-3:
                break
            best = ordered(more)
        return best

    def additions(self, best: tuple[str, ...], names: list[str]) -> Iterator[tuple[str, ...]]:
        alone = sorted((n for n in names if n not in best), key=lambda n: -self.known.get((n,), 0.0))
        return ((*best, name) for name in alone[:8])

    def pruned(self, best: tuple[str, ...]) -> tuple[str, ...]:
        """Without the changes that hardly matter; none where nothing is better."""
        self.score(best)
        for name in reversed(best):
            less = tuple(n for n in best if n != name)
            if len(best) > 1 and self.score(less) >= self.known[best] - ENOUGH / 2 * max(
                1 - self.patient.trivial, 1e-9
            ):
                best = ordered(less)
        return best if self.known[best] > self.known[()] else ()

    def finalists(self, best: tuple[str, ...]) -> list[tuple[str, ...]]:
        """What is tried from other draws: the best, and others that came near it, first those that reached most."""
        others = sorted((k for k in self.known if k and k != best), key=lambda k: (-self.known[k], len(k)))
        some = [key for key in others if self.known[key] > self.known[()]]
        return [*([best] if best else []), *some[: FINALISTS - 1]]

    def surest(self, after: dict[tuple[str, ...], list[float]]) -> tuple[str, ...]:
        """The smallest of those that come near the best median."""
        if not after:
            return ()
        top = max(map(median, after.values())) - ENOUGH / 2 * max(1 - self.patient.trivial, 1e-9)
        return min((key for key in after if median(after[key]) >= top), key=lambda key: (len(key), -median(after[key])))

    def against_chance(self, names: tuple[str, ...], seeds: int) -> list[float]:
        """Scores with these changes from other draws of the start and orders of the rows."""
        scores = []
        for seed in range(1, seeds + 1):
            drawn = replace(self.patient.sample, net=redrawn(self.patient.net, seed)).set(seed=seed)
            mended = changed(drawn, self.task, *names)
            found = mended and tried(
                mended, self.task, self.steps(mended), seed=seed, seconds=self.seconds / 4, like=self.patient.like
            )
            scores.append(self.patient.above(found.score) if found else self.patient.trivial)
        self.tell(f"{', '.join(names) or 'as it is'}, {seeds} more starts: {self.reached(median(scores))}")
        return scores


def ordered(names: tuple[str, ...]) -> tuple[str, ...]:
    """In the order of the table: what rebuilds a network comes behind what scales its rows."""
    return tuple(name for name in CHANGES if name in names)


def code_of(name: str, program: Program) -> str:
    settings = program.settings
    from ._structure import structure

    weights = [part.weight for part in structure(program.net).weighted if part.weight is not None]
    sizes = [weights[0].shape[0], *(w.shape[1] for w in weights)] if weights else []
    return key_of(CHANGES[name].code).format(
        rate=settings.rate(), epochs=settings.epochs, loss=settings.loss.name, sizes=sizes
    )


def settings_changed(before: Program, after: Program) -> dict[str, tuple[Any, Any]]:
    """The settings that differ, as (before, after)."""
    old, new = before.settings.to_json(), after.settings.to_json()
    return {name: (old[name], new[name]) for name in old if old[name] != new[name]}
