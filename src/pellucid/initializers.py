"""Initializers: one row each, with the law its variance meets and where it comes from.

Every initializer is a function `(key, shape, dtype=float32, *, settings) -> array`; `initializer(name, **settings)`
binds the settings. A weight has the shape (in, out), a kernel (..., in, out). Numbers are drawn by NumPy, seeded with
the key: the same on every device, and without the second of compilation that a draw of a new shape costs in JAX.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import erf, exp, pi, prod, sqrt

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from .errors import SettingError, unknown

Initializer = Callable[..., Array]

TRUNCATED = 1 - 4 * exp(-2) / sqrt(2 * pi) / erf(sqrt(2))  # variance of a standard normal cut at ±2


@dataclass(frozen=True, eq=False)
class Row:
    """One initializer: draws of `function` have the variance `variance(fan_in, fan_out, **settings)`.

    A row that `needs_data` draws only the start; its law is met once data has passed through the layer.

    Example:
        >>> row = INITIALIZERS["glorot_uniform"]
        >>> row.law, row.variance(3, 5)
        ('Var(W) = 2 / (fan_in + fan_out)', 0.25)
    """

    name: str
    law: str
    function: Initializer
    variance: Callable[..., float]
    source: str
    needs_data: bool = False


def initializer(name: str | Initializer, **settings: float) -> Initializer:
    """The initializer of that name, or the given function, with its settings bound.

    Raises: SettingError for a name or a setting there is not.
    Example:
        >>> initializer("constant", value=0.5)(jax.random.key(0), (2,)).tolist()
        [0.5, 0.5]
    """
    if callable(name):
        return partial(name, **settings) if settings else name
    if name not in INITIALIZERS:
        raise unknown("initializer", name, INITIALIZERS)
    function = INITIALIZERS[name].function
    known = getattr(function, "__kwdefaults__", None) or {}
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of {name}", setting, known)
    return partial(function, **settings) if settings else function


def default_for(activation: str) -> Initializer:
    """The initializer for a weight whose output goes through that activation.

    He where the activation lets about half of the signal through, so that the weights must carry twice the variance;
    LeCun for selu, whose constants were derived for it; Glorot where the activation is near the identity or symmetric
    around 0, so that forward and backward variance are both kept.

    Raises: SettingError for a name there is not.
    """
    if activation not in FOLLOWED_BY:
        raise unknown("activation", activation, FOLLOWED_BY)
    return FOLLOWED_BY[activation]


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many inputs each output weighs, and how many outputs each input reaches.

    Example:
        >>> fans((3, 2)), fans((5, 5, 3, 8))
        ((3, 2), (75, 200))
    """
    if len(shape) < 2:
        raise SettingError(f"A fan needs a weight (in, out) or a kernel (..., in, out), got the shape {shape}.")
    positions = prod(shape[:-2])
    return positions * shape[-2], positions * shape[-1]


def glorot(fan_in: int, fan_out: int) -> float:
    return 2 / (fan_in + fan_out)


def he(fan_in: int, fan_out: int) -> float:
    return 2 / fan_in


def lecun(fan_in: int, fan_out: int) -> float:
    return 1 / fan_in


def zeros(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """Every weight 0: units that start equal stay equal, so for biases only."""
    return filled(np.zeros(shape), dtype)


def constant(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32, *, value: float = 1.0) -> Array:
    """Every weight the same value."""
    return filled(np.full(shape, value), dtype)


def uniform(
    key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32, *, low: float = -0.05, high: float = 0.05
) -> Array:
    """W ~ U(low, high).

    Raises: SettingError unless low < high.
    """
    if not low < high:
        raise SettingError(f"uniform expects low < high, got low={low} and high={high}.")
    return filled(generator(key).uniform(low, high, shape), dtype)


def normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32, *, std: float = 0.05) -> Array:
    """W ~ N(0, std²).

    Raises: SettingError unless std > 0.
    """
    return filled(positive("normal: std", std) * generator(key).standard_normal(shape), dtype)


def truncated_normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32, *, std: float = 0.05) -> Array:
    """W ~ N(0, std²) cut at ±2 std, whose variance is 0.7737 std².

    Raises: SettingError unless std > 0.
    """
    from scipy.special import ndtr, ndtri

    share = generator(key).uniform(ndtr(-2), ndtr(2), shape)
    return filled(positive("truncated_normal: std", std) * ndtri(share), dtype)


