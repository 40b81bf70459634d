"""Containers: what they hold is written in turn, under their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from ... import layers
from ...layers import Graph
from ._sheet import Pen, Value

Write = Callable[[Any, Any, Pen], Any]


def sequential(layer: layers.Sequential, x: Any, w: Pen, write: Write) -> Any:
    for i, part in enumerate(layer.layers):
        x = write(part, x, w.inside(f"layers[{i}]"))
    return x


def residual(layer: layers.Residual, x: Value, w: Pen, write: Write) -> Value:
    return replace(add(w, [x, write(layer.layer, x, w.inside("layer"))]), lengths=x.lengths)


def parallel(layer: layers.Parallel, x: Value, w: Pen, write: Write) -> Value:
    parts = [write(part, x, w.inside(f"layers[{i}]")) for i, part in enumerate(layer.layers)]
    return add(w, parts) if layer.join == "sum" else concat(w, parts)


def graph(layer: Graph, x: Any, w: Pen, write: Write) -> Any:
    values = {"input": x}
    for node, name, inputs in layer.nodes:
        given = values[inputs[0]] if len(inputs) == 1 else tuple(values[source] for source in inputs)
        values[node] = write(layer.layers[name], given, w.inside(f"layers.{name}", f"layers.{node}"))
    return values[layer.nodes[-1][0]]


def bidirectional(layer: layers.Bidirectional, x: Value, w: Pen, write: Write) -> Value:
    return concat(w, [write(getattr(layer, way), x, w.inside(way)) for way in ("forwards", "backwards")])


def add(w: Pen, parts: Sequence[Value]) -> Value:
    """The sum of values of one shape."""
    axes = common(parts)
    names = [w.laid(part, axes) for part in parts]
    if len(names) == 1:
        return parts[0]
    return replace(parts[0], name=w.node("Add" if len(names) == 2 else "Sum", *names), axes=axes)


def concat(w: Pen, parts: Sequence[Value]) -> Value:
    """Values side by side along the last axis."""
    axes = common(parts)
    sizes = [part.shape[-1] for part in parts]
    shape = (*parts[0].shape[:-1], None if None in sizes else sum(n or 0 for n in sizes))
    joined = w.node("Concat", *(w.laid(part, axes) for part in parts), axis=axes.index(parts[0].rank - 1))
    return replace(parts[0], name=joined, shape=shape, axes=axes)


def common(parts: Sequence[Value]) -> tuple[int, ...]:
    """An order of axes that some of the values lie in: channels first, where one of them has them so."""
    plain = tuple(range(parts[0].rank))
    return next((part.axes for part in parts if part.axes != plain), plain)


CONTAINERS: dict[type[Any], Callable[[Any, Any, Pen, Write], Any]] = {
    layers.Bidirectional: bidirectional,
    layers.Graph: graph,
    layers.Parallel: parallel,
    layers.Residual: residual,
    layers.Sequential: sequential,
}
ROWS: dict[type[Any], Callable[[Any, Any, Pen], Value]] = {
    layers.Add: lambda layer, x, w: add(w, x),
    layers.Concat: lambda layer, x, w: concat(w, x),
}
