"""Attention in parts: products, a softmax and much moving of axes, seen as one layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...errors import InteropError
from ...layers import MultiHeadAttention
from ...operators import apply, full_kind
from .._model import Operation
from ._builder import Builder
from ._steps import Steps
from ._weights import leaf

KIND = "Attention in parts"
MOVING = {"Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Dropout", "Cast"}
LONGEST = 24  # operations on the way from the input of an attention to its queries
MOST = 2**22  # scores that are worked out to see whether both are the same


@dataclass
class Projection:
    """`scale · (x W + b)`, of which one third is meant where `part` is 0, 1 or 2."""

    source: str = ""
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None
    scale: float = 1.0
    part: int | None = None

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Weight and bias, the scale in them."""
        assert self.weight is not None
        width = self.weight.shape[1] // (1 if self.part is None else 3)
        cut = slice(None) if self.part is None else slice(self.part * width, (self.part + 1) * width)
        bias = None if self.bias is None else self.scale * self.bias.reshape(-1)[cut]
        return self.scale * self.weight[:, cut], bias


def attention_in_parts(steps: Steps, softmax: Operation) -> tuple[list[Operation], Operation] | None:
    """The operations from the input of an attention to its output, and one in their place.

    What they look like makes a layer; it is taken where both give the same numbers for an input drawn at random.
    """
    if softmax.kind != "Softmax":
        return None
    scored, scale, masked = scores_of(steps, softmax.inputs[0])
    shared = reader(steps, softmax.outputs[0], "MatMul")
    if scored is None or shared is None or shared.inputs[0] not in after(steps, softmax.outputs[0]):
        return None
    q, k, v = (traced(steps, name) for name in (*scored.inputs, shared.inputs[1]))
    if q is None or k is None or v is None or len({p.source for p in (q, k, v)}) != 1:
        return None
    end = ending(steps, shared.outputs[0], q.source)
    depth = steps.facts[scored.inputs[0]].shape[-1] if scored.inputs[0] in steps.facts else None
    if end is None or not depth:
        return None
    last, out, out_bias = end
    q.scale *= scale * k.scale * depth**0.5
    k.scale = 1.0
    region = between(steps, q.source, last.outputs[0])
    if region is None or (layer := layer_of((q, k, v), out, out_bias, depth, masked)) is None:
        return None
    time = next((axis for axis in (1, 0) if agree(steps, region, q.source, last.outputs[0], layer, axis)), None)
    if time is None:
        return None
    new = Operation(KIND, (q.source,), last.outputs, {"layer": layer, "time": time}, softmax.name)
    return [last, *(one for one in region if one is not last)], new


def after(steps: Steps, name: str) -> set[str]:
    """A value, and what is the same with its axes moved."""
    found = {name}
    for operation in steps.operations:
        if operation.kind in MOVING and operation.inputs[0] in found:
            found.add(operation.outputs[0])
    return found


def reader(steps: Steps, name: str, kind: str) -> Operation | None:
    """The first operation of a kind that reads a value, whose axes may be moved on the way."""
    names = after(steps, name)
    return next((one for one in steps.operations if one.kind == kind and names.intersection(one.inputs)), None)


def scores_of(steps: Steps, name: str) -> tuple[Operation | None, float, bool]:
    """The product of queries and keys behind a value, by what it was multiplied, and whether it is masked."""
    scale, masked = 1.0, False
    for _ in range(LONGEST):
        operation = steps.maker.get(name)
        if operation is None:
            return None, scale, masked
        if operation.kind == "MatMul":
            return operation, scale, masked
        moving = [n for n in operation.inputs if n and not known(steps, n)]
        if len(moving) != 1:
            return None, scale, masked
        name = moving[0]
        factor = factor_of(steps, operation)
        if factor is not None:
            scale *= factor
        elif operation.kind in ("Add", "Where"):
            masked = True
        elif operation.kind not in MOVING:
            return None, scale, masked
    return None, scale, masked


def known(steps: Steps, name: str) -> bool:
    """Whether a value is known once the shapes are."""
    fact = steps.facts.get(name)
    return name in steps.model.constants or (fact is not None and fact.values is not None)


def factor_of(steps: Steps, operation: Operation) -> float | None:
    """By what an operation multiplies its input; None where it does something else."""
    if operation.kind not in ("Mul", "Div"):
        return None
    numbers = [steps.number(name) for name in operation.inputs]
    if operation.kind == "Div":
        return 1 / numbers[1] if numbers[1] else None
    return next((n for n in numbers if n is not None), None)


def traced(steps: Steps, name: str) -> Projection | None:
    """Where queries, keys or values come from."""
    found = Projection()
    for _ in range(LONGEST):
        operation = steps.maker.get(name)
        if operation is None or (step := back(steps, operation, name, found)) is None:
            return None
        name = step
        if found.weight is not None:
            found.source = name
            return found
    return None


def back(steps: Steps, operation: Operation, output: str, found: Projection) -> str | None:
    """The value that an operation was made from, what it did being written down; None where it is something else."""
    factor = factor_of(steps, operation)
    if factor is not None:
        found.scale *= factor
        return next(name for name in operation.inputs if not known(steps, name))
    if operation.kind in MOVING:
        return operation.inputs[0]
    if operation.kind == "Split":
        found.part = list(operation.outputs).index(output)
        return operation.inputs[0] if len(operation.outputs) == 3 else None
    if operation.kind == "Gather" and (place := steps.number(operation.inputs[1])) is not None and place in (0, 1, 2):
        found.part = int(place)
        return operation.inputs[0]
    if operation.kind == "Slice":
        start = steps.constant(operation.inputs[1])
        width = steps.facts[output].shape[-1] if output in steps.facts else None
        if start is None or start.size != 1 or not width:
            return None
        found.part = int(start.reshape(-1)[0]) // width if int(start.reshape(-1)[0]) % width == 0 else 3
        return operation.inputs[0] if found.part < 3 else None
    if operation.kind == "Add":
        bias = next((steps.constant(name) for name in operation.inputs if steps.constant(name) is not None), None)
        if bias is None or found.bias is not None:
            return None
        found.bias = bias
        return next(name for name in operation.inputs if steps.constant(name) is None)
    if operation.kind in ("MatMul", "Gemm"):
        return weighed(steps, operation, found)
    return None


