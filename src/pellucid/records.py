"""The base of every answer: numbers that can be read, drawn and written as JSON."""

from __future__ import annotations

import dataclasses
import math
from importlib import import_module
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Record:
    """A frozen dataclass of numbers with their units and evidence. Drawing and printing are looked up in `report`."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain lists, numbers and texts; a number that is not finite becomes None."""
        return {f.name: plain(getattr(self, f.name)) for f in dataclasses.fields(self) if f.metadata.get("json", True)}

    def plot(self, **options: Any) -> Any:
        """The record's picture, a matplotlib Figure."""
        return import_module("pellucid.report").figure(self, **options)

    def __str__(self) -> str:
        return import_module("pellucid.report").text(self)

    def _repr_html_(self) -> str:
        return import_module("pellucid.report").html(self)


def unlisted(**settings: Any) -> Any:
    """A field of a record that `to_json` leaves out: a network, a function."""
    return dataclasses.field(metadata={"json": False}, **settings)


def plain(value: Any) -> Any:
    """A value as JSON can say it.

    Example:
        >>> plain({"a": np.float32(0.5), "b": np.array([1.0, np.nan]), "c": (1, True)})
        {'a': 0.5, 'b': [1.0, None], 'c': [1, True]}
    """
    if isinstance(value, Record):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(v) for v in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "__array__"):
        return plain(np.asarray(value).tolist())
    return str(value)
