from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import curve
from ..errors import PellucidError
from ..layers import Activation
from ..module import Layer, map_layers
from ..records import Record
from ._tap import Listener


@dataclass(frozen=True)
class Row(Record):
    """One layer: what it computes, what it gives, what it costs. `macs` are multiply-adds for one example.

    `uses` is how often each weight is used for one example: multiply-adds over the size of the weights. A layer that
    several nodes of a Graph share has one row; its multiply-adds and uses are the sums over them.
    """

    path: str
    kind: str
    formula: str
    output: tuple[int, ...]
    parameters: int
    bytes: int
    macs: int
    uses: float


@dataclass(frozen=True)
class Summary(Record):
    """A network as a table, layer by layer, up to the first that does not fit (`error`)."""

    rows: tuple[Row, ...]
    input: tuple[int, ...]
    parameters: int
    bytes: int
    macs: int
    error: str | None = None


def summary(net: Layer, x: Any = None) -> Summary:
    """The table of a network for one input shape; nothing is computed but shapes.

    `x` is an array, a shape, or nothing: then one example as wide as the first layer's weight.

    Example:
        >>> from pellucid import mlp
        >>> table = summary(mlp([64, 32, 10], key=0))
        >>> table.parameters, table.macs, [row.output for row in table.rows]
        (2410, 2368, [(1, 32), (1, 32), (1, 10)])
    """
    given = abstract(net, x)
    rows: dict[str, Row] = {}

    def tell(path: str, layer: Layer, x: Any, y: Any) -> None:
        new = row(path, layer, x, y, given.shape[0] if given.shape else 1)
        old = rows.get(path)
        rows[path] = replace(new, macs=old.macs + new.macs, uses=old.uses + new.uses) if old else new

    def listen(path: str, layer: Layer) -> Layer:
        return Listener(layer, partial(tell, path))

    error = None
    try:
        jax.eval_shape(lambda x: map_layers(net, listen)(x), given)
    except PellucidError as problem:
        error = str(problem)
    arrays = jax.tree.leaves(net)
    return Summary(
        rows=tuple(rows.values()),
        input=tuple(given.shape),
        parameters=sum(a.size for a in arrays),
        bytes=sum(a.nbytes for a in arrays),
        macs=sum(r.macs for r in rows.values()),
        error=error,
    )


def abstract(net: Layer, x: Any) -> jax.ShapeDtypeStruct:
    if x is None:
        weights = [a for a in jax.tree.leaves(net) if a.ndim >= 2]
        return jax.ShapeDtypeStruct((1, weights[0].shape[-2] if weights else 1), jnp.float32)
    if isinstance(x, tuple) and all(isinstance(n, int) for n in x):
        return jax.ShapeDtypeStruct(x, jnp.float32)
    return jax.ShapeDtypeStruct(np.shape(x), jnp.float32)


def row(path: str, layer: Layer, x: Any, y: Any, batch: int) -> Row:
    arrays = jax.tree.leaves(layer)
    size = sum(a.size for a in arrays)
    weights = sum(a.size for a in arrays if a.ndim >= 2)
    macs = count_macs(jax.make_jaxpr(lambda layer, x: layer.forward(x)[0])(layer, x).jaxpr) // max(batch, 1)
    return Row(
        path=path,
        kind=type(layer).__name__,
        formula=formula(layer),
        output=tuple(y.shape),
        parameters=size,
        bytes=sum(a.nbytes for a in arrays),
        macs=macs,
        uses=macs / weights if weights else 0.0,
    )


def formula(layer: Layer) -> str:
    """What a layer computes, as its documentation states it."""
    if isinstance(layer, Activation):
        return f"y = {curve(layer.name).formula}"
    found = re.search(r"`(.+?)`", (type(layer).__doc__ or "").partition("\n")[0])
    return found.group(1) if found else ""


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
