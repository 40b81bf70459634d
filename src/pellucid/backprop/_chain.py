from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import SettingError
from ..layers import Activation, Sequential
from ..module import Layer, children, parameters, with_parameters
from ..records import Record
from ._tap import joined, parts, places


@dataclass(frozen=True)
class Signal(Record):
    """What passed one layer, a row per example: input x, output y, and the error signal δ of both.

    `delta_in[n] = dL_n/dx[n]` and `delta_out[n] = dL_n/dy[n]`, with L_n the loss of example n alone. For an
    activation, x is the pre-activation z; for a layer with weights, y is. Where a node of a Graph reads several
    others, x and delta_in are tuples.
    """

    path: str
    kind: str
    x: Any
    y: np.ndarray
    delta_in: Any
    delta_out: np.ndarray

    @property
    def mean_delta(self) -> np.ndarray:
        """δ of the output, averaged over the examples."""
        return self.delta_out.mean(0)

    @property
    def variance(self) -> float:
        """The variance of the output over units and examples."""
        return float(self.y.var(dtype=np.float64))

    @property
    def blame_variance(self) -> float:
        """The mean square of the output's δ."""
        return float(np.square(self.delta_out, dtype=np.float64).mean())


@dataclass(frozen=True)
class Step(Record):
    """One factor of a chain: the local derivative along the heaviest path, and δ summed over all paths so far."""

    path: str
    symbol: str
    factor: float
    delta: float
    text: str


@dataclass(frozen=True)
class Chain(Record):
    """The chain rule of one weight for one example, from the loss down to the weight.

    Where a unit feeds several, the chain follows the heaviest and δ is the sum over all of them. `product` is that of
    the factors: the gradient itself where there is one path only, the heaviest path's part of it otherwise. `gradient`
    is what the backward pass handed to the weight; `residual` is how far the sums, worked out anew from each layer's
    forward derivative, are from it.
    """

    parameter: str
    index: tuple[int, ...]
    row: int
    steps: tuple[Step, ...]
    product: float
    gradient: float
    residual: float

    def __str__(self) -> str:
        head = f"dL/d {self.parameter}{list(self.index)}, example {self.row}"
        rule = " · ".join(step.symbol for step in self.steps)
        wide = max(len(step.symbol) for step in self.steps)
        lines = [f"  {s.symbol:<{wide}} = {s.factor: .6g}   δ = {s.delta: .6g}   {s.text}" for s in self.steps]
        end = f"  gradient {self.gradient:.6g}, this path {self.product:.6g} (residual {self.residual:.1e})"
        return "\n".join([head, f"  = {rule}", *lines, end])


def chain_of(
    net: Layer, signals: dict[str, Signal], parameter: str, index: tuple[int, ...], row: int, gradient: float
) -> Chain:
    """Follow one weight's effect upward by each layer's forward derivative (`jax.jvp`), then read it downward."""
    layers = {place.at: place.layer for place in places(net)}
    names = symbols(layers)
    at, total, first, unit = first_step(net, signals, names, parameter, index, row)
    steps, residual, below = [first], abs(total - gradient), at
    for path in following(net, at):
        signal = signals[path]
        slope = effect_of_input(layers[path], signal.x[row], unit)
        delta, higher = heaviest(slope, signal.delta_out[row])
        residual = max(residual, abs(delta - float(signal.delta_in[row].ravel()[unit])))
        value = float(signal.x[row].ravel()[unit])
        text = f"{signal.kind}: {names[below]}[{unit}] = {value:.4g}{branches(slope, higher)}"
        steps.append(Step(path, f"d{names[path]}/d{names[below]}", float(slope.ravel()[higher]), delta, text))
        below, unit = path, higher
    top = signals[below]
    delta = float(top.delta_out[row].ravel()[unit])
    text = f"{names[below]}[{unit}] = {float(top.y[row].ravel()[unit]):.4g}"
    steps.append(Step("loss", f"dL/d{names[below]}", delta, delta, text))
    product = float(np.prod([step.factor for step in steps]))
    return Chain(parameter, index, row, tuple(reversed(steps)), product, gradient, residual)


