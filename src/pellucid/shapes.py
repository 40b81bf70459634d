"""Shape checks and their words: users never meet XLA's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

from .errors import ShapeError

Dim = int | str


def words(shape: tuple[Dim, ...]) -> str:
    """A shape as people write it.

    Example:
        >>> words(("batch", 9)), words((5,))
        ('(batch, 9)', '(5,)')
    """
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def expect(layer: object, x, wanted: tuple[Dim, ...], name: str = "x") -> None:
    """Raise unless `x` has the wanted shape; a word stands for any size, a leading "..." for any axes.

    Raises: ShapeError naming the layer, what it wanted and what came.
    """
    who, asked = type(layer).__name__, f"{name} {words(wanted)}"
    shape = getattr(x, "shape", None)
    if shape is None:
        raise ShapeError(who, asked, f"a {type(x).__name__}, which is not an array")
    dims, got = wanted, shape
    if wanted[:1] == ("...",):
        dims = wanted[1:]
        got = shape[max(0, len(shape) - len(dims)) :]
    if len(got) != len(dims) or any(isinstance(w, int) and w != g for w, g in zip(dims, got, strict=True)):
        raise ShapeError(who, asked, words(shape), advice(shape, wanted))


def advice(shape: tuple[int, ...], wanted: tuple[Dim, ...]) -> str:
    """What to do about the two commonest misfits: one example without its batch, and pictures not made flat."""
    if shape == wanted[1:]:
        return "for one example give x[None]"
    if len(wanted) == 2 < len(shape) and prod(shape[1:]) == wanted[1]:
        return "put a Flatten before it"
    return ""


@contextmanager
def located(part: str, hint: str = "") -> Iterator[None]:
    """Add `part` to the path of a shape error that comes from inside.

    Example:
        >>> with located("layers[2]", "the layer before gives 4 features"):
        ...     raise ShapeError("Dense", "x (batch, 9)", "(5, 4)")
        Traceback (most recent call last):
        pellucid.errors.ShapeError: layers[2].Dense expects x (batch, 9), got (5, 4): the layer before gives 4 features.
    """
    try:
        yield
    except ShapeError as error:
        raise error.inside(part, hint) from None
