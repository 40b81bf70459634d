"""Exact geometry of piecewise-linear networks: regions, boundaries, the map of one input, surfaces, counts."""

from ._boundary import Boundary
from ._complex import Complex, complex_of, slice_of
from ._maps import Maps
from ._network import Hyperplanes, Local, Network, lowered
from ._plane import Plane

__all__ = [
    "Boundary",
    "Complex",
    "Hyperplanes",
    "Local",
    "Maps",
    "Network",
    "Plane",
    "complex_of",
    "lowered",
    "slice_of",
]
