from __future__ import annotations

from typing import Any, NamedTuple

from jax import Array

from ..layers import Sequences
from ..losses import Loss
from ..module import Layer


class Pass(NamedTuple):
    """One forward and one backward pass: `dnet` is dL/dnet, in the network's own type."""

    loss: Array
    output: Array
    dx: Array
    dnet: Any


def backpropagate(
    net: Layer, loss: Loss, x: Any, y: Any, *, weights: Any = None, mask: Any = None, key: Array | None = None
) -> Pass:
    """The whole chain rule, once: forward, the loss with its blame at the output, backward.

    Where the network answers at every step of sequences of different lengths, only the steps that count are judged.
    """
    z, saved = net.forward(x, key=key)
    if isinstance(z, Sequences):
        z, mask = z.values, z.mask if mask is None else mask * z.mask
    value, dz = loss.evaluate(z, y, weights, mask)
    dx, dnet = net.backward(saved, dz)
    return Pass(value, z, dx, dnet)
