from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..errors import DataError
from ..module import Layer, children, joined, map_layers, parameters, walk, with_parameters
from ._tap import Listener


def unit_variance(net: Layer, x: Any, *, rounds: int = 3) -> Layer:
    """Scale every layer's weight so that its output has variance one on the data: `W ← W / √Var(x W + b)`.

    Draw the weights orthogonal first (`initializers.orthogonal`); layer by layer, each sees what the rescaled ones
    before it give.

    Raises: DataError where x has fewer than two rows or a layer's output does not vary.
    Source: Mishkin and Matas 2016, All you need is a good init, algorithm 1.
    Example:
        >>> import jax
        >>> from pellucid import mlp
        >>> x = jax.random.normal(jax.random.key(1), (200, 5))
        >>> round(float(unit_variance(mlp([5, 8, 3], key=0), x)(x).var()), 3)
        1.0
    """
    if len(x) < 2:
        raise DataError(f"Layer-sequential unit variance wants several rows of data, got {len(x)}.")
    for path in [path for path, layer in walk(net) if not children(layer) and is_weighted(layer)]:
        for _ in range(rounds):
            deviation = spread(net, path, x)
            if abs(deviation - 1) < 1e-4:
                break
            weight = joined(path, "weight")
            net = with_parameters(net, {weight: parameters(net)[weight] / deviation})
    return net


def is_weighted(layer: Layer) -> bool:
    return getattr(getattr(layer, "weight", None), "ndim", 0) >= 2


def spread(net: Layer, path: str, x: Any) -> float:
    """The standard deviation of what the layer at `path` gives."""
    seen: list[Any] = []

    def tell(layer: Layer, x: Any, y: Any, saved: Any) -> None:
        seen.append(y)

    map_layers(net, lambda p, layer: Listener(layer, tell) if p == path else layer)(jnp.asarray(x))
    deviation = float(np.std(np.asarray(seen[-1])))
    if not deviation > 1e-12:
        raise DataError(f"The output of {path} does not vary on this data: its weight cannot be scaled to it.")
    return deviation
