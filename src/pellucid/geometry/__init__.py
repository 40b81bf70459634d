"""Exact geometry of piecewise-linear networks: regions, boundaries, the map of one input, surfaces, counts."""

from ._network import Hyperplanes, Local, Network, lowered

__all__ = ["Hyperplanes", "Local", "Network", "lowered"]
