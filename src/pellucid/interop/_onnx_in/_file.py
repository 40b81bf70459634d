"""Reading an ONNX file into a `Model`: a format of others, so nothing in it is believed before it is looked at."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InteropError
from .._model import Model, Operation, Port
from ._functions import inlined
from ._order import in_order
from ._tensors import Stored, Tensors
from ._wire import without_arrays

MAX_BYTES = 2**31  # of the file without external data: protobuf itself holds no more
MAX_NUMBERS = 2**31  # in one array
PLAIN = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16}  # types whose bytes in a file are numbers one by one
SPARSE_MOST = 2**26  # numbers that a sparse array is laid out to


def read_onnx(path: str | PathLike[str], *, max_bytes: int = MAX_BYTES) -> Model:
    """The model of an ONNX file; large arrays stay in the file until they are asked for.

    External data is read from the file's own folder alone.

    Raises: InteropError where the `onnx` package is missing, or the file is damaged, too large, or asks for what no
        model should: files elsewhere, functions that call themselves, operations that wait for each other.
    """
    path = Path(path)
    onnx = package()
    if not path.is_file():
        raise InteropError(f"There is no file {path}.")
    size = path.stat().st_size
    if not 0 < size <= max_bytes:
        raise InteropError(f"{path} has {size:,} bytes: an ONNX file has 1 to {max_bytes:,} (max_bytes=).")
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as data,
        ):
            small, places = without_arrays(data)
        proto = onnx.ModelProto.FromString(small)
        return model_of(proto, str(path), path, places)
    except InteropError as error:
        raise InteropError(f"{path} is no model that can be opened: {str(error).removesuffix('.')}.") from None
    except (ValueError, TypeError, OverflowError, RecursionError, UnicodeDecodeError, KeyError) as error:
        raise InteropError(f"{path} is no model that can be opened: {first_line(error)}.") from None
    except onnx_decode_error() as error:
        raise InteropError(f"{path} is cut off, damaged, or no ONNX file: {first_line(error)}.") from None


def package() -> Any:
    """The onnx package. Raises: InteropError where it is not installed."""
    try:
        import onnx
    except ImportError:
        raise InteropError('ONNX files are read with the package onnx: pip install "pellucid[onnx]"') from None
    return onnx


def onnx_decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    return DecodeError


def first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")[:300]


@dataclass(frozen=True)
class Reading:
    """What a graph is read with: its file, and where the arrays of the outermost graph lie in it."""

    path: Path | None
    functions: Mapping[tuple[str, str, str], Any]
    opset: int


def model_of(
    proto: Any, source: str, path: Path | None = None, places: Mapping[int, tuple[int, int]] | None = None
) -> Model:
    """The model of a ModelProto; `places` says where in the file the arrays that are not in it begin and end.

    Raises: InteropError for what cannot be opened.
    """
    opsets = {entry.domain: int(entry.version) for entry in proto.opset_import}
    # Where it uses words of other domains alone, or is older than opsets, it says none of ONNX's own.
    opset = opsets.get("", opsets.get("ai.onnx", package().defs.onnx_opset_version() if opsets else 1))
    if not 1 <= opset <= 100:
        raise InteropError(f"its opset is {opset}")
    functions = {(f.domain, f.name, getattr(f, "overload", "")): f for f in proto.functions}
    reading = Reading(path, functions, opset)
    return graph_of(proto.graph, reading, source, places or {})


def graph_of(graph: Any, reading: Reading, source: str, places: Mapping[int, tuple[int, int]]) -> Model:
    held: dict[str, np.ndarray | Stored] = {}
    for i, tensor in enumerate(graph.initializer):
        if as_text(tensor.name) in held:
            raise InteropError(f"two arrays are called {tensor.name!r}")
        held[tensor.name] = array_of(tensor, reading.path, places.get(i))
    for tensor in graph.sparse_initializer:
        held[tensor.values.name] = dense_of(tensor, reading.path)
    inputs = tuple(port_of(value) for value in graph.input if value.name not in held)
    operations = [operation_of(node, reading, source) for node in inlined(graph.node, reading)]
    outputs = tuple(port_of(value) for value in graph.output)
    ordered = in_order(operations, [*(port.name for port in inputs), *held], [port.name for port in outputs])
    return Model(inputs, outputs, ordered, Tensors(held), reading.opset, source)


def operation_of(node: Any, reading: Reading, source: str) -> Operation:
    for name in (node.name, node.op_type, node.domain, *node.input, *node.output, *(a.name for a in node.attribute)):
        as_text(name)
    domain = "" if node.domain == "ai.onnx" else node.domain
    attributes = {a.name: attribute_of(a, node, reading, source) for a in node.attribute}
    kind = f"{domain}.{node.op_type}" if domain else node.op_type
    return Operation(kind, tuple(node.input), tuple(node.output), attributes, node.name, domain)


def attribute_of(attribute: Any, node: Any, reading: Reading, source: str) -> Any:
    """An attribute as a number, text, list of these, array, or model."""
    onnx = package()
    kinds = onnx.AttributeProto
    match attribute.type:
        case kinds.FLOAT:
            return float(attribute.f)
        case kinds.INT:
            return int(attribute.i)
        case kinds.STRING:
            return attribute.s.decode("utf-8", "replace")
        case kinds.FLOATS:
            return [float(f) for f in attribute.floats]
        case kinds.INTS:
            return [int(i) for i in attribute.ints]
        case kinds.STRINGS:
            return [s.decode("utf-8", "replace") for s in attribute.strings]
        case kinds.TENSOR:
            found = array_of(attribute.t, reading.path, None)
            return found.read() if isinstance(found, Stored) else found
        case kinds.SPARSE_TENSOR:
            return dense_of(attribute.sparse_tensor, reading.path)
        case kinds.GRAPH:
            return branch_of(attribute.g, reading, source)
    raise InteropError(
        f"{node.op_type} {node.name!r} has an attribute {attribute.name!r} of a kind that cannot be opened "
        f"({attribute.type})"
    )


def branch_of(graph: Any, reading: Reading, source: str) -> Model:
    """A graph inside an operation; it may read the values of the graph around it."""
    held = {tensor.name: array_of(tensor, reading.path, None) for tensor in graph.initializer}
    inputs = tuple(port_of(value) for value in graph.input if value.name not in held)
    operations = tuple(operation_of(node, reading, source) for node in inlined(graph.node, reading))
    return Model(inputs, tuple(map(port_of, graph.output)), operations, Tensors(held), reading.opset, source)


def as_text(name: Any) -> str:
    """Raises: InteropError for a name that is no text, which protobuf gives as bytes."""
    if not isinstance(name, str):
        raise InteropError(f"it is damaged: the name {name!r} is no text")
    return name


def port_of(value: Any) -> Port:
    as_text(value.name)
    kind = value.type
    if kind.WhichOneof("value") != "tensor_type":
        return Port(value.name, None, None)
    tensor = kind.tensor_type
    shape = tuple(length_of(d) for d in tensor.shape.dim) if tensor.HasField("shape") else None
    return Port(value.name, shape, type_of(tensor.elem_type) if tensor.elem_type else None)


def length_of(dim: Any) -> int | None:
    """The length of an axis; None where it is open."""
    if dim.WhichOneof("value") != "dim_value":
        return None
    if dim.dim_value < 0:
        return None
    return int(dim.dim_value)


def type_of(number: int) -> np.dtype:
    """Raises: InteropError for a type of numbers that there is not."""
    from onnx.helper import tensor_dtype_to_np_dtype

    try:
        return np.dtype(tensor_dtype_to_np_dtype(number))
    except (KeyError, ValueError):
        raise InteropError(f"there is no type of numbers {number}") from None


def array_of(tensor: Any, path: Path | None, place: tuple[int, int] | None) -> np.ndarray | Stored:
    """An array that is in the message, further on in its file, or in a file beside it."""
    from onnx.numpy_helper import to_array

    shape = shape_of(tensor)
    if tensor.data_location == type(tensor).EXTERNAL or tensor.external_data:
        return external(tensor, path, shape)
    dtype = type_of(tensor.data_type)
    if place is not None and path is not None:
        if tensor.data_type in PLAIN:
            start, end = place
            stored = Stored(path, start, dtype, shape)
            expect_bytes(tensor, stored.n_bytes, end - start)
            return stored
        with path.open("rb") as file:
            file.seek(place[0])
            tensor.raw_data = file.read(place[1] - place[0])
    if tensor.HasField("raw_data") and tensor.data_type in PLAIN:
        expect_bytes(tensor, prod(shape) * dtype.itemsize, len(tensor.raw_data))
    elif not tensor.HasField("raw_data") and len(typed(tensor)) < prod(shape):
        raise InteropError(f"the array {tensor.name!r} of {list(shape)} holds {len(typed(tensor)):,} numbers only")
    return np.asarray(to_array(tensor))


def typed(tensor: Any) -> Any:
    """The numbers of an array that is not in bytes: packed ones may hold two or four in one."""
    fields = (tensor.float_data, tensor.int32_data, tensor.string_data, tensor.int64_data, tensor.double_data)
    longest = max(*fields, tensor.uint64_data, key=len)
    return range(4 * len(longest)) if tensor.data_type not in {*PLAIN, 8} else longest


def shape_of(tensor: Any) -> tuple[int, ...]:
    shape = tuple(int(n) for n in tensor.dims)
    if any(n < 0 for n in shape) or prod(shape) > MAX_NUMBERS:
        raise InteropError(
            f"the array {tensor.name!r} says its shape is {list(shape)}: at most {MAX_NUMBERS:,} numbers"
        )
    return shape


def expect_bytes(tensor: Any, wanted: int, got: int) -> None:
    if wanted != got:
        raise InteropError(
            f"the array {tensor.name!r} of {list(tensor.dims)} wants {wanted:,} bytes, and there are {got:,}"
        )


def dense_of(tensor: Any, path: Path | None) -> np.ndarray:
    """A sparse array laid out."""
    shape = shape_of(tensor)
    if prod(shape) > SPARSE_MOST:
        raise InteropError(f"a sparse array of {list(shape)} would hold more than {SPARSE_MOST:,} numbers")
    values, index = (
        a.read() if isinstance(a, Stored) else a
        for a in (array_of(tensor.values, path, None), array_of(tensor.indices, path, None))
    )
    whole = np.zeros(shape, values.dtype)
    if index.ndim == 2:
        index = np.ravel_multi_index(tuple(index.T), shape)
    if index.shape != values.shape or (index.size and not 0 <= index.min() <= index.max() < whole.size):
        raise InteropError("a sparse array names places outside its shape")
    whole.reshape(-1)[index] = values
    return whole


def external(tensor: Any, path: Path | None, shape: tuple[int, ...]) -> Stored:
    """An array in a file beside the model.

    Raises: InteropError where that file is anywhere else, or does not hold it.
    """
    said = {entry.key: entry.value for entry in tensor.external_data}
    name = said.get("location", "")
    if path is None:
        raise InteropError(f"the array {tensor.name!r} is in a file {name!r}, and the model came from none")
    place = beside(path, name, tensor.name)
    if tensor.data_type not in PLAIN:
        raise InteropError(
            f"the array {tensor.name!r} in {name!r} is of a type that is read from the model itself only"
        )
    dtype = type_of(tensor.data_type)
    numbers = [said.get(key, "") for key in ("offset", "length")]
    if any(n and not (n.isascii() and n.isdigit() and len(n) < 20) for n in numbers):
        raise InteropError(
            f"the array {tensor.name!r} says it lies at {numbers[0]!r} of {name!r}, {numbers[1]!r} bytes"
        )
    stored = Stored(place, int(numbers[0] or 0), dtype, shape)
    there = max(place.stat().st_size - stored.offset, 0)
    expect_bytes(tensor, stored.n_bytes, int(numbers[1]) if numbers[1] else stored.n_bytes)
    if there < stored.n_bytes:
        raise InteropError(
            f"the array {tensor.name!r} wants {stored.n_bytes:,} bytes of {name!r}, and it has {there:,} from there on"
        )
    return stored


def beside(path: Path, name: str, array: str) -> Path:
    """A file in the folder of the model, by its name.

    Raises: InteropError where the name leads out of the folder, by itself or by a link, or to no plain file.
    """
    folder = path.parent.resolve()
    parts = name.replace("\\", "/").split("/")
    if not name or "\0" in name or Path(name).is_absolute() or ".." in parts or ":" in parts[0]:
        raise InteropError(f"the array {array!r} asks for the file {name!r}: only files in the model's folder are read")
    place = (folder / name).resolve()
    if not place.is_relative_to(folder):
        raise InteropError(f"the array {array!r} asks for {name!r}, a link out of the model's folder")
    if not place.is_file():
        raise InteropError(f"the array {array!r} asks for {name!r}, which is no file in the model's folder")
    return place
