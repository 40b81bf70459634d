"""What a graph of PyTorch is written down with, operation after operation, in the words of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ...errors import InteropError
from .._model import Model, Operation, Port

OPSET = 23


class Tensor(NamedTuple):
    """A value of the graph: its name, and what PyTorch knows of it (shape, type) without its numbers."""

    name: str
    known: Any  # a FakeTensor
    zero: bool = False  # all zeros, known beforehand

    @property
    def rank(self) -> int:
        return self.known.ndim

    @property
    def shape(self) -> tuple[int | None, ...]:
        """The length of every axis, None where it is not the same for all inputs."""
        return tuple(n if isinstance(n, int) else n.node.maybe_as_int() for n in self.known.shape)

    @property
    def dtype(self) -> np.dtype:
        return numpy_type(self.known.dtype)


class Size(NamedTuple):
    """A length that is known when the network runs: the name of an integer of one element."""

    name: str


@dataclass
class Writer:
    """Operations and constants as they come; `origin` is the module that is being translated, "" for the whole."""

    parameters: dict[str, np.ndarray]  # by PyTorch's own names
    inputs: tuple[Port, ...]
    buffers: frozenset[str] = frozenset()  # of the parameters those that are not learned
    wide: frozenset[str] = frozenset()  # weights that somewhere meet more than a table
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    homes: dict[str, str] = field(default_factory=dict)  # the parameter that a constant was made from
    origin: str = ""
    known: Any = None  # of what the present call gives

    def add(self, kind: str, *inputs: Any, outputs: int = 1, **attributes: Any) -> Any:
        """One operation: the name of its output, or the names of several. Inputs are names, values, or numbers."""
        names = tuple(f"{kind.lower()}:{len(self.operations)}.{i}" for i in range(outputs))
        given = {name: value for name, value in attributes.items() if value is not None}
        self.operations.append(Operation(kind, tuple(map(self.named, inputs)), names, given, self.origin))
        return names[0] if outputs == 1 else names

    def named(self, value: Any) -> str:
        """The name of an input; a number or array becomes a constant, None is an input left out."""
        if value is None:
            return ""
        if isinstance(value, Tensor):
            return self.parameter(value)
        return value if isinstance(value, str) else value.name if isinstance(value, Size) else self.constant(value)

    def constant(self, value: Any) -> str:
        """The name of numbers that are known beforehand and not learned."""
        array = np.asarray(value, np.int64 if np.asarray(value).dtype.kind == "i" else None)
        return self.add("Constant", value=array)

    def number(self, value: float, like: Tensor | np.dtype) -> str:
        """A number in the type of a tensor."""
        return self.constant(np.asarray(value, like if isinstance(like, np.dtype) else like.dtype))

    def derived(self, form: str, change: Callable[..., np.ndarray], *tensors: Tensor | None) -> str:
        """A constant made from parameters, in the name of the first; the same each time that it is asked for.

        Raises: InteropError where one of them is computed and no parameter.
        """
        for tensor in tensors:
            if tensor is not None and tensor.name not in self.parameters:
                raise InteropError("its weights are computed while it runs; only given ones can be taken")
        first = next(tensor.name for tensor in tensors if tensor is not None)
        arrays = [None if tensor is None else self.parameters[tensor.name] for tensor in tensors]
        name = first + form
        if name not in self.constants:
            self.constants[name] = change(*arrays)
            self.homes[name] = first
        return name

    def parameter(self, tensor: Tensor) -> str:
        """The name of a value; a parameter is put among the constants as it is, a buffer is an operation's output."""
        name = tensor.name
        if name in self.buffers and name not in self.homes:
            self.homes[name] = name
            self.operations.append(Operation("Constant", (), (name,), {"value": self.parameters[name]}))
        elif name in self.parameters and name not in self.buffers:
            self.derived("", lambda a: a, tensor)
        return name

    def cast(self, value: Tensor, dtype: np.dtype) -> Any:
        """The value in another type, itself where it has that type."""
        return value if value.dtype == dtype else self.add("Cast", value, to=onnx_type(dtype))

    def length(self, tensor: Tensor, axis: int) -> int | Size:
        """The length of one axis."""
        axis %= tensor.rank
        known = tensor.shape[axis]
        return Size(self.add("Shape", tensor, start=axis, end=axis + 1)) if known is None else known

    def shape_of(self, sizes: Sequence[int | Size], free: bool = False) -> str:
        """Several lengths as one tensor; with `free`, one that is not known beforehand is left to be counted (-1)."""
        unknown = [size for size in sizes if isinstance(size, Size)]
        if not unknown or (free and len(unknown) == 1 and -1 not in sizes):
            return self.constant(np.array([-1 if isinstance(size, Size) else size for size in sizes], np.int64))
        parts = [size if isinstance(size, Size) else np.array([size], np.int64) for size in sizes]
        return self.add("Concat", *parts, axis=0)

    def model(self, outputs: Sequence[Tensor], source: str) -> Model:
        """What was written, without what nobody reads, and every operation with a name of its own."""
        asked = {tensor.name for tensor in outputs}
        kept: list[Operation] = []
        for operation in reversed(self.operations):
            if asked.intersection(operation.outputs):
                asked.update(operation.inputs)
                spare = set(operation.outputs) - asked if operation.kind in ("LSTM", "GRU", "RNN") else ()
                kept.append(replace(operation, outputs=tuple("" if o in spare else o for o in operation.outputs)))
        ports = tuple(Port(tensor.name, tensor.shape, tensor.dtype) for tensor in outputs)
        constants = {name: array for name, array in self.constants.items() if name in asked}
        return Model(self.inputs, ports, self.with_names(kept[::-1]), constants, OPSET, source, exact=True)

    def with_names(self, operations: Sequence[Operation]) -> tuple[Operation, ...]:
        """Each named as the module whose weights it uses, or that does nothing else, or else by what it does there."""
        kinds: dict[str, set[str]] = {}
        for operation in operations:
            kinds.setdefault(operation.name, set()).add(operation.kind)
        taken: dict[str, int] = {}
        named = []
        for operation in operations:
            home = next((self.homes[name] for name in operation.inputs if name in self.homes), None)
            name = operation.name
            if operation.kind == "Constant":
                name = operation.outputs[0]
            elif home and "." in home and operation.kind != "Add":
                name = home.rpartition(".")[0]
            elif not name or len(kinds[name] - {"Constant"}) > 1:
                name = f"{name}.{operation.kind.lower()}".removeprefix(".")
            taken[name] = taken.get(name, 0) + 1
            named.append(replace(operation, name=name if taken[name] == 1 else f"{name}_{taken[name]}"))
        return tuple(named)

    def torn(self) -> list[str]:
        """Parameters that are used in two forms, and so become two arrays."""
        homes = list(self.homes.values())
        return sorted({home for home in homes if homes.count(home) > 1})


def numpy_type(dtype: Any) -> np.dtype:
    """NumPy's type for one of PyTorch's.

    Raises: InteropError where there is none.
    """
    name = str(dtype).removeprefix("torch.")
    if name in ("bfloat16",) or name.startswith(("float8", "q", "complex")):
        raise InteropError(f"it holds numbers of type {name}: convert the module first, as by module.float()")
    return np.dtype(name)


def onnx_type(dtype: np.dtype) -> int:
    """The number of a type in ONNX."""
    return ONNX_TYPES[np.dtype(dtype).name]


ONNX_TYPES: Mapping[str, int] = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7, "bool": 9, "float16": 10,
    "float64": 11, "uint32": 12, "uint64": 13,
}  # fmt: skip
