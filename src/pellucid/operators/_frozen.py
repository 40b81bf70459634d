"""Attributes, arrays and bodies as plain tuples: part of a network's structure, which can be written into a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

from ..errors import InteropError

ARRAY, BODY = "array:", "body:"


@dataclass(frozen=True)
class Name:
    """An input or output of a body."""

    name: str


@dataclass(frozen=True)
class Step:
    """One operation of a body."""

    kind: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Body:
    """What a branch or loop does, as `evaluate` wants it."""

    inputs: tuple[Name, ...]
    outputs: tuple[Name, ...]
    operations: tuple[Step, ...]
    constants: Mapping[str, np.ndarray]
    opset: int


def freeze(value: Any) -> Any:
    """The value in tuples, numbers and words.

    Raises: InteropError where it holds something else.
    Example:
        >>> freeze([1, "a", np.array([2.0, 3.0])])
        (1, 'a', ('array:', 'float64', (2,), (2.0, 3.0)))
    """
    if isinstance(value, np.ndarray):
        return (ARRAY, str(value.dtype), value.shape, tuple(value.reshape(-1).tolist()))
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return tuple(map(freeze, value))
    if hasattr(value, "operations"):
        return frozen_body(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InteropError(f"A {type(value).__name__} cannot be the setting of an operator.")


def frozen_body(body: Any) -> Any:
    """A model as the setting of a branch or loop."""
    steps = tuple(
        (one.kind, one.domain, tuple(one.inputs), tuple(one.outputs), frozen_words(one.attributes))
        for one in body.operations
    )
    ports = (tuple(port.name for port in side) for side in (body.inputs, body.outputs))
    return (BODY, *ports, steps, frozen_words({name: np.asarray(a) for name, a in body.constants.items()}), body.opset)


def frozen_words(words: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, freeze(value)) for name, value in words.items()))


@lru_cache(maxsize=1024)
def thaw(value: Any) -> Any:
    """What was frozen; lists come back as tuples.

    Example:
        >>> thaw(freeze(np.array([2.0, 3.0])))
        array([2., 3.])
    """
    if not isinstance(value, tuple):
        return value
    if value[:1] == (ARRAY,):
        _, dtype, shape, numbers = value
        array = np.array(numbers, type_named(dtype)).reshape(shape)
        array.flags.writeable = False
        return array
    if value[:1] == (BODY,):
        return thawed_body(*value[1:])
    return tuple(map(thaw, value))


def thawed_body(inputs: Any, outputs: Any, steps: Any, constants: Any, opset: int) -> Body:
    operations = [Step(kind, domain, read, made, thawed_words(words)) for kind, domain, read, made, words in steps]
    ports = tuple(map(Name, inputs)), tuple(map(Name, outputs))
    return Body(*ports, tuple(operations), thawed_words(constants), opset)


def thawed_words(words: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    return {name: thaw(value) for name, value in words}


def type_named(name: str) -> np.dtype:
    """The type of that name, one of the small types of ml_dtypes among them."""
    return np.dtype(getattr(ml_dtypes, name, name))
