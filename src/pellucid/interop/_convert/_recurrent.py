"""Recurrent operations as layers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...layers import GRU, LSTM, RNN, Bidirectional, Operator
from .._model import Operation
from ._builder import WORDS, Axes, Builder
from ._weights import leaf

# Which part of the weights in the order of ONNX is which in ours: i o f c -> i f g o, and z r h -> r u n.
PARTS = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}
USUAL = {"LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",)}


class Given(NamedTuple):
    """The weights of a recurrent operation, (directions, ...) each, and its first states (directions, n) or None."""

    weight: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    h0: np.ndarray | None
    c0: np.ndarray | None


def recurrent(at: Builder, operation: Operation) -> bool:
    """One direction or two over a whole sequence, of which all steps are wanted, or the last, or both."""
    given, ways = given_to(at, operation), ways_of(operation)
    out = (*operation.outputs, "", "", "")
    if given is None or ways is None or out[2] or at.rank(operation.inputs[0]) != 3:
        return False
    bend = bends_of(operation, len(ways))
    if bend is None:
        return False
    steps_first = not operation.attributes.get("layout", 0)
    batch, time = (1, 0) if steps_first else (0, 1)
    source = at.bring(operation.inputs[0], (batch, time, 2))
    last = not out[0]
    layers = [
        cell(operation.kind, given, i, reverse=way, bend=bend, output="last" if last else "sequence")
        for i, way in enumerate(ways)
    ]
    layer = Bidirectional(*layers) if len(layers) == 2 else layers[0]
    key = (operation.kind, *operation.inputs[1:], *sorted((k, str(v)) for k, v in operation.attributes.items()), last)
    node = at.put(at.name_of(operation), layer, (source,), key)
    if last:
        keep_state(at, out[1], node, len(ways), steps_first)
        return True
    # Y is (time, directions, batch, n), or (batch, time, directions, n); here it is always the latter.
    axes: Axes = (2, 0, 1, 3) if steps_first else (0, 1, 2, 3)
    if len(ways) == 1:
        at.keep(out[0], node, (axes[0], axes[1], axes[3]))
    else:
        joined = [at.lengths(out[0], (a,))[0] for a in axes]
        both = [*joined[:2], (2 * joined[3][0], 2 * joined[3][1])]
        at.keep(out[0], at.reshaped(node, both, joined), axes)
    if out[1]:
        ends = [end_of(at, node, given, i, way) for i, way in enumerate(ways)]
        node = ends[0]
        if len(ends) == 2:
            concat = Operator("Concat", given=(0, 1), attributes={"axis": 1}, opset=WORDS)
            node = at.put("ends", concat, ends)
        keep_state(at, out[1], node, len(ways), steps_first)
    return True


def end_of(at: Builder, node: str, given: Given, i: int, backwards: bool) -> str:
    """The state behind the last step of one direction, from what both gave at every step."""
    n, step = given.recurrent.shape[-1], 0 if backwards else -1
    one = Operator("Gather", constants={1: np.array(step)}, attributes={"axis": 1}, opset=WORDS)
    end = at.put("end", one, (node,))
    if len(given.weight) == 1:
        return end
    bounds = {1: np.array([i * n]), 2: np.array([(i + 1) * n]), 3: np.array([1])}
    return at.put("end", Operator("Slice", constants=bounds, opset=WORDS), (end,))


def keep_state(at: Builder, value: str, node: str, directions: int, steps_first: bool) -> None:
    """A last state (batch, directions · n) as the author's (directions, batch, n), or (batch, directions, n)."""
    batch, way = (1, 0) if steps_first else (0, 1)
    if directions == 1:
        at.keep(value, node, (batch, 2))
        return
    rows, n = at.lengths(value, (batch, 2))
    at.keep(value, at.reshaped(node, [rows, (2 * n[0], 2 * n[1])], [rows, (2, 2), n]), (batch, way, 2))


def ways_of(operation: Operation) -> tuple[bool, ...] | None:
    """For each direction whether it goes backwards."""
    ways = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
    return ways.get(operation.attributes.get("direction", "forward"))