def first_step(
    net: Layer, signals: dict[str, Signal], names: dict[str, str], parameter: str, index: tuple[int, ...], row: int
) -> tuple[str, float, Step, int]:
    """The weight's effect on its own layer: the place, δ of the weight, the step, and the unit the chain goes through.

    Where several nodes of a Graph share the layer, δ is the sum over them and the chain goes through the heaviest.
    """
    uses = []
    for place in places(net):
        name = parameter.removeprefix(place.path).removeprefix(".")
        if joined(place.path, name) == parameter and name in parameters(place.layer):
            inputs = jax.tree.map(lambda a: jnp.asarray(a[row])[None], signals[place.at].x)
            slope = effect_of_weight(place.layer, name, index, inputs)
            uses.append((place.at, name, slope, *heaviest(slope, signals[place.at].delta_out[row])))
    if not uses:
        raise SettingError(
            f"{parameter} belongs to a container of layers: the chain rule is printed for a layer's own."
        )
    at, name, slope, _, unit = max(uses, key=lambda use: abs(use[3]))
    total = sum(use[3] for use in uses)
    symbol = {"weight": "W", "bias": "b"}.get(name, "w") + names[at].removeprefix("z")
    text = f"{name}{list(index)} of unit {unit}" + (f", shared by {len(uses)} nodes" if len(uses) > 1 else "")
    return at, total, Step(at, f"d{names[at]}/d{symbol}", float(slope.ravel()[unit]), total, text), unit


def effect_of_input(layer: Layer, x: np.ndarray, unit: int) -> np.ndarray:
    """dy/dx[unit] of one example."""
    tangent = np.zeros_like(x)
    tangent.flat[unit] = 1
    return np.asarray(jax.jvp(layer, (jnp.asarray(x)[None],), (jnp.asarray(tangent)[None],))[1])[0]


def effect_of_weight(layer: Layer, name: str, index: tuple[int, ...], x: Any) -> np.ndarray:
    """dy/dw for the weight at `index` of the parameter `name`, where x is a batch of one example."""

    weight = parameters(layer)[name]
    tangent = np.zeros(weight.shape, weight.dtype)
    tangent[index] = 1
    return np.asarray(jax.jvp(lambda w: with_parameters(layer, {name: w})(x), (weight,), (jnp.asarray(tangent),))[1])[0]


def heaviest(slope: np.ndarray, delta: np.ndarray) -> tuple[float, int]:
    """Σ_k slope_k δ_k and the k that contributes most to it."""
    parts = slope.astype(np.float64).ravel() * delta.ravel()
    return float(parts.sum()), int(np.abs(parts).argmax())


def branches(slope: np.ndarray, unit: int) -> str:
    fed = int(np.count_nonzero(slope))
    return f" feeds {fed} units, the heaviest path goes through unit {unit}" if fed > 1 else ""


def following(net: Layer, at: str) -> list[str]:
    """The layers behind a place up to where the network branches or joins."""
    return next(chain[chain.index(at) + 1 :] for chain in chains(net) if at in chain)


def chains(net: Layer, at: str = "") -> list[list[str]]:
    """The stretches of layers that follow one another with nothing beside them; what is not a chain stands apart."""
    if not children(net):
        return [[at]]
    inside = [chains(child, joined(at, part)) for part, _, child in parts(net)]
    if not isinstance(net, Sequential):
        return [[], *(chain for stretches in inside for chain in stretches), []]
    linked: list[list[str]] = [[]]
    for first, *rest in inside:
        linked = [*linked[:-1], linked[-1] + first, *rest]
    return linked


def symbols(layers: dict[str, Layer]) -> dict[str, str]:
    """z for what has weights, a for an activation of it, h for anything else, numbered as the textbook does."""
    names, number = {}, 0
    for at, layer in layers.items():
        weighted = bool(parameters(layer))
        number += weighted
        name = f"z{number}" if weighted else f"a{number}" if isinstance(layer, Activation) else f"h{number}"
        while name in names.values():
            name += "'"
        names[at] = name
    return names
