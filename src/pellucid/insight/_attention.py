from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import heard
from ..errors import DataError, SettingError
from ..layers import MultiHeadAttention, Sequences, attention_weights
from ..module import Layer
from ..records import Record


@dataclass(frozen=True)
class LayerAttention(Record):
    """Where each head of one layer looks: `weights[n, h, t, s]` is the share of step s in what step t finds.

    Over all steps that count, `entropy[h]` is the mean of −Σ_s w log w, in nats: a head looks at about e^entropy steps.
    `distance[h]` is the mean of Σ_s w |t − s|, in steps.
    """

    path: str
    weights: np.ndarray
    lengths: np.ndarray
    entropy: np.ndarray
    distance: np.ndarray


@dataclass(frozen=True)
class Attention(Record):
    """The attention of every layer that has any, in the order of the pass."""

    layers: tuple[LayerAttention, ...]


def attention(net: Layer, x: Any) -> Attention:
    """Where every head looks on these examples: the shares that the forward pass saved, `w = softmax(q · k / √d)`.

    Shapes: x (batch, time, ...), as the network takes it.
    Raises: DataError where there is no example; SettingError where no layer of the network attends.
    Example:
        >>> import jax
        >>> found = attention(MultiHeadAttention.create(4, 2, key=jax.random.key(0), causal=True), np.ones((1, 3, 4)))
        >>> print(found.layers[0].weights[0, 0].round(2))  # all steps are alike, and the later ones not seen
        [[1.   0.   0.  ]
         [0.5  0.5  0.  ]
         [0.33 0.33 0.33]]
    """
    x = jnp.asarray(x)
    if not x.shape or not len(x):
        raise DataError("Attention is read on examples, and there is none.")
    found = heard(net, x, looks)
    if not found:
        raise SettingError("No layer of this network attends: it has no MultiHeadAttention.")
    return Attention(tuple(described(path, *map(np.asarray, given)) for path, given in found))


def described(path: str, weights: np.ndarray, lengths: np.ndarray) -> LayerAttention:
    """One layer's shares and what they come to, head by head."""
    exact = weights.astype(np.float64)
    steps = np.arange(weights.shape[-1])
    total = max(int(lengths.sum()), 1)
    entropy = -(exact * np.log(exact, where=exact > 0, out=np.zeros_like(exact))).sum((0, 2, 3)) / total
    distance = (exact * np.abs(steps[:, None] - steps)).sum((0, 2, 3)) / total
    return LayerAttention(path, weights, lengths, entropy, distance)


def looks(layer: Layer, x: Any, y: Array, saved: Any) -> tuple[Array, Array] | None:
    """The shares and lengths of an attention layer's pass."""
    if not isinstance(layer, MultiHeadAttention):
        return None
    batch, time, _ = saved.x.shape
    return attention_weights(saved), x.lengths if isinstance(x, Sequences) else jnp.full(batch, time)
