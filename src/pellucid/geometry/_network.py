"""A network written down as affine operators and bends: what everything exact reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..affine import Add, Bend, Join, Lowering, Shape, Smooth, Step, Value
from ..errors import GeometryError
from ..language import phrase
from ..layers import Activation, Dense, LogSoftmax, Monotone, Sequential, Softmax
from ..module import Layer, children, has_weights, walk

SQUASHED = ("sigmoid", "tanh")  # rising curves through a middle: they move no boundary


class Local(NamedTuple):
    """The affine map of the region of one point: `f(x) = x W + c`; weight (n_in, n_out), bias (n_out,)."""

    weight: np.ndarray
    bias: np.ndarray


class Hyperplanes(NamedTuple):
    """All kinks near one point, as functions of the input: `normal · x + offset`, which changes sign at the kink.

    `bend` and `unit` say whose they are, `kink` which of its unit's; `value` is that of the function at the point.
    """

    normal: np.ndarray
    offset: np.ndarray
    value: np.ndarray
    bend: np.ndarray
    unit: np.ndarray
    kink: np.ndarray


@dataclass(frozen=True, eq=False)
class Network:
    """A piecewise-linear network from `shape`, one example's input, to `n_out` numbers, in float64.

    `set_aside` names what stands behind and moves no boundary, such as a softmax. Where it was lowered for bounds, some
    of its curves may be smooth; then it has no pieces, and no map of a region.
    """

    shape: Shape
    steps: tuple[Step, ...]
    output: Value
    set_aside: str

    @property
    def n_in(self) -> int:
        return prod(self.shape)

    @property
    def n_out(self) -> int:
        return prod(self.output.shape)

    @cached_property
    def bends(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if isinstance(step.operator, Bend))

    @cached_property
    def curves(self) -> tuple[Step, ...]:
        """The steps that are not affine: bends and smooth curves."""
        return tuple(step for step in self.steps if isinstance(step.operator, Bend | Smooth))

    @cached_property
    def kinks(self) -> int:
        """How many hyperplanes there are: one for each kink of each unit."""
        return sum(step.width * len(step.bend.kinks) for step in self.bends)

    @cached_property
    def last_use(self) -> dict[int, int]:
        """Behind which step a value is needed no more."""
        last = {number: i for i, step in enumerate(self.steps) for number in step.inputs}
        return last | {self.output.number: len(self.steps)}

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The outputs (points, n_out) at these inputs (points, n_in), before what was set aside."""
        values = {0: flat(self, x)}
        for i, step in enumerate(self.steps):
            values[step.output] = step.operator(*(values[number] for number in step.inputs))
            self.forget(values, i)
        return values[self.output.number]

    def forget(self, values: dict[int, Any], i: int) -> None:
        """Drop what no step behind step i reads."""
        for number in [n for n in values if self.last_use.get(n, -1) <= i]:
            del values[number]

    def pieces(self, x: np.ndarray) -> list[np.ndarray]:
        """Of every bend the pieces its units are on, (points, units): the pattern of each point."""
        values, found = {0: flat(self, x)}, []
        for i, step in enumerate(self.steps):
            given = [values[number] for number in step.inputs]
            if isinstance(step.operator, Bend):
                found.append(step.operator.piece(given[0]))
            values[step.output] = step.operator(*given)
            self.forget(values, i)
        return found

    def local(self, x: np.ndarray, outputs: Any = slice(None)) -> Local:
        """The affine map of the region of one point, taken back from the outputs."""
        pieces = self.pieces(np.reshape(x, (1, -1)))
        return self.local_of([p[0] for p in pieces], outputs)

    def local_of(self, pieces: list[np.ndarray], outputs: Any = slice(None)) -> Local:
        """The affine map where the units are on these pieces: `W` from the end to the start, `c` from the start on."""
        dy = np.eye(self.n_out)[outputs]
        weight = self.taken_back([np.broadcast_to(p, (len(dy), len(p))) for p in pieces], dy)
        return Local(weight.T, self.at_zero(pieces)[outputs])

    def taken_back(self, pieces: list[np.ndarray], dy: np.ndarray) -> np.ndarray:
        """The blame of the inputs for that of the outputs, (points, n_out) -> (points, n_in), on these pieces."""
        blames, turns = {self.output.number: dy}, iter(reversed(pieces))
        for step in reversed(self.steps):
            piece: Any = next(turns) if isinstance(step.operator, Bend) else None
            d = blames.pop(step.output, None)
            if d is None:
                continue
            match step.operator:
                case Bend() as bend:
                    parts = [d * bend.slope(piece)]
                case Add():
                    parts = [d] * len(step.inputs)
                case Join():
                    parts = np.split(d, np.cumsum([self.width(n) for n in step.inputs])[:-1], 1)
                case operator:
                    parts = [operator.transposed(d)]
            for number, part in zip(step.inputs, parts, strict=True):
                blames[number] = blames[number] + part if number in blames else part
        return blames.get(0, np.zeros((len(dy), self.n_in)))

    def at_zero(self, pieces: list[np.ndarray]) -> np.ndarray:
        """What the map of these pieces makes of the input 0: its offset."""
        values, turns = {0: np.zeros((1, self.n_in))}, iter(pieces)
        for i, step in enumerate(self.steps):
            given = [values[number] for number in step.inputs]
            bent = isinstance(step.operator, Bend)
            values[step.output] = step.bend.by_piece(given[0], next(turns)[None]) if bent else step.operator(*given)
            self.forget(values, i)
        return values[self.output.number][0]

    def width(self, number: int) -> int:
        return self.n_in if number == 0 else self.steps[number - 1].width

    def hyperplanes(self, x: np.ndarray, directions: np.ndarray | None = None) -> Hyperplanes:
        """Every kink as a function of the input around x, or of steps along directions (n, n_in) from x.

        Forward, one direction beside the other. On a plane or with few inputs that is cheap; with many it costs as
        many passes as there are inputs.
        """
        x = flat(self, np.reshape(x, (1, -1)))
        along = np.eye(self.n_in) if directions is None else np.asarray(directions, float)
        values, found = {0: (x, along)}, []
        for i, step in enumerate(self.steps):
            given = [values[number] for number in step.inputs]
            points, slopes = zip(*given, strict=True)
            match step.operator:
                case Bend() as bend:
                    piece = bend.piece(points[0])
                    for k, kink in enumerate(bend.kinks):
                        found.append((slopes[0].T, points[0][0] - kink, len(found), k))
                    made = bend.by_piece(points[0], piece), slopes[0] * bend.slope(piece)
                case Add() | Join() as joined:
                    made = joined(*points), joined(*slopes)
                case operator:
                    made = operator(points[0]), operator.linear(slopes[0])
            values[step.output] = made
            self.forget(values, i)
        return self.gathered(found, x[0], directions is None)

    def gathered(self, found: list[Any], x: np.ndarray, from_zero: bool) -> Hyperplanes:
        owners = [(b, k) for b, step in enumerate(self.bends) for k in range(len(step.bend.kinks))]
        if not found:
            none = np.zeros(0, int)
            return Hyperplanes(np.zeros((0, len(x))), np.zeros(0), np.zeros(0), none, none, none)
        normal = np.concatenate([n for n, *_ in found])
        value = np.concatenate([v for _, v, *_ in found])
        bend = np.concatenate([np.full(len(v), b) for (_, v, *_), (b, _) in zip(found, owners, strict=True)])
        kink = np.concatenate([np.full(len(v), k) for (_, v, *_), (_, k) in zip(found, owners, strict=True)])
        unit = np.concatenate([np.arange(len(v)) for _, v, *_ in found])
        return Hyperplanes(normal, value - normal @ x if from_zero else value, value, bend, unit, kink)

    def name(self, bend: int, unit: int) -> str:
        """A unit in words, such as `layers[1][5]`."""
        step = self.bends[bend]
        place = np.unravel_index(unit, step.shape)
        return f"{step.path or 'the network'}[{', '.join(map(str, place))}]"


