"""From a model in the words of others to a network of layers."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from ...errors import InteropError, SettingError, ShapeError
from ...layers import fold_batchnorm as folded
from ...module import Layer
from ...operators import OPERATORS, full_kind
from .._model import Model, Operation
from .._onnx_in import read_by
from . import _attention, _axes, _curves, _recurrent, _weights
from ._builder import Builder, Unmade
from ._facts import facts_of
from ._patterns import Steps, recognized

RULES: dict[str, Any] = _weights.RULES | _axes.RULES | _curves.RULES | _recurrent.RULES | _attention.RULES

# What comes of operations whose inputs or attributes are not those of their kind.
MALFORMED = ArithmeticError, AttributeError, LookupError, TypeError, ValueError, Unmade


def network_of(model: Model, *, fold_batchnorm: bool = False) -> Layer:
    """The model as layers: a `Sequential` where they follow one another, else a `Graph` with the names of its author.

    The network takes and gives the arrays that the model does, its axes in their order; inside they lie as the layers
    want them. What has no layer becomes an `Operator`, through which blame flows as through any other. A model of
    several inputs takes a tuple of them, and one of several outputs gives a tuple.

    With `fold_batchnorm` each BatchNorm becomes part of the weights before it, where nothing else reads these.

    Raises: InteropError that lists all operations that are not supported, or says why the model is none.
    """
    refuse_unknown(model)
    try:
        net = converted(model)
    except InteropError:
        raise
    except MALFORMED as error:
        raise InteropError(f"{model.source} is no model that makes sense: {said(error)}.") from error
    return folded(net) if fold_batchnorm else net


def said(error: Exception) -> str:
    who = "" if isinstance(error, Unmade) else f"{type(error).__name__}: "
    return f"{who}{error}".splitlines()[0][:200].removesuffix(".")


def converted(model: Model) -> Layer:
    """The network of a model whose operations are all known."""
    facts, constants = facts_of(model)
    while (chosen := with_branches(model, constants)) is not None:
        model = chosen
        facts, constants = facts_of(model)
    alive = [one for one in needed(model) if any(name not in constants for name in one.outputs if name)]
    steps = Steps(model, alive, facts)
    try:
        found = recognized(steps)
        alive = needed(replace(model, operations=tuple(found.operations)))
        return built(Steps(model, alive, facts), constants)
    except Unmade:  # a shape is needed that a pattern left nothing to read from
        return built(steps, constants)


def built(steps: Steps, constants: dict[str, np.ndarray]) -> Layer:
    """The network of these operations."""
    at = Builder(steps.model, steps.facts, constants, steps.readers)
    for operation in steps.operations:
        if steps.only_shapes(operation):
            at.later |= {name: operation for name in operation.outputs if name}
            continue
        rule = RULES.get(full_kind(operation))
        try:
            if rule is None or not rule(at, operation):
                at.operator(operation)
        except (Unmade, InteropError):
            raise
        except (*MALFORMED, SettingError, ShapeError) as error:
            name = operation.name or ", ".join(operation.outputs)
            raise InteropError(
                f"{steps.model.source}: {full_kind(operation)} {name!r} makes no sense: {said(error)}."
            ) from error
    return at.network([at.output(port.name) for port in steps.model.outputs])


def with_branches(model: Model, constants: Mapping[str, np.ndarray]) -> Model | None:
    """The model with the operations of one branch in place of each If whose condition is known; None where none is."""
    known: Any = ChainMap(dict(constants), cast(Any, model.constants))
    if not any(one.kind == "If" and one.inputs[0] in known for one in model.operations):
        return None
    operations: list[Operation] = []
    more: dict[str, np.ndarray] = {}
    for operation in model.operations:
        if operation.kind != "If" or operation.inputs[0] not in known:
            operations.append(operation)
            continue
        branch = operation.attributes["then_branch" if known[operation.inputs[0]].any() else "else_branch"]
        more |= dict(branch.constants)
        operations += branch.operations
        for mine, port in zip(operation.outputs, branch.outputs, strict=False):
            operations.append(Operation("Identity", (port.name,), (mine,)))
    return replace(model, operations=tuple(operations), constants=ChainMap(more, cast(Any, model.constants)))


def needed(model: Model) -> list[Operation]:
    """The operations that lead to an output; no name, "", stands for what is left out."""
    wanted, kept = {port.name for port in model.outputs} - {""}, []
    for operation in reversed(model.operations):
        if wanted.intersection(operation.outputs):
            wanted |= set(read_by(operation)) - {""}
            kept.append(only(operation, wanted))
    return kept[::-1]


def only(operation: Operation, wanted: set[str]) -> Operation:
    """The operation without the outputs that nobody reads, where it does the same without them."""
    if operation.kind not in ("LSTM", "GRU", "RNN", "Dropout", "BatchNormalization", "MaxPool", "LayerNormalization"):
        return operation
    outputs = [name if name in wanted else "" for name in operation.outputs]
    while not outputs[-1]:
        outputs.pop()
    return replace(operation, outputs=tuple(outputs))


def refuse_unknown(model: Model) -> None:
    """Raises: InteropError that lists every operation that has neither a layer nor a row in the table of operators."""
    problems = []
    for operation in needed(model):
        who = operation.name or ", ".join(name for name in operation.outputs if name)
        if full_kind(operation) not in OPERATORS:
            problems.append(f"{who} ({full_kind(operation)})")
        elif extra := sorted(set(operation.attributes) - OPERATORS[full_kind(operation)].attributes):
            problems.append(f"{who} ({operation.kind} with {', '.join(extra)})")
    if problems:
        raise InteropError(
            f"{model.source} has {len(problems)} operations that are not supported: {'; '.join(problems)}."
        )
