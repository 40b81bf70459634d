from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import layers
from ..activations import curve
from ..errors import PellucidError, SettingError
from ..layers import Activation, values_of
from ..module import Layer, children, has_weights, learned, map_layers, walk
from ..records import Record
from ..shapes import words
from ._receptive import RANKS, receptive_fields
from ._tap import Listener


@dataclass(frozen=True)
class Row(Record):
    """One layer: what it computes, what it gives, what it costs. `macs` are multiply-adds for one example.

    `uses` is how often each weight is used for one example: multiply-adds over the size of the weights. A layer that
    several nodes of a Graph share has one row; its multiply-adds and uses are the sums over them. `unshared` is how
    many parameters a convolution would have with a kernel of its own at every position. `running` are statistics that
    training follows and does not learn. `receptive_field` is how many places of the input, along each axis between
    batch and channels, a unit sees at most, `step` how far on the next unit's begin; None where that is not known.
    """

    path: str
    kind: str
    formula: str
    output: tuple[int, ...]
    parameters: int
    bytes: int
    macs: int
    uses: float
    running: int = 0
    unshared: int | None = None
    receptive_field: tuple[int, ...] | None = None
    step: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Summary(Record):
    """A network as a table, layer by layer, up to the first that does not fit (`error`)."""

    rows: tuple[Row, ...]
    input: tuple[int, ...]
    parameters: int
    bytes: int
    macs: int
    error: str | None = None
    running: int = 0


def summary(net: Layer, x: Any = None) -> Summary:
    """The table of a network for one input shape; nothing is computed but shapes.

    `x` is an array, a shape, or nothing: then one example as wide as the first layer's weight.

    Raises: SettingError where x is not given, and the first weight does not say the shape of an input.
    Example:
        >>> from pellucid import mlp
        >>> table = summary(mlp([64, 32, 10], key=0))
        >>> table.parameters, table.macs, [row.output for row in table.rows]
        (2410, 2368, [(1, 32), (1, 32), (1, 10)])
    """
    given = abstract(net, x)
    rows: dict[str, Row] = {}
    shapes: dict[str, tuple[Any, Any]] = {}

    def tell(path: str, layer: Layer, x: Any, y: Any, saved: Any) -> None:
        new = row(path, layer, x, y, given.shape[0] if given.shape else 1)
        old = rows.get(path)
        rows[path] = replace(new, macs=old.macs + new.macs, uses=old.uses + new.uses) if old else new
        shapes[path] = getattr(values_of(x), "shape", ()), y.shape

    def listen(path: str, layer: Layer) -> Layer:
        return Listener(layer, partial(tell, path))

    error = None
    try:
        jax.eval_shape(lambda x: map_layers(net, listen)(x), given)
    except PellucidError as problem:
        error = str(problem)
    for path, fields in receptive_fields(net, given.shape, shapes).items():
        seen = {"receptive_field": tuple(f.seen for f in fields), "step": tuple(f.apart for f in fields)}
        rows[path] = replace(rows[path], **seen) if fields else rows[path]
    arrays = jax.tree.leaves(learned(net))
    held = jax.tree.leaves(net)
    size = sum(a.size for a in arrays)
    return Summary(
        rows=tuple(rows.values()),
        input=tuple(given.shape),
        parameters=size,
        bytes=sum(a.nbytes for a in held),
        macs=sum(r.macs for r in rows.values()),
        error=error,
        running=sum(a.size for a in held) - size,
    )


def abstract(net: Layer, x: Any) -> jax.ShapeDtypeStruct:
    if x is None:
        return jax.ShapeDtypeStruct(default_shape(net), jnp.float32)
    if isinstance(x, tuple) and all(isinstance(n, int) for n in x):
        return jax.ShapeDtypeStruct(x, jnp.float32)
    whole = jnp.issubdtype(np.asarray(x).dtype, jnp.integer)
    return jax.ShapeDtypeStruct(np.shape(x), jnp.int32 if whole else jnp.float32)


