"""Deep networks whose error halves with every layer: the sawtooth, the square and the product."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import SettingError
from ._chain import Chain, affine, hidden, lost, then
from ._record import Construction, above_zero, built, checked_box, whole

DEEPEST = 20  # a sawtooth of more has teeth that float32 cannot tell apart
LEAST = 2.0**-22  # of the range: below it float32 weights are no help


def sawtooth(depth: int) -> Construction:
    """The tent map applied `depth` times on [0, 1]: `2^depth` straight pieces by `2 depth` neurons.

    One tent is `g(x) = 2 relu(x) − 4 relu(x − ½)`. A network of one hidden layer has at most one piece more than it
    has neurons, so it would need `2^depth − 1` of them.

    Raises: SettingError for a depth that is not 1 to 20.
    Source: Telgarsky 2016, Benefits of depth in neural networks, lemma 2.
    Example:
        >>> made = sawtooth(5)
        >>> made.neurons, made.looked_at, made.measured
        (10, '32 pieces and their ends', 0.0)
    """
    depth = whole("depth", depth, 1)
    if depth > DEEPEST:
        raise SettingError(f"depth is at most {DEEPEST}: finer teeth are lost in float32; got {depth}.")
    tent = hidden([[1, 1]], [0, -0.5], [[2], [-4]])
    return built(
        then(*[tent] * depth), ((0.0, 1.0),), lambda x: teeth(x, depth), f"a sawtooth of {2**depth:,} pieces", 0.0,
        "the tent map is this sum of two ReLUs on [0, 1], and goes into [0, 1]; all weights are powers of two",
        notes=(f"one hidden layer would need {2**depth - 1:,} neurons, one for each kink",),
    )  # fmt: skip


def teeth(x: np.ndarray, depth: int) -> np.ndarray:
    """The tent map applied `depth` times: twice the distance from the nearest whole number."""
    at = x * 2.0 ** (depth - 1)
    return 2 * abs(at - np.round(at))


def square(interval: Any = (0, 1), *, error: float) -> Construction:
    """`x²` within `error`, with about `log2(1 / error) / 2` layers of three neurons.

    On an interval of length W the chord lies above the parabola, and taking away `W² g_s / 4^s`, the s-th sawtooth,
    for s = 1 … m gives the straight line through its values at `2^m + 1` places: too large by at most `W² / 4^(m+1)`.
    W is a power of two, so that every weight is exact.

    Raises: SettingError for an empty interval, or an error that float32 cannot reach there.
    Source: Yarotsky 2017, Error bounds for approximations with deep ReLU networks, proposition 2.
    Example:
        >>> made = square((-1, 1), error=1e-3)
        >>> made.depth, made.neurons, made.error, made.measured <= made.error
        (5, 14, 0.0009765625, True)
    """
    box, wanted = checked_box(interval, 1), above_zero("error", error)
    chain, bound = square_of(*box[0], wanted)
    return built(
        chain, box, np.square, "x²", kept(bound + lost(chain, box), wanted),
        f"the straight line through {2**chain.depth + 1:,} values of x² lies above it, by a fourth of the square of "
        "the step at most; the weights are stored exactly, or what they lose is counted",
    )  # fmt: skip


def product(box: Any = ((-1, 1), (-1, 1)), *, error: float) -> Construction:
    """`x · y` within `error`: a difference of two squares, `x y = ((x + y) / 2)² − ((x − y) / 2)²`.

    The two squares are built side by side, each of a number from 0 to 1 in a scale that is a power of two. Where the
    box lies about 0, the product with 0 is exactly 0.

    Raises: SettingError for an empty box, or an error that float32 cannot reach there.
    Source: Yarotsky 2017, proposition 3.
    Example:
        >>> made = product(error=1e-2)
        >>> made.depth, made.neurons, made.error, made.measured <= made.error
        (4, 19, 0.00390625, True)
    """
    sides, wanted = checked_box(box, 2), above_zero("error", error)
    chain, bound = product_of(sides[0], sides[1], wanted)
    return built(
        chain, sides, lambda x: x[:, :1] * x[:, 1:], "x · y", kept(bound + lost(chain, sides), wanted),
        "a product is a difference of two squares; either is too large by at most a fourth of the square of its step, "
        "so their difference is off by no more; the weights are stored exactly, or what they lose is counted",
    )  # fmt: skip


def cover(low: float, high: float) -> tuple[float, float]:
    """A middle and a half width around an interval, the half a power of two and the middle a few bits of it.

    Example:
        >>> cover(0.0, 1.0), cover(-0.3, 2.0)
        ((0.5, 0.5), (0.875, 2.0))
    """
    half = 2.0 ** np.ceil(np.log2((high - low) / 2))
    while True:
        step = half / 16
        middle = step * np.round((low + high) / 2 / step)
        if middle - half <= low and high <= middle + half:
            return float(middle), float(half)
        half *= 2


def below(low: float, high: float) -> float:
    """A number of few binary places below an interval."""
    middle, half = cover(low, high)
    return middle - half


def kept(error: float, wanted: float) -> float:
    """An error that is no larger than the one wanted.

    Raises: SettingError where what float32 rounds off makes it larger.
    """
    if error > wanted:
        raise SettingError(
            f"An error of {wanted:g} is too small for float32 here: its weights, rounded, reach {error:.2g}. Move the "
            "box nearer to 0, or take other units."
        )
    return error


def levels(size: float, error: float) -> int:
    """How many teeth bring `size / 4^(m + 1)` down to the error.

    Raises: SettingError where float32 has not so many places.
    """
    if error < LEAST * size:
        raise SettingError(f"An error of {error:g} is too small for float32 here: the least is {LEAST * size:.2g}.")
    return max(1, int(np.ceil(np.log2(size / error) / 2 - 1e-12)) - 1)


def square_of(low: float, high: float, error: float) -> tuple[Chain, float]:
    """The chain of x² on an interval, and how far it is off."""
    middle, half = cover(low, high)
    start, wide = middle - half, 2 * half
    if abs(start) > 2**10 * half:
        raise SettingError(f"Float32 has no exact weights for x² from {low:g} to {high:g}: move the interval to 0.")
    m = levels(wide**2, error)
    # u = relu(g), v = relu(g − ½) and the sum so far, y ≥ x² ≥ 0, at first the chord start² + (2 start + wide) wide t
    to_t = affine([[1 / wide]], [-start / wide])
    tooth, chord = [2.0, -4.0], np.array([start**2, (2 * start + wide) * wide])
    layers = [then(to_t, hidden([[1, 1]], [0, -0.5], np.eye(2)))]
    y, shift = np.array([[chord[1]], [0.0]]), chord[0]  # y from u, v as affine map
    for s in range(1, m):
        g = np.array([*tooth, *[0] * (len(y) - 2)])[:, None]
        y = y - wide**2 * g / 4**s
        layers.append(hidden(np.hstack([g, g, y]), [0, -0.5, shift], np.eye(3)))
        y, shift = np.array([[0.0], [0], [1]]), 0.0
    g = np.array([*tooth, *[0] * (len(y) - 2)])[:, None]
    return then(*layers, affine(y - wide**2 * g / 4**m, [shift])), wide**2 / 4 ** (m + 1)


def product_of(first: tuple[float, float], second: tuple[float, float], error: float) -> tuple[Chain, float]:
    """The chain of x · y, and how far it is off.

    With x = x0 + M s and y = y0 + N r it is `x0 y + y0 x − x0 y0 + M N (p² − q²)`, p = |s + r| / 2, q = |s − r| / 2.
    """
    (x0, m_x), (y0, m_y) = cover(*first), cover(*second)
    size = m_x * m_y
    m = levels(size, error)
    z = np.array([[0.5 / m_x, 0.5 / m_x], [0.5 / m_y, -0.5 / m_y]])
    z0 = np.array([-x0 / m_x - y0 / m_y, -x0 / m_x + y0 / m_y]) / 2
    layers = [hidden(np.hstack([z, -z]), np.concatenate([z0, -z0]), np.eye(4))]
    p, q = (np.array(a, float)[:, None] for a in ([1, 0, 1, 0], [0, 1, 0, 1]))
    s, r = (np.array(a, float)[:, None] for a in ([1, 1, -1, -1], [1, -1, -1, 1]))
    linear = m_x * y0 * s + m_y * x0 * r
    low = x0 * y0 - abs(m_x * y0) - abs(m_y * x0) - 2 * size
    total, shift = linear + size * (p - q), x0 * y0  # f_0(p) = p, f_0(q) = q
    for step in range(1, m + 1):
        weight = np.hstack([p, p, q, q, total])
        layers.append(hidden(weight, [0, -0.5, 0, -0.5, shift - low], np.eye(5)))
        p, q = (np.array(a, float)[:, None] for a in ([2, -4, 0, 0, 0], [0, 0, 2, -4, 0]))
        total, shift = np.eye(5)[:, 4:] - size * (p - q) / 4**step, low
    return then(*layers, affine(total, [shift])), size / 4 ** (m + 1)
