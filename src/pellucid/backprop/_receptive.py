"""How much of the input a unit sees: its receptive field, through windows, strides and dilations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import reduce
from math import ceil
from typing import Any, NamedTuple

from .. import layers
from ..module import Layer, children
from ._tap import joined

Shape = tuple[int, ...]


class Field(NamedTuple):
    """Along one axis of the input, of n places: how many a unit sees, and how far on the next unit's begin.

    Behind an upsampling units lie closer than those they are made from: `finer` is how much closer, and `over` how far
    windows since then reach, both in steps of the units before it.
    """

    n: int
    size: int | Fraction = 1
    step: int | Fraction = 1
    over: int | Fraction = 0
    finer: int | Fraction = 1

    def through(self, size: int, step: int | Fraction) -> Field:
        """What a unit sees that sees `size` of these units, the next one beginning `step` units on."""
        if self.finer == 1 and not self.over:
            wider = self._replace(size=self.size + (size - 1) * self.step)
            return wider._replace(step=self.step * step) if step >= 1 else wider._replace(finer=step)
        return self._replace(over=self.over + (size - 1) * self.finer, finer=self.finer * step)

    @property
    def seen(self) -> int:
        return min(self.n, ceil(self.size + ceil(self.over) * self.step))

    @property
    def apart(self) -> float:
        return float(self.step * self.finer)


Fields = tuple[Field, ...]
Window = Callable[
    [Any, int, int, int], tuple[int, int | Fraction]
]  # layer, axis, places of x and of y along it: size, step


def along(setting: Any, axis: int) -> Any:
    return setting[axis] if isinstance(setting, tuple) else setting


def kernel(layer: Any, axis: int) -> tuple[int, int]:
    """How far a kernel reaches along an axis, with its dilation, and its stride."""
    rank = RANKS[type(layer)]
    return along(layer.dilation, axis) * (layer.weight.shape[axis - rank - 2] - 1) + 1, along(layer.stride, axis)


def transposed(layer: Any, axis: int, n: int, m: int) -> tuple[int, int | Fraction]:
    size, stride = kernel(layer, axis)
    return ceil(size / stride), Fraction(1, stride)


def pool(layer: Any, axis: int, n: int, m: int) -> tuple[int, int | Fraction]:
    return along(layer.size, axis), along(layer.size if layer.stride is None else layer.stride, axis)


RANKS = {
    layers.Conv1d: 1,
    layers.Conv2d: 2,
    layers.Conv3d: 3,
    layers.ConvTranspose1d: 1,
    layers.ConvTranspose2d: 2,
    layers.LocallyConnected1d: 1,
    layers.LocallyConnected2d: 2,
}
WINDOWS: dict[type[Layer], Window] = {
    **{kind: lambda layer, axis, n, m: kernel(layer, axis) for kind in RANKS},
    layers.ConvTranspose1d: transposed,
    layers.ConvTranspose2d: transposed,
    layers.MaxPool: pool,
    layers.AvgPool: pool,
    layers.AdaptiveAveragePool: lambda layer, axis, n, m: (ceil(n / m), Fraction(n, m)),
    layers.Upsample: lambda layer, axis, n, m: (1 + (layer.mode == "linear"), Fraction(n, m)),
}
WHOLE = (  # every unit sees, or is normalized with, all that there is
    layers.Flatten,
    layers.GRU,
    layers.GlobalAveragePool,
    layers.GlobalMaxPool,
    layers.GroupNorm,
    layers.InstanceNorm,
    layers.LSTM,
    layers.MultiHeadAttention,
    layers.RNN,
)
EACH_PLACE = (  # every place by itself, or all places of a flat input
    layers.Activation,
    layers.Add,
    layers.BatchNorm,
    layers.ChannelDropout,
    layers.Concat,
    layers.Dense,
    layers.Dropout,
    layers.Embedding,
    layers.Gate,
    layers.GatedLinear,
    layers.GaussianNoise,
    layers.LayerNorm,
    layers.LogSoftmax,
    layers.Masking,
    layers.Monotone,
    layers.Pad,
    layers.PlainDropout,
    layers.RMSNorm,
    layers.RandomFlip,
    layers.RandomShift,
    layers.Softmax,
)


SIDE_BY_SIDE = (layers.Bidirectional, layers.Parallel, layers.Residual)


def receptive_fields(net: Layer, given: Shape, shapes: Mapping[str, tuple[Shape, Shape]]) -> dict[str, Fields]:
    """What a unit of each layer sees of an input of that shape, by the layer's path.

    `shapes` are those of the input and output of each layer that is not a container. Behind a layer of which nothing
    is known, such as a Function, nothing is said.
    """
    found: dict[str, Fields] = {}

    def through(layer: Layer, path: str, before: Fields | None) -> Fields | None:
        held = {joined(path, part): child for part, child in children(layer).items()}
        if isinstance(layer, layers.Sequential):
            return reduce(lambda before, part: through(held[part], part, before), held, before)
        if isinstance(layer, layers.Graph):
            nodes = {"input": before}
            for node, name, inputs in layer.nodes:
                part = f"layers.{name}"
                nodes[node] = through(layer.layers[name], joined(path, part), largest(nodes[i] for i in inputs))
            return nodes[layer.nodes[-1][0]]
        if held:
            ends = [through(child, part, before) for part, child in held.items()]
            ends += [before] * isinstance(layer, layers.Residual)
            return largest(ends) if isinstance(layer, SIDE_BY_SIDE) else None
        after = behind(layer, before, *shapes[path]) if before is not None and path in shapes else None
        if after is not None:
            found[path] = largest([after, found.get(path, after)]) or after
        return after

    through(net, "", tuple(map(Field, given[1:-1])))
    return found


def behind(layer: Layer, before: Fields, x: Shape, y: Shape) -> Fields | None:
    """What a unit behind a layer sees, from what the units before it see; None where nothing is known."""
    if isinstance(layer, layers.Embedding):
        return before or tuple(map(Field, x[1:]))  # every whole number is a place of its own
    if isinstance(layer, EACH_PLACE):
        return before
    if isinstance(layer, WHOLE):
        return tuple(Field(field.n, field.n, Fraction(field.apart)) for field in before)
    if type(layer) not in WINDOWS:
        return None
    window = WINDOWS[type(layer)]
    seen = [window(layer, axis, n, m) for axis, (n, m) in enumerate(zip(x[1:-1], y[1:-1], strict=True))]
    return tuple(field.through(*one) for field, one in zip(before, seen, strict=True))


def largest(several: Iterable[Fields | None]) -> Fields | None:
    """Along each axis the largest of several; None where one of them is not known."""
    known = list(several)
    if any(fields is None for fields in known):
        return None
    return tuple(max(axis, key=lambda field: field.seen) for axis in zip(*filter(None, known), strict=True))
