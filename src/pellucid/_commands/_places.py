"""From what is typed as FILE to rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import SettingError


@dataclass(frozen=True)
class Rows:
    """Rows from a file or a bundled data set: a table, or the arrays x and y."""

    x: Any
    y: Any = None

    def __len__(self) -> int:
        return len(self.x)

    def row(self, number: int) -> Rows:
        """One row, by its place in the file.

        Raises: SettingError where there is no such row.
        """
        if not 0 <= number < len(self):
            raise SettingError(f"The rows are 0 to {len(self) - 1}; got {number}.")
        return Rows(self.x[number : number + 1], None if self.y is None else self.y[number : number + 1])

    @property
    def targets(self) -> Any:
        return self.x if self.y is None else self.y


def read_rows(path: str) -> Rows:
    """The rows of a file or of a bundled data set.

    Raises: DataError for a file that is not there or cannot be read.
    """
    from .._api import named
    from ..train import ARRAYS, find, read_arrays, read_table

    rows, *_ = named(path, None)
    if not isinstance(rows, str):
        return Rows(rows)
    found = find(path)
    return Rows(*read_arrays(found)[:2]) if found.suffix.lower() in ARRAYS else Rows(read_table(found))


def shown(path: str) -> str:
    """A path as one would type it here."""
    place, here = Path(path), Path.cwd()
    return str(place.relative_to(here)) if place.is_relative_to(here) else path
