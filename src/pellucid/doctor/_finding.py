from __future__ import annotations

from dataclasses import dataclass

from ..records import Record


@dataclass(frozen=True)
class Finding(Record):
    """Something that keeps a network from learning: what, where, the numbers that show it, why, and what to do."""

    code: str
    where: str
    epoch: int
    evidence: str
    mechanism: str
    cure: str

    def __str__(self) -> str:
        return f"{self.code} at {self.where} (epoch {self.epoch}): {self.evidence}. {self.cure}"
