"""C1: a ReLU unit is on in the open half-space `w · x + b > 0`, and nowhere else."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import chains, heard, places
from ..errors import SettingError
from ..insight import neuron
from ..language import phrase
from ..layers import Activation, Dense, Sequential, mlp
from ..module import Layer, map_layers, parameters
from ..train import bundled
from ._evidence import HalfSpace
from ._given import Given
from ._record import Check, Found, equal

FAULTS = {
    "bias-left-out": phrase("The units leave their bias out, so that every hyperplane goes through the origin."),
    "on-at-the-boundary": phrase("A unit on its own hyperplane lets blame through: its half-space is closed."),
}
CODE = (Dense.forward, Activation.forward, Activation.backward)
STEP = 1024  # weights are whole multiples of 1 / STEP: with inputs that are whole numbers nothing is rounded
MOST = 60_000  # pairs of a point and a unit whose sign is worked out exactly


class Tally(NamedTuple):
    """Pairs of a point and a unit: how many, on how many both agree; the same of those exactly on a hyperplane."""

    pairs: int
    agree: int
    edge: int
    shut: int


class ShutNot(Layer):
    """The fault: `y = max(0, x)`, whose blame `dx = dy · [x ≥ 0]` goes through at 0."""

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array]:
        return jnp.maximum(x, 0), x

    def backward(self, saved: Array, dy: Array) -> tuple[Array, ShutNot]:
        return dy * (saved >= 0), self


def experiment(given: Given, fault: str | None = None) -> Found:
    """Every unit's own answer beside the exact sign of `w · x + b`, point by point, the boundary included."""
    cases = own_cases() if given.own else [(given.words, *asked(given))]
    checks, told = [], []
    for name, net, x in cases:
        counted = tally(net, with_fault(net, fault), x)
        told.append(counted)
        checks += checks_of(name, counted)
        checks.append(counted_by_neuron(name, net, with_fault(net, fault), x))
    measured = {name: sum(getattr(tally, name) for tally in told) for name in Tally._fields}
    on = phrase("a unit on a grid, and 16 units on the digits") if given.own else given.words
    return Found(on, tuple(checks), measured, pictured(fault))


def own_cases() -> list[tuple[str, Layer, np.ndarray]]:
    """A unit on a grid; and sixteen units on the digits, each hyperplane moved so that it goes through a digit."""
    table, target = bundled("digits")
    ink = table.drop(target).to_numpy().astype(np.float32)
    weight = np.round(np.asarray(parameters(mlp([64, 16], key=0))["layers[0].weight"]) * STEP) / STEP
    through = -(ink[:16] @ weight).diagonal()
    digits = Sequential([Dense(jnp.asarray(weight), jnp.asarray(through)), Activation("relu")])
    return [(phrase("a grid"), unit_of_the_grid(), grid()), (phrase("digits"), digits, ink)]


def unit_of_the_grid() -> Sequential:
    """One unit of two inputs, on where 2 x₁ − x₂ + 1 > 0: many whole numbers lie on its line."""
    return Sequential([Dense(jnp.array([[2.0], [-1.0]]), jnp.array([1.0])), Activation("relu")])


def grid() -> np.ndarray:
    side = np.arange(-6, 7, dtype=np.float32)
    return np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)


def asked(given: Given) -> tuple[Layer, np.ndarray]:
    """The user's network and rows; where one is missing, a network or rows that fit the other."""
    if given.net is None:
        x = given.inputs()
        x = x.reshape(len(x), -1)
        return mlp([x.shape[1], 16, 1], key=0), x
    return given.net, given.inputs()


def with_fault(net: Layer, fault: str | None) -> Layer:
    def changed(_: str, layer: Layer) -> Layer:
        if fault == "bias-left-out" and isinstance(layer, Dense):
            return Dense(layer.weight, None)
        return ShutNot() if fault == "on-at-the-boundary" and is_relu(layer) else layer

    return net if fault is None else map_layers(net, changed)


def is_relu(layer: Layer) -> bool:
    return isinstance(layer, Activation) and layer.name == "relu"


