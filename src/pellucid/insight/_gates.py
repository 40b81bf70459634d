from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import heard
from ..errors import DataError, SettingError
from ..layers import GRU, LSTM, Sequences
from ..module import Layer
from ..records import Record


@dataclass(frozen=True)
class GateResponse(Record):
    """What moves one gate of a layer, unit by unit, over all steps that count.

    `pull[i, u] = W[i, u] · the deviation of input i`: how far input i moves the gate of unit u before the sigmoid;
    `state_pull` is the same for the layer's own state h. `correlation[i, u]` is that of input i with the opening; NaN
    where one of them never changes.
    """

    gate: str
    pull: np.ndarray
    state_pull: np.ndarray
    correlation: np.ndarray

    @property
    def strongest(self) -> np.ndarray:
        """The input with the largest pull on each unit's gate."""
        return np.abs(self.pull).argmax(0)

    @property
    def strongest_state(self) -> np.ndarray:
        """The unit whose state has the largest pull on each unit's gate."""
        return np.abs(self.state_pull).argmax(0)


@dataclass(frozen=True)
class LayerGates(Record):
    """The gates of one layer: how far each is open, how long each unit remembers, and what each gate responds to.

    `openings[gate][n, t, u]` is σ of gate and unit u at step t of example n, of which `lengths[n]` steps count.
    `half_life[u] = ln ½ / mean(ln f)`, in steps, with f the gate that keeps (`keeper`): of what the unit holds, half
    is left after so many average steps.
    """

    path: str
    kind: str
    openings: dict[str, np.ndarray]
    lengths: np.ndarray
    keeper: str
    half_life: np.ndarray
    responses: tuple[GateResponse, ...]

    @property
    def counts(self) -> np.ndarray:
        """True where a step counts, (batch, time)."""
        steps = next(iter(self.openings.values())).shape[1]
        return np.arange(steps) < self.lengths[:, None]


@dataclass(frozen=True)
class Gates(Record):
    """The gates of every layer that has any, in the order of the pass."""

    layers: tuple[LayerGates, ...]


def gates(net: Layer, x: Any) -> Gates:
    """How far every gate of the network's LSTM and GRU layers opens on these examples: `σ(x_t W + h_{t-1} U + b)`.

    Shapes: x (batch, time, ...), as the network takes it.
    Raises: DataError where no step of any example counts; SettingError where no layer of the network has gates.
    Example:
        >>> layer = LSTM.create(2, 3, key=jax.random.key(0), forget=4.0)
        >>> found = gates(layer, np.zeros((1, 5, 2)))
        >>> found.layers[0].openings["forget"].shape, found.layers[0].half_life.round(1).tolist()
        ((1, 5, 3), [38.2, 38.2, 38.2])
    """
    found = heard(net, jnp.asarray(x), passed)
    if not found:
        raise SettingError("No layer of this network has gates: it has no LSTM and no GRU.")
    return Gates(tuple(described(path, layer, *jax.tree.map(np.asarray, told)) for path, (layer, *told) in found))


def described(
    path: str, layer: LSTM | GRU, openings: dict[str, np.ndarray], inputs: np.ndarray, lengths: np.ndarray
) -> LayerGates:
    """One layer's openings and what they come to, over the steps that count."""
    counts = np.arange(inputs.shape[1]) < lengths[:, None]
    if not counts.any():
        raise DataError("Gates are read on steps that count, and there is none.")
    n = layer.recurrent.shape[0]
    seen = inputs[counts].astype(float)
    h, x = seen[:, :n], seen[:, n:]
    weight, recurrent = np.asarray(layer.weight, float), np.asarray(layer.recurrent, float)
    responses = []
    for gate, i in layer.gates.items():
        part = slice(i * n, (i + 1) * n)
        found = correlation(x, openings[gate][counts].astype(float))
        pulls = weight[:, part] * x.std(0)[:, None], recurrent[:, part] * h.std(0)[:, None]
        responses.append(GateResponse(gate, *pulls, found))
    with np.errstate(divide="ignore"):
        rate = -np.log(openings[layer.keeper][counts].astype(float)).mean(0)
        half_life = np.log(2) / np.abs(rate)
    ordered = {gate: openings[gate] for gate in layer.gates}  # jit sorts the keys of a dict
    return LayerGates(path, type(layer).__name__, ordered, lengths, layer.keeper, half_life, tuple(responses))


def correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Of every column of x with every column of y; NaN where one does not change."""
    x, y = x - x.mean(0), y - y.mean(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (x.T @ y) / np.outer(np.sqrt((x * x).sum(0)), np.sqrt((y * y).sum(0)))


def passed(layer: Layer, x: Any, y: Array, saved: Any) -> tuple[Any, ...] | None:
    """Of a layer with gates: itself, its openings, its inputs [h, x], and the lengths."""
    if not isinstance(layer, LSTM | GRU):
        return None
    inputs = jnp.swapaxes(saved.inputs[..., :-1], 0, 1)
    lengths = x.lengths if isinstance(x, Sequences) else jnp.full(len(inputs), inputs.shape[1])
    return layer, layer.openings(saved), inputs, lengths
