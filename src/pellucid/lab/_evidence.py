"""What is drawn of each experiment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..backprop import Chain
from ..geometry import Complex
from ..insight import Gates, Propagation
from ..records import Record


@dataclass(frozen=True)
class HalfSpace(Record):
    """One unit of two inputs on a grid: where it is on, and its signed distance from `w · x + b = 0`."""

    points: np.ndarray
    on: np.ndarray
    distance: np.ndarray
    weight: np.ndarray
    bias: float


@dataclass(frozen=True)
class Cut(Record):
    """A network's regions in the plane of two inputs, or of a slice, with rows and their classes.

    `axes` names the two coordinates, `outputs` the classes; empty where they have no names.
    """

    regions: Complex
    points: np.ndarray
    classes: np.ndarray
    axes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Agreement(Record):
    """Of every kind of layer, how far its backward is from automatic differentiation and from finite differences,
    relative; and one weight's chain rule, factor by factor."""

    names: tuple[str, ...]
    automatic: np.ndarray
    differences: np.ndarray
    chain: Chain


@dataclass(frozen=True)
class Symmetry(Record):
    """Incoming weights (inputs, units) after training from equal units and from a random start, and both losses."""

    tied: np.ndarray
    free: np.ndarray
    tied_losses: np.ndarray
    free_losses: np.ndarray


@dataclass(frozen=True)
class Depth(Record):
    """The variance of the signal and of the blame by depth, for each scale of the weights."""

    title: str
    found: dict[float, Propagation]


@dataclass(frozen=True)
class Depths(Record):
    """Several networks, one beside the other."""

    parts: tuple[Depth, ...]


@dataclass(frozen=True)
class Saturation(Record):
    """dL/dz of one unit with the target 1, by z, for both losses; and how z goes up from −8 by gradient descent."""

    z: np.ndarray
    gradients: dict[str, np.ndarray]
    paths: dict[str, np.ndarray]


@dataclass(frozen=True)
class Sharing(Record):
    """Parameters with and without sharing, the errors on shifted pictures, and the kernels that were learned.

    Shapes: shared (height, width, units); alone (places down, places across, height, width, units).
    """

    parameters: tuple[int, int]
    errors: tuple[float, float]
    learned: tuple[float, float]
    shared: np.ndarray
    alone: np.ndarray
    examples: np.ndarray


@dataclass(frozen=True)
class Memory(Record):
    """The share of new sequences answered rightly behind each kind of layer, and the gates of the first."""

    names: tuple[str, ...]
    right: np.ndarray
    guessing: float
    openings: Gates | None


@dataclass(frozen=True)
class OneSign(Record):
    """What is to be learned, by the input in order; what a network without inhibition makes of it, and one with both
    signs; and the losses of both."""

    x: np.ndarray
    y: np.ndarray
    bound: np.ndarray
    free: np.ndarray
    bound_losses: np.ndarray
    free_losses: np.ndarray


@dataclass(frozen=True)
class Approximated(Record):
    """A function on a fine grid and the network built for it; and the errors, proven and found, by the neurons."""

    x: np.ndarray
    y: np.ndarray
    net: np.ndarray
    neurons: np.ndarray
    proven: np.ndarray
    found: np.ndarray
