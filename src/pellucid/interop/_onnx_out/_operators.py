"""What came from ONNX and has no layer: its operators go back as they were, or as a newer opset says them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ... import layers
from ...errors import InteropError
from ._model import info, proto, tensor
from ._sheet import Node, Pen, Value, is_real


def operator(layer: layers.Operator, x: Any, w: Pen) -> Any:
    given = dict(zip(layer.given, x if isinstance(x, tuple) else (x,), strict=False))
    refuse_newer(layer, w)
    constants = layer.constants(layer.weights)
    kinds = types_of(layer, given)
    inputs = [w.laid(given[i]) if i in given else held(i, array, kinds, w) for i, array in enumerate(constants)]
    if in_other_words(layer, w.sheet.opset):
        made = said_anew(layer, [*given.values()], inputs, w)
    else:
        made = w.new(layer.kind, inputs, layer.outputs, layer.words)
    seen = w.sheet.seen[w.at]
    if len(seen.shapes) != len(made):
        raise InteropError(
            f"{w.path or 'The network'}: {layer.kind} gives a sequence of tensors, which is not written."
        )
    parts = zip(made, seen.shapes, seen.dtypes, strict=True)
    found = tuple(Value(name, shape, dtype, tuple(range(len(shape)))) for name, shape, dtype in parts)
    return found if seen.several else found[0]


def refuse_newer(layer: layers.Operator, w: Pen) -> None:
    """Raises: InteropError where the opset that is written has no such operator yet."""
    from onnx import defs

    if not defs.has(layer.kind, w.sheet.opset, ""):
        raise InteropError(
            f"{w.path or 'The network'}: opset {w.sheet.opset} has no {layer.kind}: write the network with "
            f"opset={layer.opset}."
        )


def held(i: int, array: Any, kinds: Mapping[int, np.dtype], w: Pen) -> str:
    """The name of a constant input, "" where it is left out."""
    if array is None:
        return ""
    array = np.asarray(array)
    array = array.astype(kinds.get(i, array.dtype)) if is_real(array.dtype) else array
    return w.parameter(f"weights[{i}]", array, as_it_is=True)


def types_of(layer: layers.Operator, given: Mapping[int, Value]) -> dict[int, np.dtype]:
    """The types of real numbers that constants must have, as ONNX mixes none: those of the inputs beside them."""
    from onnx import defs

    ports = defs.get_schema(layer.kind, layer.opset, "").inputs
    names = [ports[min(i, len(ports) - 1)].type_str for i in range(len(layer.weights))]
    known = {names[i]: value.dtype for i, value in given.items() if is_real(value.dtype)}
    return {i: known[name] for i, name in enumerate(names) if name in known}


def in_other_words(layer: layers.Operator, opset: int) -> bool:
    """Whether the operator is called otherwise in another opset: by its inputs, outputs, attributes and defaults."""
    from onnx import defs

    own, wanted = (defs.get_schema(layer.kind, version, "") for version in (layer.opset, opset))
    return wanted.deprecated or (own.since_version != wanted.since_version and words(own) != words(wanted))


def words(schema: Any) -> tuple[Any, ...]:
    defaults = {name: a.default_value.SerializeToString() for name, a in schema.attributes.items()}
    return [i.name for i in schema.inputs], [o.name for o in schema.outputs], defaults


def said_anew(layer: layers.Operator, given: Sequence[Value], inputs: list[str], w: Pen) -> tuple[str, ...]:
    """The operator in the words of the opset that is written, by onnx's own converter.

    Raises: InteropError where it cannot.
    """
    from onnx import helper, numpy_helper, version_converter

    sheet, seen = w.sheet, w.sheet.seen[w.at]
    outputs = tuple(f"output_{i}" for i in range(layer.outputs))
    arrays = {name: sheet.constants[name] for name in inputs if name in sheet.constants}
    numbers = {name: array for name, array in arrays.items() if not is_real(array.dtype)}  # the converter reads these
    ports = {value.name: value for value in given}
    ports |= {name: port(name, a.shape, a.dtype) for name, a in arrays.items() if name not in numbers}
    results = [port(name, shape, dtype) for name, shape, dtype in zip(outputs, seen.shapes, seen.dtypes, strict=True)]
    graph = helper.make_graph(
        [proto(Node(layer.kind, "", tuple(inputs), outputs, layer.words))],
        "one",
        [info(name, value) for name, value in ports.items()],
        [info(value.name, value) for value in results],
        [tensor(name, array) for name, array in numbers.items()],
    )
    old = helper.make_model(graph, opset_imports=[helper.make_opsetid("", layer.opset)])
    try:
        new = version_converter.convert_version(old, sheet.opset).graph
    except Exception as problem:  # the converter has many of its own
        raise InteropError(
            f"{w.path or 'The network'}: {layer.kind} is in the words of opset {layer.opset}, and onnx cannot say it "
            f"in those of {sheet.opset}: {str(problem).splitlines()[0]}."
        ) from None
    names = {a.name: w.constant(numpy_helper.to_array(a)) for a in new.initializer if a.name not in inputs}
    for node in new.node:
        attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        made = w.new(node.op_type, [names.get(i, i) for i in node.input], len(node.output), attributes)
        names |= dict(zip(node.output, made, strict=True))
    return tuple(names[port.name] for port in new.output)


def port(name: str, shape: Any, dtype: np.dtype) -> Value:
    return Value(name, tuple(shape), whole(dtype), tuple(range(len(shape))))


def whole(dtype: np.dtype) -> np.dtype:
    """JAX may have cut whole numbers to 32 bits, which are 64 in ONNX."""
    return np.dtype(np.int64) if dtype == np.int32 else dtype


def pick(layer: layers.Pick, x: tuple[Value, ...], w: Pen) -> Value:
    return x[layer.index]


def collect(layer: layers.Collect, x: Any, w: Pen) -> tuple[Value, ...]:
    return x if isinstance(x, tuple) else (x,)


ROWS: dict[type[Any], Callable[[Any, Any, Pen], Any]] = {
    layers.Collect: collect,
    layers.Operator: operator,
    layers.Pick: pick,
}
