from __future__ import annotations

from collections.abc import Iterable, Mapping

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import SettingError, unknown
from ..module import Layer, static
from ..shapes import located
from ._containers import subkey, sum_of

Node = tuple[str, str, tuple[str, ...]]
INPUT = "input"


class Graph(Layer):
    """Named nodes, for what is not a chain: `node = layer(inputs)`; a layer may be used by several nodes.

    `nodes` lists `(node, layer, inputs)` in an order in which they can be computed; the network's own input is
    called "input", and a node with several inputs hands its layer a tuple of arrays (`Add`, `Concat`).

    Blame:  every node's dy is the sum over those who read it; a layer's blame is the sum over its nodes.
    Raises: SettingError where a name is missing, taken twice, or leads nowhere.
    Example:
        >>> from pellucid.layers import Activation, Add
        >>> net = Graph({"relu": Activation("relu"), "add": Add()},
        ...             [("a", "relu", "input"), ("b", "relu", "a"), ("sum", "add", ("b", "input"))])
        >>> net(jnp.array([[1.0, -1.0]])).tolist()
        [[2.0, -1.0]]
    """

    layers: dict[str, Layer]
    nodes: tuple[Node, ...] = static()
    output: str = static()

    def __init__(
        self,
        layers: Mapping[str, Layer],
        nodes: Iterable[tuple[str, str, str | tuple[str, ...]]],
        output: str | None = None,
    ):
        self.layers = dict(layers)
        self.nodes = tuple((n, la, (i,) if isinstance(i, str) else tuple(i)) for n, la, i in nodes)
        if not self.nodes:
            raise SettingError("Graph wants at least one node.")
        self.output = output or self.nodes[-1][0]
        check_wiring(self.layers, self.nodes, self.output)

    def forward(self, x, *, key: Array | None = None):
        values, saved = {INPUT: x}, {}
        for i, (node, name, inputs) in enumerate(self.nodes):
            with located(f"layers.{name}", f"node {node!r} reads {', '.join(inputs)}"):
                values[node], saved[node] = self.layers[name].forward(
                    values[inputs[0]] if len(inputs) == 1 else tuple(values[source] for source in inputs),
                    key=subkey(key, i),
                )
        return values[self.output], (saved, x)

    def backward(self, saved, dy):
        kept, x = saved
        blame = {self.output: [dy]}
        blames: dict[str, list[Layer]] = {}
        for node, name, inputs in reversed(self.nodes):
            dx, dlayer = self.layers[name].backward(kept[node], sum_of(blame[node]))
            blames.setdefault(name, []).append(dlayer)
            for source, part in zip(inputs, (dx,) if len(inputs) == 1 else dx, strict=True):
                blame.setdefault(source, []).append(part)
        dlayers = {name: sum_of(blames[name]) for name in self.layers}
        dx = sum_of(blame[INPUT]) if INPUT in blame else jax.tree.map(jnp.zeros_like, x)
        return dx, Graph(dlayers, self.nodes, self.output)

    def unshared(self) -> Graph:
        """The same function with a layer of its own for every node, named as the node."""
        layers = {node: self.layers[name] for node, name, _ in self.nodes}
        return Graph(layers, [(node, node, inputs) for node, _, inputs in self.nodes], self.output)

    def shared_again(self, unshared: Graph) -> Graph:
        """An unshared blame with the parts of each layer's nodes summed."""
        parts = {name: [unshared.layers[n] for n, la, _ in self.nodes if la == name] for name in self.layers}
        return Graph({name: sum_of(part) for name, part in parts.items()}, self.nodes, self.output)


def check_wiring(layers: dict[str, Layer], nodes: tuple[Node, ...], output: str) -> None:
    known = [INPUT]
    for node, name, inputs in nodes:
        if not isinstance(layers.get(name), Layer):
            raise unknown(f"layer (wanted by node {node!r})", name, layers)
        if node in known:
            raise SettingError(f"Two nodes are called {node!r}: rename one.")
        for source in inputs:
            if source not in known:
                raise unknown(f"node before {node!r}", source, known)
        known.append(node)
    if output not in known[1:]:
        raise unknown("node for the output", output, known[1:])
    read = {source for _, _, inputs in nodes for source in inputs} | {output}
    if idle := [node for node in known[1:] if node not in read]:
        raise SettingError(f"Graph: nobody reads {', '.join(idle)}: remove, or name it as the output.")
    if idle := set(layers) - {name for _, name, _ in nodes}:
        raise SettingError(f"Graph: no node uses the layer {', '.join(sorted(idle))}: remove it.")
