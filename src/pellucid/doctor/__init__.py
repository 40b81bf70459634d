"""The doctor: finds why a training does not learn, proves it by trials, and tries a cure before giving it."""

from ._diagnose import diagnose
from ._diagnosis import RULES, Diagnosis
from ._finding import Finding
from ._live import LIVE_RULES, Doctor, LiveRule
from ._patient import Patient
from ._prescription import Prescription
from ._program import Program
from ._rule import Rule, Sign

__all__ = [
    "LIVE_RULES",
    "RULES",
    "Diagnosis",
    "Doctor",
    "Finding",
    "LiveRule",
    "Patient",
    "Prescription",
    "Program",
    "Rule",
    "Sign",
    "diagnose",
]
