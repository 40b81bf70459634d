"""What a rule of the doctor is: one row, with what it looks for, its mechanism, its cures and its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..language import Phrase, phrase
from ._finding import Finding
from ._numbers import scores_of

if TYPE_CHECKING:
    from ._patient import Patient


@dataclass(frozen=True)
class Sign:
    """What a rule saw: where, the numbers in words, how sure it is, and what it weighs beside others, 0 to 1.

    `numbers` are for its picture.
    """

    where: str
    evidence: str
    confidence: str = "likely"
    explains: float = 0.0
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rule:
    """One row. `look(patient)` gives the signs it sees; `changes` names the cures that are tried, best first.

    `kind` is "static" (the network and its settings alone), "data" or "probe" (something is run). A rule that `stands`
    is true however well the training went, such as a leak between the rows learned from and those held out.
    """

    code: str
    name: Phrase
    kind: str
    look: Callable[[Patient], Iterable[Sign]]
    mechanism: Phrase
    cure: Phrase
    source: Phrase
    changes: tuple[str, ...] = ()
    stands: bool = False

    def findings(self, patient: Patient) -> list[Finding]:
        """What this rule finds, in the user's words."""
        return [
            Finding(
                self.code, sign.where, patient.epoch, sign.evidence, self.mechanism, self.cure, sign.confidence,
                sign.explains, scores_of(patient, self.changes) | sign.numbers | {"rule": self.name.key},
                patient.closed(self.changes),
            )
            for sign in self.look(patient)
        ]  # fmt: skip


def mismatch(patient: Patient, where: str, words: str, numbers: dict[str, Any] | None = None) -> Sign:
    """What does not fit, and costs nothing where the training was tried and went well."""
    if patient.base is None:
        return Sign(where, words, "possible", 0.0, numbers or {})
    said = phrase("{words}; it changes nothing measurable here", words=words)
    return Sign(where, said, "harmless", 0.0, numbers or {})


def also(words: str, more: str) -> Phrase:
    """What is to be said, and more."""
    return phrase("{words}; {more}", words=words, more=more)
