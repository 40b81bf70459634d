"""Polynomials of one variable: one hidden layer, or deep by Horner's rule, whichever takes fewer neurons."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ..errors import DataError, SettingError
from ._approximate import of_one
from ._chain import Chain, affine, beside, is_stored, picked, then
from ._lattice import numbers
from ._power import below, product_of
from ._record import Construction, above_zero, built, checked_box
from ._target import target_of

GRID = 2.0**-20  # of the range: coefficients are multiples of it, so that sums of them are exact in float32


def polynomial(coefficients: Any, interval: Any = (0, 1), *, error: float) -> Construction:
    """`a_0 + a_1 x + a_2 x² + …` within `error` on an interval, by the form that takes fewer neurons.

    One hidden layer takes about `1 / √error` neurons. Horner's rule, `p ← p x + a_k`, takes a product for each degree
    beyond the first, of `log2(1 / error) / 2` layers: that is less where the error is small.

    Raises: DataError where the coefficients are not finite numbers; SettingError for an empty interval, or an error
        that float32 cannot reach.
    Source: Yarotsky 2017 for the products.
    Example:
        >>> made = polynomial([0.0, -1.0, 0.0, 1.0], (-1, 1), error=0.01)
        >>> made.depth, made.measured <= made.error <= 0.01
        (1, True)
    """
    a = np.trim_zeros(numbers("coefficients", coefficients, 1), "b")
    box, wanted = checked_box(interval, 1), above_zero("error", error)
    if not len(coefficients):
        raise DataError("coefficients wants one number or more: a_0, a_1, … .")
    name = f"a polynomial of degree {max(len(a) - 1, 0)}"
    choices, notes = [], []
    for form in (deep, shallow):
        try:
            choices.append(form(a, box, wanted, name))
        except SettingError as problem:
            notes.append(str(problem))
    if not choices:
        raise SettingError(notes[-1])
    best = min(choices, key=lambda made: made.neurons)
    others = [
        f"in {c.depth} hidden layer{'s' * (c.depth != 1)} it takes {c.neurons:,} neurons"
        for c in choices
        if c is not best
    ]
    return best.noted(*others, *notes)


def shallow(a: np.ndarray, box: Any, error: float, name: str) -> Construction:
    """One hidden layer."""
    if len(a) < 3:
        raise SettingError("It is linear, and needs no hidden layer.")
    return of_one(target_of(lambda x: jnp.polyval(jnp.asarray(a[::-1]), x), box), name, error, None)


def deep(a: np.ndarray, box: Any, error: float, name: str) -> Construction:
    """Horner's rule; what each step is off by is carried on by the powers of the largest |x|."""
    chain, bound = horner(a, box[0], error)
    if not is_stored(chain):
        raise SettingError(f"Float32 has no exact weights for Horner's rule from {box[0][0]:g} to {box[0][1]:g}.")
    if bound > error:
        raise SettingError(f"An error of {error:g} is too small for float32 here: Horner's rule reaches {bound:.2g}.")
    return built(
        chain, box, lambda x: np.polynomial.polynomial.polyval(x, a) if len(a) else np.zeros_like(x), name, bound,
        "every product is off by at most a fourth of the square of its step, every coefficient by what float32 rounds "
        "off, and each is carried on by the powers of the largest |x|; every other weight is stored exactly",
    )  # fmt: skip


def horner(a: np.ndarray, side: tuple[float, float], error: float) -> tuple[Chain, float]:
    """The chain, and how far it is off."""
    low, high = side
    size = max(abs(low), abs(high))
    if len(a) < 2:
        value = float(a[0]) if len(a) else 0.0
        return affine([[0.0]], [value]), abs(value - float(np.float32(value)))
    share = 0.9 * error / sum(max(size, 1e-9) ** k for k in range(len(a) - 2)) if len(a) > 2 else error
    span = sorted((a[-1] * low, a[-1] * high))
    slope, start = on_grid(a[-1], span[1] - span[0] or 1.0), on_grid(a[-2], max(map(abs, span)) + abs(a[-2]))
    off = abs(slope - a[-1]) * size + abs(start - a[-2])
    chain = affine([[slope, 1.0]], [start, 0.0])
    span = [span[0] + a[-2] - off, span[1] + a[-2] + off]
    for coefficient in a[-3::-1]:
        step, lost = product_of((span[0], span[1]), side, share)
        ends = [p * x for p in span for x in side]
        span = [min(ends) + coefficient - lost, max(ends) + coefficient + lost]
        near = on_grid(coefficient, max(map(abs, span)))
        off = off * size + lost + abs(near - coefficient)
        span = [span[0] - off, span[1] + off]
        both = beside([step, picked(2, [1])], [0.0, below(*side)])
        chain = then(chain, both, affine(np.eye(2), [near, 0.0]))
    return then(chain, picked(2, [0])), off


def on_grid(number: float, size: float) -> float:
    """The nearest multiple of a power of two that is a millionth of the size."""
    step = GRID * 2.0 ** np.ceil(np.log2(max(size, 2.0**-100)))
    return float(step * np.round(number / step))
