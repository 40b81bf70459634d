"""Types of numbers: their numbers in ONNX, and casts between them."""

from __future__ import annotations

from typing import Any

import jax
import ml_dtypes
import numpy as np

from ..errors import InteropError
from ._table import Call, operator, traced

TYPES: dict[int, np.dtype] = {
    number: np.dtype(kind)
    for number, kind in {
        1: np.float32, 2: np.uint8, 3: np.int8, 4: np.uint16, 5: np.int16, 6: np.int32, 7: np.int64, 8: object,
        9: bool, 10: np.float16, 11: np.float64, 12: np.uint32, 13: np.uint64, 14: np.complex64, 15: np.complex128,
        16: ml_dtypes.bfloat16, 17: ml_dtypes.float8_e4m3fn, 18: ml_dtypes.float8_e4m3fnuz, 19: ml_dtypes.float8_e5m2,
        20: ml_dtypes.float8_e5m2fnuz, 21: ml_dtypes.uint4, 22: ml_dtypes.int4, 23: ml_dtypes.float4_e2m1fn,
        24: ml_dtypes.float8_e8m0fnu, 25: ml_dtypes.uint2, 26: ml_dtypes.int2,
    }.items()
}  # fmt: skip
TEXT = TYPES[8]
EIGHT_BITS = tuple(TYPES[number] for number in (17, 18, 19, 20))
FEW_BITS = tuple(TYPES[number] for number in (21, 22, 25, 26))
POWERS = TYPES[24]  # of two, and nothing else


def type_of(number: int) -> np.dtype:
    """The type that ONNX gives this number.

    Raises: InteropError where there is none.
    Example:
        >>> type_of(7)
        dtype('int64')
    """
    if number not in TYPES:
        raise InteropError(f"There is no type of number {number}.")
    return TYPES[number]


def cast(at: Call, x: Any, dtype: np.dtype, saturate: bool = True, round_mode: str = "up") -> Any:
    """x in another type; what is too large for eight bits becomes their largest number where `saturate` is set."""
    if dtype == TEXT:
        return texts(at, x)
    if x.dtype == TEXT:
        return np.array([float(t) for t in x.reshape(-1)]).reshape(x.shape).astype(dtype)
    if dtype == POWERS:
        return power_of_two(at, x, saturate, round_mode)
    if dtype in EIGHT_BITS and saturate:
        most = float(ml_dtypes.finfo(dtype).max)
        x = at.xp.clip(x.astype(np.float32), -most, most)
    if dtype in FEW_BITS and np.issubdtype(x.dtype, np.floating):
        x = x.astype(np.int32)  # so that what is too large loses its upper bits
    return x.astype(at.type(dtype))


def texts(at: Call, x: Any) -> np.ndarray:
    if traced(x):
        raise at.refuse("words cannot be made of numbers that depend on the input")
    return np.asarray(x).astype(np.str_).astype(object)


def power_of_two(at: Call, x: Any, saturate: bool, round_mode: str) -> Any:
    """The power of two beside |x|, above, below or nearest; NaN stands for what is not finite."""
    if traced(x):
        raise at.refuse("float8e8m0 is supported for constants only")
    size = np.abs(np.asarray(x).astype(np.float32))
    fraction, exponent = np.frexp(size)  # size = fraction · 2^exponent, ½ ≤ fraction < 1
    up = {"down": fraction < 0, "up": fraction > 0.5, "nearest": fraction >= 0.75}[round_mode]
    exponent = exponent - 1 + up
    exponent = np.where(size == 0, -127, np.maximum(exponent, -127))
    if saturate:
        exponent = np.minimum(exponent, 127)
    result = np.where(np.isfinite(size) & (exponent <= 127), np.exp2(exponent.astype(np.float64)), np.nan)
    return result.astype(POWERS)


@operator("Cast")
def cast_to(at: Call, x: Any, *, to: int | str, saturate: int = 1, round_mode: str = "up") -> Any:
    number = OLD_NAMES.index(to) if isinstance(to, str) else to
    return cast(at, x, type_of(number), bool(saturate), round_mode)


OLD_NAMES = (
    "UNDEFINED", "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "STRING", "BOOL", "FLOAT16", "DOUBLE",
)  # fmt: skip


@operator("CastLike")
def cast_like(at: Call, x: Any, y: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    return cast(at, x, np.dtype(y.dtype), bool(saturate), round_mode)


@operator("BitCast")
def same_bits(at: Call, x: Any, *, to: int) -> Any:
    """The bits of x read as another type of the same size."""
    dtype = type_of(to)
    if dtype.itemsize != np.dtype(x.dtype).itemsize or TEXT in (dtype, x.dtype):
        raise at.refuse(f"{x.dtype} and {dtype} have not the same number of bits")
    return jax.lax.bitcast_convert_type(x, dtype) if isinstance(x, jax.Array) else x.view(dtype)
