"""Arrays that lie in files: read when they are asked for, and never more than they say they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from ...errors import InteropError


@dataclass(frozen=True)
class Stored:
    """An array in a file, from `offset` on, the last axis fastest."""

    path: Path
    offset: int
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    def read(self) -> np.ndarray:
        """Raises: InteropError where the file does not hold it any more."""
        try:
            flat = np.fromfile(self.path, self.dtype, prod(self.shape), offset=self.offset)
        except OSError as error:
            raise InteropError(f"{self.path} cannot be read: {error.strerror or error}.") from None
        if flat.size != prod(self.shape):
            raise InteropError(f"{self.path} has become shorter while it was read.")
        return flat.reshape(self.shape)


class Tensors(Mapping[str, np.ndarray]):
    """Arrays by name; those that are `Stored` are read anew each time."""

    def __init__(self, held: Mapping[str, np.ndarray | Stored]):
        self.held = dict(held)

    def __getitem__(self, name: str) -> np.ndarray:
        found = self.held[name]
        return found.read() if isinstance(found, Stored) else found

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)

    def __contains__(self, name: object) -> bool:
        return name in self.held
