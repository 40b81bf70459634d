"""Exact geometry of piecewise-linear networks: regions, boundaries, the map of one input, surfaces, counts."""

from ._along import Breakpoint, Change, Pieces, along
from ._boundary import Boundary
from ._complex import Complex, complex_of, slice_of
from ._count import CountAfter, Counts, counts, montufar, serra, zaslavsky
from ._enumerate import Extreme, Regions, enumerate_regions, memory_foreseen
from ._explain import Choice, Explanation, Other, Part, explain
from ._flip import NearestFlip, nearest_flip
from ._given import Given, given
from ._maps import Maps
from ._models import LinearModel, LinearModels, linear_models
from ._network import Hyperplanes, Local, Network, lowered
from ._plane import Plane
from ._region import Facet, Kink, Region, region
from ._surface import Surface, surface_of
from ._units import in_units
from ._verify import Verification, verify
from ._walk import Visited, walk
from ._what_if import WhatIf, what_if

__all__ = [
    "Boundary",
    "Breakpoint",
    "Change",
    "Choice",
    "Complex",
    "CountAfter",
    "Counts",
    "Explanation",
    "Extreme",
    "Facet",
    "Given",
    "Hyperplanes",
    "Kink",
    "LinearModel",
    "LinearModels",
    "Local",
    "Maps",
    "NearestFlip",
    "Network",
    "Other",
    "Part",
    "Pieces",
    "Plane",
    "Region",
    "Regions",
    "Surface",
    "Verification",
    "Visited",
    "WhatIf",
    "along",
    "complex_of",
    "counts",
    "enumerate_regions",
    "explain",
    "given",
    "in_units",
    "linear_models",
    "lowered",
    "memory_foreseen",
    "montufar",
    "nearest_flip",
    "region",
    "serra",
    "slice_of",
    "surface_of",
    "verify",
    "walk",
    "what_if",
    "zaslavsky",
]