def glorot_uniform(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """W ~ U(−a, a), a = √(6 / (fan_in + fan_out))."""
    return centred(glorot, key, shape, dtype)


def glorot_normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """W ~ N(0, 2 / (fan_in + fan_out))."""
    return normal(key, shape, dtype, std=sqrt(glorot(*fans(shape))))


def he_uniform(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """W ~ U(−a, a), a = √(6 / fan_in)."""
    return centred(he, key, shape, dtype)


def he_normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """W ~ N(0, 2 / fan_in)."""
    return normal(key, shape, dtype, std=sqrt(he(*fans(shape))))


def lecun_uniform(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """W ~ U(−a, a), a = √(3 / fan_in)."""
    return centred(lecun, key, shape, dtype)


def lecun_normal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32) -> Array:
    """W ~ N(0, 1 / fan_in)."""
    return normal(key, shape, dtype, std=sqrt(lecun(*fans(shape))))


def orthogonal(key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32, *, gain: float = 1.0) -> Array:
    """`WᵀW = gain² I`, or `WWᵀ` where there are more columns than rows; a kernel is flattened to (fan_in, out)."""
    rows, columns = fans(shape)[0], shape[-1]
    q, r = np.linalg.qr(generator(key).standard_normal((max(rows, columns), min(rows, columns))))
    q = gain * q * np.where(np.diag(r) < 0, -1, 1)  # without the signs, not every direction is as likely
    return filled((q if rows >= columns else q.T).reshape(shape), dtype)


def sparse(
    key: Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32, *, connections: int = 15, std: float = 1.0
) -> Array:
    """Every output weighs `connections` of its inputs, drawn at random, by N(0, std²), and the others by 0.

    Raises: SettingError unless connections and std are above 0.
    """
    drawn = positive("sparse: connections", connections)
    random = generator(key)
    order = random.uniform(size=(fans(shape)[0], shape[-1])).argsort(axis=0).argsort(axis=0)
    weights = positive("sparse: std", std) * random.standard_normal(shape)
    return filled(np.where((order < drawn).reshape(shape), weights, 0), dtype)


def generator(key: Array | int) -> np.random.Generator:
    """NumPy's random numbers, seeded with a JAX key."""
    return np.random.default_rng(np.asarray(jax.random.key_data(key)).tolist() if isinstance(key, Array) else key)


def filled(values: np.ndarray, dtype: DTypeLike) -> Array:
    return jnp.asarray(values.astype(dtype))


def centred(law: Callable[[int, int], float], key: Array, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """W ~ U(−a, a) with the variance `a² / 3` that the law asks."""
    limit = sqrt(3 * law(*fans(shape)))
    return uniform(key, shape, dtype, low=-limit, high=limit)


def positive(what: str, value: float) -> float:
    """The value of a setting that must be above 0."""
    if not value > 0:
        raise SettingError(f"{what} must be above 0, got {value}.")
    return value


GLOROT, HE, LECUN = "Var(W) = 2 / (fan_in + fan_out)", "Var(W) = 2 / fan_in", "Var(W) = 1 / fan_in"
GLOROT_2010, HE_2015, LECUN_1998 = "Glorot and Bengio, 2010", "He and others, 2015", "LeCun and others, 1998"
ORTHOGONAL = "Var(W) = gain² / max(n_in, n_out) for a weight (n_in, n_out)"

ROWS = (
    Row("zeros", "Var(W) = 0", zeros, lambda fan_in, fan_out: 0.0, "Rumelhart, Hinton and Williams, 1986"),
    Row("constant", "Var(W) = 0", constant, lambda fan_in, fan_out, value=1.0: 0.0, "Rumelhart and others, 1986"),
    Row(
        "uniform",
        "Var(W) = (high − low)² / 12",
        uniform,
        lambda fan_in, fan_out, low=-0.05, high=0.05: (high - low) ** 2 / 12,
        "Rumelhart, Hinton and Williams, 1986",
    ),
    Row("normal", "Var(W) = std²", normal, lambda fan_in, fan_out, std=0.05: std**2, "Krizhevsky and others, 2012"),
    Row(
        "truncated_normal",
        "Var(W) = 0.7737 std²",
        truncated_normal,
        lambda fan_in, fan_out, std=0.05: TRUNCATED * std**2,
        "Johnson, Kotz and Balakrishnan, 1994",
    ),
    Row("glorot_uniform", GLOROT, glorot_uniform, glorot, GLOROT_2010),
    Row("glorot_normal", GLOROT, glorot_normal, glorot, GLOROT_2010),
    Row("he_uniform", HE, he_uniform, he, HE_2015),
    Row("he_normal", HE, he_normal, he, HE_2015),
    Row("lecun_uniform", LECUN, lecun_uniform, lecun, LECUN_1998),
    Row("lecun_normal", LECUN, lecun_normal, lecun, LECUN_1998),
    Row(
        "orthogonal",
        ORTHOGONAL,
        orthogonal,
        lambda fan_in, fan_out, gain=1.0: gain**2 / max(fan_in, fan_out),
        "Saxe, McClelland and Ganguli, 2014",
    ),
    Row(
        "sparse",
        "Var(W) = std² min(connections, fan_in) / fan_in",
        sparse,
        lambda fan_in, fan_out, connections=15, std=1.0: std**2 * min(connections, fan_in) / fan_in,
        "Martens, 2010",
    ),
    Row(
        "layer_sequential_unit_variance",
        "output variance of every layer = 1 on the data",
        orthogonal,
        lambda fan_in, fan_out, gain=1.0: gain**2 / max(fan_in, fan_out),
        "Mishkin and Matas, 2016",
        needs_data=True,
    ),
)

INITIALIZERS: dict[str, Row] = {row.name: row for row in ROWS}

FOLLOWED_BY: dict[str, Initializer] = {
    **dict.fromkeys(("relu", "leaky_relu", "relu6", "elu", "softplus", "gelu", "gelu_tanh", "silu", "mish"), he_normal),
    **dict.fromkeys(
        ("identity", "abs", "tanh", "softsign", "hard_tanh", "sigmoid", "hard_sigmoid", "exponential"), glorot_uniform
    ),
    **dict.fromkeys(("softmax", "log_softmax"), glorot_uniform),
    "selu": lecun_normal,
}
