"""The few rules of the protobuf format that are needed to leave the large arrays of a model in its file.

A message is a row of fields: a number with the kind of what follows, then a number, or a length and so many bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ...errors import InteropError

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
GRAPH, INITIALIZER = 7, 5  # of ModelProto, and of GraphProto
RAW = 9  # of TensorProto
MOST = 1_000_000  # fields of one message
LARGE = 1024  # bytes of an array that stays in the file


class Field(NamedTuple):
    """One field of a message: its number, and where it, and what it holds, begins and ends."""

    number: int
    start: int
    inside: int
    end: int
    kind: int


def fields(data: memoryview, start: int, end: int) -> Iterator[Field]:
    """The fields of the message between two places.

    Raises: InteropError where it is cut off or broken.
    """
    at, count = start, 0
    while at < end:
        first, count = at, count + 1
        if count > MOST:
            raise InteropError(f"a message of more than {MOST:,} fields is refused")
        tag, at = varint(data, at, end)
        kind = tag & 7
        inside = at
        if kind == VARINT:
            _, at = varint(data, at, end)
        elif kind == BYTES:
            length, inside = varint(data, at, end)
            at = inside + length
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise InteropError(f"a field of kind {kind} at byte {first}")
        if at > end or not tag >> 3:
            raise InteropError(f"it is cut off or damaged at byte {first}")
        yield Field(tag >> 3, first, inside, at, kind)


def varint(data: memoryview, at: int, end: int) -> tuple[int, int]:
    """A whole number in groups of seven bits, and the place behind it."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise InteropError(f"it is cut off or damaged at byte {at}")


def as_varint(value: int) -> bytes:
    parts = []
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def without_arrays(data: memoryview) -> tuple[bytes, dict[int, tuple[int, int]]]:
    """A model without the bytes of its large initializers, and by their number where in the file each begins and ends.

    Raises: InteropError where the file is damaged.
    """
    parts: list[bytes] = []
    places: dict[int, tuple[int, int]] = {}
    graphs = 0
    for field in fields(data, 0, len(data)):
        if field.number == GRAPH and field.kind == BYTES:
            graphs += 1
            inner = graph_without(data, field, places)
            parts += [as_varint(GRAPH << 3 | BYTES), as_varint(len(inner)), inner]
        else:
            parts.append(bytes(data[field.start : field.end]))
    if graphs != 1:
        raise InteropError(f"it holds {graphs or 'no'} graph{'s' * (graphs != 1)}, and a model has one")
    return b"".join(parts), places


def graph_without(data: memoryview, graph: Field, places: dict[int, tuple[int, int]]) -> bytes:
    parts: list[bytes] = []
    number = 0
    for field in fields(data, graph.inside, graph.end):
        if field.number == INITIALIZER and field.kind == BYTES:
            if field.end - field.inside > LARGE:
                tensor = tensor_without(data, field, places, number)
                parts += [as_varint(INITIALIZER << 3 | BYTES), as_varint(len(tensor)), tensor]
            else:
                parts.append(bytes(data[field.start : field.end]))
            number += 1
        else:
            parts.append(bytes(data[field.start : field.end]))
    return b"".join(parts)


def tensor_without(data: memoryview, tensor: Field, places: dict[int, tuple[int, int]], number: int) -> bytes:
    parts: list[bytes] = []
    for field in fields(data, tensor.inside, tensor.end):
        if field.number == RAW and field.kind == BYTES and field.end - field.inside > LARGE:
            places[number] = field.inside, field.end
        else:
            parts.append(bytes(data[field.start : field.end]))
    return b"".join(parts)
