"""Dead units brought back: drawn anew, so that some row is above their kink again."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ..backprop import heard
from ..initializers import he_normal
from ..layers import Activation, Dense
from ..module import Layer, map_layers, replaced
from ._structure import RECTIFIED, structure


def revived(net: Layer, x: np.ndarray, key: jax.Array) -> tuple[Layer, int]:
    """The network with every dead unit of its Dense layers drawn anew, and how many there were.

    A unit is dead where its ReLU is 0 on all of these rows. Its weights are drawn by He's law and its bias is 0; its
    outgoing weights stay, so that the network's outputs change as little as a new unit changes them.
    """
    dead = {
        path: np.asarray(y)
        for path, y in heard(
            net, x, lambda layer, x, y, saved: (y == 0).all(tuple(range(y.ndim - 1))) if is_relu(layer) else None
        )
    }
    parts = structure(net).parts
    before = {
        part.path: parts[i - 1].path
        for i, part in enumerate(parts)
        if i and part.path in dead and isinstance(parts[i - 1].layer, Dense)
    }
    wanted = {before[path]: units for path, units in dead.items() if path in before and units.any()}

    def drawn(path: str, layer: Layer) -> Layer:
        if path not in wanted or not isinstance(layer, Dense):
            return layer
        units = jnp.asarray(wanted[path])
        new = he_normal(key, layer.weight.shape)
        bias = None if layer.bias is None else jnp.where(units, 0.0, layer.bias)
        return replaced(layer, weight=jnp.where(units, new, layer.weight), bias=bias)

    return map_layers(net, drawn), int(sum(units.sum() for units in wanted.values()))


def is_relu(layer: Layer) -> bool:
    return isinstance(layer, Activation) and layer.name in RECTIFIED
