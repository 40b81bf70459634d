"""The network as it grows: nodes of a Graph, and how the axes of every value lie in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from ...layers import Collect, Flatten, Graph, Operator, Pick, Sequential
from ...module import Layer
from ...operators import OPERATORS, full_kind
from .._model import Model, Operation
from .._onnx_in import captured
from ._facts import Fact, wanted_outputs

WORDS = 21  # the opset whose words are used for what is put in between
Axes = tuple[int, ...]
Lengths = list[tuple[int, int]]  # of axes, for both choices of what is open
# Whose numbers among the inputs are weights, and learned; those of other operators are measures, masks and the like.
LEARNED = {
    "Add": (0, 1), "Mul": (0, 1), "MatMul": (0, 1), "Gemm": (0, 1, 2), "Conv": (1, 2), "ConvTranspose": (1, 2),
    "PRelu": (1,), "Gather": (0,), "LSTM": (1, 2, 3), "GRU": (1, 2, 3), "RNN": (1, 2, 3), "LayerNormalization": (1, 2),
    "InstanceNormalization": (1, 2), "GroupNormalization": (1, 2), "BatchNormalization": (1, 2), "Einsum": (0, 1),
    "RMSNormalization": (1,),
}  # fmt: skip
FEW = 64  # numbers that are as well part of the structure


@dataclass(frozen=True)
class Held:
    """Where a value is: the node that gives it, and which axis of the author each axis there is.

    An axis of the author that is not there has length 1. `axes` is None where nothing is known of the shape: then it is
    as the author has it.
    """

    node: str
    axes: Axes | None


class Unmade(Exception):
    """A value that is needed after all has no node."""


class Builder:
    """Puts layers into a graph, one behind the other, and knows where each value of the model is."""

    def __init__(
        self, model: Model, facts: Mapping[str, Fact], constants: Mapping[str, np.ndarray],
        readers: Mapping[str, int],
    ):  # fmt: skip
        self.model, self.facts, self.constants, self.readers = model, facts, constants, readers
        self.later: dict[str, Operation] = {}  # operations on shapes, which are known without them
        self.layers: dict[str, Layer] = {}
        self.nodes: list[tuple[str, str, tuple[str, ...]]] = []
        self.held: dict[str, Held] = {}
        self.between: dict[Any, str] = {}
        self.undone: dict[str, tuple[str, Lengths]] = {}
        self.shared: dict[Any, str] = {}
        for i, port in enumerate(model.inputs):
            node = "input" if len(model.inputs) == 1 else self.put(port.name, Pick(i), ("input",))
            self.keep(port.name, node, None)

    # What is known.

    def fact(self, name: str) -> Fact | None:
        return self.facts.get(name)

    def shape(self, name: str) -> tuple[int | None, ...] | None:
        """The length of each axis of the author, None where it is open; None where nothing is known."""
        fact = self.facts.get(name)
        return None if fact is None else fact.shape

    def rank(self, name: str) -> int | None:
        fact = self.facts.get(name)
        return None if fact is None else fact.rank

    def constant(self, name: str) -> np.ndarray | None:
        """The numbers of a value that does not depend on the input."""
        for known in (self.constants, self.model.constants):
            if name in known:
                return known[name]
        fact = self.facts.get(name) if name else None
        return None if fact is None else fact.constant

    def is_weight(self, name: str) -> bool:
        """Whether it came as an array of numbers with the model."""
        return name in self.model.constants

    def learns(self, operation: Operation, i: int, constant: np.ndarray) -> bool:
        """Whether an input that is a constant is learned: its author says so, or it is where weights are."""
        if i >= len(operation.inputs):
            return False
        likely = i in LEARNED.get(operation.kind, ()) and constant.size > 1
        return is_float(constant) and self.is_weight(operation.inputs[i]) and (self.model.exact or likely)

    # What is put in.

    def put(self, name: str, layer: Layer, sources: Sequence[str], shared: Any = None) -> str:
        """A node for a layer; a layer that comes again, as `shared` tells, is used again."""
        node = self.unique(name)
        owner = self.shared.setdefault(shared, node) if shared is not None else node
        if owner == node:
            self.layers[node] = layer
        self.nodes.append((node, owner, tuple(sources)))
        return node

    def replace_layer(self, node: str, layer: Layer, added: str) -> None:
        """Another layer at a node that is the only one to use its own, with `added` to what that was made of."""
        key = next((key for key, owner in self.shared.items() if owner == node), None)
        self.layers[node] = layer
        if key is None:
            return
        del self.shared[key]
        owner = self.shared.setdefault((key, added), node)
        if owner != node:
            del self.layers[node]
            self.nodes = [(n, owner if n == node else o, sources) for n, o, sources in self.nodes]

    def unique(self, name: str) -> str:
        """A name that no other node has, and that is no path."""
        name = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_") or "node"
        taken = {node for node, *_ in self.nodes} | {"input"}
        tries = (f"{name}_{i}" for i in range(2, len(taken) + 3))
        return name if name not in taken else next(n for n in tries if n not in taken)

    def keep(self, value: str, node: str, axes: Axes | None) -> None:
        """A value of the model is at this node; without axes it lies as the author has it."""
        rank = self.rank(value)
        self.held[value] = Held(node, axes if axes is not None else None if rank is None else tuple(range(rank)))

    def lengths(self, value: str, axes: Axes) -> Lengths:
        """The two choices for the lengths of some axes."""
        fact = self.facts[value]
        return [(fact.shapes[0][a], fact.shapes[1][a]) for a in axes]

    def bring(self, value: str, axes: Axes | None = None) -> str:
        """The node where a value lies with these axes in this order, or as its author has it."""
        held = self.held[value]
        if held.axes is None:
            return held.node
        wanted = tuple(range(self.facts[value].rank)) if axes is None else axes
        if held.axes == wanted:
            return held.node
        key = (held.node, held.axes, wanted)
        if key not in self.between:
            self.between[key] = self.moved(value, held, wanted)
        return self.between[key]

    def moved(self, value: str, held: Held, wanted: Axes) -> str:
        assert held.axes is not None
        node, axes = held.node, held.axes
        there = tuple(a for a in axes if a in wanted)
        order = tuple(a for a in wanted if a in axes)
        if there != order and self.as_one(value, there) == self.as_one(value, order):
            return self.reshaped(node, self.lengths(value, axes), self.lengths(value, wanted))
        if len(there) < len(axes):
            node = self.reshaped(node, self.lengths(value, axes), self.lengths(value, there))
        if there != order:
            perm = [there.index(a) for a in order]
            node = self.put("transpose", Operator("Transpose", attributes={"perm": perm}, opset=WORDS), (node,))
        if len(order) < len(wanted):
            node = self.reshaped(node, self.lengths(value, order), self.lengths(value, wanted))
        return node

    def as_one(self, value: str, axes: Axes) -> Axes:
        """The axes that are longer than 1, in their order."""
        return tuple(a for a, lengths in zip(axes, self.lengths(value, axes), strict=True) if lengths != (1, 1))

    def reshaped(self, node: str, old: Lengths, new: Lengths, name: str = "reshape") -> str:
        """The same numbers with other axes; each length is given for both choices."""
        if old == new:
            return node
        if node in self.undone and self.undone[node][1] == new:
            return self.undone[node][0]
        made = self.put("flatten" if isinstance(layer := reshaping(old, new), Flatten) else name, layer, (node,))
        self.undone[made] = (node, old)
        return made

    def made(self, value: str) -> str:
        """A value that is somewhere in the network; one that only shapes were worked out of is put in now.

        Raises: Unmade where what it is made of is not there.
        """
        if value not in self.held:
            if value not in self.later:
                raise Unmade(f"nothing in it makes the value {value!r}")
            self.operator(self.later[value])
        return value

    def operator(self, operation: Operation) -> None:
        """An operation as an `Operator` layer, its inputs and outputs as the author has them."""
        row = OPERATORS[full_kind(operation)]
        given, sources, constants, learned, buffers = [], [], {}, [], []
        around = bodies_read(operation)
        for i, name in enumerate((*operation.inputs, *around)):
            constant = self.constant(name) if name else None
            if constant is not None and name not in self.held:
                constants[i] = constant
                if i not in row.known and is_float(constant):
                    weight = self.learns(operation, i, constant)
                    (learned if weight else buffers if constant.size > FEW else []).append(i)
            elif name:
                given.append(i)
                sources.append(self.bring(self.made(name)))
        outputs = wanted_outputs(operation)
        layer = Operator(
            full_kind(operation), opset=self.model.opset, given=given, constants=constants, learned=learned,
            buffers=buffers, attributes=operation.attributes, outputs=outputs, captured=around,
        )  # fmt: skip
        names = tuple(name if i in constants else "" for i, name in enumerate((*operation.inputs, *around)))
        shared = (full_kind(operation), names, outputs, str(sorted(operation.attributes.items())))
        self.give(operation, layer, sources or ["input"], shared if learned else None)

    def give(self, operation: Operation, layer: Layer, sources: Sequence[str], shared: Any = None) -> None:
        """A layer whose outputs are those of an operation, as the author has them."""
        node = self.put(self.name_of(operation), layer, sources, shared)
        if wanted_outputs(operation) == 1:
            self.keep(operation.outputs[0], node, None)
            return
        for i, name in enumerate(operation.outputs):
            if name:
                self.keep(name, self.put(f"{node}_{i}", Pick(i), (node,)), None)

    def name_of(self, operation: Operation) -> str:
        """What the layer is called: as its weights, or else as its author called the operation."""
        weights = [name for name in operation.inputs[1:] if self.is_weight(name)]
        for name in weights:
            if "." in name and not name.startswith("onnx::"):
                return name.rpartition(".")[0]
        kind = operation.kind
        return without_repeats(operation.name.removesuffix(f"/{kind}") if weights else operation.name) or kind.lower()

    def output(self, value: str) -> str:
        """The node where an output is, as its author has it."""
        constant = self.constant(value)
        if constant is None or value in self.held:
            return self.bring(self.made(value))
        buffers = [0] if is_float(constant) else []
        layer = Operator("Identity", given=(), constants={0: constant}, buffers=buffers, opset=WORDS)
        return self.put(value, layer, ("input",))

    # The end.

    def network(self, outputs: Sequence[str]) -> Layer:
        """What leads to these nodes, as a chain where it is one."""
        if len(outputs) > 1:
            self.put("outputs", Collect(), outputs)
        elif outputs[0] == "input" or outputs[0] != self.nodes[-1][0]:
            last = next((n for n in self.nodes if n[0] == outputs[0]), None)
            read = any(outputs[0] in sources for _, _, sources in self.nodes)
            if last is not None and not read:
                self.nodes.remove(last)
                self.nodes.append(last)
            else:
                self.put("output", Operator("Identity", opset=WORDS), outputs)
        nodes = needed(self.nodes)
        used = [owner for _, owner, _ in nodes]
        before = ["input", *(node for node, *_ in nodes)]
        if len(set(used)) == len(used) and all(s == (before[i],) for i, (_, _, s) in enumerate(nodes)):
            return Sequential([self.layers[owner] for owner in used])
        return Graph({owner: self.layers[owner] for owner in dict.fromkeys(used)}, nodes)


def bodies_read(operation: Operation) -> list[str]:
    """What the branches or the body of an operation read from the graph around it."""
    bodies = [value for value in operation.attributes.values() if isinstance(value, Model)]
    return list(dict.fromkeys(name for body in bodies for name in captured(body)))


def needed(nodes: list[tuple[str, str, tuple[str, ...]]]) -> list[tuple[str, str, tuple[str, ...]]]:
    """The nodes that lead to the last one."""
    wanted, kept = {nodes[-1][0]}, []
    for node in reversed(nodes):
        if node[0] in wanted:
            wanted |= set(node[2])
            kept.append(node)
    return kept[::-1]


def reshaping(old: Lengths, new: Lengths) -> Layer:
    """The layer that gives the same numbers other axes; `can_reshape` says whether there is one."""
    if len(new) == 2 and old[:1] == new[:1] and len(old) > 2:
        return Flatten()
    if (target := target_of(old, new)).count(-1) < 2:
        return Operator("Reshape", constants={1: np.array(target, np.int64)}, opset=WORDS)
    if (extra := ones_among(old, new)) is not None:
        return Operator("Squeeze", constants={1: np.array(extra, np.int64)}, opset=WORDS)
    extra = ones_among(new, old)
    return Operator("Unsqueeze", constants={1: np.array(extra, np.int64)}, opset=WORDS)


def can_reshape(old: Lengths, new: Lengths) -> bool:
    few = target_of(old, new).count(-1) < 2
    return few or ones_among(old, new) is not None or ones_among(new, old) is not None


def target_of(old: Lengths, new: Lengths) -> list[int]:
    """The shape that Reshape is given: 0 takes an open length over from its place, and −1 works one out."""
    return [a if a == b else 0 if i < len(old) and old[i] == (a, b) else -1 for i, (a, b) in enumerate(new)]


def ones_among(long: Lengths, short: Lengths) -> list[int] | None:
    """Which axes of length 1 the longer has and the shorter not; None where that is not all they differ in."""
    extra, rest = [], list(short)
    for i, lengths in enumerate(long):
        if rest and rest[0] == lengths:
            rest.pop(0)
        elif lengths == (1, 1):
            extra.append(i)
        else:
            return None
    return None if rest else extra


def without_repeats(name: str) -> str:
    """A path as PyTorch writes it, each part of which says again where it is.

    Example:
        >>> without_repeats("/block/block.0/conv/Conv")
        'block.0/conv/Conv'
    """
    parts: list[str] = []
    for part in name.split("/"):
        if parts and part.startswith(f"{parts[-1]}."):
            parts[-1] = part
        elif part:
            parts.append(part)
    return "/".join(parts)


def is_float(array: np.ndarray) -> bool:
    return bool(jnp.issubdtype(array.dtype, jnp.inexact))
