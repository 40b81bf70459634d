"""The shapes of all values of a network, found by following shapes alone; open axes are those that change with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ...layers import Graph, Sequences, run, values_of
from ...module import Layer, children, joined, map_children, static
from ._sheet import Seen, Shape, Value

OPEN = ((2, 128), (3, 256))  # two lengths of the batch and of another open axis, to see what changes with them


class Witness(Layer):
    """A layer whose whole output is told: `y = layer(x)`; of several outputs each, of sequences their lengths too.

    Blame:  as that of the layer.
    """

    reads_lengths: ClassVar[bool] = True
    layer: Layer
    tell: Callable[[Any], None] = static()

    def forward(self, x: Any, *, key: Any = None) -> tuple[Any, Any]:
        y, saved = run(self.layer, x, key)
        self.tell(y)
        return y, saved

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Witness]:
        dx, dlayer = self.layer.backward(saved, dy)
        return dx, Witness(dlayer, self.tell)


def seen_in(net: Layer, inputs: tuple[Value, ...]) -> dict[str, Seen]:
    """What every layer of the network gives, by its path (in a Graph that of its node).

    Raises: ShapeError where a layer cannot take what it is given.
    """
    first, second = (passed(net, inputs, *lengths) for lengths in OPEN)
    return {at: merged(first[at], second[at]) for at in first}


def passed(net: Layer, inputs: tuple[Value, ...], batch: int, other: int) -> dict[str, Any]:
    """The output of every layer for inputs whose open axes have these lengths."""
    found: dict[str, Any] = {}
    given = [jax.ShapeDtypeStruct(lengths_of(value.shape, batch, other), value.dtype) for value in inputs]
    whole = given[0] if len(given) == 1 else tuple(given)
    jax.eval_shape(lambda net, x: witnessed(net, found.setdefault).forward(x)[0], net, whole)
    return found


def witnessed(net: Layer, tell: Callable[[str, Any], Any], path: str = "") -> Layer:
    """The network with a witness on every layer that is not a container, which tells its path too."""
    net = net.unshared() if isinstance(net, Graph) else net
    if not children(net):
        return Witness(net, partial(tell, path))
    return map_children(net, lambda part, child: witnessed(child, tell, joined(path, part)))


def lengths_of(shape: Shape, batch: int, other: int) -> tuple[int, ...]:
    return tuple((other if axis else batch) if n is None else n for axis, n in enumerate(shape))


def merged(first: Any, second: Any) -> Seen:
    """One record of two passes: what differs between them is open."""
    a, b = (jax.tree.leaves(values_of(y)) for y in (first, second))
    pairs = [zip(one.shape, other.shape, strict=True) for one, other in zip(a, b, strict=True)]
    shapes = tuple(tuple(n if n == m else None for n, m in pair) for pair in pairs)
    several = isinstance(first, tuple | list) and not isinstance(first, Sequences)
    return Seen(shapes, tuple(np.dtype(one.dtype) for one in a), isinstance(first, Sequences), several)


def type_of(net: Layer) -> np.dtype:
    """The type of a network's real numbers: the widest of its arrays, or single precision where it has none."""
    real = [a.dtype for a in jax.tree.leaves(net) if jnp.issubdtype(a.dtype, jnp.floating)]
    return np.dtype(jax.dtypes.canonicalize_dtype(jnp.result_type(*real) if real else jnp.float32))
