"""Seeing what goes through a network without a second pass.

`tapped(net)` is the same network with every layer wrapped in a `Tap`. A tap's blame, which `backward` returns in
the tap's own type, carries what went by: the input, the output and the blame of both. So one ordinary pass of the
tapped network yields the gradient and the whole trace, inside `jit`, `vmap` and loops too, and whatever is not
read costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..layers import Graph, run, values_of
from ..module import Layer, children, joined, map_children, static


class Trace(NamedTuple):
    """What went through one layer: input x, output y, and the blame of each."""

    x: Any
    y: Any
    dx: Any
    dy: Any


class Place(NamedTuple):
    """A layer of a network: its path where it is tapped, and its path in the network itself."""

    at: str
    path: str
    layer: Layer


class Tap(Layer):
    """A layer that is listened to: `y = layer(x)`; its blame carries the trace of the pass."""

    reads_lengths: ClassVar[bool] = True
    layer: Layer
    trace: Trace | None = None

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        y, saved = run(self.layer, x, key)
        return y, (saved, values_of(x), values_of(y))

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Tap]:
        inner, x, y = saved
        dx, dlayer = self.layer.backward(inner, dy)
        return dx, Tap(dlayer, Trace(x, side_by_side(y, y), dx, side_by_side(dy, y)))


class Listener(Layer):
    """A layer whose forward pass is told to a function: `tell(layer, x, y, saved)`, as it is traced or run."""

    reads_lengths: ClassVar[bool] = True
    layer: Layer
    tell: Callable[[Layer, Any, Any, Any], Any] = static()

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        y, saved = run(self.layer, x, key)
        y_seen = values_of(y)
        self.tell(self.layer, x, side_by_side(y_seen, y_seen), saved)
        return y, saved

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Listener]:
        dx, dlayer = self.layer.backward(saved, dy)
        return dx, Listener(dlayer, self.tell)


def side_by_side(parts: Any, like: Any) -> Any:
    """The several outputs of a layer as one array, those with a slope where there are any; one output as it is."""
    if not isinstance(like, tuple):
        return parts
    kept = [part for part, y in zip(parts, like, strict=True) if jnp.issubdtype(y.dtype, jnp.inexact)] or list(parts)
    rows = kept[0].shape[:1] if len({part.shape[:1] for part in kept}) == 1 else ()
    return jnp.concatenate([part.reshape(*rows, -1) for part in kept], axis=-1)


def heard(net: Layer, x: Any, what: Callable[[Layer, Any, Any, Any], Any]) -> list[tuple[str, Any]]:
    """`what(layer, x, y, saved)` of every layer that is not a container, by its path, from one compiled forward pass.

    Where it is None the layer is left out. Layers that several nodes of a Graph share come once for every node.
    """
    paths: list[str] = []

    def one_pass(net: Layer, x: Any) -> list[Any]:
        answers: list[Any] = []

        def tell(path: str, *passed: Any) -> None:
            if (answer := what(*passed)) is not None:
                paths.append(path)
                answers.append(answer)

        listening(net, tell).forward(x)
        return answers

    answers = jax.jit(one_pass)(net, x)
    return list(zip(paths, answers, strict=True))


def listening(net: Layer, tell: Callable[..., None], path: str = "") -> Layer:
    """The network with a listener on every layer that is not a container, which tells its path too."""
    net = net.unshared() if isinstance(net, Graph) else net
    if not children(net):
        return Listener(net, partial(tell, path))
    return map_children(net, lambda part, child: listening(child, tell, joined(path, part)))


def tapped(net: Layer) -> Layer:
    """The network with a tap on every layer that is not a container; a Graph's shared layers are tapped per node."""
    net = net.unshared() if isinstance(net, Graph) else net
    return map_children(net, lambda _, child: tapped(child)) if children(net) else Tap(net)


def places(net: Layer, path: str = "", at: str = "") -> Iterator[Place]:
    """Every layer that is not a container, as the pass meets them; one that a Graph shares, once for every node."""
    if isinstance(net, Tap) or not children(net):
        yield Place(at, path, net)
        return
    for tapped_part, part, child in parts(net):
        yield from places(child, joined(path, part), joined(at, tapped_part))


def parts(net: Layer) -> list[tuple[str, str, Layer]]:
    """What a container holds: its path in the tapped container, its path in this one, and itself."""
    if isinstance(net, Graph):
        return [(f"layers.{node}", f"layers.{name}", net.layers[name]) for node, name, _ in net.nodes]
    return [(part, part, child) for part, child in children(net).items()]


def traces(blame: Layer) -> dict[str, Trace]:
    """The trace of every tapped layer by its path, first to last."""
    taps = ((place.at, place.layer) for place in places(blame))
    return {at: tap.trace for at, tap in taps if isinstance(tap, Tap) and tap.trace is not None}


def untapped(blame: Layer, net: Layer) -> Layer:
    """The blame of a tapped network as the blame of `net` itself."""
    if isinstance(blame, Tap):
        return blame.layer
    held = children(net.unshared() if isinstance(net, Graph) else net)
    bare: Any = map_children(blame, lambda part, child: untapped(child, held[part]))
    return net.shared_again(bare) if isinstance(net, Graph) else bare
