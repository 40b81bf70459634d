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
from ..module import Layer, learned, walk
from ..records import Record


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
        mean = y.mean()
        saturated = jnp.nan
        if isinstance(layer, Activation):
            row = curve(layer.name)
            slope = row.derivative(trace.x, y, **dict(layer.settings))
            saturated = row.flat(slope, **dict(layer.settings)).mean()
        variance = jnp.square(y).mean() - jnp.square(mean)
        blame = jnp.square(dy).mean() * dy.shape[0] ** 2
        rows.append(jnp.stack([mean, variance, (y == 0).mean(), saturated, blame, ratio(layer, blames[path])]))
    return jnp.stack(rows)


def ratio(layer: Layer, blame: Any) -> Array | float:
    weights, gradients = jax.tree.leaves(learned(layer)), jax.tree.leaves(learned(blame))
    if not weights:
        return jnp.nan
    size = sum(jnp.square(w).sum() for w in weights)
    return jnp.sqrt(sum(jnp.square(g).sum() for g in gradients) / jnp.maximum(size, 1e-30))


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
