"""Every error a user can meet.

PellucidError
├── ShapeError      an array of the wrong shape met a layer
├── DataError       the table, the labels or the file cannot be learned from as it is
├── SettingError    an unknown name or an impossible value of a setting
├── GeometryError   a network, or a place in its input space, that has no exact geometry
├── CertifyError    a network, a box or a property of which nothing can be proven
├── InteropError    a model of another framework that cannot be opened, computed or written
└── StoreError      a file that cannot be written, or cannot be trusted when read
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PellucidError(Exception):
    """The base of every error Pellucid raises on purpose: where, wanted, got, and what to do."""


class ShapeError(PellucidError, ValueError):
    """An array of the wrong shape met a layer. Containers add their part of the path on the way out."""

    def __init__(self, who: str, wanted: str, got: str, hint: str = "", path: str = ""):
        self.who, self.wanted, self.got, self.hint, self.path = who, wanted, got, hint, path
        super().__init__(who, wanted, got, hint, path)

    def __str__(self) -> str:
        where = f"{self.path}.{self.who}" if self.path else self.who
        return f"{where} expects {self.wanted}, got {self.got}" + (f": {self.hint}." if self.hint else ".")

    def inside(self, part: str, hint: str = "") -> ShapeError:
        """The same error, seen from the container that holds the layer at `part`."""
        path = part if not self.path else f"{part}.{self.path}"
        return ShapeError(self.who, self.wanted, self.got, self.hint or hint, path)


class DataError(PellucidError, ValueError):
    """The table, the labels or the file cannot be learned from as it is."""


class SettingError(PellucidError, ValueError):
    """An unknown name or an impossible value of a setting."""


class GeometryError(PellucidError, ValueError):
    """A network, or a place in its input space, that has no exact geometry; or an answer that is too large."""


class CertifyError(PellucidError, ValueError):
    """A network, a box or a property of which nothing can be proven: a part without bounds, a box without a point."""


class InteropError(PellucidError, ValueError):
    """A model of another framework that cannot be opened, computed or written: what in it, and why."""


class StoreError(PellucidError, OSError):
    """A file that cannot be written, or cannot be trusted when read."""


def unknown(kind: str, name: object, known: Iterable[str]) -> SettingError:
    """The error for a name that is not in a table, with the nearest one that is.

    Example:
        >>> print(unknown("optimizer", "adamm", ["adam", "sgd"]))
        There is no optimizer 'adamm': did you mean 'adam'? Known: adam, sgd.
    """
    names = sorted(known)
    near = get_close_matches(str(name), names, 1)
    ask = f" did you mean '{near[0]}'?" if near else ""
    return SettingError(f"There is no {kind} {name!r}:{ask} Known: {', '.join(names) or 'none'}.")
