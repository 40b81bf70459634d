"""A network written down: one table, a row for each kind of layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ... import layers
from ...errors import InteropError
from ...module import Layer, walk
from . import _containers, _elementwise, _norms, _operators, _places, _steps
from ._containers import CONTAINERS
from ._seen import seen_in
from ._sheet import Lengths, Pen, Sheet, Value, is_real

ROWS: dict[type[Layer], Callable[[Any, Any, Pen], Any]] = (
    _containers.ROWS | _elementwise.ROWS | _norms.ROWS | _operators.ROWS | _places.ROWS | _steps.ROWS
)
TAKING_ANY = layers.Collect, layers.Embedding, layers.Operator, layers.Pick  # whole numbers too


def write_network(net: Layer, inputs: tuple[Value, ...], sheet: Sheet) -> Any:
    """The network's output as a value of the graph, or a tuple of them.

    Raises: InteropError naming every layer that ONNX has no words for; ShapeError where the input does not fit.
    """
    refuse_unknown(net)
    sheet.seen = seen_in(net, inputs)
    return write(net, inputs[0] if len(inputs) == 1 else inputs, Pen(sheet))


def write(layer: Layer, x: Any, w: Pen) -> Any:
    """One layer, or all that a container holds."""
    if type(layer) in CONTAINERS:
        return CONTAINERS[type(layer)](layer, x, w, write)
    seen = w.sheet.seen[w.at]
    if all(is_real(dtype) for dtype in seen.dtypes) and type(layer) not in TAKING_ANY:
        x = as_real(x, w)
    y = ROWS[type(layer)](layer, x, w)
    lengths = lengths_of(x)
    return replace(y, lengths=lengths if seen.counted else None) if lengths and isinstance(y, Value) else y


def lengths_of(x: Any) -> Lengths | None:
    return (x[0] if isinstance(x, tuple) else x).lengths


def refuse_unknown(net: Layer) -> None:
    """Raises: InteropError naming every layer of which ONNX cannot say what it does."""
    found = [(path, layer) for path, layer in walk(net) if type(layer) not in ROWS | CONTAINERS]
    if found:
        names = ", ".join(f"{path or 'the network'} ({type(layer).__name__})" for path, layer in found)
        raise InteropError(
            f"ONNX cannot say what these layers do: {names}. It holds no Python code: put layers of pellucid.layers in "
            "their place."
        )


def as_real(x: Any, w: Pen) -> Any:
    """Whole numbers as real ones, for a layer that computes with them."""
    if isinstance(x, tuple):
        return tuple(as_real(part, w) for part in x)
    if is_real(x.dtype):
        return x
    return replace(x, name=w.node("Cast", x.name, to=w.sheet.dtype), dtype=w.sheet.dtype)
