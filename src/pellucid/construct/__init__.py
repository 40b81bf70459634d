"""Networks that are built, not trained, each with a proven error."""

from __future__ import annotations

from ._approximate import approximate
from ._lattice import convex_difference, lattice, piecewise_linear
from ._logic import logic
from ._order import absolute, maximum, median, minimum, sort
from ._polygon import polygon, polytope
from ._polynomial import polynomial
from ._power import product, sawtooth, square
from ._rate import Rate, rate
from ._record import Construction
from ._simplices import triangulated
from ._simplify import Simplification, simplify
from ._thin import Removal
from ._tree import tree

__all__ = [
    "Construction",
    "Rate",
    "Removal",
    "Simplification",
    "absolute",
    "approximate",
    "convex_difference",
    "lattice",
    "logic",
    "maximum",
    "median",
    "minimum",
    "piecewise_linear",
    "polygon",
    "polynomial",
    "polytope",
    "product",
    "rate",
    "sawtooth",
    "simplify",
    "sort",
    "square",
    "tree",
    "triangulated",
]
