"""Seeing what goes through a network without a second pass.

`tapped(net)` is the same network with every layer wrapped in a `Tap`. A tap's blame, which `backward` returns in
the tap's own type, carries what went by: the input, the output and the blame of both. So one ordinary pass of the
tapped network yields the gradient and the whole trace, inside `jit`, `vmap` and loops too, and whatever is not
read costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jax import Array

from ..layers import Graph
from ..module import Layer, children, map_children, static, walk


class Trace(NamedTuple):
    """What went through one layer: input x, output y, and the blame of each."""

    x: Any
    y: Any
    dx: Any
    dy: Any


class Tap(Layer):
    """A layer that is listened to: `y = layer(x)`; its blame carries the trace of the pass."""

    layer: Layer
    trace: Trace | None = None

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        y, saved = self.layer.forward(x, key=key)
        return y, (saved, x, y)

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Tap]:
        inner, x, y = saved
        dx, dlayer = self.layer.backward(inner, dy)
        return dx, Tap(dlayer, Trace(x, y, dx, dy))


class Listener(Layer):
    """A layer whose forward pass is told to a function: `tell(layer, x, y)`, while shapes are traced or eagerly."""

    layer: Layer
    tell: Callable[[Layer, Any, Any], Any] = static()

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        y, saved = self.layer.forward(x, key=key)
        self.tell(self.layer, x, y)
        return y, saved

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Listener]:
        dx, dlayer = self.layer.backward(saved, dy)
        return dx, Listener(dlayer, self.tell)


def tapped(net: Layer) -> Layer:
    """The network with a tap on every layer that is not a container; a Graph's shared layers are tapped per node."""
    net = net.unshared() if isinstance(net, Graph) else net
    return map_children(net, lambda _, child: tapped(child)) if children(net) else Tap(net)


def traces(blame: Layer) -> dict[str, Trace]:
    """The trace of every tapped layer, by its path in the network, first to last."""
    taps = {path: layer.trace for path, layer in walk(blame) if isinstance(layer, Tap)}
    return {path: trace for path, trace in taps.items() if trace is not None}


def untapped(blame: Layer, net: Layer) -> Layer:
    """The blame of a tapped network as the blame of `net` itself."""
    if isinstance(blame, Tap):
        return blame.layer
    if isinstance(net, Graph):
        return net.shared_again(map_children(net.unshared(), lambda part, _: under(blame, net.unshared(), part)))
    return map_children(net, lambda part, _: under(blame, net, part))


def under(blame: Layer, net: Layer, part: str) -> Layer:
    return untapped(children(blame)[part], children(net)[part])
