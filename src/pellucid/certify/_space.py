"""Where inputs lie: boxes, and balls within a box."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np

from ..errors import CertifyError, SettingError
from ..geometry import Network


class Spaces(NamedTuple):
    """Several boxes; where `norm` is 1 or 2, what is in each within `radius` of its `centre`.

    Shapes: low, high, centre (spaces, inputs); radius (spaces,).
    """

    low: np.ndarray
    high: np.ndarray
    centre: np.ndarray
    radius: np.ndarray
    norm: float

    @property
    def whole(self) -> bool:
        """Whether no ball takes anything from the boxes."""
        away = np.maximum(self.high - self.centre, self.centre - self.low)
        return self.norm == np.inf or bool((np.linalg.norm(away, self.norm, axis=1) <= self.radius).all())

    def part(self, which: Any) -> Spaces:
        low, high, centre, radius = (array[which] for array in self[:4])
        return Spaces(low, high, centre, radius, self.norm)

    def beside(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """Whether boxes (boxes, inputs) lie outside of the one ball, whatever rounding."""
        if self.norm == np.inf:
            return np.zeros(len(low), bool)
        away = np.maximum(np.maximum(low - self.centre, self.centre - high), 0)
        return np.linalg.norm(away, self.norm, axis=1) > self.radius * (1 + 1e-9) + 1e-300

    def inside(self, x: np.ndarray) -> np.ndarray:
        """Points, one of each space (spaces, n, inputs), moved into it: to the box, then towards the centre."""
        x = np.clip(x, self.low[:, None], self.high[:, None])
        if self.norm == np.inf:
            return x
        away = x - self.centre[:, None]
        far = np.linalg.norm(away, self.norm, axis=-1, keepdims=True)
        share = self.radius[:, None, None] / np.maximum(far, 1e-300)
        return np.where(share < 1, self.centre[:, None] + away * share * (1 - 1e-12), x)


def around(x: Any, radius: Any, norm: float = np.inf, within: Any = None) -> Spaces:
    """Balls `‖z − x‖ ≤ radius` in the norm 1, 2 or inf around rows x, within a box.

    `within` is one pair (low, high) for all inputs, or one for each; `radius` one number, or one for each row.

    Raises: SettingError for another norm or a radius below 0; CertifyError for a row that is not finite or not within.
    Example:
        >>> around([[0.0, 1.0]], 0.5, within=(0, 1)).low.tolist()
        [[0.0, 0.5]]
    """
    if norm not in (1, 2, np.inf):
        raise SettingError(f"norm is 1, 2 or inf, got {norm!r}.")
    x = np.asarray(x, float)
    x = x.reshape(1, -1) if x.ndim < 2 else x.reshape(len(x), -1)
    radius = np.broadcast_to(np.asarray(radius, float), len(x)).copy()
    if not (np.isfinite(radius) & (radius >= 0)).all():
        wrong = radius[~(np.isfinite(radius) & (radius >= 0))][0]
        raise SettingError(f"radius is a number from 0 on; got {wrong}.")
    finite(x, "the point")
    low, high = -up(-x, radius[:, None]), up(x, radius[:, None])
    if within is not None:
        sides = np.asarray(within, float)
        sides = np.broadcast_to(sides, (x.shape[1], 2)) if sides.shape == (2,) else checked(sides, x.shape[1])[0]
        outside = (x < sides[:, 0]) | (x > sides[:, 1])
        if outside.any():
            row, i = np.argwhere(outside)[0]
            raise CertifyError(
                f"Input {i} of row {row} is {x[row, i]:g}, outside of within=, from {sides[i, 0]:g} to {sides[i, 1]:g}."
            )
        low, high = np.maximum(low, sides[:, 0]), np.minimum(high, sides[:, 1])
    return Spaces(low, high, x, radius, float(norm))


def up(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a + b`, rounded up (Knuth 1997, section 4.2.2, theorem B)."""
    found = a + b
    of_b = found - a
    lost = (a - (found - of_b)) + (b - of_b)
    return np.where(lost > 0, np.nextafter(found, np.inf), found)


def spaces_of(box: Any, network: Network) -> Spaces:
    """What a user gave for a box: pairs (low, high) for each input, of one box or of several; or `around(...)`.

    Raises: CertifyError where there are not as many sides as inputs, or one is no interval of finite numbers.
    """
    if isinstance(box, Spaces):
        if box.low.shape[1] != network.n_in:
            raise CertifyError(
                f"The network has {network.n_in} inputs; the points have {box.low.shape[1]} coordinates."
            )
        return box
    sides = checked(box, network.n_in)
    low, high = np.ascontiguousarray(sides[..., 0]), np.ascontiguousarray(sides[..., 1])
    middle = low + (high - low) / 2
    return Spaces(low, high, middle, np.zeros(len(low)), np.inf)


def checked(box: Any, n: int) -> np.ndarray:
    """Boxes as an array (boxes, n, 2)."""
    try:
        sides = np.asarray(box, float)
    except (TypeError, ValueError):
        raise CertifyError(
            f"A box is a pair (low, high) for each input, as in [(-1, 1), (-1, 1)]; got {box!r}."
        ) from None
    if sides.ndim < 2 or sides.shape[-1] != 2:
        raise CertifyError(f"A box is a pair (low, high) for each of {n} inputs; got an array of shape {sides.shape}.")
    one = prod(sides.shape[:-1]) == n
    if not one and (sides.ndim < 3 or prod(sides.shape[1:-1]) != n):
        raise CertifyError(f"The network has {n} inputs; the box has {prod(sides.shape[:-1])} sides.")
    sides = sides.reshape(-1, n, 2)
    finite(sides[..., 0], "the lower end of side")
    finite(sides[..., 1], "the upper end of side")
    if (sides[..., 0] > sides[..., 1]).any():
        b, i = np.argwhere(sides[..., 0] > sides[..., 1])[0]
        which = f" of box {b}" if len(sides) > 1 else ""
        raise CertifyError(
            f"The box is empty: side {i}{which} goes from {sides[b, i, 0]:g} down to {sides[b, i, 1]:g}."
        )
    return sides


def finite(x: np.ndarray, what: str) -> None:
    """Raises: CertifyError where a number is NaN or infinite."""
    if not np.isfinite(x).all():
        row, i = np.argwhere(~np.isfinite(x))[0]
        raise CertifyError(f"A proof is over finite numbers; {what} {i} of row {row} is {x[row, i]}.")
