"""Where a unit stands in its network: its layer and weights, what is before it and what it feeds."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..activations import curve
from ..backprop import chains
from ..errors import SettingError, unknown
from ..language import phrase
from ..layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Conv1d,
    Conv2d,
    Conv3d,
    Dense,
    Dropout,
    Flatten,
    Function,
    LogSoftmax,
    Monotone,
    PlainDropout,
    Softmax,
)
from ..module import Layer, children, has_weights, parameters, walk

CUT_OFF = ("relu", "relu6")  # curves that are 0 wherever z ≤ 0
ON, OFF = phrase("on"), phrase("off")
GATES: dict[type[Layer], tuple[str, ...]] = {
    RNN: ("step",),
    LSTM: ("input", "forget", "candidate", "output"),
    GRU: ("reset", "update", "new"),
}
GATE_WORDS = {
    "step": phrase("step"), "input": phrase("input"), "forget": phrase("forget"), "candidate": phrase("candidate"),
    "output": phrase("output"), "reset": phrase("reset"), "update": phrase("update"), "new": phrase("new"),
}  # fmt: skip
WEIGHING = (Dense, Monotone, Conv1d, Conv2d, Conv3d, *GATES)  # each output of these weighs the layer's input


class Place(NamedTuple):
    """A layer with units: the curve behind it (None: none follows), and its neighbours with weights, by their paths.

    `folded` says whether the axes between are made features on the way to the neighbour behind.
    """

    path: str
    layer: Layer
    curve: Activation | None
    before: str | None
    before_units: int
    after: str | None
    above: Layer | None
    last: bool  # nothing with weights comes behind `above`
    folded: bool

    @property
    def units(self) -> int:
        return units_of(self.layer)

    @property
    def activation(self) -> str:
        return self.curve.name if self.curve else "identity"

    @property
    def sides(self) -> tuple[str, str]:
        """What to call z > 0 and z ≤ 0."""
        return (ON, OFF) if self.activation in CUT_OFF else (phrase("positive"), phrase("not positive"))

    @property
    def gates(self) -> tuple[str, ...]:
        """The gates of a recurrent unit; empty for any other."""
        return GATES.get(type(self.layer), ())

    def weights(self, index: int) -> np.ndarray:
        """What a unit weighs its inputs with: (..., in), for one with gates (gates, in)."""
        weight = weights_of(self.layer)
        return weight[..., index :: self.units].T if self.gates else weight[..., index]

    def recurrent(self, index: int) -> np.ndarray | None:
        """What a recurrent unit weighs the units of its own layer with, (gates, units)."""
        own = parameters(self.layer).get("recurrent")
        return None if own is None else np.asarray(own, float)[:, index :: self.units].T

    def bias(self, index: int) -> np.ndarray:
        """The bias of a unit, (1,) or one for each gate."""
        bias = parameters(self.layer).get("bias")
        return np.zeros(1) if bias is None else np.asarray(bias, float)[index :: self.units]


def weighs(layer: Layer) -> bool:
    """Whether a layer has units, each of which weighs the layer's input."""
    return isinstance(layer, WEIGHING)


def weights_of(layer: Any) -> np.ndarray:
    """The weights of a layer with units: (..., in, out); in / groups where it has groups."""
    return np.asarray(layer.weight, float)


def units_of(layer: Layer) -> int:
    own = parameters(layer)
    return own["recurrent"].shape[0] if "recurrent" in own else weights_of(layer).shape[-1]


def place_of(net: Layer, path: str) -> Place:
    """The layer at a path, and what is around it.

    Raises: SettingError where there is no such layer, or it has no units of its own.
    """
    layers = dict(walk(net))
    weighted = [p for p, layer in layers.items() if weighs(layer)]
    if path not in layers:
        raise unknown("layer with units", path, weighted)
    if not weighs(layers[path]):
        raise SettingError(f"{no_units(path, layers, weighted)} Layers with units: {', '.join(weighted) or 'none'}.")
    chain = next((chain for chain in chains(net) if path in chain), [path])
    at = chain.index(path)
    between: list[Layer] = []
    after = None
    for p in chain[at + 1 :]:
        if p in weighted:
            after = p
            break
        if p not in layers or not keeps_features(layers[p]):
            break
        between.append(layers[p])
    first = next((layer for layer in between if not isinstance(layer, Dropout | PlainDropout | Flatten)), None)
    before = next((p for p in reversed(chain[:at]) if p in weighted), None)
    return Place(
        path,
        layers[path],
        first if isinstance(first, Activation) else None,
        before,
        units_of(layers[before]) if before is not None else 0,
        after,
        layers[after] if after is not None else None,
        after == weighted[-1],
        any(isinstance(layer, Flatten) for layer in between),
    )