def default_shape(net: Layer) -> tuple[int, ...]:
    """One example as wide as the first weight, where that says all.

    Raises: SettingError where the first weight leaves the size of a picture or the number of steps open.
    """
    first: Any = next((layer for _, layer in walk(net) if not children(layer) and has_weights(layer)), None)
    if first is None:
        return (1, 1)
    kind = type(first)
    n_in = next(a for a in jax.tree.leaves(first) if a.ndim >= 2).shape[-2]
    if kind not in OPEN:
        return (1, n_in)
    channels = () if kind is layers.Embedding else (n_in * (first.groups if kind in RANKS else 1),)
    raise SettingError(
        f"The first weight, that of a {kind.__name__}, does not say how large an input is: "
        f"give its shape as x, as in x={words((1, *OPEN[kind], *channels))}."
    )


def row(path: str, layer: Layer, x: Any, y: Any, batch: int) -> Row:
    arrays, held = jax.tree.leaves(learned(layer)), jax.tree.leaves(layer)
    size = sum(a.size for a in arrays)
    weights = sum(a.size for a in arrays if a.ndim >= 2)
    if type(layer) in POSITIONS:
        macs = weights * POSITIONS[type(layer)](values_of(x), y)
    else:
        macs = count_macs(jax.make_jaxpr(lambda layer, x: layer.forward(x)[0])(layer, x).jaxpr) // max(batch, 1)
    return Row(
        path=path,
        kind=type(layer).__name__,
        formula=formula(layer),
        output=tuple(y.shape),
        parameters=size,
        bytes=sum(a.nbytes for a in held),
        macs=macs,
        uses=macs / weights if weights else 0.0,
        running=sum(a.size for a in held) - size,
        unshared=size * math.prod(y.shape[1:-1]) if isinstance(layer, CONVOLUTIONS) else None,
    )


def formula(layer: Layer) -> str:
    """What a layer computes, as its documentation states it."""
    if isinstance(layer, Activation):
        return f"y = {curve(layer.name).formula}"
    if isinstance(layer, layers.Operator):
        return f"y = {layer.kind}({', '.join(['x', *(f'{name}={value}' for name, value in layer.attributes)])})"
    found = re.search(r"`(.+?)`", (type(layer).__doc__ or "").partition("\n")[0])
    return found.group(1) if found else ""


def outputs(x: Any, y: Any) -> int:
    return math.prod(y.shape[1:-1])


def inputs(x: Any, y: Any) -> int:
    return math.prod(x.shape[1:-1])


CONVOLUTIONS = (layers.Conv1d, layers.Conv2d, layers.Conv3d)
# How often every weight is used for one example. These layers are computed in other ways on other devices, some without
# a product that could be found in the traced computation; of all others the products are counted.
POSITIONS: dict[type[Layer], Callable[[Any, Any], int]] = {
    **dict.fromkeys(CONVOLUTIONS, outputs),
    layers.ConvTranspose1d: inputs,
    layers.ConvTranspose2d: inputs,
    layers.LocallyConnected1d: lambda x, y: 1,
    layers.LocallyConnected2d: lambda x, y: 1,
    layers.RNN: inputs,
    layers.LSTM: inputs,
    layers.GRU: inputs,
}


# The places of an input for a layer whose weight leaves them open, to show how a shape is given.
OPEN: dict[type[Layer], tuple[int, ...]] = {
    layers.Conv1d: (100,),
    layers.Conv2d: (28, 28),
    layers.Conv3d: (16, 16, 16),
    layers.ConvTranspose1d: (100,),
    layers.ConvTranspose2d: (28, 28),
    layers.LocallyConnected1d: (100,),
    layers.LocallyConnected2d: (28, 28),
    layers.Embedding: (100,),
    layers.MultiHeadAttention: (100,),
    layers.RNN: (100,),
    layers.LSTM: (100,),
    layers.GRU: (100,),
}


def count_macs(jaxpr: Any) -> int:
    """The multiply-adds of every matrix product and convolution in a traced computation."""
    total = 0
    for equation in jaxpr.eqns:
        for parameter in equation.params.values():
            inner = getattr(parameter, "jaxpr", None)
            if inner is not None:
                total += count_macs(inner) * equation.params.get("length", 1)  # a scan repeats what it holds
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            total += math.prod(equation.outvars[0].aval.shape) * math.prod(left[i] for i in contracted)
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape
            out_feature = equation.params["dimension_numbers"].rhs_spec[0]
            total += math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) // kernel[out_feature]
    return total