def lowered(net: Layer | Network, shape: Shape | None = None, *, curves: bool = False) -> Network:
    """The network as affine operators and bends.

    `shape` is that of one example's input; it may be left out where the first layer with weights says it. With `curves`
    smooth curves may stand where bends do, a last sigmoid or tanh among them.

    Raises: GeometryError where a layer is not piecewise linear, a weight is not a number, or the shape is not known;
        CertifyError where curves are allowed and a layer is none.
    """
    if isinstance(net, Network):
        return net
    net, aside = without_link(net, () if curves else SQUASHED)
    shape = input_shape(net) if shape is None else tuple(shape)
    at = Lowering(shape, curves)
    output = net.lower(at, at.input)
    if not isinstance(output, Value):
        raise GeometryError(f"The network gives {len(output)} arrays: put Pick(0), or another, behind it.")
    return checked(Network(shape, tuple(at.steps), output, aside))


def without_link(net: Layer, squashed: Sequence[str] = SQUASHED) -> tuple[Layer, str]:
    """The network without a last softmax or squashing curve, and the name of what was there."""
    if not isinstance(net, Sequential) or not net.layers:
        return net, ""
    *body, last = net.layers
    if isinstance(last, Sequential):
        inner, aside = without_link(last, squashed)
        return (Sequential([*body, inner]), aside) if aside else (net, "")
    if isinstance(last, Softmax | LogSoftmax):
        return Sequential(body), type(last).__name__
    if isinstance(last, Activation) and last.name in squashed:
        return Sequential(body), last.name
    return net, ""


def input_shape(net: Layer) -> Shape:
    """The shape of one example.

    Raises: GeometryError where the network does not say it.
    """
    shape = stated_shape(net)
    if shape is None:
        raise GeometryError("The network does not say how large its input is: give shape=, such as (28, 28, 1).")
    return shape


def stated_shape(net: Layer | Network) -> Shape | None:
    """The shape of one example, where the first layer with weights is a Dense layer: a convolution sees any size."""
    if isinstance(net, Network):
        return net.shape
    for _, layer in walk(net):
        if not children(layer) and has_weights(layer):
            return (layer.weight.shape[0],) if isinstance(layer, Dense | Monotone) else None
    return None


def checked(network: Network) -> Network:
    """Raises: GeometryError where a weight is NaN or infinite, naming its layer."""
    for step in network.steps:
        for array in vars(step.operator).values():
            numbers = getattr(array, "data", array) if hasattr(array, "indptr") else array
            if isinstance(numbers, np.ndarray) and numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
                path = step.path or phrase("The network")
                raise GeometryError(
                    phrase("{path} holds a weight that is NaN or infinite: it has no regions.", path=path)
                )
    return network


def flat(network: Network, x: np.ndarray) -> np.ndarray:
    """Points as rows of float64.

    Raises: GeometryError where they have another number of coordinates than the network has inputs.
    """
    x = np.asarray(x, float)
    x = x.reshape(len(x), prod(x.shape[1:])) if x.ndim != 1 else x[None]
    if x.shape[1] != network.n_in:
        raise GeometryError(f"The network has {network.n_in} inputs; the points have {x.shape[1]} coordinates.")
    return x
