"""What a graph of ONNX is written with: values that know how they lie in memory, and a pen that adds nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...errors import InteropError
from ...module import joined

Shape = tuple[int | None, ...]
ML = "ai.onnx.ml"
INT = np.dtype(np.int64)


@dataclass(frozen=True)
class Lengths:
    """Of sequences: the names of how many steps count (batch,), int32, and of which do (batch, time), bool."""

    count: str
    mask: str


@dataclass(frozen=True)
class Value:
    """A value of the graph: its shape as Pellucid knows it, None where an axis may be of any length.

    Axis i of what the graph holds is axis `axes[i]` of that shape: so what convolutions need, channels first, is
    handed on as it is until somebody needs it otherwise.
    """

    name: str
    shape: Shape
    dtype: np.dtype
    axes: tuple[int, ...]
    lengths: Lengths | None = None

    @property
    def rank(self) -> int:
        return len(self.shape)

    def named(self, name: str) -> Value:
        """Another value of the same shape that lies in the same way."""
        return replace(self, name=name)


@dataclass(frozen=True)
class Seen:
    """What one layer was seen to give: shapes and types, and whether they are still sequences with their lengths."""

    shapes: tuple[Shape, ...]
    dtypes: tuple[np.dtype, ...]
    counted: bool
    several: bool  # a tuple of outputs


@dataclass(frozen=True)
class Node:
    """One operation of the graph."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    domain: str = ""


@dataclass
class Sheet:
    """The graph as it grows. All real numbers in it are of one type."""

    opset: int
    dtype: np.dtype
    seen: Mapping[str, Seen] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    made: dict[str, tuple[str, ...]] = field(default_factory=dict)
    numbers: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def fresh(self, wanted: str) -> str:
        """A name that nothing has yet."""
        name, n = wanted, 1
        while name in self.taken or not name:
            name, n = f"{wanted}_{n}", n + 1
        self.taken.add(name)
        return name


@dataclass(frozen=True)
class Pen:
    """Writes the nodes of one layer: `path` is where its parameters are, `at` what its nodes are called after."""

    sheet: Sheet
    path: str = ""
    at: str = ""

    def inside(self, part: str, node: str | None = None) -> Pen:
        """The pen for a layer inside, which a Graph calls by the name of its node."""
        return replace(self, path=joined(self.path, part), at=joined(self.at, node or part))

    def node(self, kind: str, *inputs: Any, domain: str = "", **attributes: Any) -> str:
        """A node with one output, whose name it gives; what is no name of a value among the inputs is a constant."""
        return self.nodes(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes(self, kind: str, *inputs: Any, outputs: int, domain: str = "", **attributes: Any) -> tuple[str, ...]:
        """A node with several outputs. One that does what another does is not written again."""
        given = [i if isinstance(i, str) else self.constant(i) for i in inputs]
        key = repr((kind, domain, given, outputs, sorted(attributes.items())))
        if key not in self.sheet.made:
            self.sheet.made[key] = self.new(kind, given, outputs, attributes, domain)
        return self.sheet.made[key]

    def new(
        self, kind: str, inputs: Sequence[str], outputs: int, attributes: Mapping[str, Any], domain: str = ""
    ) -> tuple[str, ...]:
        """A node, whether or not another does the same; inputs at the end that are left out are not written."""
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        name = self.sheet.fresh(f"{self.at}/{kind}" if self.at else kind)
        made = (name, *(self.sheet.fresh(f"{name}.{i}") for i in range(1, outputs)))
        self.sheet.nodes.append(Node(kind, name, tuple(given), made, attributes, domain))
        return made

    def constant(self, value: Any) -> str:
        """A number, or a few: whole ones for shapes, real ones in the type of the network. Equal ones share a name."""
        array = np.asarray(value)
        array = array.astype(self.sheet.dtype) if type(value) is float else array
        array = array.astype(INT) if isinstance(value, int | list | tuple) and array.dtype.kind not in "fb" else array
        key = array.dtype.str, array.shape, array.tobytes() if array.dtype != object else tuple(array.ravel())
        if key not in self.sheet.numbers:
            self.sheet.numbers[key] = name = self.sheet.fresh("constant")
            self.sheet.constants[name] = array
        return self.sheet.numbers[key]

    def parameter(self, field: str, array: Any, *, as_it_is: bool = False) -> str:
        """An array of the layer under its path, real numbers in the type of the network unless they stay as they are.

        One that is there already, of a layer that is used twice, is not kept twice.
        """
        name, array = joined(self.path, field), np.asarray(array)
        if is_real(array.dtype) and not as_it_is:
            array = array.astype(self.sheet.dtype, copy=False)
        held = self.sheet.constants.get(name)
        if held is not None and same(held, array):
            return name
        name = self.sheet.fresh(name)
        self.sheet.constants[name] = array
        return name

    def out(self, name: str, axes: Sequence[int] | None = None) -> Value:
        """The layer's output, which lies as Pellucid has it unless `axes` say otherwise."""
        seen = self.sheet.seen[self.at]
        return Value(name, seen.shapes[0], seen.dtypes[0], tuple(axes or range(len(seen.shapes[0]))))

    def laid(self, x: Value, axes: Sequence[int] | None = None) -> str:
        """The name of x with its axes in this order, by default as Pellucid has them."""
        axes = tuple(axes or range(x.rank))
        turn = [x.axes.index(axis) for axis in axes]
        return x.name if axes == x.axes else self.node("Transpose", x.name, perm=turn)

    def mask(self, x: Value, rank: int | None = None) -> str:
        """Which steps of a sequence count, (batch, time, 1, ...)."""
        if x.lengths is None:
            raise ValueError(f"{x.name} has no lengths")
        axes = list(range(2, x.rank if rank is None else rank))
        return self.node("Unsqueeze", x.lengths.mask, axes) if axes else x.lengths.mask

    def masked(self, x: Value) -> Value:
        """x where it counts, 0 elsewhere."""
        if x.lengths is None:
            return x
        mask = replace(x, name=self.mask(x), axes=tuple(range(x.rank)))
        return x.named(self.node("Where", self.laid(mask, x.axes), x.name, 0.0))

    def size(self, x: Value, axis: int) -> int:
        """The length of an axis, which the layer cannot be written without.

        Raises: InteropError where it may be any.
        """
        n = x.shape[axis]
        if n is None:
            raise InteropError(
                f"{self.path or 'The network'} has to know the length of axis {axis % x.rank} to be written: give a "
                "shape with a number there, as in pl.to_onnx(net, x=(1, 100, 8))."
            )
        return n

    def count(self, x: Value, axis: int) -> str:
        """The length of an axis as a value of one number, (1,)."""
        n, place = x.shape[axis], x.axes.index(axis % x.rank)
        return self.node("Shape", x.name, start=place, end=place + 1) if n is None else self.constant([n])


def channels_first(rank: int) -> tuple[int, ...]:
    """(batch, ..., channels) as (batch, channels, ...)."""
    return (0, rank - 1, *range(1, rank - 1)) if rank > 1 else tuple(range(rank))


def is_real(dtype: np.dtype) -> bool:
    """Whether a type holds real numbers; those of ml_dtypes call themselves void."""
    return dtype.kind == "f" or "float" in dtype.name


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a is b or (a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes())