def keeps_features(layer: Layer) -> bool:
    """Whether feature i of a layer's output is made of feature i of its input: all but those that mix them."""
    return not isinstance(layer, Function | Softmax | LogSoftmax) and not has_weights(layer)


def no_units(path: str, layers: dict[str, Layer], weighted: list[str]) -> str:
    """Why a layer has no units, and which one to ask instead."""
    kind = type(layers[path]).__name__
    if children(layers[path]):
        inside = [p for p in weighted if p.startswith(path)]
        return f"{path or 'The network'} is a {kind}, which holds layers: ask one of them, such as {inside[:1]}."
    order = list(layers)
    before = [p for p in weighted if order.index(p) < order.index(path)]
    hint = f": the units it acts on are those of {before[-1]}." if before else "."
    return f"{path} is {'an' if kind[0] in 'AEIOU' else 'a'} {kind}, which has no units of its own{hint}"


def features_of(index: int, units: int, width: int, folded: bool) -> np.ndarray | None:
    """Which of the next layer's features come from a unit: channels are last, so that folded ones are `units` apart.

    Example:
        >>> features_of(1, 3, 6, True).tolist(), features_of(1, 3, 6, False)
        ([1, 4], None)
    """
    if width == units:
        return np.array([index])
    return np.arange(index, width, units) if folded and width % units == 0 else None


def outgoing(weight: np.ndarray, features: np.ndarray, width: int) -> np.ndarray:
    """The weights by which the next layer sees these of its `width` features: (places, units); 0 in other groups."""
    share, units = weight.shape[-2], weight.shape[-1]
    groups = width // share
    found = []
    for feature in features:
        group = np.zeros(units, bool).reshape(groups, -1)
        group[feature // share] = True
        found.append(np.where(group.ravel(), weight[..., feature % share, :].reshape(-1, units), 0))
    return np.concatenate(found)


def effects(place: Place, deviation: np.ndarray) -> np.ndarray | None:
    """For every unit `sqrt(Σ w² · variance of the feature)` over the features it is in the next layer's input.

    None where it cannot be told which features those are.
    """
    width = len(deviation)
    if place.above is None or features_of(0, place.units, width, place.folded) is None:
        return None
    weight = weights_of(place.above)
    share, groups = weight.shape[-2], width // weight.shape[-2]
    by_group = np.square(weight).reshape(-1, share, groups, weight.shape[-1] // groups).sum((0, 3))
    size = by_group.T.ravel() * np.square(deviation)
    return np.sqrt(size.reshape(-1, place.units).sum(0))


def unit_names(layer: Layer, outputs: int) -> tuple[str, ...]:
    """What to call the outputs of a layer's weights: its units, and the gates of each."""
    n, gates = units_of(layer), GATES.get(type(layer), ())
    if len(gates) < 2:
        return tuple(phrase("unit {j}", j=j) for j in range(outputs))
    return tuple(phrase("{gate} gate of unit {j}", gate=GATE_WORDS[gates[j // n]], j=j % n) for j in range(outputs))


def output_of(place: Place, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The output behind the curve for pre-activations z, and where the curve is flat."""
    if place.curve is None:
        return z, np.zeros(z.shape, bool)
    row, settings = curve(place.curve.name), dict(place.curve.settings)
    y = place.curve(z)
    flat = row.flat(np.asarray(row.derivative(z, y, **settings)), **settings)
    return np.asarray(y), flat


def named_inputs(place: Place, shape: tuple[int, ...], first: int = 0) -> tuple[str, ...]:
    """The name of every weight of a unit that sees other units, the channels from `first` on: (..., in) in order."""
    n = place.before_units
    width = weights_of(place.layer).shape[-2] if len(shape) == 1 else n

    def feature(f: int) -> str:
        if not n or width % n:
            return phrase("input {i}", i=f)
        if width == n:
            return phrase("unit {j} of {path}", j=f % n, path=place.before)
        return phrase("unit {j} of {path} at place {at}", j=f % n, path=place.before, at=f // n)

    def named(tap: tuple[int, ...]) -> str:
        name = feature(first + tap[-1])
        return phrase("{name}, tap {tap}", name=name, tap=list(tap[:-1])) if len(tap) > 1 else name

    return tuple(map(named, np.ndindex(shape)))
