"""Networks, arrays and runs on disk, in safetensors, JSON and SQLite; never pickle, strict when read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._files import read_arrays, read_tensors, write_arrays, write_bytes, write_text
from ._runs import RunStore, environment

if TYPE_CHECKING:
    from ._model import load, pack, save, unpack

__all__ = [
    "RunStore",
    "environment",
    "load",
    "pack",
    "read_arrays",
    "read_tensors",
    "save",
    "unpack",
    "write_arrays",
    "write_bytes",
    "write_text",
]


def __getattr__(name: str) -> Any:
    """The networks' part on first use: it loads JAX, which a list of runs can do without."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import _model

    return getattr(_model, name)
