"""A network between its users' own units: standardising and its undoing as two more affine steps."""

from __future__ import annotations

import numpy as np

from ..affine import Step, Value, Windows
from ._given import Given
from ._network import Network
from ._plane import joined


def in_units(found: Given) -> Network:
    """The network as a function of raw inputs, to outputs in the target's unit."""
    network = found.network
    if (found.mean != 0).any() or (found.scale != 1).any():
        weight = np.diag(1 / found.scale)
        network = joined(affine(weight, -found.mean / found.scale, network.shape, network.shape), network)
    gain, shift = (np.broadcast_to(np.asarray(part, float), network.n_out) for part in (found.gain, found.shift))
    if (gain != 1).any() or (shift != 0).any():
        network = joined(network, affine(np.diag(gain), shift, network.output.shape, network.output.shape))
    return network


def affine(weight: np.ndarray, bias: np.ndarray, given: tuple[int, ...], made: tuple[int, ...]) -> Network:
    """The network `y = x W + b`, from one example's shape to another; weight (n_in, n_out)."""
    operator = Windows(np.zeros((1, 1), int), weight[None], bias)
    return Network(given, (Step(operator, (0,), 1, weight.shape[1], "", made),), Value(1, made), "")
