from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..layers import Sequential
from ..module import Layer, children, parameters, walk
from ..records import Record


@dataclass(frozen=True)
class Signal(Record):
    """What passed one layer, a row per example: input x, output y, and the error signal δ of both.

    `delta_in[n] = dL_n/dx[n]` and `delta_out[n] = dL_n/dy[n]`, with L_n the loss of example n alone. For an
    activation, x is the pre-activation z; for a layer with weights, y is.
    """

    path: str
    kind: str
    x: np.ndarray
    y: np.ndarray
    delta_in: np.ndarray
    delta_out: np.ndarray

    @property
    def mean_delta(self) -> np.ndarray:
        """δ of the output, averaged over the examples."""
        return self.delta_out.mean(0)

    @property
    def variance(self) -> float:
        """The variance of the output over units and examples."""
        return float(self.y.var())

    @property
    def blame_variance(self) -> float:
        """The mean square of the output's δ."""
        return float(np.square(self.delta_out).mean())


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
    layers = dict(walk(net))
    place = parameter.rpartition(".")[0]
    above = following(net, place, list(signals)) if place in signals else []
    names = symbols(layers, list(signals))
    own, steps = signals.get(place), []
    if own is None:  # a layer that several nodes of a Graph share: its blame is the sum over them
        return Chain(parameter, index, row, (Step(place, "dL/dW", gradient, gradient, "shared"),), gradient, gradient, 0.0)
    slope = np.asarray(effect_of_weight(layers[place], parameter.removeprefix(f"{place}.").removeprefix("."), index, own.x[row]))
    delta, unit = heaviest(slope, own.delta_out[row])
    name = "b" if parameter.endswith("bias") else "W"
    text = f"unit {unit}" + ("" if name == "b" else f" times its input {index[0]}")
    steps.append(Step(place, f"d{names[place]}/d{name}", float(slope.ravel()[unit]), delta, text))
    residual = abs(delta - gradient)
    for path in above:
        signal = signals[path]
        slope = np.asarray(effect_of_input(layers[path], signal.x[row], unit))
        delta, higher = heaviest(slope, signal.delta_out[row])
        residual = max(residual, abs(delta - float(signal.delta_in[row].ravel()[unit])))
        below = names[before(path, above, place)]
        text = f"{signal.kind}: {below}[{unit}] = {float(signal.x[row].ravel()[unit]):.4g}" + branches(slope, higher)
        steps.append(Step(path, f"d{names[path]}/d{below}", float(slope.ravel()[higher]), delta, text))
        unit = higher
    last = (above or [place])[-1]
    top = float(signals[last].delta_out[row].ravel()[unit])
    text = f"{names[last]}[{unit}] = {float(signals[last].y[row].ravel()[unit]):.4g}"
    steps.append(Step("loss", f"dL/d{names[last]}", top, top, text))
    product = float(np.prod([step.factor for step in steps]))
    return Chain(parameter, index, row, tuple(steps[::-1]), product, gradient, residual)


def effect_of_input(layer: Layer, x: np.ndarray, unit: int) -> Any:
    """dy/dx[unit] of one example."""
    tangent = np.zeros(x.size, x.dtype)
    tangent[unit] = 1
    return jax.jvp(layer, (jnp.asarray(x)[None],), (jnp.asarray(tangent.reshape(x.shape))[None],))[1][0]


def effect_of_weight(layer: Layer, name: str, index: tuple[int, ...], x: np.ndarray) -> Any:
    """dy/dw of one example, for the weight at `index` of the parameter `name`."""
    leaves, shape = jax.tree.flatten(layer)
    tangents = [np.zeros(leaf.shape, leaf.dtype) for leaf in leaves]
    tangents[list(parameters(layer)).index(name)][index] = 1
    inputs = jnp.asarray(x)[None]
    return jax.jvp(lambda layer: layer(inputs), (layer,), (jax.tree.unflatten(shape, map(jnp.asarray, tangents)),))[1][0]


def heaviest(slope: np.ndarray, delta: np.ndarray) -> tuple[float, int]:
    """Σ_k slope_k δ_k and the k that contributes most to it."""
    parts = slope.astype(np.float64).ravel() * delta.ravel()
    return float(parts.sum()), int(np.abs(parts).argmax())


def branches(slope: np.ndarray, unit: int) -> str:
    fed = int(np.count_nonzero(slope))
    return f" feeds {fed} units, the heaviest path goes through unit {unit}" if fed > 1 else ""


def following(net: Layer, place: str, order: list[str]) -> list[str]:
    """The layers behind `place` where the network is a plain chain; nothing where it is not."""
    chain = all(isinstance(layer, Sequential) for _, layer in walk(net) if children(layer))
    return order[order.index(place) + 1 :] if chain else []


def before(path: str, above: list[str], place: str) -> str:
    position = above.index(path)
    return above[position - 1] if position else place


def symbols(layers: dict[str, Layer], order: list[str]) -> dict[str, str]:
    """z for what has weights, a for an activation of it, numbered as the textbook does."""
    names, number = {}, 0
    for path in order:
        weighted = bool(jax.tree.leaves(layers.get(path)))
        number += weighted
        kind = type(layers.get(path)).__name__
        names[path] = f"z{number}" if weighted else f"a{number}" if kind == "Activation" else f"h{number}"
    return names
