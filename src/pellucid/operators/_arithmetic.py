"""Arithmetic, comparison and logic, number by number."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ._table import Call, operator, traced


def aligned(x: Any, y: Any, axis: int | None) -> Any:
    """y with axes of length 1 behind its own, so that its first is at `axis` of x, as before opset 7."""
    if axis is None or y.ndim == 0:
        return y
    return y.reshape(y.shape + (1,) * (x.ndim - axis % x.ndim - y.ndim))


def put_pair(kind: str, function: Callable[[Call, Any, Any], Any]) -> None:
    """An operator of two arrays that are broadcast."""

    def pair(at: Call, x: Any, y: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
        return function(at, x, aligned(x, y, axis))

    operator(kind)(pair)


def divided(at: Call, x: Any, y: Any) -> Any:
    """The quotient; of whole numbers, cut towards 0."""
    if not np.issubdtype(x.dtype, np.integer):
        return at.xp.divide(x, y)
    quotient = at.xp.floor_divide(x, y)
    up = (quotient * y != x) & ((x < 0) != (y < 0))
    return quotient + up.astype(quotient.dtype)


def power(at: Call, x: Any, y: Any) -> Any:
    if not traced(y) and y.ndim == 0 and float(y).is_integer() and np.issubdtype(x.dtype, np.inexact):
        return x ** int(y)
    return at.xp.power(x, y).astype(x.dtype)


PAIRS: dict[str, Callable[[Call, Any, Any], Any]] = {
    "Add": lambda at, x, y: at.xp.add(x, y),
    "Sub": lambda at, x, y: at.xp.subtract(x, y),
    "Mul": lambda at, x, y: at.xp.multiply(x, y),
    "Div": divided,
    "Pow": power,
    "And": lambda at, x, y: at.xp.logical_and(x, y),
    "Or": lambda at, x, y: at.xp.logical_or(x, y),
    "Xor": lambda at, x, y: at.xp.logical_xor(x, y),
    "Equal": lambda at, x, y: (x == y).astype(bool),
    "Greater": lambda at, x, y: at.xp.greater(x, y),
    "GreaterOrEqual": lambda at, x, y: at.xp.greater_equal(x, y),
    "Less": lambda at, x, y: at.xp.less(x, y),
    "LessOrEqual": lambda at, x, y: at.xp.less_equal(x, y),
    "BitwiseAnd": lambda at, x, y: at.xp.bitwise_and(x, y),
    "BitwiseOr": lambda at, x, y: at.xp.bitwise_or(x, y),
    "BitwiseXor": lambda at, x, y: at.xp.bitwise_xor(x, y),
}
for name, function in PAIRS.items():
    put_pair(name, function)


def error_function(at: Call, x: Any) -> Any:
    if at.xp is not np:
        return jax.scipy.special.erf(x)
    from scipy.special import erf

    return erf(x.astype(np.float64)).astype(x.dtype)


def magnitude(at: Call, x: Any) -> Any:
    """|x|, with slope 0 at 0."""
    return x * at.xp.sign(x) if at.xp is not np and np.issubdtype(x.dtype, np.inexact) else at.xp.abs(x)


SINGLES: dict[str, Callable[[Call, Any], Any]] = {
    "Abs": magnitude,
    "Acos": lambda at, x: at.xp.arccos(x),
    "Acosh": lambda at, x: at.xp.arccosh(x),
    "Asin": lambda at, x: at.xp.arcsin(x),
    "Asinh": lambda at, x: at.xp.arcsinh(x),
    "Atan": lambda at, x: at.xp.arctan(x),
    "Atanh": lambda at, x: at.xp.arctanh(x),
    "BitwiseNot": lambda at, x: at.xp.bitwise_not(x),
    "Ceil": lambda at, x: at.xp.ceil(x),
    "Cos": lambda at, x: at.xp.cos(x),
    "Cosh": lambda at, x: at.xp.cosh(x),
    "Det": lambda at, x: at.xp.linalg.det(x),
    "Erf": error_function,
    "Exp": lambda at, x: at.xp.exp(x),
    "Floor": lambda at, x: at.xp.floor(x),
    "IsNaN": lambda at, x: at.xp.isnan(x),
    "Log": lambda at, x: at.xp.log(x),
    "Neg": lambda at, x: at.xp.negative(x),
    "Not": lambda at, x: at.xp.logical_not(x),
    "Reciprocal": lambda at, x: 1 / x,
    "Round": lambda at, x: at.xp.round(x),
    "Sign": lambda at, x: at.xp.sign(x),
    "Sin": lambda at, x: at.xp.sin(x),
    "Sinh": lambda at, x: at.xp.sinh(x),
    "Sqrt": lambda at, x: at.xp.sqrt(x),
    "Tan": lambda at, x: at.xp.tan(x),
}


def put_single(kind: str, function: Callable[[Call, Any], Any]) -> None:
    """An operator of each number by itself."""

    def single(at: Call, x: Any) -> Any:
        return function(at, x)

    operator(kind)(single)


for name, function in SINGLES.items():
    put_single(name, function)


@operator("Sum")
def total(at: Call, *parts: Any) -> Any:
    return reduce(at.xp.add, parts)


@operator("Mean")
def mean(at: Call, *parts: Any) -> Any:
    return reduce(at.xp.add, parts) / len(parts)


@operator("Max")
def largest(at: Call, *parts: Any) -> Any:
    return reduce(at.xp.maximum, parts)


@operator("Min")
def smallest(at: Call, *parts: Any) -> Any:
    return reduce(at.xp.minimum, parts)


@operator("Mod")
def remainder(at: Call, x: Any, y: Any, *, fmod: int = 0) -> Any:
    """The remainder with the sign of y; with `fmod`, that of x, as in C."""
    return at.xp.fmod(x, y) if fmod else at.xp.mod(x, y)


@operator("BitShift")
def shifted(at: Call, x: Any, y: Any, *, direction: str) -> Any:
    return at.xp.left_shift(x, y) if direction == "LEFT" else at.xp.right_shift(x, y)


@operator("IsInf")
def is_infinite(at: Call, x: Any, *, detect_negative: int = 1, detect_positive: int = 1) -> Any:
    return at.xp.isinf(x) & ((x > 0) & bool(detect_positive) | (x < 0) & bool(detect_negative))


@operator("Where")
def where(at: Call, condition: Any, x: Any, y: Any) -> Any:
    return at.xp.where(condition, x, y)


@operator("Clip")
def clipped(at: Call, x: Any, low: Any = None, high: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """At least `low`, then at most `high`; the slope is 1 at both, as in PyTorch."""
    low, high = (bound if bound is not None else old for bound, old in ((low, min), (high, max)))
    if low is not None:
        x = at.xp.where(x < low, at.xp.asarray(low, x.dtype), x)
    return x if high is None else at.xp.where(x > high, at.xp.asarray(high, x.dtype), x)


@operator("MatMul")
def product(at: Call, x: Any, y: Any) -> Any:
    return at.xp.matmul(x, y).astype(jnp.promote_types(x.dtype, y.dtype))  # NumPy has 32 bits for some of 16


@operator("Gemm")
def general_product(
    at: Call, a: Any, b: Any, c: Any = None, *,
    alpha: float = 1.0, beta: float = 1.0, transA: int = 0, transB: int = 0, broadcast: int = 0,
) -> Any:  # fmt: skip
    """`alpha A B + beta C`, each matrix turned where asked."""
    y = product(at, a.T if transA else a, b.T if transB else b)
    y = y if alpha == 1 else alpha * y
    return y if c is None else y + (c if beta == 1 else beta * c)


@operator("Einsum")
def sum_of_products(at: Call, *parts: Any, equation: str) -> Any:
    if at.xp is np and not np.issubdtype(parts[0].dtype, np.number):  # the small types of ml_dtypes
        return np.einsum(equation, *(part.astype(np.float32) for part in parts)).astype(parts[0].dtype)
    return at.xp.einsum(equation, *parts)


def put_running(kind: str, name: str) -> None:
    """A sum or product so far, along an axis."""

    def so_far(at: Call, x: Any, axis: Any, *, exclusive: int = 0, reverse: int = 0) -> Any:
        xp, along, start = at.xp, int(np.asarray(axis).reshape(())), int(kind == "CumProd")
        x = xp.moveaxis(x, along, 0)
        x = xp.flip(x, 0) if reverse else x
        if exclusive:
            x = xp.concatenate([xp.full_like(x[:1], start), x[:-1]])
        y = getattr(xp, name)(x, axis=0, dtype=x.dtype)
        return xp.moveaxis(xp.flip(y, 0) if reverse else y, 0, along)

    operator(kind, known=(1,))(so_far)


put_running("CumSum", "cumsum")
put_running("CumProd", "cumprod")
