"""The rules together, and what they say of one training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..errors import DataError, PellucidError
from ..language import message_of, phrase
from ..records import Record, unlisted
from ._axis_rule import AXIS_RULES
from ._data_rules import DATA_RULES
from ._finding import CONFIDENCES, Finding
from ._layer_rules import LAYER_RULES
from ._output_rules import OUTPUT_RULES
from ._patient import Patient
from ._prescription import Prescription, prescribe
from ._program import Program
from ._rule import Rule
from ._signal_rules import SIGNAL_RULES
from ._start_rules import START_RULES
from ._telling import telling
from ._training_rules import TRAINING_RULES

RULES: tuple[Rule, ...] = (
    *DATA_RULES, *OUTPUT_RULES, *SIGNAL_RULES, *START_RULES, *LAYER_RULES, *AXIS_RULES, *TRAINING_RULES
)  # fmt: skip

NOTHING = 0.9  # of what there is to learn was missed
ONE_CAUSE = ("PREP_X", "PREP_Y", "DATA_LABELS")  # whose rules are several looks at one thing


@dataclass(frozen=True)
class Diagnosis(Record):
    """What is wrong with a training, first what explains most.

    `reached` is the score (`metric`: accuracy or R², on the rows learned from), `trivial` that of the best constant
    answer, `best` the best that anything tried for the diagnosis reached; all None where nothing could be tried.
    `notes` say what could not be looked at.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    metric: str
    reached: float | None
    trivial: float | None
    best: float | None
    seconds: float
    patient: Any = unlisted(default=None, repr=False)

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that are certain or likely."""
        return tuple(finding for finding in self.findings if finding.alarm)

    @property
    def healthy(self) -> bool:
        """Whether nothing certain or likely was found."""
        return not self.alarms

    def prescribe(self, seconds: float = 60.0, seeds: int = 3, progress: bool | None = None) -> Prescription:
        """Try cures, alone and together, on short trainings from the same start and rows; the smallest that works.

        What is best so far is then tried again from `seeds` other draws of the start, beside the program as it is: a
        cure that is not better than chance is not given. The program itself is left as it is. `progress` says what is
        tried, a line each, on a terminal (None), everywhere or not at all.

        Raises: DataError where there are no rows that the network can be trained on.
        """
        if self.patient is None or self.patient.base is None:
            raise DataError("A cure is tried by training: it needs rows that the network and its loss can take.")
        changes = {rule.name.key: rule.changes for rule in RULES}
        return prescribe(self.patient, self.findings, changes, seconds, seeds, telling(progress))

    def apply(self, seconds: float = 60.0) -> Program:
        """The mended program: a network before its first step, rows and settings; that given where nothing helps."""
        return self.prescribe(seconds).apply()


def examined(patient: Patient) -> tuple[list[Finding], list[str]]:
    """All findings of all rules, the surest first and among these what explains most; and what could not be told."""
    found, notes = [], []
    for rule in RULES:
        try:
            found += [judged(rule, finding, patient) for finding in rule.findings(patient)]
        except (PellucidError, TypeError, ValueError, ArithmeticError) as problem:
            notes.append(phrase("The rule {rule!r} could not look: {why}", rule=rule.name, why=message_of(problem)))
    found, told = beyond_chance(found, patient)
    return causes(in_order(found)), notes + told


def in_order(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda f: (CONFIDENCES.index(f.confidence), -f.explains))


def judged(rule: Rule, finding: Finding, patient: Patient) -> Finding:
    """A finding of a training that went well is a hint at most, unless it stands whatever the training did."""
    if not finding.alarm or rule.stands or patient.base is None or patient.sick:
        return finding
    return replace(finding, confidence="possible")


def beyond_chance(found: list[Finding], patient: Patient) -> tuple[list[Finding], list[str]]:
    """What was measured is a hint where the same program does well from another start: the start was unlucky.

    Not where next to nothing was learned: whoever holds such a network wants to know what keeps it there.
    """
    stands = {(rule.code, rule.name.key) for rule in RULES if rule.stands}
    measured = {
        id(f)
        for f in found
        if f.confidence == "likely" and f.code != "DATA" and (f.code, f.numbers["rule"]) not in stands
    }
    if not measured or patient.outright or patient.room > NOTHING or not patient.chance:
        return found, []
    note = phrase(
        "From another start the same training reaches {other:.3f}, from this one {own:.3f}: part of it is chance, so "
        "what was measured is a hint only.",
        other=patient.chance,
        own=patient.reached,
    )
    return [replace(f, confidence="possible") if id(f) in measured else f for f in found], [note]


def causes(found: list[Finding]) -> list[Finding]:
    """Findings in order without those that say the same once more: one finding for a cause, not for each symptom."""
    kept: list[Finding] = []
    for finding in found:
        if finding.code in ONE_CAUSE and any(other.code == finding.code for other in kept):
            continue
        kept.append(finding)
    return kept


def static_findings(program: Program) -> list[Finding]:
    """What the rules say that run nothing but the network once: for before the first step."""
    patient = Patient(program, seconds=0.0)
    return in_order([finding for rule in RULES if rule.kind == "static" for finding in rule.findings(patient)])
