"""Mean field: what a wide layer of random weights makes of the variance of a signal, and where depth leads it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import curve
from ..layers import Activation
from ..records import Record

NODES, WEIGHTS = np.polynomial.legendre.leggauss(24)
REACH = 10.0  # a standard normal lies beyond ±10 with probability 1e-23
SCALES = np.array([0.5, 2.0, 6.0, 20.0, 80.0, 400.0])  # where a curve bends, in its own units
SMALLEST, LARGEST = 1e-10, 1e12  # of a variance on its way to 0 or to infinity


@dataclass(frozen=True)
class MeanField(Record):
    """Where a deep stack of such layers leads, `q ← gain · E[φ(√q z)²] + bias` with z a standard normal.

    `gain = fan_in · Var(W)` and `bias = Var(b)`. `fixed_point` is the variance q* at which it settles: 0 where the
    signal dies out, infinity where it blows up. `chi = fan_out · Var(W) · E[φ'(√q* z)²]` is the factor by which δ²
    changes at each layer there. `depth_scale = 1 / |ln χ|` is over how many layers the gradient, and what tells two
    inputs apart, changes e-fold; `variance_depth_scale` is the same for the distance of q from q*.
    """

    activation: str
    gain: float
    bias: float
    fixed_point: float
    chi: float
    depth_scale: float
    variance_depth_scale: float


def moments(activation: Activation, q: float) -> tuple[float, float]:
    """`E[φ(√q z)²]` and `E[φ'(√q z)²]` for z a standard normal, to about ten digits.

    Gauss–Legendre between the kinks of φ and the places where it bends: a Gauss–Hermite rule, which takes φ for smooth
    at the scale of √q, has two digits where it has a kink. z goes as far as ±10: of a curve without a steepest slope
    that is not far enough where q is large, and the moments, which are off the scale, are too low all the same.

    Example:
        >>> second, slope = moments(Activation("relu"), 3.0)
        >>> round(second, 12), round(slope, 12)  # q / 2 and 1 / 2
        (1.5, 0.5)
    """
    if not math.isfinite(q):
        return math.nan, math.nan
    shape, root = curve(activation.name), math.sqrt(max(q, 1e-60))
    cuts = np.array([-REACH, -3, 0, 3, REACH, *(np.array([*shape.kinks, *SCALES, *-SCALES]) / root)])
    edges = np.sort(np.clip(cuts, -REACH, REACH))  # as many for every q: a new size would be compiled anew
    half = np.diff(edges)[:, None] / 2
    z = edges[:-1, None] + half * (1 + NODES)
    density = half * WEIGHTS * np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    with jax.enable_x64(True), np.errstate(over="ignore"):
        x = jnp.asarray(root * z)
        value = shape.value(x, **dict(activation.settings))
        slope = shape.derivative(x, value, **dict(activation.settings))
        first, second = (float((density * np.square(np.asarray(a))).sum()) for a in (value, slope))
    return first, second


def mean_field(activation: Activation, gain: float, gain_back: float, bias: float, start: float) -> MeanField:
    """The fixed point of the variance that is reached from `start`, and the depth scales there.

    Source: Poole et al. 2016, Exponential expressivity in deep neural networks through transient chaos, eq. 3-5;
        Schoenholz et al. 2017, Deep information propagation, eq. 7-9.
    """

    def step(q: float) -> float:
        return gain * moments(activation, q)[0] + bias

    settled = limit(step, start)
    q = min(max(settled, SMALLEST), LARGEST)
    chi = gain_back * moments(activation, q)[1]
    near = (step(q * 1.0001) - step(q * 0.9999)) / (0.0002 * q)
    return MeanField(activation.name, gain, bias, settled, chi, depth_scale(chi), depth_scale(near))


def limit(step: Callable[[float], float], q: float) -> float:
    """Where `q ← step(q)` leads, for a step that grows with q: the next fixed point on that side, 0 or infinity."""
    from scipy.optimize import brentq

    def growth(log_q: float) -> float:
        return math.log(max(step(math.exp(log_q)), 1e-300)) - log_q

    q = min(max(q, SMALLEST), LARGEST)
    here, first = math.log(q), growth(math.log(q))
    if abs(first) < 1e-9:
        return q
    way = math.copysign(math.log(4), first)
    while math.log(SMALLEST) <= here <= math.log(LARGEST):
        if growth(here + way) * first <= 0:
            return math.exp(float(brentq(growth, here, here + way, xtol=1e-12)))  # pyright: ignore[reportArgumentType]
        here += way
    return math.inf if way > 0 else 0.0


def depth_scale(factor: float) -> float:
    """Over how many layers what is multiplied by `factor` at each changes e-fold.

    Example:
        >>> depth_scale(1.0), round(depth_scale(0.5), 3)
        (inf, 1.443)
    """
    if not factor > 0:
        return 0.0
    return math.inf if abs(math.log(factor)) < 1e-9 else 1 / abs(math.log(factor))
