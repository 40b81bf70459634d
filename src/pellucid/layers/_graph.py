from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar

from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError, unknown
from ..module import Layer, static, subkey
from ..shapes import located
from ._containers import a_layer, sum_of
from ._sequences import run

Node = tuple[str, str, tuple[str, ...]]
INPUT = "input"


class Graph(Layer):
    """Named nodes, for what is not a chain: `node = layer(inputs)`; a layer may be used by several nodes.

    `nodes` lists `(node, layer, inputs)` in an order in which they can be computed, the output last; the network's own
    input is called "input", and a node with several inputs hands its layer a tuple of arrays (`Add`, `Concat`).

    Blame:  every node's dy is the sum over those who read it; a layer's blame is the sum over its nodes.
    Raises: SettingError where a name is missing, taken twice, or leads nowhere.
    Example:
        >>> import jax.numpy as jnp
        >>> from pellucid.layers import Activation, Add
        >>> net = Graph({"relu": Activation("relu"), "add": Add()},
        ...             [("a", "relu", "input"), ("b", "relu", "a"), ("sum", "add", ("b", "input"))])
        >>> net(jnp.array([[1.0, -1.0]])).tolist()
        [[2.0, -1.0]]
    """

    reads_lengths: ClassVar[bool] = True
    layers: dict[str, Layer]
    nodes: tuple[Node, ...] = static()

    def __init__(self, layers: Mapping[str, Layer], nodes: Iterable[tuple[str, str, str | tuple[str, ...]]]):
        self.layers = {name: a_layer("Graph", f"layers.{name}", layer) for name, layer in layers.items()}
        self.nodes = tuple((n, la, (i,) if isinstance(i, str) else tuple(i)) for n, la, i in nodes)
        check_wiring(self.layers, self.nodes)

    def forward(self, x, *, key: Array | None = None):
        values, saved = {INPUT: x}, {}
        for i, (node, name, inputs) in enumerate(self.nodes):
            with located(f"layers.{name}", f"node {node!r} reads {', '.join(inputs)}"):
                values[node], saved[node] = run(
                    self.layers[name],
                    values[inputs[0]] if len(inputs) == 1 else tuple(values[source] for source in inputs),
                    subkey(key, i),
                )
        return values[self.nodes[-1][0]], saved

    def backward(self, saved, dy):
        blame = {self.nodes[-1][0]: [dy]}
        blames: dict[str, list[Layer]] = {}
        for node, name, inputs in reversed(self.nodes):
            dx, dlayer = self.layers[name].backward(saved[node], sum_of(blame[node]))
            blames.setdefault(name, []).append(dlayer)
            for source, part in zip(inputs, (dx,) if len(inputs) == 1 else dx, strict=True):
                blame.setdefault(source, []).append(part)
        dlayers = {name: sum_of(blames[name]) for name in self.layers}
        return sum_of(blame[INPUT]), Graph(dlayers, self.nodes)

    def lower(self, at: Lowering, x: Value) -> Value:
        values = {INPUT: x}
        for node, name, inputs in self.nodes:
            given = values[inputs[0]] if len(inputs) == 1 else tuple(values[source] for source in inputs)
            with at.inside(f"layers.{name}"):
                values[node] = self.layers[name].lower(at, given)
        return values[self.nodes[-1][0]]

    def unshared(self) -> Graph:
        """The same function with a layer of its own for every node, named as the node."""
        layers = {node: self.layers[name] for node, name, _ in self.nodes}
        return Graph(layers, [(node, node, inputs) for node, _, inputs in self.nodes])

    def shared_again(self, unshared: Graph) -> Graph:
        """An unshared blame with the parts of each layer's nodes summed."""
        parts = {name: [unshared.layers[n] for n, la, _ in self.nodes if la == name] for name in self.layers}
        return Graph({name: sum_of(part) for name, part in parts.items()}, self.nodes)


def check_wiring(layers: dict[str, Layer], nodes: tuple[Node, ...]) -> None:
    """Every name is known where it is read and read behind where it is made, so that all leads to the last node."""
    if not nodes:
        raise SettingError("Graph wants at least one node.")
    known = [INPUT]
    for node, name, inputs in nodes:
        if name not in layers:
            raise unknown(f"layer for node {node!r} called", name, layers)
        if node in known:
            raise SettingError(f"Two nodes are called {node!r}: rename one.")
        if not inputs:
            raise SettingError(f"Node {node!r} reads nothing: name its inputs.")
        for source in inputs:
            if source not in known:
                raise unknown(f"node before {node!r} called", source, known)
        known.append(node)
    read = {source for _, _, inputs in nodes for source in inputs}
    if idle := [node for node in known[1:-1] if node not in read]:
        raise SettingError(f"Graph: nobody reads {', '.join(idle)}: remove it, or put it last as the output.")
    if idle := set(layers) - {name for _, name, _ in nodes}:
        raise SettingError(f"Graph: no node uses the layer {', '.join(sorted(idle))}: remove it.")
