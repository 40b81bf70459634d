"""The geometry of a window that slides along an axis, the same for pooling and for convolution."""

from __future__ import annotations

from typing import NamedTuple

from jax import Array

from ..errors import SettingError, ShapeError
from ..module import Layer
from ..shapes import expect, words

Sizes = int | tuple[int, ...]


class Window(NamedTuple):
    """A window of `size` places along an axis of length n, with empty places before and behind it."""

    axis: int
    n: int
    size: int
    stride: int
    before: int
    behind: int

    @property
    def positions(self) -> int:
        return (self.n + self.before + self.behind - self.size) // self.stride + 1

    @property
    def reach(self) -> int:
        """How many strides back the window still holds the first place of a block of `stride` places."""
        return (self.size - 1) // self.stride

    @property
    def blocks(self) -> int:
        """How many blocks of `stride` places cover the axis, and all the windows."""
        return max(self.positions + self.reach, -(-(self.n + self.before) // self.stride))


def sizes(who: str, name: str, value: Sizes, least: int) -> Sizes:
    """A setting that is one whole number for all axes, or one for each.

    Raises: SettingError where it is neither, or below the least.
    """
    many = value if isinstance(value, tuple | list) else (value,)
    if not 1 <= len(many) <= 3 or any(type(n) is not int or n < least for n in many):
        raise SettingError(f"{who}: {name} is a whole number from {least} on, or up to three of them; got {value!r}.")
    return tuple(many) if isinstance(value, tuple | list) else value


def spatial(layer: Layer, x: Array, *settings: Sizes) -> int:
    """How many axes of x lie between batch and channels.

    Raises: ShapeError where there is none, or another number than the settings say.
    """
    ranks = {len(setting) for setting in settings if isinstance(setting, tuple)}
    if getattr(x, "ndim", 0) < 3 and not ranks:
        expect(layer, x, ("batch", "...", "channels"))
    for rank in ranks:
        expect(layer, x, ("batch", *("length", "height width", "depth height width")[rank - 1].split(), "channels"))
    return x.ndim - 2


def each(setting: Sizes, rank: int) -> tuple[int, ...]:
    return setting if isinstance(setting, tuple) else (setting,) * rank


def check_fits(layer: Layer, x: Array, windows: list[Window]) -> None:
    """Raise unless each window fits into its axis, with the empty places around it."""
    if any(w.n + w.before + w.behind < w.size for w in windows):
        least = ("batch", *(max(w.size - w.before - w.behind, 1) for w in windows), "channels")
        raise ShapeError(type(layer).__name__, f"x of at least {words(least)}", words(x.shape))
