"""A user's function on a box: its values, and what is known of it between them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import DataError, SettingError
from ._interval import Interval, exactly
from ._jaxpr import bounds, traced
from ._jet import Jet
from ._record import Box, at_least_zero

MOST = 2**18  # numbers in the Hessians that are bounded at a time


@dataclass(frozen=True, eq=False)
class Target:
    """A function of d numbers on a box. `operations` are those JAX found in it, None where it cannot see into it.

    What is given holds on the box: `lipschitz`, `|f(x) − f(y)| ≤ L ‖x − y‖₂`; `curvature`, the second derivative along
    any unit direction is between −M and M; `convex`, 1 for convex, −1 for concave.
    """

    function: Callable[[Any], Any]
    box: Box
    operations: Any
    lipschitz: float | None
    curvature: float | None
    convex: int

    @property
    def d(self) -> int:
        return len(self.box)

    def values(self, x: np.ndarray) -> Interval:
        """Bounds of the values at points (points, d): as wide as rounding where JAX sees into the function.

        Raises: DataError where a value is not finite, or not one number.
        """
        found = exactly(self.computed(x)) if self.operations is None else self.ranges(x, x)
        ensure_finite(np.isfinite(found.low) & np.isfinite(found.high), x)
        return found

    def ranges(self, low: np.ndarray, high: np.ndarray) -> Interval:
        """Bounds of the values on boxes (boxes, d)."""
        return bounds(self.operations, low, high, slopes=False).value

    def middle(self, x: np.ndarray) -> np.ndarray:
        """The values at points, (points,)."""
        found = self.values(x)
        return (found.low + found.high) / 2

    def sampled(self, x: np.ndarray) -> np.ndarray:
        """The values at points, (points,), without a bound of their rounding: for what is tried over and over.

        Raises: DataError where a value is not finite, or not one number.
        """
        if self.operations is None:
            found = self.computed(x)
        else:
            with jax.enable_x64(True):
                found = np.asarray(self.compiled(x[:, 0] if self.d == 1 else x), float).reshape(-1)
        ensure_finite(np.isfinite(found), x)
        return found

    @cached_property
    def compiled(self) -> Any:
        return jax.jit(jax.vmap(self.function))

    def computed(self, x: np.ndarray) -> np.ndarray:
        """What the function itself gives: for all points at once where it can, else one by one."""
        columns = x[:, 0] if self.d == 1 else x.T
        try:
            at_once = np.asarray(self.function(columns), float)
        except Exception:  # a function of one number alone; one that fails does so below too, and says where
            at_once = np.zeros(0)
        one = [
            single(self.function, row if self.d > 1 else row[0])
            for row in x[: 2 if at_once.shape == (len(x),) else None]
        ]
        same = at_once.shape == (len(x),) and np.array_equal(at_once[:2], one, equal_nan=True)
        if not same and len(one) < len(x):
            one = [single(self.function, row if self.d > 1 else row[0]) for row in x]
        return at_once if same else np.array(one)

    def jets(self, low: np.ndarray, high: np.ndarray) -> Jet:
        """Bounds of value, gradient and Hessian on boxes (boxes, d)."""
        step = max(1, MOST // self.d**2)
        parts = [bounds(self.operations, low[i : i + step], high[i : i + step]) for i in range(0, len(low), step)]
        return Jet(*(Interval(*map(np.concatenate, zip(*part, strict=True))) for part in zip(*parts, strict=True)))

    def basis(self) -> str:
        """What is known, in words."""
        known = []
        if self.operations is not None:
            known.append("its first two derivatives, bounded by interval arithmetic on its operations")
        if self.lipschitz is not None:
            known.append(f"its Lipschitz constant {self.lipschitz:g}, as given")
        if self.curvature is not None:
            known.append(f"its curvature of at most {self.curvature:g}, as given")
        if self.convex:
            known.append(f"that it is {'convex' if self.convex > 0 else 'concave'}, as given")
        own = "" if self.operations is not None else "its values as it computes them, "
        return own + " and ".join(known)


def target_of(
    function: Callable[[Any], Any],
    box: Box,
    *,
    lipschitz: float | None = None,
    curvature: float | None = None,
    convex: bool | None = None,
) -> Target:
    """A function with what is known of it; NumPy's own functions are taken for their twins in JAX.

    Raises: SettingError where nothing is known of it, or something impossible is given; DataError where it fails.
    """
    if not callable(function):
        raise SettingError(f"A function is wanted, got {function!r}.")
    twin = twin_of(function)
    operations = traced(twin, () if len(box) == 1 else (len(box),))
    lipschitz, curvature = (
        None if value is None else at_least_zero(name, value)
        for name, value in (("lipschitz", lipschitz), ("curvature", curvature))
    )
    if convex not in (None, True, False):
        raise SettingError(f"convex is True for a convex function and False for a concave one, got {convex!r}.")
    if convex is not None and len(box) > 1:
        raise SettingError("convex= is for functions of one variable: give curvature= or lipschitz=.")
    if operations is None:  # it may be that it fails for a reason of its own
        single(twin, np.mean(box, axis=1) if len(box) > 1 else float(np.mean(box)))
    if operations is None and lipschitz is None and curvature is None and convex is None:
        raise SettingError(
            "Nothing is known of the function between its values, so no error can be proven: write it with jax.numpy, "
            "or give lipschitz=, curvature= or, for one variable, convex=."
        )
    return Target(twin, box, operations, lipschitz, curvature, 0 if convex is None else 1 if convex else -1)


def ensure_finite(finite: np.ndarray, x: np.ndarray) -> None:
    """Refuse a function that has no value somewhere.

    Raises: DataError naming the first of the points (points, d) whose value is not finite.
    """
    wrong = np.flatnonzero(~finite)
    if len(wrong):
        at = ", ".join(f"{c:g}" for c in x[wrong[0]])
        raise DataError(f"The function is not finite, or has no value, at x = {at}: take a box where it has one.")


def twin_of(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The function of JAX of the same name for one of NumPy's or of `math`."""
    name = getattr(function, "__name__", "")
    if isinstance(function, np.ufunc) or function is getattr(math, name, None):
        return getattr(jnp, name, function)
    return function


def single(function: Callable[[Any], Any], x: Any) -> float:
    """One value.

    Raises: DataError where it is not one number, or the function fails.
    """
    try:
        value = np.asarray(function(x))
    except Exception as problem:
        at = ", ".join(f"{c:g}" for c in np.atleast_1d(x))
        raise DataError(f"The function fails at x = {at}: {type(problem).__name__}: {problem}") from problem
    if value.size != 1 or value.dtype.kind not in "fiub":
        got = f"an array of shape {value.shape}" if value.size != 1 else f"a {type(value.item()).__name__}"
        raise DataError(f"The function gives {got} for one input; wanted is one number.")
    return float(value.reshape(()))
