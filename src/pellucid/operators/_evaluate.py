"""A whole model computed operation by operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import InteropError
from ._table import apply


class Named(Protocol):
    """An input or output."""

    @property
    def name(self) -> str: ...


class Step(Protocol):
    """One operation: `outputs = kind(inputs; attributes)`."""

    @property
    def kind(self) -> str: ...
    @property
    def domain(self) -> str: ...
    @property
    def inputs(self) -> Sequence[str]: ...
    @property
    def outputs(self) -> Sequence[str]: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...


class Steps(Protocol):
    """Operations in an order in which they can be computed."""

    @property
    def inputs(self) -> Sequence[Named]: ...
    @property
    def outputs(self) -> Sequence[Named]: ...
    @property
    def operations(self) -> Sequence[Any]: ...
    @property
    def constants(self) -> Mapping[str, Any]: ...
    @property
    def opset(self) -> int: ...


def evaluate(model: Steps, inputs: Sequence[Any], scope: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
    """The outputs of a model for its inputs; those left out at the end are its own constants, or None.

    `scope` are values by name that the model may read without their being its inputs, as a body does.

    Raises: InteropError naming the operation that cannot be computed.
    """
    values: dict[str, Any] = {**(scope or {}), **model.constants}
    for port, x in zip(model.inputs, inputs, strict=False):
        values[port.name] = x
    for port in model.inputs[len(inputs) :]:
        values.setdefault(port.name, None)
    values[""] = None
    for step in model.operations:
        results = compute(step, values, model.opset)
        values.update({name: y for name, y in zip(step.outputs, results, strict=False) if name})
    return tuple(values[port.name] for port in model.outputs)


def compute(step: Step, values: Mapping[str, Any], opset: int) -> tuple[Any, ...]:
    """The outputs of one operation."""
    if missing := [name for name in step.inputs if name not in values]:
        raise InteropError(f"{step.kind} reads {missing[0]}, which nothing makes.")
    outputs = max((i + 1 for i, name in enumerate(step.outputs) if name), default=1)
    attributes = {name: bound(value, values) for name, value in step.attributes.items()}
    y = apply(full_kind(step), [values[name] for name in step.inputs], attributes, opset=opset, outputs=outputs)
    return y if outputs > 1 else (y,)


def full_kind(step: Step) -> str:
    """The name of an operator in the table: those of other domains than ONNX's own begin with it."""
    known = step.domain in ("", "ai.onnx") or step.kind.startswith(f"{step.domain}.")
    return step.kind if known else f"{step.domain}.{step.kind}"


def bound(value: Any, values: Mapping[str, Any]) -> Any:
    """An attribute; a body as a function that sees the values around it."""
    if not hasattr(value, "operations"):
        return value
    return lambda *inputs: evaluate(value, inputs, values)
