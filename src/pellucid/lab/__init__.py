"""The claims of the foundation, each an experiment with a number and a picture."""

from ._evidence import (
    Agreement,
    Approximated,
    Cut,
    Depth,
    Depths,
    HalfSpace,
    Memory,
    OneSign,
    Saturation,
    Sharing,
    Symmetry,
)
from ._record import Check, Code, Lab, Result
from ._run import faults, run
from ._texts import Claim, claim

__all__ = [
    "Agreement",
    "Approximated",
    "Check",
    "Claim",
    "Code",
    "Cut",
    "Depth",
    "Depths",
    "HalfSpace",
    "Lab",
    "Memory",
    "OneSign",
    "Result",
    "Saturation",
    "Sharing",
    "Symmetry",
    "claim",
    "faults",
    "run",
]
