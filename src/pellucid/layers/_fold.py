from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..module import Layer, map_children, replaced
from ._containers import Sequential
from ._conv import Conv1d, Conv2d, Conv3d
from ._conv_transpose import ConvTranspose1d, ConvTranspose2d
from ._dense import Dense
from ._graph import Graph
from ._local import LocallyConnected1d, LocallyConnected2d
from ._norm import BatchNorm

UNSHARED = LocallyConnected1d, LocallyConnected2d
CONVOLUTIONS = Conv1d, Conv2d, Conv3d, *UNSHARED
# The last axis of their weight and bias is the channel they give.
WEIGHTED = Dense, *CONVOLUTIONS, ConvTranspose1d, ConvTranspose2d


def fold_batchnorm(net: Layer) -> Layer:
    """The same function at inference with fewer layers: a BatchNorm becomes part of the weights beside it.

    At inference a BatchNorm is `y = s x + t` for each channel, with s = w / √(variance + ε) and t = b − s · mean.
    Behind a layer of weights `x W + c` that is `x (W s) + (c s + t)`; before a Dense layer, or a convolution that does
    not pad, `x (s W) + (t W + c)`. One that has no such neighbour in its Sequential stays; in a Graph it is folded into
    the node before it, where nothing else reads that and its layer has no other node.

    Example:
        >>> net = Sequential([Dense(jnp.ones((2, 1)), None), BatchNorm.create(1)])
        >>> [type(layer).__name__ for layer in fold_batchnorm(net).layers]
        ['Dense']
    """
    net = map_children(net, lambda _, child: fold_batchnorm(child))
    if isinstance(net, Graph):
        return folded_graph(net)
    if not isinstance(net, Sequential):
        return net
    kept: list[Layer] = []
    for layer in net.layers:
        while kept and (one := folded(kept[-1], layer)) is not None:
            kept.pop()
            layer = one
        kept.append(layer)
    return Sequential(kept)


def folded_graph(net: Graph) -> Graph:
    """The same with each BatchNorm in the node before it, where that is its alone."""
    layers, nodes = dict(net.layers), list(net.nodes)
    for node, name, _ in net.nodes:
        inputs = next(sources for other, _, sources in nodes if other == node)
        before = next((owner for other, owner, _ in nodes if other == inputs[0]), "")
        readers = sum(sources.count(inputs[0]) for _, _, sources in nodes)
        alone = readers == 1 and sum(owner == before for _, owner, _ in nodes) == 1
        if not isinstance(layers[name], BatchNorm) or not alone:
            continue
        if (one := folded(layers[before], layers[name])) is None:
            continue
        layers[before] = one
        nodes = [
            (other, owner, tuple(inputs[0] if source == node else source for source in sources))
            for other, owner, sources in nodes
            if other != node
        ]
    used = {owner for _, owner, _ in nodes}
    return Graph({name: layer for name, layer in layers.items() if name in used}, nodes)


def folded(first: Layer, second: Layer) -> Layer | None:
    """One layer that does what two in a row do at inference; None where there is none."""
    if isinstance(second, BatchNorm) and isinstance(first, WEIGHTED):
        return with_norm_behind(first, second)
    if isinstance(first, BatchNorm) and (groups := groups_unpadded(second)):
        return with_norm_before(second, first, groups)
    return None


def with_norm_behind(layer: Any, norm: BatchNorm) -> Layer:
    scale, shift = scale_shift(norm)
    bias = jnp.broadcast_to(shift, bias_shape(layer)) if layer.bias is None else layer.bias * scale + shift
    return replaced(layer, weight=layer.weight * scale, bias=bias)


def with_norm_before(layer: Any, norm: BatchNorm, groups: int) -> Layer:
    n_out = layer.weight.shape[-1]
    # Of each output its own group's channels: (in / groups, out).
    scale, shift = (jnp.repeat(a.reshape(groups, -1).T, n_out // groups, axis=1) for a in scale_shift(norm))
    bias = (layer.weight * shift).sum(tuple(range(len(bias_shape(layer)) - 1, layer.weight.ndim - 1)))
    return replaced(layer, weight=layer.weight * scale, bias=bias if layer.bias is None else bias + layer.bias)


def bias_shape(layer: Any) -> tuple[int, ...]:
    """(out,), or where every place has its own weights (..., out)."""
    shape = layer.weight.shape
    return (*shape[: len(shape) // 2 - 1 if isinstance(layer, UNSHARED) else 0], shape[-1])


def groups_unpadded(layer: Layer) -> int:
    """In how many groups a layer weighs its channels, where it weighs all of them at every place; else 0.

    A convolution that pads does not: the zeros around x would have to be `−t / s`.
    """
    if not isinstance(layer, CONVOLUTIONS):
        return int(isinstance(layer, Dense))
    padding = layer.padding
    unpadded = padding == "valid" if isinstance(padding, str) else not any(map(any, padding))
    return layer.groups if unpadded else 0


def scale_shift(norm: BatchNorm) -> tuple[Array, Array]:
    """A BatchNorm at inference as `y = scale · x + shift`."""
    scale = jax.lax.rsqrt(norm.variance + norm.epsilon)
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.mean * scale
    return scale, shift if norm.bias is None else shift + norm.bias
