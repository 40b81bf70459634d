from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import backpropagate, places, tapped, traces, untapped
from ..language import phrase
from ..layers import Embedding, Masking
from ..losses import Loss
from ..module import Layer, parameters, walk

NAMED = 5  # numbers without a row


class Fault(NamedTuple):
    """Where a number first stopped being finite: the layer's path, which pass, and what happened; what to do about it
    where that is not for the learning rate to mend."""

    path: str
    pass_: str
    sentence: str
    cure: str = ""


def first_not_finite(
    net: Layer, loss: Loss, x: Any, y: Any, weights: Any, key: Array | None, numbers: np.ndarray | None = None
) -> Fault:
    """The layer where a number first stops being finite in this pass; `numbers` are those of the rows in the data."""
    net = jax.tree.map(jnp.asarray, net)
    for path, array in parameters(net).items():
        if not finite(array):
            what = phrase("the parameter {path} is not finite before the step", path=path)
            return Fault(path, "forward", what)
    padded = any(isinstance(layer, Masking) for _, layer in walk(net))
    if not finite(x) and not padded:
        return Fault("input", "forward", phrase("the inputs hold NaN or infinite numbers"))
    result = backpropagate(tapped(net), loss, x, y, weights=weights, key=key)
    seen, leaves = traces(result.dnet), {place.at: place.layer for place in places(net)}
    for path, trace in seen.items():
        if not finite(trace.y):
            if isinstance(layer := leaves[path], Embedding):
                return without_row(path, layer, np.asarray(trace.x), numbers)
            size = jnp.abs(jnp.where(jnp.isfinite(trace.y), trace.y, 0)).max()
            what = phrase(
                "the output of {path} is not finite (its inputs are; the largest finite output is {size:.3g})",
                path=path,
                size=float(size),
            )
            return Fault(path, "forward", what)
    if not bool(jnp.isfinite(result.loss)):
        size = float(jnp.abs(result.output).max())
        what = phrase("the loss {name} of finite outputs up to {size:.3g} is not finite", name=loss.name, size=size)
        return Fault("loss", "loss", what)
    for path, trace in reversed(seen.items()):
        if not finite(trace.dx):
            what = phrase("the blame that {path} hands down is not finite (the blame it was given is)", path=path)
            return Fault(path, "backward", what)
    for path, gradient in parameters(untapped(result.dnet, net)).items():
        if not finite(gradient):
            return Fault(path, "backward", phrase("the gradient of {path} is not finite", path=path))
    what = phrase("the pass is finite, and the optimizer's step takes a weight beyond what float32 holds")
    return Fault("", "step", what)


def without_row(path: str, layer: Embedding, x: Any, numbers: np.ndarray | None) -> Fault:
    """An embedding was given numbers that it has no row for."""
    found = {}  # in order, each once
    for place in map(tuple, np.argwhere(~np.asarray(layer.knows(jnp.asarray(x))))):
        value = np.format_float_positional(x[place], trim="-")
        found[value if numbers is None else phrase("{value} in row {row}", value=value, row=numbers[place[0]])] = None
    named, more = phrase(", ").join([*found][:NAMED]), len(found) - NAMED
    if more > 0:
        named = phrase("{names} and {more:,} more", names=named, more=more)
    if numbers is not None:
        named = phrase("{names} (the first row is 0)", names=named)
    what = phrase(
        "{path} has a row for each whole number from 0 to {last}, and was given {names}",
        path=path or phrase("the Embedding"),
        last=len(layer.weight) - 1,
        names=named,
    )
    cure = phrase("Correct these numbers, or give the Embedding a row for each.")
    return Fault(path, "forward", what, cure)


def finite(tree: Any) -> bool:
    return all(
        bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(a), jnp.floating)
    )
