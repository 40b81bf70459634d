"""What the doctor says of the catalogue's programs, what it prescribes, and what others say: tables and totals."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from faults import Case, program_of, spec_of

from pellucid.doctor import Patient, Program
from pellucid.doctor._changes import CHANGES
from pellucid.doctor._diagnosis import Diagnosis, examined
from pellucid.doctor._trials import changed, redrawn, tried

SLACK = 0.03  # of the score: what two trainings of the same program differ by


@dataclass(frozen=True)
class Verdict:
    """What was found of one program: codes of all alarms in order, and the seconds of processor time it took."""

    case: Case
    fixed: bool
    codes: tuple[str, ...]
    reached: float
    best: float
    seconds: float
    patient: Patient

    @property
    def counts(self) -> str:
        """For which total it counts: "harmed", "healthy", "mended", or none."""
        if self.case["kind"] == "healthy":
            return "healthy"
        confirmed = self.case["kind"] == "faulty" and self.case["verified"].get("status") == "confirmed"
        return ("mended" if self.fixed else "harmed") if confirmed else ""


def verdicts(cases: list[Case], seed: int, seconds: float) -> Iterator[Verdict]:
    """The doctor's word on every program of the catalogue, faulty and mended."""
    known: dict[str, Verdict] = {}
    for case in cases:
        for fixed in (False, True):
            if fixed and (case["kind"] == "healthy" or not case.get("fixed_spec")):
                continue
            alike = repr((spec_of(case, fixed), case["data"], fixed and case.get("fixed_gen"), case["verified"]))
            if alike in known:  # many faulty programs share the mended one
                same = known[alike]
                yield Verdict(case, fixed, same.codes, same.reached, same.best, 0.0, same.patient)
                continue
            began = time.process_time()
            patient = Patient(program_of(case, fixed, seed), seconds=seconds)
            found = [finding.code for finding in examined(patient)[0] if finding.alarm]
            known[alike] = Verdict(
                case, fixed, tuple(found), patient.reached, patient.best, time.process_time() - began, patient
            )
            yield known[alike]
        jax.clear_caches()


def told(cases: list[Case], seeds: int, seconds: float) -> list[str]:
    """A line for each program, and the totals over all seeds."""
    totals: dict[str, list[tuple[bool, ...]]] = {"harmed": [], "healthy": [], "mended": []}
    for seed in range(seeds):
        for v in verdicts(cases, seed, seconds):
            wanted = v.case["fault_codes"]
            right = [code in wanted for code in v.codes[:3]]
            if v.counts:
                totals[v.counts].append((bool(v.codes), any(right[:1]), any(right)))
            print(
                f"{v.case['id']:<44.44}{'mended' if v.fixed else v.case['kind']:<10}{v.counts:<8}"
                f"{v.reached:7.3f} of {v.best:5.3f}  {' '.join(v.codes[:4]) or '-':<44}"
                f"{'' if v.fixed else ' '.join(wanted):<40}{v.seconds:5.1f} s",
                flush=True,
            )
    return summed(totals)


def summed(totals: dict[str, list[tuple[bool, ...]]]) -> list[str]:
    def share(rows: list[tuple[bool, ...]], i: int) -> str:
        hits = sum(row[i] for row in rows)
        return f"{hits} of {len(rows)} ({hits / max(len(rows), 1):.0%})"

    harmed = totals["harmed"]
    return [
        f"- Faults whose harm is confirmed, detected: {share(harmed, 0)}; the right code first: {share(harmed, 1)}, "
        f"among the first three: {share(harmed, 2)}.",
        f"- Alarms on healthy programs: {share(totals['healthy'], 0)}, on mended ones: {share(totals['mended'], 0)}.",
    ]


def cures(cases: list[Case], seeds: int, seconds: float) -> list[str]:
    """What is prescribed for each confirmed fault, beside the catalogue's own correction and a random search."""
    rows = []
    for seed in range(seeds):
        for v in verdicts(cases, seed, seconds):
            if v.counts != "harmed" or v.patient.base is None or v.patient.task is None:
                continue
            found, notes = examined(v.patient)
            diagnosis = Diagnosis(tuple(found), tuple(notes), "", 0.0, 0.0, 0.0, 0.0, v.patient)
            cure = diagnosis.prescribe(seconds=seconds)
            after = statistics.median(cure.after)
            chance = statistics.median(random_search(v.patient, cure.seconds, len(cure.after), seed))
            mended = corrected(v, len(cure.after))
            slack = SLACK * max(1.0, 1 - v.patient.trivial)
            worse = after < statistics.median(cure.before) - slack
            rows.append(
                (
                    after >= mended - slack,
                    worse,
                    after > chance + slack,
                    chance > after + slack,
                    chance >= mended - slack,
                )
            )
            print(
                f"{v.case['id']:<44.44}{statistics.median(cure.before):7.3f} -> {after:6.3f}  corrected {mended:6.3f}  "
                f"random {chance:6.3f}  {', '.join(cure.changes) or '-'}  ({cure.tried} tried, {cure.seconds:.0f} s)",
                flush=True,
            )
    n = max(len(rows), 1)
    good, worse, better, beaten, luck = (sum(row[i] for row in rows) for i in range(5))
    return [
        f"- Prescriptions that reach the corrected program's score: {good} of {n} ({good / n:.0%}); worse than before: "
        f"{worse}. A random search over the same changes for as long: {luck} of {n} ({luck / n:.0%}); the doctor is "
        f"better in {better}, the random search in {beaten}.",
    ]


def corrected(v: Verdict, count: int) -> float:
    """What the catalogue's corrected program reaches, over other draws."""
    scores = []
    for seed in range(1, count + 1):
        program = program_of(v.case, True, seed)
        patient = Patient(program, seconds=600.0)
        scores.append(patient.above(patient.base.score if patient.base else None))
    return statistics.median(scores)


def random_search(patient: Patient, seconds: float, count: int, seed: int) -> list[float]:
    """The best of random sets of one to four changes, tried for as long as the doctor took, over other draws."""
    rng, began = np.random.default_rng(seed), time.perf_counter()
    best: tuple[str, ...] = ()
    task, base = patient.task, patient.base
    assert task is not None
    assert base is not None
    top = patient.above(base.score)
    names = list(CHANGES)
    while time.perf_counter() - began < seconds:
        drawn = tuple(n for n in CHANGES if n in rng.choice(names, rng.integers(1, 5), replace=False))
        after = changed(patient.sample, task, *drawn)
        found = after and tried(after, task, steps_of(patient, after), seconds=seconds / 4, like=patient.like)
        if found and patient.above(found.score) > top:
            best, top = drawn, patient.above(found.score)
    scores = []
    for number in range(1, count + 1):
        start: Any = changed(drawn_again(patient.sample, number), task, *best)
        found = tried(start, task, steps_of(patient, start), seed=number, seconds=seconds / 4)
        scores.append(patient.above(found.score if found else None))
    return scores


def steps_of(patient: Patient, program: Program) -> int:
    times = program.settings.epochs / max(patient.settings.epochs, 1)
    batches = patient.sample.settings.batch_size / program.settings.batch_size
    return max(1, round(patient.steps * times * batches))


def drawn_again(program: Program, seed: int) -> Program:
    from dataclasses import replace

    return replace(program, net=redrawn(program.net, seed)).set(seed=seed)
