"""Activations: one row each, with its formula, its slope in closed form, its kinks and where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite, pi, sqrt
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .errors import unknown

SATURATED = 0.01  # a unit counts as saturated where its slope is under one hundredth of the steepest
SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


@dataclass(frozen=True, eq=False)
class Curve:
    """One activation: `value(x, **settings)` and `derivative(x, y, **settings)`, where y is the value at x.

    `kinks` are the points where the slope may jump; there the derivative is the one `jax.vjp` gives for `value`.
    `lipschitz(**settings)` bounds the steepness: no two points are joined by a steeper line; infinity where there is no
    bound. Where the curve is made of
    straight pieces, `pieces(**settings)` are their slopes and offsets, one more than there are kinks.

    Example:
        >>> relu = curve("relu")
        >>> relu.formula, relu.kinks, relu.lipschitz()
        ('max(0, x)', (0.0,), 1.0)
    """

    name: str
    formula: str
    value: Callable[..., Array]
    derivative: Callable[..., Array]
    lipschitz: Callable[..., float]
    source: str
    kinks: tuple[float, ...] = ()
    pieces: Callable[..., tuple[tuple[float, float], ...]] | None = None
    settings: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def piecewise_linear(self) -> bool:
        return self.pieces is not None

    def flat(self, slope: Any, /, **settings: float) -> Any:
        """Where such a slope is under a hundredth of the steepest, or of 1 where the curve has no steepest."""
        steepest = self.lipschitz(**settings)
        return abs(slope) < SATURATED * (steepest if isfinite(steepest) else 1.0)


def curve(name: str) -> Curve:
    """The activation of that name.

    Raises: SettingError naming the nearest one there is.
    """
    if name not in CURVES:
        raise unknown("activation", name, CURVES)
    return CURVES[name]


def at_most(bound: float) -> Callable[..., float]:
    return lambda **settings: bound


def straight(*pieces: tuple[float, float]) -> Callable[..., tuple[tuple[float, float], ...]]:
    return lambda **settings: pieces


def relu_slope(x, y):
    return (y > 0).astype(y.dtype)


def leaky_relu(x, slope=0.01):
    return jax.nn.leaky_relu(x, slope)


def leaky_relu_slope(x, y, slope=0.01):
    return jnp.where(x >= 0, jnp.ones_like(x), slope)


def elu_slope(x, y, alpha=1.0):
    return jnp.where(x > 0, jnp.ones_like(x), y + alpha)


def selu_slope(x, y):
    return jnp.where(x > 0, jnp.full_like(x, SELU_SCALE), y + SELU_SCALE * SELU_ALPHA)


def gelu(x):
    return jax.nn.gelu(x, approximate=False)


def gelu_slope(x, y):
    return 0.5 * jax.lax.erfc(-x * sqrt(0.5)) + x * jnp.exp(-0.5 * x * x) / sqrt(2 * pi)


def gelu_tanh_gate(x):
    return jax.nn.sigmoid(sqrt(8 / pi) * (x + 0.044715 * x**3))  # 0.5 (1 + tanh(u)) = σ(2u), without its cancellation


def gelu_tanh(x):
    return x * gelu_tanh_gate(x)


def gelu_tanh_slope(x, y):
    gate, near = gelu_tanh_gate(x), jnp.clip(x, -10, 10)  # beyond, the gate is shut or open, and x² may overflow
    return gate + x * gate * (1 - gate) * sqrt(8 / pi) * (1 + 3 * 0.044715 * near**2)


def silu_slope(x, y):
    gate = jax.nn.sigmoid(x)
    return gate * (1 + x * (1 - gate))


def mish_slope(x, y):
    gate = jnp.tanh(jax.nn.softplus(x))
    return gate + x * (1 - gate * gate) * jax.nn.sigmoid(x)


def softsign_slope(x, y):
    return 1 / (1 + jnp.abs(x)) ** 2


def hard_tanh_slope(x, y):
    return (jnp.abs(x) <= 1).astype(x.dtype)


def hard_sigmoid_slope(x, y):
    return jnp.where((y > 0) & (y < 1), jnp.full_like(y, 1 / 6), 0)


def relu6_slope(x, y):
    return ((y > 0) & (y < 6)).astype(y.dtype)


def magnitude(x):
    return x * jnp.sign(x)  # jnp.abs has slope 1 at 0 under jax.vjp; this has 0, as symmetry asks


ROWS = (
    Curve(
        "identity",
        "x",
        value=lambda x: x,
        derivative=lambda x, y: jnp.ones_like(x),
        lipschitz=at_most(1.0),
        pieces=straight((1.0, 0.0)),
        source="the linear unit: Widrow and Hoff, 1960",
    ),
    Curve(
        "relu",
        "max(0, x)",
        value=jax.nn.relu,
        derivative=relu_slope,
        lipschitz=at_most(1.0),
        kinks=(0.0,),
        pieces=straight((0.0, 0.0), (1.0, 0.0)),
        source="Nair and Hinton, 2010",
    ),
    Curve(
        "leaky_relu",
        "x if x ≥ 0 else slope · x",
        value=leaky_relu,
        derivative=leaky_relu_slope,
        lipschitz=lambda slope=0.01: max(1.0, abs(slope)),
        kinks=(0.0,),
        pieces=lambda slope=0.01: ((slope, 0.0), (1.0, 0.0)),
        settings=MappingProxyType({"slope": 0.01}),
        source="Maas, Hannun and Ng, 2013",
    ),
    Curve(
        "elu",
        "x if x > 0 else alpha (exp(x) − 1)",
        value=lambda x, alpha=1.0: jax.nn.elu(x, alpha),
        derivative=elu_slope,
        lipschitz=lambda alpha=1.0: max(1.0, abs(alpha)),
        kinks=(0.0,),
        settings=MappingProxyType({"alpha": 1.0}),
        source="Clevert, Unterthiner and Hochreiter, 2016",
    ),
    Curve(
        "selu",
        "1.0507 · elu(x, alpha=1.6733)",
        value=jax.nn.selu,
        derivative=selu_slope,
        lipschitz=at_most(SELU_SCALE * SELU_ALPHA),
        kinks=(0.0,),
        source="Klambauer, Unterthiner, Mayr and Hochreiter, 2017",
    ),
    Curve(
        "gelu",
        "x Φ(x)",
        value=gelu,
        derivative=gelu_slope,
        lipschitz=at_most(1.1289042),  # at √2
        source="Hendrycks and Gimpel, 2016",
    ),
    Curve(
        "gelu_tanh",
        "x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2",
        value=gelu_tanh,
        derivative=gelu_tanh_slope,
        lipschitz=at_most(1.1289931),  # at 1.4185
        source="Hendrycks and Gimpel, 2016",
    ),
    Curve(
        "silu",
        "x σ(x)",
        value=jax.nn.silu,
        derivative=silu_slope,
        lipschitz=at_most(1.0998394),  # at 2.3994
        source="Elfwing, Uchibe and Doya, 2018",
    ),
    Curve(
        "mish",
        "x tanh(log(1 + exp(x)))",
        value=jax.nn.mish,
        derivative=mish_slope,
        lipschitz=at_most(1.0884982),  # at 1.4906
        source="Misra, 2019",
    ),
    Curve(
        "softplus",
        "log(1 + exp(x))",
        value=jax.nn.softplus,
        derivative=lambda x, y: jax.nn.sigmoid(x),
        lipschitz=at_most(1.0),
        source="Dugas, Bengio, Bélisle, Nadeau and Garcia, 2001",
    ),
    Curve(
        "softsign",
        "x / (1 + |x|)",
        value=jax.nn.soft_sign,
        derivative=softsign_slope,
        lipschitz=at_most(1.0),
        source="Bergstra, Desjardins, Lamblin and Bengio, 2009",
    ),
    Curve(
        "sigmoid",
        "1 / (1 + exp(−x))",
        value=jax.nn.sigmoid,
        derivative=lambda x, y: y * (1 - y),
        lipschitz=at_most(0.25),
        source="Rumelhart, Hinton and Williams, 1986",
    ),
    Curve(
        "exponential",
        "exp(x)",
        value=jnp.exp,
        derivative=lambda x, y: y,
        lipschitz=at_most(inf),
        source="the inverse of Napier's logarithm: Euler, 1748",
    ),
    Curve(
        "tanh",
        "(exp(x) − exp(−x)) / (exp(x) + exp(−x))",
        value=jnp.tanh,
        derivative=lambda x, y: 1 - y * y,
        lipschitz=at_most(1.0),
        source="LeCun, Bottou, Orr and Müller, 1998",
    ),
    Curve(
        "hard_tanh",
        "min(1, max(−1, x))",
        value=jax.nn.hard_tanh,
        derivative=hard_tanh_slope,
        lipschitz=at_most(1.0),
        kinks=(-1.0, 1.0),
        pieces=straight((0.0, -1.0), (1.0, 0.0), (0.0, 1.0)),
        source="Collobert, 2004",
    ),
    Curve(
        "hard_sigmoid",
        "min(6, max(0, x + 3)) / 6",
        value=jax.nn.hard_sigmoid,
        derivative=hard_sigmoid_slope,
        lipschitz=at_most(1 / 6),
        kinks=(-3.0, 3.0),
        pieces=straight((0.0, 0.0), (1 / 6, 0.5), (0.0, 1.0)),
        source="Howard, Sandler, Chu and others, 2019",
    ),
    Curve(
        "relu6",
        "min(6, max(0, x))",
        value=jax.nn.relu6,
        derivative=relu6_slope,
        lipschitz=at_most(1.0),
        kinks=(0.0, 6.0),
        pieces=straight((0.0, 0.0), (1.0, 0.0), (0.0, 6.0)),
        source="Krizhevsky, 2010",
    ),
    Curve(
        "abs",
        "|x|",
        value=magnitude,
        derivative=lambda x, y: jnp.sign(x),
        lipschitz=at_most(1.0),
        kinks=(0.0,),
        pieces=straight((-1.0, 0.0), (1.0, 0.0)),
        source="Jarrett, Kavukcuoglu, Ranzato and LeCun, 2009",
    ),
)

CURVES: dict[str, Curve] = {row.name: row for row in ROWS}
