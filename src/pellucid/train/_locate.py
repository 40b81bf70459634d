from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..backprop import backpropagate, tapped, traces, untapped
from ..layers import Masking
from ..losses import Loss
from ..module import Layer, parameters, walk


def first_not_finite(net: Layer, loss: Loss, x: Any, y: Any, weights: Any, key: Array | None) -> tuple[str, str, str]:
    """The layer where a number first stopped being finite in this pass: its path, which pass, and a sentence."""
    net = jax.tree.map(jnp.asarray, net)
    for path, array in parameters(net).items():
        if not finite(array):
            return path, "forward", f"the parameter {path} is not finite before the step"
    padded = any(isinstance(layer, Masking) for _, layer in walk(net))
    if not finite(x) and not padded:
        return "input", "forward", "the inputs hold NaN or infinite numbers"
    result = backpropagate(tapped(net), loss, x, y, weights=weights, key=key)
    seen = traces(result.dnet)
    for path, trace in seen.items():
        if not finite(trace.y):
            size = jnp.abs(jnp.where(jnp.isfinite(trace.y), trace.y, 0)).max()
            return (
                path,
                "forward",
                f"the output of {path} is not finite (its inputs are; the largest finite output is {size:.3g})",
            )
    if not bool(jnp.isfinite(result.loss)):
        size = float(jnp.abs(result.output).max())
        return "loss", "loss", f"the loss {loss.name} of finite outputs up to {size:.3g} is not finite"
    for path, trace in reversed(seen.items()):
        if not finite(trace.dx):
            return path, "backward", f"the blame that {path} hands down is not finite (the blame it was given is)"
    for path, gradient in parameters(untapped(result.dnet, net)).items():
        if not finite(gradient):
            return path, "backward", f"the gradient of {path} is not finite"
    return (
        "",
        "step",
        "the pass is finite, and the optimizer's step takes a weight beyond what float32 holds",
    )


def finite(tree: Any) -> bool:
    return all(
        bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(a), jnp.floating)
    )
