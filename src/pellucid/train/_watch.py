from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..activations import curve
from ..backprop import Tap, traces
from ..layers import Activation
from ..layers._sums import summed
from ..module import Layer, learned, walk
from ..records import Record

SMALL = 2**12  # numbers that are added faster than they are handed to a matrix product


@dataclass(frozen=True)
class LayerWatch(Record):
    """What the watch saw of one layer in an epoch, averaged over the watched steps.

    `saturated` is None for a layer that is not an activation, `gradient_ratio` (‖dL/dW‖ / ‖W‖) for one without weights.
    `blame_variance` is the mean square of the output's δ per example.
    """

    mean: float
    variance: float
    zero: float
    saturated: float | None
    blame_variance: float
    gradient_ratio: float | None


def watched_paths(listening: Layer) -> list[str]:
    return [path for path, layer in walk(listening) if isinstance(layer, Tap)]


def measure(listening: Layer, dnet: Any) -> Array:
    """The statistics of one pass of a tapped network, a row per layer in the order of `watched_paths`."""
    seen = traces(dnet)
    layers = {path: layer.layer for path, layer in walk(listening) if isinstance(layer, Tap)}
    blames = {path: layer.layer for path, layer in walk(dnet) if isinstance(layer, Tap)}
    rows = []
    for path, layer in layers.items():
        trace = seen[path]
        y, dy = trace.y, trace.dy
        flat = None
        if isinstance(layer, Activation):
            row = curve(layer.name)
            slope = row.derivative(trace.x, y, **dict(layer.settings))
            flat = row.flat(slope, **dict(layer.settings))
        parts = [y, jnp.square(y), y == 0, jnp.square(dy), *([] if flat is None else [flat])]
        mean, square, zero, blame, *rest = averages(parts)
        saturated = rest[0] if rest else jnp.nan
        variance, blame = square - jnp.square(mean), blame * dy.shape[0] ** 2
        rows.append(jnp.stack([mean, variance, zero, saturated, blame, ratio(layer, blames[path])]))
    return jnp.stack(rows)


def ratio(layer: Layer, blame: Any) -> Array | float:
    weights, gradients = jax.tree.leaves(learned(layer)), jax.tree.leaves(learned(blame))
    if not weights:
        return jnp.nan
    return jnp.sqrt(square_sum(gradients) / jnp.maximum(square_sum(weights), 1e-30))


def averages(arrays: list[Array]) -> list[Array]:
    """The mean of each of several arrays of one shape; small ones are added side by side, in one call."""
    arrays = [a.astype(arrays[0].dtype) for a in arrays]
    if arrays[0].size > SMALL:
        return [total(a) / a.size for a in arrays]
    return list(jnp.stack([a.reshape(-1) for a in arrays]).mean(1))


def square_sum(arrays: list[Array]) -> Array:
    """The sum of the squares of all numbers."""
    small = [a.reshape(-1) for a in arrays if a.size <= SMALL]
    sums = [jnp.square(jnp.concatenate(small)).sum()] if small else []
    sums += [total(jnp.square(a)) for a in arrays if a.size > SMALL]
    return sum(sums[1:], start=sums[0])


def total(a: Array) -> Array:
    """The sum of many numbers."""
    return a.sum() if a.ndim < 2 else summed(a.reshape(len(a), -1)).sum()


def watch_records(paths: list[str], total: np.ndarray, count: int) -> dict[str, LayerWatch]:
    """The averages of an epoch as records, by path."""
    if not count:
        return {}
    records = {}
    for path, row in zip(paths, np.asarray(total, np.float64) / count, strict=True):
        mean, variance, zero, saturated, blame, ratio = map(float, row)
        records[path] = LayerWatch(mean, variance, zero, known(saturated), blame, known(ratio))
    return records


def known(value: float) -> float | None:
    """NaN stands for a number that the layer does not have."""
    return None if np.isnan(value) else value
