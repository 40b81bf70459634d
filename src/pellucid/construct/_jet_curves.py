"""Bounds of elementary functions with their first two derivatives, on intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import erf, expit

from . import _interval as iv
from ._interval import Interval, exactly
from ._jet import Jet, aligned, chained, multiply, power, selected

Three = tuple[Interval, Interval, Interval]
ONE, TWO = exactly(1.0), exactly(2.0)


def raised(a: Interval, exponent: float) -> Interval:
    """`a^p` for a ≥ 0; below it nothing is known."""
    with np.errstate(all="ignore"):
        ends = [np.where(end > 0, np.maximum(end, 0.0) ** exponent, 0.0 if exponent > 0 else np.inf) for end in a]
    made = iv.about(np.minimum(*ends), np.maximum(*ends))
    return Interval(np.where(a.low < 0, -np.inf, np.maximum(made.low, 0.0)), np.where(a.low < 0, np.inf, made.high))


def of_abs(x: Interval) -> Three:
    low = np.where((x.low < 0) | (x.high <= 0), -1.0, 1.0)
    high = np.where((x.high > 0) | (x.low >= 0), 1.0, -1.0)
    return iv.magnitude(x), Interval(low, high), unbounded((x.low < 0) & (x.high > 0))


def of_sign(x: Interval) -> Three:
    return stairs(np.sign, x)


def of_floor(x: Interval) -> Three:
    return stairs(np.floor, x)


def of_ceil(x: Interval) -> Three:
    return stairs(np.ceil, x)


def stairs(function: Callable[[np.ndarray], np.ndarray], x: Interval) -> Three:
    """Steps: flat, but of no known slope where there is one; a touched end counts as one."""
    value = Interval(function(np.nextafter(x.low, -np.inf)), function(np.nextafter(x.high, np.inf)))
    jumps = unbounded(value.low != value.high)
    return Interval(function(x.low), function(x.high)), jumps, jumps


def unbounded(where: np.ndarray) -> Interval:
    """0, but unbounded in these places."""
    return Interval(np.where(where, -np.inf, 0.0), np.where(where, np.inf, 0.0))


def of_exp(x: Interval) -> Three:
    y = iv.rising(np.exp)(x)
    y = Interval(np.maximum(y.low, 0.0), y.high)
    return y, y, y


def of_expm1(x: Interval) -> Three:
    y, _, _ = of_exp(x)
    return iv.rising(np.expm1)(x), y, y


def of_log(x: Interval) -> Three:
    first = Interval(
        *(np.where(x.low > 0, end, wide) for end, wide in zip(iv.reciprocal(x), iv.EVERYTHING, strict=True))
    )
    return iv.rising(np.log, (np.nextafter(0, 1), np.inf))(x), first, iv.negative(iv.power(first, 2))


def of_log1p(x: Interval) -> Three:
    _, first, second = of_log(iv.add(ONE, x))
    return iv.rising(np.log1p, (np.nextafter(-1, 0), np.inf))(x), first, second


def of_sin(x: Interval) -> Three:
    y = iv.sine(x)
    return y, iv.cosine(x), iv.negative(y)


def of_cos(x: Interval) -> Three:
    y = iv.cosine(x)
    return y, iv.negative(iv.sine(x)), iv.negative(y)


def of_tan(x: Interval) -> Three:
    cosine = iv.cosine(x)
    first = iv.power(iv.reciprocal(cosine), 2)
    same = np.floor(x.low / np.pi + 0.5) == np.floor(x.high / np.pi + 0.5)
    known = same & (cosine.low * cosine.high > 0)
    y = iv.about(np.tan(x.low), np.tan(x.high))
    y = Interval(np.where(known, y.low, -np.inf), np.where(known, y.high, np.inf))
    return y, first, iv.multiply(iv.multiply(TWO, y), first)


def of_sinh(x: Interval) -> Three:
    y = iv.rising(np.sinh)(x)
    return y, iv.rising(np.cosh)(iv.magnitude(x)), y


def of_cosh(x: Interval) -> Three:
    y = iv.rising(np.cosh)(iv.magnitude(x))
    return y, iv.rising(np.sinh)(x), y


def of_tanh(x: Interval) -> Three:
    y = iv.within(iv.rising(np.tanh)(x), -1.0, 1.0)
    first = iv.within(iv.subtract(ONE, iv.power(y, 2)), 0.0, 1.0)
    return y, first, iv.multiply(iv.multiply(exactly(-2.0), y), first)


def of_logistic(x: Interval) -> Three:
    y = iv.within(iv.rising(expit)(x), 0.0, 1.0)
    first = iv.within(iv.multiply(y, iv.subtract(ONE, y)), 0.0, 0.25)
    return y, first, iv.multiply(first, iv.subtract(ONE, iv.multiply(TWO, y)))


def of_erf(x: Interval) -> Three:
    bell, _, _ = of_exp(iv.negative(iv.power(x, 2)))
    first = iv.multiply(iv.about(*[np.asarray(2 / np.sqrt(np.pi))] * 2), bell)
    return iv.within(iv.rising(erf)(x), -1.0, 1.0), first, iv.multiply(iv.multiply(exactly(-2.0), x), first)


def of_erfc(x: Interval) -> Three:
    y, first, second = of_erf(x)
    return iv.subtract(ONE, y), iv.negative(first), iv.negative(second)


def of_asinh(x: Interval) -> Three:
    _, first, second = of_power(iv.add(ONE, iv.power(x, 2)), 0.5)  # √(1 + x²): its slope is 1 / (2 √…)
    first = iv.multiply(TWO, first)
    return iv.rising(np.arcsinh)(x), first, iv.multiply(iv.multiply(exactly(4.0), x), second)


def of_atan(x: Interval) -> Three:
    first = iv.reciprocal(iv.add(ONE, iv.power(x, 2)))
    return iv.rising(np.arctan)(x), first, iv.multiply(iv.multiply(exactly(-2.0), x), iv.power(first, 2))


def of_power(x: Interval, exponent: float) -> Three:
    """`x^p` for x ≥ 0."""
    first = iv.multiply(exactly(exponent), raised(x, exponent - 1))
    twice = iv.multiply(exactly(exponent), exactly(exponent - 1))
    return raised(x, exponent), first, iv.multiply(twice, raised(x, exponent - 2))


CURVES: dict[str, Callable[[Interval], Three]] = {
    "abs": of_abs, "sign": of_sign, "floor": of_floor, "ceil": of_ceil, "exp": of_exp, "expm1": of_expm1, "log": of_log,
    "log1p": of_log1p, "sin": of_sin, "cos": of_cos, "tan": of_tan, "sinh": of_sinh, "cosh": of_cosh, "tanh": of_tanh,
    "logistic": of_logistic, "erf": of_erf, "erfc": of_erfc, "atan": of_atan, "asinh": of_asinh,
    "sqrt": lambda x: of_power(x, 0.5), "rsqrt": lambda x: of_power(x, -0.5),
}  # fmt: skip


def elementwise(name: str, x: Jet) -> Jet:
    return chained(x, *CURVES[name](x.value))


def real_power(x: Jet, p: Jet) -> Jet:
    """`x^p`: for a constant p its own rule, for another through the logarithm, which knows nothing below 0."""
    x, p = aligned(x, p)
    if (p.value.low != p.value.high).any() or p.slope.most.any():
        made = elementwise("exp", multiply(p, elementwise("log", x)))
        return Jet(Interval(np.where(x.value.low < 0, -np.inf, made.value.low), made.value.high), *made[1:])
    first, *others = np.unique(p.value.low).tolist()
    made = to_the(x, first)
    for exponent in others:
        made = selected(exactly(p.value.low == exponent), [made, to_the(x, exponent)])
    return made


def to_the(x: Jet, exponent: float) -> Jet:
    if exponent.is_integer() and abs(exponent) < 64:
        return power(x, int(exponent))
    return chained(x, *of_power(x.value, exponent))