def bends_of(operation: Operation, directions: int) -> str | None:
    """The curve of an RNN, "tanh" for the others; None where a cell bends in another way than ours."""
    words, usual = operation.attributes, USUAL[operation.kind]
    said = tuple(str(name).lower() for name in words.get("activations", usual * directions))
    plain = not words.get("clip") and not words.get("input_forget") and not words.get("activation_alpha")
    behind = operation.kind != "GRU" or words.get("linear_before_reset", 0)
    if not plain or not behind:
        return None
    if operation.kind == "RNN" and said in (("relu",) * directions, ("tanh",) * directions):
        return said[0]
    return "tanh" if said == usual * directions else None


def given_to(at: Builder, operation: Operation) -> Given | None:
    """The weights, where they are constants, the steps all count, and the first states are alike for all examples."""
    names = (*operation.inputs, *("",) * 8)[:8]
    if names[0] not in at.held or names[7] or at.fact(names[0]) is None:
        return None
    weight, recurrent = at.constant(names[1]), at.constant(names[2])
    if weight is None or recurrent is None or not every_step(at, operation, names[4]):
        return None
    bias = at.constant(names[3]) if names[3] else np.zeros((len(weight), 2 * weight.shape[1]), weight.dtype)
    states = [first_state(at, name, operation) for name in names[5:7]]
    if bias is None or any(state is None for state in states):
        return None
    h0, c0 = (None if state is not None and not state.any() else state for state in states)
    return Given(weight, recurrent, bias, h0, c0)


def every_step(at: Builder, operation: Operation, lengths: str) -> bool:
    """Whether all steps of all examples count."""
    if not lengths:
        return True
    fact, x = at.fact(lengths), at.facts[operation.inputs[0]]
    time = 1 if operation.attributes.get("layout", 0) else 0
    return (
        fact is not None
        and fact.values is not None
        and all((v == shape[time]).all() for v, shape in zip(fact.values, x.shapes, strict=True))
    )


def first_state(at: Builder, name: str, operation: Operation) -> np.ndarray | None:
    """(directions, n), zeros where none is given; None where it depends on the input or the example."""
    if not name:
        return np.zeros((1, 1))
    fact, constant = at.fact(name), at.constant(name)
    values: Any = (constant, constant) if constant is not None else fact and fact.values
    if values is None:
        return None
    example = 0 if operation.attributes.get("layout", 0) else 1
    first = [np.moveaxis(v, example, 0) for v in values]
    if any(not len(v) or (v != v[:1]).any() for v in first) or (first[0][0] != first[1][0]).any():
        return None
    return first[0][0]


def cell(kind: str, given: Given, i: int, *, reverse: bool, bend: str, output: str) -> RNN | LSTM | GRU:
    """The layer of one direction."""
    n = given.recurrent.shape[-1]
    parts = PARTS[kind]

    def ordered(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows[p * n : (p + 1) * n] for p in parts])

    weight, memory = ordered(given.weight[i]).T, ordered(given.recurrent[i]).T
    of_input, of_memory = ordered(given.bias[i][: len(parts) * n]), ordered(given.bias[i][len(parts) * n :])
    h0, c0 = (None if s is None else leaf(s[i]) for s in (given.h0, given.c0))
    settings: dict[str, Any] = {"reverse": reverse, "output": output}
    if kind == "GRU":
        bias = np.concatenate([(of_input + of_memory)[: 2 * n], of_input[2 * n :]])
        return GRU(leaf(weight), leaf(memory), leaf(bias), leaf(of_memory[2 * n :]), h0, **settings)
    bias = leaf(of_input + of_memory)
    if kind == "LSTM":
        return LSTM(leaf(weight), leaf(memory), bias, h0, c0, **settings)
    return RNN(leaf(weight), leaf(memory), bias, h0, activation=bend, **settings)


RULES: dict[str, Any] = dict.fromkeys(("LSTM", "GRU", "RNN"), recurrent)
