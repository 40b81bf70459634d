from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from ..affine import Lowering, Value
from ..errors import SettingError
from ..module import Layer, static
from ..shapes import expect


class Dropout(Layer):
    """Each unit is left out with probability p in training, the rest scaled up: `y = x · mask / (1 − p)`.

    Since E[mask / (1 − p)] = 1, the expected output in training is the output in testing, where nothing is left out.

    Shapes: x (any) -> y (the same).
    Blame:  dx = dy · mask / (1 − p).
    Raises: SettingError where p is not in [0, 1).
    Source: Srivastava et al. 2014, Dropout, section 10 (the scaling at training time).
    """

    p: float = static()

    def __init__(self, p: float = 0.5):
        self.p = checked(p)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array | None]:
        return masked(x, key, self.p)

    def backward(self, saved: Array | None, dy: Array) -> tuple[Array, Dropout]:
        return dy if saved is None else dy * saved, self

    def lower(self, at: Lowering, x: Value) -> Value:
        return x


class ChannelDropout(Layer):
    """Each channel of an example is left out as a whole, the rest scaled up: `y = x · mask / (1 − p)`.

    Neighbouring places say nearly the same, so leaving out single ones hides little; here one mask for each example
    and channel holds at all axes between. On (batch, time, features) that is one mask over all time steps.

    Shapes: x (batch, ..., channels), with at least one axis between -> y (the same); mask (batch, 1, ..., channels).
    Blame:  dx = dy · mask / (1 − p).
    Raises: SettingError where p is not in [0, 1); ShapeError where there is no axis between.
    Source: Tompson et al. 2015, Efficient object localization using convolutional networks, section 3.2.
    """

    p: float = static()

    def __init__(self, p: float = 0.5):
        self.p = checked(p)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array | None]:
        if getattr(x, "ndim", 0) < 3:
            expect(self, x, ("batch", "...", "channels"))
        shape = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
        return masked(x, key, self.p, shape=shape)

    def backward(self, saved: Array | None, dy: Array) -> tuple[Array, ChannelDropout]:
        return dy if saved is None else dy * saved, self

    def lower(self, at: Lowering, x: Value) -> Value:
        return x


class PlainDropout(Layer):
    """Dropout without the rescaling, for contrast: `y = x · mask`; tested, the output is 1 / (1 − p) times too large.

    Shapes: x (any) -> y (the same).
    Blame:  dx = dy · mask.
    Raises: SettingError where p is not in [0, 1).
    """

    p: float = static()

    def __init__(self, p: float = 0.5):
        self.p = checked(p)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Array | None]:
        return masked(x, key, self.p, scale=1.0)

    def backward(self, saved: Array | None, dy: Array) -> tuple[Array, PlainDropout]:
        return dy if saved is None else dy * saved, self

    def lower(self, at: Lowering, x: Value) -> Value:
        return x


def masked(
    x: Array, key: Array | None, p: float, *, shape: tuple[int, ...] | None = None, scale: float | None = None
) -> tuple[Array, Array | None]:
    """x with units left out, and the mask, of x's shape unless another is given: `scale`, by default 1 / (1 − p), where
    a unit stays, and 0 where it does not. No mask without a key."""
    if key is None or p == 0:
        return x, None
    kept = jax.random.bernoulli(key, 1 - p, x.shape if shape is None else shape)
    mask = kept.astype(jnp.result_type(x)) * (1 / (1 - p) if scale is None else scale)
    return x * mask, mask


def checked(p: float) -> float:
    if not 0 <= p < 1:
        raise SettingError(f"Dropout leaves out a share p of the units with 0 ≤ p < 1, got p={p}.")
    return float(p)
