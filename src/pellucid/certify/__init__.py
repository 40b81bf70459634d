"""What a network can and cannot do: sound bounds, and answers that are proven, refuted, or said to be unknown."""

from __future__ import annotations

from ._bounds import Bounds, bounds
from ._certificate import Certificate, Counterexample, Proof
from ._equivalent import equivalent
from ._lipschitz import Lipschitz, lipschitz
from ._monotone import Line, Monotonicity, Trend, monotone
from ._property import property
from ._range import OutputRange, output_range
from ._recheck import Recheck, recheck
from ._robust import Robustness, robust
from ._saved import load, save
from ._space import Spaces, around

__all__ = [
    "Bounds",
    "Certificate",
    "Counterexample",
    "Line",
    "Lipschitz",
    "Monotonicity",
    "OutputRange",
    "Proof",
    "Recheck",
    "Robustness",
    "Spaces",
    "Trend",
    "around",
    "bounds",
    "equivalent",
    "lipschitz",
    "load",
    "monotone",
    "output_range",
    "property",
    "recheck",
    "robust",
    "save",
]
