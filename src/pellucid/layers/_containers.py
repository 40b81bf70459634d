from __future__ import annotations

from collections.abc import Iterable

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import SettingError, ShapeError, unknown
from ..module import Layer, static
from ..shapes import located, words


class Sequential(Layer):
    """One layer after the other: `y = f_n(… f_2(f_1(x)))`.

    Blame:  dx_i = f_i's backward of dx_{i+1}, from the end to the start.
    """

    layers: tuple[Layer, ...]

    def __init__(self, layers: Iterable[Layer]):
        self.layers = all_layers("Sequential", layers)

    def forward(self, x, *, key: Array | None = None):
        saved = []
        for i, layer in enumerate(self.layers):
            hint = f"the layer before gives {x.shape[-1]} features" if i and getattr(x, "ndim", 0) else ""
            with located(f"layers[{i}]", hint):
                x, kept = layer.forward(x, key=subkey(key, i))
            saved.append(kept)
        return x, tuple(saved)

    def backward(self, saved, dy):
        blames = []
        for layer, kept in zip(reversed(self.layers), reversed(saved), strict=True):
            dy, dlayer = layer.backward(kept, dy)
            blames.append(dlayer)
        return dy, Sequential(reversed(blames))


class Residual(Layer):
    """What the layer adds to its input: `y = x + f(x)`.

    Blame:  dx = dy + f's backward of dy.
    Raises: ShapeError where f changes the shape.
    """

    layer: Layer

    def forward(self, x, *, key: Array | None = None):
        with located("layer"):
            y, saved = self.layer.forward(x, key=key)
        if y.shape != x.shape:
            wanted = f"a layer that gives {words(x.shape)}, the shape of its input"
            raise ShapeError("Residual", wanted, words(y.shape), "change the last layer inside, or use a Graph")
        return x + y, saved

    def backward(self, saved, dy):
        dx, dlayer = self.layer.backward(saved, dy)
        return dx + dy, Residual(dlayer)


class Parallel(Layer):
    """Several layers see the same input, their outputs are joined: `y = [f_1(x), f_2(x), …]`, or their sum.

    `join` is "concat" (along the last axis) or "sum".

    Blame:  dx = Σ_i f_i's backward of its part of dy.
    """

    layers: tuple[Layer, ...]
    join: str = static()

    def __init__(self, layers: Iterable[Layer], join: str = "concat"):
        self.layers = all_layers("Parallel", layers)
        if not self.layers:
            raise SettingError("Parallel wants at least one layer.")
        if join not in JOINS:
            raise unknown("way to join", join, JOINS)
        self.join = join

    def forward(self, x, *, key: Array | None = None):
        outputs, saved = [], []
        for i, layer in enumerate(self.layers):
            with located(f"layers[{i}]"):
                y, kept = layer.forward(x, key=subkey(key, i))
            outputs.append(y)
            saved.append(kept)
        y, joined = JOINS[self.join]().forward(tuple(outputs))
        return y, (tuple(saved), joined)

    def backward(self, saved, dy):
        parts, joined = saved
        dys, _ = JOINS[self.join]().backward(joined, dy)
        blames = [layer.backward(kept, d) for layer, kept, d in zip(self.layers, parts, dys, strict=True)]
        return sum_of([dx for dx, _ in blames]), Parallel([dlayer for _, dlayer in blames], self.join)


class Add(Layer):
    """The sum of several inputs: `y = x_1 + x_2 + …`, for a Graph.

    Shapes: x, a tuple of arrays of one shape -> y of that shape.
    Blame:  dx_i = dy.
    """

    def forward(self, x: tuple[Array, ...], *, key: Array | None = None):
        if len({part.shape for part in x}) != 1:
            raise ShapeError("Add", "inputs of one shape", ", ".join(words(part.shape) for part in x))
        return sum_of(x), x

    def backward(self, saved, dy):
        return (dy,) * len(saved), self


class Concat(Layer):
    """Several inputs side by side along the last axis: `y = [x_1, x_2, …]`, for a Graph.

    Shapes: x, a tuple of arrays (..., n_i) -> y (..., Σ n_i).
    Blame:  dx_i = the part of dy that came from x_i.
    """

    def forward(self, x: tuple[Array, ...], *, key: Array | None = None):
        if len({part.shape[:-1] for part in x}) != 1:
            wanted = "inputs that differ in the last axis only"
            raise ShapeError("Concat", wanted, ", ".join(words(part.shape) for part in x))
        return jnp.concatenate(x, axis=-1), x

    def backward(self, saved, dy):
        parts, start = [], 0
        for part in saved:
            parts.append(dy[..., start : start + part.shape[-1]])
            start += part.shape[-1]
        return tuple(parts), self


JOINS = {"concat": Concat, "sum": Add}


def all_layers(who: str, layers: Iterable[Layer]) -> tuple[Layer, ...]:
    layers = tuple(layers)
    for i, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise SettingError(f"{who} holds layers; layers[{i}] is {layer!r}, a {type(layer).__name__}.")
    return layers


def subkey(key: Array | None, index: int) -> Array | None:
    """The key of one part: it does not change when parts are added behind it."""
    return None if key is None else jax.random.fold_in(key, index)


def sum_of(trees):
    """The sum of trees of one structure, leaf by leaf."""
    first, *rest = trees
    for tree in rest:
        first = jax.tree.map(jnp.add, first, tree)
    return first
