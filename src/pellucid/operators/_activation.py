"""Activations, and the softmax of several kinds."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..activations import CURVES
from ._table import Call, operator

SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
CURVED = ("Mish", "Relu", "Sigmoid", "Softplus", "Softsign", "Tanh")


def put_curve(kind: str, name: str) -> None:
    """An operator that is a row of the table of activations."""

    def curve(at: Call, x: Array) -> Array:
        return CURVES[name].value(x)

    operator(kind, in_jax=True)(curve)


for kind in CURVED:
    put_curve(kind, kind.lower())


@operator("LeakyRelu", in_jax=True)
def leaky_relu(at: Call, x: Array, *, alpha: float = 0.01) -> Array:
    return jax.nn.leaky_relu(x, alpha)


@operator("Elu", in_jax=True)
def elu(at: Call, x: Array, *, alpha: float = 1.0) -> Array:
    return jax.nn.elu(x, alpha)


@operator("Celu", in_jax=True)
def celu(at: Call, x: Array, *, alpha: float = 1.0) -> Array:
    return jax.nn.celu(x, alpha)


@operator("Selu", in_jax=True)
def selu(at: Call, x: Array, *, alpha: float = SELU_ALPHA, gamma: float = SELU_GAMMA) -> Array:
    return gamma * jax.nn.elu(x, alpha)


@operator("Gelu", in_jax=True)
def gelu(at: Call, x: Array, *, approximate: str = "none") -> Array:
    return CURVES["gelu_tanh" if approximate == "tanh" else "gelu"].value(x)


@operator("HardSigmoid", in_jax=True)
def hard_sigmoid(at: Call, x: Array, *, alpha: float = 0.2, beta: float = 0.5) -> Array:
    return CURVES["hard_tanh"].value(2 * (alpha * x + beta) - 1) / 2 + 0.5


@operator("HardSwish", in_jax=True)
def hard_swish(at: Call, x: Array) -> Array:
    return x * jax.nn.hard_sigmoid(x)


@operator("Swish", in_jax=True)
def swish(at: Call, x: Array, *, alpha: float = 1.0) -> Array:
    return x * jax.nn.sigmoid(alpha * x)


@operator("SwiGLU", in_jax=True)
def swiglu(at: Call, x: Array, gate: Array, *, alpha: float = 1.0) -> Array:
    return x * jax.nn.sigmoid(alpha * x) * gate


@operator("PRelu", in_jax=True)
def prelu(at: Call, x: Array, slope: Array) -> Array:
    if at.opset < 7 and slope.size > 1:  # one slope for each channel
        slope = slope.reshape(slope.shape + (1,) * (x.ndim - 1 - slope.ndim))
    return jnp.where(x >= 0, x, slope * x)


@operator("ThresholdedRelu", in_jax=True)
def thresholded_relu(at: Call, x: Array, *, alpha: float = 1.0) -> Array:
    return jnp.where(x > alpha, x, 0)


@operator("Shrink", in_jax=True)
def shrink(at: Call, x: Array, *, lambd: float = 0.5, bias: float = 0.0) -> Array:
    moved = jnp.where(x < -lambd, x + bias, jnp.where(x > lambd, x - bias, 0))
    return moved.astype(x.dtype)


def softmax(at: Call, x: Array, axis: int) -> Array:
    if at.xp is not np:
        return jax.nn.softmax(x, axis)
    shares = np.exp(x - x.max(axis, keepdims=True))
    return shares / shares.sum(axis, keepdims=True)


def log_softmax(at: Call, x: Array, axis: int) -> Array:
    if at.xp is not np:
        return jax.nn.log_softmax(x, axis)
    x = x - x.max(axis, keepdims=True)
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def hardmax(at: Call, x: Array, axis: int) -> Array:
    """1 at the first of the largest along the axis, 0 elsewhere."""
    first = at.xp.expand_dims(at.xp.argmax(x, axis), axis)
    places = np.arange(x.shape[axis]).reshape([-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])
    return (places == first).astype(x.dtype)


def put_shares(kind: str, function: Callable[[Call, Array, int], Array]) -> None:
    """A softmax: along one axis since opset 13, along all axes from one on before."""

    def shares(at: Call, x: Array, *, axis: int | None = None) -> Array:
        if at.opset >= 13:
            return function(at, x, -1 if axis is None else axis)
        axis = 1 if axis is None else axis % x.ndim
        return function(at, x.reshape(prod(x.shape[:axis]), -1), -1).reshape(x.shape)

    operator(kind)(shares)


put_shares("Softmax", softmax)
put_shares("LogSoftmax", log_softmax)
put_shares("Hardmax", hardmax)
