"""The pass as a record: forward trace, backward trace, who is to blame, and the check against finite differences."""

from ._blame import Blame, blame
from ._chain import Chain, Signal, Step
from ._check import GradientCheck
from ._lsuv import unit_variance
from ._pass import Pass, backpropagate
from ._summary import Row, Summary, summary
from ._tap import Tap, Trace, tapped, traces, untapped

__all__ = [
    "Blame",
    "Chain",
    "GradientCheck",
    "Pass",
    "Row",
    "Signal",
    "Step",
    "Summary",
    "Tap",
    "Trace",
    "backpropagate",
    "blame",
    "summary",
    "tapped",
    "traces",
    "unit_variance",
    "untapped",
]
