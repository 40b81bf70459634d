from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..language import translated
from ..records import Record

CONFIDENCES = ("certain", "likely", "possible", "harmless")
ALARMS = ("certain", "likely")


@dataclass(frozen=True)
class Finding(Record):
    """Something that keeps a network from learning: what, where, the numbers that show it, why, and what to do.

    `confidence` is "certain" where it follows from arithmetic on what is there, "likely" where it was measured,
    "possible" for a hint, and "harmless" for a mismatch that changes nothing measurable here. `explains` is its weight
    among the findings, 0 to 1, by which they are ordered; `closes` is measured: the share of what is missing that its
    cure brings by itself, None where that was not tried. `numbers` are what its picture is drawn from. `epoch` is 0 for
    what is so before the first step.
    """

    code: str
    where: str
    epoch: int
    evidence: str
    mechanism: str
    cure: str
    confidence: str = "likely"
    explains: float = 0.0
    numbers: dict[str, Any] = field(default_factory=dict, repr=False)
    closes: float | None = None

    @property
    def alarm(self) -> bool:
        """Whether it is more than a hint."""
        return self.confidence in ALARMS

    def __str__(self) -> str:
        when = f" (epoch {self.epoch})" if self.epoch else ""
        return f"{self.code} at {self.where}{when}: {translated(self.evidence)}. {translated(self.cure)}"
