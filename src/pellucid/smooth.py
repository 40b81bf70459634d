"""Smooth curves in double precision for Numba: value, slope, and where they turn from convex to concave.

What is proven about a network leans on these: each value is the curve's own to within `ROUNDED` of the magnitude of the
value and of x. The same curves in JAX, for networks that run, are the table in `activations`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import vectorize

from .compiled import kernel

KINDS = {
    name: i
    for i, name in enumerate(
        (
            "tanh", "sigmoid", "softplus", "exponential", "elu", "gelu", "gelu_tanh", "silu", "mish", "softsign",
            "hard_swish",
        )
    )
}  # fmt: skip
TANH, SIGMOID, SOFTPLUS, EXPONENTIAL, ELU, GELU, GELU_TANH, SILU, MISH, SOFTSIGN, HARD_SWISH = range(len(KINDS))
ROUNDED = 2.0**-48
GATE, CUBE = math.sqrt(8 / math.pi), 0.044715  # of gelu's form with tanh
GELU_TURN, GELU_TANH_TURN, SILU_TURN = math.sqrt(2), 1.418504008790828355548, 2.399357280515467667833
MISH_TURNS = -2.256376396360793120006, 1.490571179485428459294


@kernel
def logistic(x):
    """`1 / (1 + exp(−x))`, without overflow."""
    if x >= 0:
        return 1 / (1 + math.exp(-x))
    e = math.exp(x)
    return e / (1 + e)


@kernel
def plus(x):
    """`log(1 + exp(x))`, without overflow."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


@kernel
def value(kind, a, b, x):
    """`b f(x; a)`."""
    if kind == TANH:
        y = math.tanh(x)
    elif kind == SIGMOID:
        y = logistic(x)
    elif kind == SOFTPLUS:
        y = plus(x)
    elif kind == EXPONENTIAL:
        y = math.exp(x)
    elif kind == ELU:
        y = x if x > 0 else a * math.expm1(x)
    elif kind == GELU:
        y = 0.5 * x * math.erfc(-x * math.sqrt(0.5))
    elif kind == GELU_TANH:
        y = x * logistic(GATE * (x + CUBE * x * x * x))
    elif kind == SILU:
        y = x * logistic(x)
    elif kind == MISH:
        y = x * math.tanh(plus(x))
    elif kind == SOFTSIGN:
        y = x / (1 + abs(x))
    else:
        y = x * min(max(x + 3, 0.0), 6.0) / 6
    return b * y


@kernel
def slope(kind, a, b, x):
    """`b f'(x; a)`; at a kink that of the side which is not straight."""
    if kind == TANH:
        y = math.tanh(x)
        s = (1 - y) * (1 + y)
    elif kind == SIGMOID:
        s = logistic(x) * logistic(-x)
    elif kind == SOFTPLUS:
        s = logistic(x)
    elif kind == EXPONENTIAL:
        s = math.exp(x)
    elif kind == ELU:
        s = 1.0 if x > 0 else a * math.exp(x)
    elif kind == GELU:
        s = 0.5 * math.erfc(-x * math.sqrt(0.5)) + x * math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    elif kind == GELU_TANH:
        u = GATE * (x + CUBE * x * x * x)
        near = min(max(x, -10.0), 10.0)
        s = logistic(u) + x * logistic(u) * logistic(-u) * GATE * (1 + 3 * CUBE * near * near)
    elif kind == SILU:
        s = logistic(x) * (1 + x * logistic(-x))
    elif kind == MISH:
        t = math.tanh(plus(x))
        s = t + x * (1 - t) * (1 + t) * logistic(x)
    elif kind == SOFTSIGN:
        s = 1 / ((1 + abs(x)) * (1 + abs(x)))
    elif x < -3:
        s = 0.0
    else:
        s = (2 * x + 3) / 6 if x <= 3 else 1.0
    return b * s


@kernel
def turns(kind):
    """The places where the curve turns from convex to concave or back, or has a kink: how many, and up to two."""
    if kind in (SOFTPLUS, EXPONENTIAL):
        return 0, 0.0, 0.0
    if kind == GELU:
        return 2, -GELU_TURN, GELU_TURN
    if kind == GELU_TANH:
        return 2, -GELU_TANH_TURN, GELU_TANH_TURN
    if kind == SILU:
        return 2, -SILU_TURN, SILU_TURN
    if kind == MISH:
        return 2, MISH_TURNS[0], MISH_TURNS[1]
    if kind == HARD_SWISH:
        return 2, -3.0, 3.0
    return 1, 0.0, 0.0


@kernel
def bulge(kind, a, b, part):
    """Whether part 0, 1 or 2 of the curve, between its turns, is convex (1), concave (−1) or straight (0)."""
    sign = 1 if b >= 0 else -1
    if kind in (SOFTPLUS, EXPONENTIAL):
        return sign
    if kind == ELU:
        if part == 1:
            return 0
        return sign if a >= 0 else -sign
    if kind == HARD_SWISH:
        return sign if part == 1 else 0
    if kind in (TANH, SIGMOID, SOFTSIGN):
        return sign if part == 0 else -sign
    return sign if part == 1 else -sign


@vectorize(cache=True)
def values(kind, a, b, x):
    return value(kind, a, b, x)


@vectorize(cache=True)
def slopes(kind, a, b, x):
    return slope(kind, a, b, x)


def slope_range(kind: int, a: float, b: float, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers that the slope is not below and not above on each interval, the rounding counted.

    Between its turns a curve is convex or concave, so its slope is the least and the largest at the ends and the turns.
    """
    n, *places = turns(kind)
    points = [low, high, *(np.clip(t, low, high) for t in places[:n])]
    found = [slopes(kind, a, b, p) for p in points]
    if kind in (ELU, HARD_SWISH):  # a kink has two slopes
        for t in places[:n]:
            ends = [slopes(kind, a, b, np.nextafter(t, side)) for side in (-np.inf, np.inf)]
            found += [np.where((low <= t) & (t <= high), end, found[0]) for end in ends]
    least, most = np.minimum.reduce(found), np.maximum.reduce(found)
    off = ROUNDED * (abs(b) + np.maximum(abs(least), abs(most)))
    return least - off, most + off