def units(net: Layer) -> list[tuple[str, str]]:
    """The paths of every Dense layer with the ReLU behind it.

    Raises: SettingError where there is none.
    """
    layers = by_path(net)
    found = [pair for chain in chains(net) for pair in pairwise(chain)
             if isinstance(layers[pair[0]], Dense) and is_relu(layers[pair[1]])]  # fmt: skip
    if not found:
        raise SettingError("C1 is about ReLU units behind a Dense layer, and this network has none.")
    return found


def by_path(net: Layer) -> dict[str, Any]:
    return {place.at: place.layer for place in places(net)}


def tally(net: Layer, tested: Layer, x: np.ndarray) -> Tally:
    """What `tested` does on every row, beside the half-spaces that `net` states."""
    layers, counts = by_path(net), np.zeros(4, int)
    pairs = units(net)
    rows = x[: max(1, MOST // sum(layers[dense].weight.shape[1] for dense, _ in pairs))]
    seen = dict(heard(tested, jnp.asarray(rows), looked_at))
    for dense, relu in pairs:
        on, passes = (np.asarray(part) for part in seen[relu])
        sign, close = exact_signs(layers[dense], np.asarray(seen[dense]))
        edge = sign == 0
        agree = ~close & (on == (sign > 0)) & (edge | (passes == on))
        counts += [(~close).sum(), agree.sum(), edge.sum(), (edge & ~on & ~passes).sum()]
    return Tally(*map(int, counts))


def looked_at(layer: Layer, x: Any, y: Any, saved: Any) -> Any:
    """What a Dense layer is given; of a ReLU where it is on, and where blame passes."""
    if isinstance(layer, Dense):
        return x
    if is_relu(layer) or isinstance(layer, ShutNot):
        return y > 0, layer.backward(saved, jnp.ones_like(y))[0] > 0
    return None


def exact_signs(dense: Dense, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sign of `w · x + b` for each row and unit without rounding, and where float32 is too coarse to tell it.

    The product of two float32 numbers is exact in float64, and `fsum` adds up as if nothing were rounded.
    """
    weight = np.asarray(dense.weight, np.float64).T
    bias = np.zeros(len(weight)) if dense.bias is None else np.asarray(dense.bias, np.float64)
    x = x.astype(np.float64)
    z = np.array([[math.fsum([*(row * w), b]) for w, b in zip(weight, bias, strict=True)] for row in x])
    size = abs(x) @ abs(weight).T + abs(bias)
    rounding = (len(weight[0]) + 2) * float(np.finfo(np.float32).eps) * size
    return np.sign(z), (z != 0) & (abs(z) <= rounding)


def checks_of(name: str, counted: Tally) -> list[Check]:
    found = [equal(phrase("{on}: points × units that are on exactly where w·x + b > 0", on=name),
                   counted.pairs, counted.agree)]  # fmt: skip
    if counted.edge:
        what = phrase("{on}: points exactly on a hyperplane, where the unit is off and passes no blame", on=name)
        found.append(equal(what, counted.edge, counted.shut))
    return found


def counted_by_neuron(name: str, net: Layer, tested: Layer, x: np.ndarray) -> Check:
    """The rows on which the first unit is on, by `pl.neuron` and by the half-space."""
    dense = units(net)[0][0]
    seen = dict(heard(tested, jnp.asarray(x), looked_at))
    layer = by_path(net)[dense]
    one = Dense(layer.weight[:, :1], None if layer.bias is None else layer.bias[:1])
    sign, close = exact_signs(one, np.asarray(seen[dense]))
    found = neuron(tested, dense, 0, x).margins.on
    return equal(phrase("{on}: rows on which the first unit is on, by pl.neuron", on=name),
                 int((sign > 0).sum()), found, int(close.sum()))  # fmt: skip


def pictured(fault: str | None) -> HalfSpace:
    """The unit on its grid."""
    net: Any = with_fault(unit_of_the_grid(), fault)
    dense = net.layers[0]
    points, weight = grid(), np.asarray(dense.weight)[:, 0]
    z = points @ weight + 1
    return HalfSpace(points, np.asarray(net(jnp.asarray(points)))[:, 0] > 0, z / np.linalg.norm(weight), weight,
                     0.0 if dense.bias is None else 1.0)  # fmt: skip
