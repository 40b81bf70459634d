"""A network as the doctor reads it: its layers in a row, and what stands at its end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..layers import Activation, LogSoftmax, PReLU, Sequential, Softmax
from ..layers import values_of as values_of
from ..module import Layer, children, joined, learned

INF = float("inf")
# Where the values of an activation end, for those that end somewhere.
RANGES = {
    "relu": (0.0, INF),
    "relu6": (0.0, 6.0),
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "softmax": (0.0, 1.0),
    "log_softmax": (-INF, 0.0),
    "softplus": (0.0, INF),
    "exponential": (0.0, INF),
    "abs": (0.0, INF),
    "elu": (-1.0, INF),
    "selu": (-1.7581, INF),
}
SQUASHING = ("sigmoid", "tanh", "hard_sigmoid", "hard_tanh", "softsign")
RECTIFIED = ("relu", "relu6")


@dataclass(frozen=True, eq=False)
class Part:
    """A layer of the row: its path, its activation's name where it is one, its weights where it has some."""

    path: str
    layer: Layer

    @cached_property
    def curve(self) -> str | None:
        match self.layer:
            case Activation():
                return self.layer.name
            case Softmax():
                return "softmax"
            case LogSoftmax():
                return "log_softmax"
            case PReLU():
                return "prelu"
        return None

    @cached_property
    def weight(self) -> np.ndarray | None:
        """The weights as (inputs, units)."""
        found = getattr(self.layer, "weight", None)
        if found is None or np.ndim(found) < 2:
            return None
        weight = np.asarray(found)
        return weight.reshape(-1, weight.shape[-1])

    @property
    def kind(self) -> str:
        return type(self.layer).__name__


@dataclass(frozen=True, eq=False)
class Structure:
    """A network's layers in a row, containers that are such rows themselves opened."""

    parts: tuple[Part, ...]

    @cached_property
    def weighted(self) -> tuple[Part, ...]:
        """The parts that have weights."""
        return tuple(part for part in self.parts if part.weight is not None or has_arrays(part.layer))

    @cached_property
    def head(self) -> tuple[Part, ...]:
        """The curves behind the last weights: what turns its numbers into outputs."""
        last = self.parts.index(self.weighted[-1]) if self.weighted else -1
        return tuple(part for part in self.parts[last + 1 :] if part.curve)

    @property
    def output_curve(self) -> str:
        """The name of the last activation, "identity" where there is none."""
        return (self.head[-1].curve or "identity") if self.head else "identity"

    @property
    def output_path(self) -> str:
        return self.head[-1].path if self.head else (self.weighted[-1].path if self.weighted else "")

    @cached_property
    def hidden(self) -> tuple[Part, ...]:
        """The curves before the last weights."""
        last = self.parts.index(self.weighted[-1]) if self.weighted else 0
        return tuple(part for part in self.parts[:last] if part.curve)

    @property
    def output_range(self) -> tuple[float, float]:
        return RANGES.get(self.output_curve, (-INF, INF))


def structure(net: Layer) -> Structure:
    return Structure(tuple(row(net, "")))


def row(net: Layer, path: str) -> list[Part]:
    if isinstance(net, Sequential):
        return [part for name, child in children(net).items() for part in row(child, joined(path, name))]
    return [Part(path, net)]


def has_arrays(layer: Layer) -> bool:
    import jax

    return any(np.ndim(a) >= 2 for a in jax.tree.leaves(learned(layer)))


def units_of(part: Part) -> int:
    return int(part.weight.shape[1]) if part.weight is not None else 0


def last_units(found: Structure) -> int:
    return units_of(found.weighted[-1]) if found.weighted else 0
