"""The pass as a record: forward trace, backward trace, who is to blame, and the check against finite differences."""

from ._blame import Blame, blame
from ._chain import Chain, Signal, Step, chains
from ._check import GradientCheck
from ._lsuv import unit_variance
from ._pass import Pass, backpropagate
from ._summary import Row, Summary, default_shape, summary
from ._tap import Listener, Place, Tap, Trace, heard, listening, places, tapped, traces, untapped

__all__ = [
    "Blame",
    "Chain",
    "GradientCheck",
    "Listener",
    "Pass",
    "Place",
    "Row",
    "Signal",
    "Step",
    "Summary",
    "Tap",
    "Trace",
    "backpropagate",
    "blame",
    "chains",
    "default_shape",
    "heard",
    "listening",
    "places",
    "summary",
    "tapped",
    "traces",
    "unit_variance",
    "untapped",
]