def weighed(steps: Steps, operation: Operation, found: Projection) -> str | None:
    source, weight, *bias = operation.inputs
    weight = steps.constant(weight)
    words = operation.attributes
    usual = words.get("alpha", 1.0) == 1.0 == words.get("beta", 1.0) and not words.get("transA", 0)
    if weight is None or weight.ndim != 2 or not usual:
        return None
    found.weight = weight.T if words.get("transB", 0) else weight
    if bias and bias[0]:
        found.bias = steps.constant(bias[0])
    while (
        (maker := steps.maker.get(source)) and maker.kind in ("Reshape", "Identity") and steps.facts[source].rank == 2
    ):
        source = maker.inputs[0]
    return source


def ending(steps: Steps, name: str, source: str) -> tuple[Operation, np.ndarray, np.ndarray | None] | None:
    """The last operation, whose output has the shape of the input, with the weight and bias on the way."""
    out, last = Projection(), None
    for _ in range(LONGEST):
        readers = [one for one in steps.operations if name in one.inputs and not steps.only_shapes(one)]
        if len(readers) != 1:
            break
        one = readers[0]
        if out.weight is None and one.kind in ("MatMul", "Gemm"):
            if weighed(steps, one, out) is None:
                return None
        elif out.weight is not None and one.kind == "Add" and out.bias is None:
            out.bias = next((steps.constant(n) for n in one.inputs if steps.constant(n) is not None), None)
            if out.bias is None:
                break
        elif one.kind not in MOVING:
            break
        name = one.outputs[0]
        if out.weight is not None and name in steps.facts and steps.facts[name].shapes == steps.facts[source].shapes:
            last = one, out.weight, None if out.bias is None else out.bias.reshape(-1)
    return last


def between(steps: Steps, source: str, end: str) -> list[Operation] | None:
    """The operations that lead from one value to another; None where others read from within, or more goes in."""
    found: list[Operation] = []
    wanted = {end}
    for operation in reversed(steps.operations):
        if steps.only_shapes(operation) or not wanted.intersection(operation.outputs):
            continue
        found.append(operation)
        wanted |= {name for name in operation.inputs if name and name != source and not known(steps, name)}
    made = {name for operation in found for name in operation.outputs}
    inside = [name for one in found for name in one.inputs]
    if not wanted <= made or any(steps.readers[name] != inside.count(name) for name in made - {end}):
        return None
    return found[::-1]


def layer_of(
    parts: tuple[Projection, Projection, Projection],
    out: np.ndarray,
    out_bias: np.ndarray | None,
    depth: int,
    causal: bool,
) -> MultiHeadAttention | None:
    """The layer with these weights; None where they do not fit together."""
    arrays: list[Any] = [part.arrays for part in parts]
    weights, biases = [w for w, _ in arrays], [b for _, b in arrays]
    n = weights[0].shape[0]
    if any(w.shape != (n, n) for w in (*weights, out)) or n % depth:
        return None
    bias = None
    if any(b is not None for b in biases):
        bias = leaf(np.concatenate([np.zeros(n, out.dtype) if b is None else b for b in biases]))
    return MultiHeadAttention(
        leaf(np.concatenate(weights, 1)), bias, leaf(out), None if out_bias is None else leaf(out_bias), n // depth,
        causal,
    )  # fmt: skip


def agree(steps: Steps, region: list[Operation], source: str, end: str, layer: MultiHeadAttention, time: int) -> bool:
    """Whether the layer and the operations give the same numbers, with time along this axis of the author."""
    shape = steps.facts[source].shapes[0]
    if len(shape) != 3 or np.prod(shape[:2]) * shape[time] * layer.heads > MOST:
        return False
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    values: dict[str, Any] = {source: x}
    for one in region:
        inputs = [value_of(steps, values, name) for name in one.inputs]
        try:
            made = apply(full_kind(one), inputs, one.attributes, opset=steps.model.opset, outputs=len(one.outputs))
        except InteropError:
            return False
        values.update(zip(one.outputs, made if len(one.outputs) > 1 else (made,), strict=True))
    given = x if time == 1 else x.swapaxes(0, 1)
    y = np.asarray(layer(jnp.asarray(given)))
    y = y if time == 1 else y.swapaxes(0, 1)
    return y.shape == np.shape(values[end]) and bool(np.allclose(y, values[end], 1e-3, 1e-4))


def value_of(steps: Steps, values: dict[str, Any], name: str) -> Any:
    if not name or name in values:
        return values.get(name)
    if name in steps.model.constants:
        return steps.model.constants[name]
    known_values = steps.facts[name].values
    return None if known_values is None else known_values[0]


def attention(at: Builder, operation: Operation) -> bool:
    """The layer that was found, with batch and time in our order."""
    axes = (0, 1, 2) if operation.attributes["time"] == 1 else (1, 0, 2)
    name = operation.name.rpartition("/")[0] or "attention"
    node = at.put(name, operation.attributes["layer"], (at.bring(operation.inputs[0], axes),))
    at.keep(operation.outputs[0], node, axes)
    return True


RULES: dict[str, Any] = {KIND: attention}
