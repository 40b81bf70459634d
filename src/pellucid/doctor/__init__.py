"""The doctor: what the watch saw during training, read as findings with their evidence and a cure."""

from ._finding import Finding
from ._rules import RULES, Doctor, Rule

__all__ = ["RULES", "Doctor", "Finding", "Rule"]
