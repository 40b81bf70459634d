from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError, ShapeError, unknown
from ..module import Layer, static, subkey
from ..shapes import located, words
from ._sequences import like, run, values_of


class Sequential(Layer):
    """One layer after the other: `y = f_n(… f_2(f_1(x)))`.

    Blame:  dx_i = f_i's backward of dx_{i+1}, from the end to the start.
    """

    reads_lengths: ClassVar[bool] = True
    layers: tuple[Layer, ...]

    def __init__(self, layers: Iterable[Layer]):
        self.layers = tuple(a_layer("Sequential", f"layers[{i}]", layer) for i, layer in enumerate(layers))

    def forward(self, x, *, key: Array | None = None):
        saved = []
        for i, layer in enumerate(self.layers):
            last = getattr(values_of(x), "shape", ())
            hint = f"the layer before gives {last[-1]} features" if i and len(last) == 2 else ""
            with located(f"layers[{i}]", hint):
                x, kept = run(layer, x, subkey(key, i))
            saved.append(kept)
        return x, tuple(saved)

    def backward(self, saved, dy):
        blames = []
        for layer, kept in zip(reversed(self.layers), reversed(saved), strict=True):
            dy, dlayer = layer.backward(kept, dy)
            blames.append(dlayer)
        return dy, Sequential(reversed(blames))

    def lower(self, at: Lowering, x: Any) -> Any:
        for i, layer in enumerate(self.layers):
            with at.inside(f"layers[{i}]"):
                x = layer.lower(at, x)
        return x


class Residual(Layer):
    """What the layer adds to its input: `y = x + f(x)`.

    Blame:  dx = dy + f's backward of dy.
    Raises: ShapeError where f changes the shape.
    """

    reads_lengths: ClassVar[bool] = True
    layer: Layer

    def __init__(self, layer: Layer):
        self.layer = a_layer("Residual", "layer", layer)

    def forward(self, x, *, key: Array | None = None):
        with located("layer"):
            y, saved = run(self.layer, x, key)
        given, made = values_of(x), values_of(y)
        if made.shape != given.shape:
            wanted = f"a layer that gives {words(given.shape)}, the shape of its input"
            raise ShapeError("Residual", wanted, words(made.shape), "change the last layer inside, or use a Graph")
        return like(x, given + made), saved

    def backward(self, saved, dy):
        dx, dlayer = self.layer.backward(saved, dy)
        return dx + dy, Residual(dlayer)

    def lower(self, at: Lowering, x: Value) -> Value:
        with at.inside("layer"):
            return at.add([x, self.layer.lower(at, x)])


class Parallel(Layer):
    """Several layers see the same input, their outputs are joined: `y = [f_1(x), f_2(x), …]`, or their sum.

    `join` is "concat" (along the last axis) or "sum".

    Blame:  dx = Σ_i f_i's backward of its part of dy.
    Raises: SettingError where there is no layer or no such join; ShapeError where the outputs cannot be joined.
    """

    reads_lengths: ClassVar[bool] = True
    layers: tuple[Layer, ...]
    join: str = static()

    def __init__(self, layers: Iterable[Layer], join: str = "concat"):
        self.layers = tuple(a_layer("Parallel", f"layers[{i}]", layer) for i, layer in enumerate(layers))
        if not self.layers:
            raise SettingError("Parallel wants at least one layer.")
        if join not in JOINS:
            raise unknown("way to join", join, JOINS)
        self.join = join

    def forward(self, x, *, key: Array | None = None):
        outputs, saved = [], []
        for i, layer in enumerate(self.layers):
            with located(f"layers[{i}]"):
                y, kept = run(layer, x, subkey(key, i))
            outputs.append(y)
            saved.append(kept)
        with located("join"):
            y, joined = run(JOINS[self.join](), tuple(outputs), None)
        return y, (tuple(saved), joined)

    def backward(self, saved, dy):
        parts, joined = saved
        dys, _ = JOINS[self.join]().backward(joined, dy)
        blames = [layer.backward(kept, d) for layer, kept, d in zip(self.layers, parts, dys, strict=True)]
        return sum_of([dx for dx, _ in blames]), Parallel([dlayer for _, dlayer in blames], self.join)

    def lower(self, at: Lowering, x: Value) -> Value:
        parts = []
        for i, layer in enumerate(self.layers):
            with at.inside(f"layers[{i}]"):
                parts.append(layer.lower(at, x))
        return JOINS[self.join]().lower(at, tuple(parts))


class Add(Layer):
    """The sum of several inputs: `y = x_1 + x_2 + …`, for a Graph.

    Shapes: x, a tuple of arrays of one shape -> y of that shape.
    Blame:  dx_i = dy.
    Raises: ShapeError where x is no tuple, or the shapes differ.
    """

    def forward(self, x: tuple[Array, ...], *, key: Array | None = None):
        check_parts(self, x, "inputs of one shape", slice(None))
        return sum_of(x), x

    def backward(self, saved, dy):
        return (dy,) * len(saved), self

    def lower(self, at: Lowering, x: tuple[Value, ...]) -> Value:
        return at.add(x)


class Concat(Layer):
    """Several inputs side by side along the last axis: `y = [x_1, x_2, …]`, for a Graph.

    Shapes: x, a tuple of arrays (..., n_i) -> y (..., Σ n_i).
    Blame:  dx_i = the part of dy that came from x_i.
    Raises: ShapeError where x is no tuple, or the shapes differ before the last axis.
    """

    def forward(self, x: tuple[Array, ...], *, key: Array | None = None):
        check_parts(self, x, "inputs that differ in the last axis only", slice(-1))
        return jnp.concatenate(x, axis=-1), x

    def backward(self, saved, dy):
        parts, start = [], 0
        for part in saved:
            parts.append(dy[..., start : start + part.shape[-1]])
            start += part.shape[-1]
        return tuple(parts), self

    def lower(self, at: Lowering, x: tuple[Value, ...]) -> Value:
        return at.join(x)


JOINS = {"concat": Concat, "sum": Add}


def check_parts(layer: Layer, x: tuple[Array, ...], wanted: str, axes: slice) -> None:
    """Raise unless x is a tuple of arrays that agree in these axes; an array would be taken apart by its rows."""
    who = type(layer).__name__
    if not isinstance(x, tuple | list) or not x:
        shape = getattr(x, "shape", None)
        got = repr(x) if shape is None else f"one of {words(shape)}"
        raise ShapeError(who, "a tuple of arrays", got, "name its inputs at its node of a Graph")
    if len({part.shape[axes] for part in x}) != 1:
        raise ShapeError(who, wanted, ", ".join(words(part.shape) for part in x))


def a_layer(who: str, part: str, value: Any) -> Layer:
    if not isinstance(value, Layer):
        hint = ": wrap it in Function" if callable(value) else ""
        raise SettingError(f"{who} holds layers; {part} is {value!r}, a {type(value).__name__}{hint}.")
    return value


def sum_of(trees):
    """The sum of trees of one structure, leaf by leaf."""
    first, *rest = trees
    for tree in rest:
        first = jax.tree.map(jnp.add, first, tree)
    return first
