"""Sums over rows, as fast as the device adds."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import Array


def summed(x: Array, axes: tuple[int, ...] | None = None) -> Array:
    """Σ x over these neighbouring axes, all but the last if none are named; they stay, with length 1.

    On a CPU a sum over rows is a product with ones, `1ᵀ x`: the compiler adds row after row a number at a time, but
    multiplies matrices as fast as the machine can (docs/decisions/sums.md).
    """
    axes = tuple(a % x.ndim for a in axes) if axes is not None else tuple(range(x.ndim - 1))
    if not axes or x.ndim - 1 in axes or jax.default_backend() != "cpu":
        return x.sum(axes, keepdims=True)
    first = axes[0]
    rows = math.prod(x.shape[a] for a in axes)
    # Two rows of ones, the second for nothing: a product with one row is made into the slow loop again.
    totals = jnp.ones((2, rows), x.dtype) @ x.reshape(*x.shape[:first], rows, math.prod(x.shape[axes[-1] + 1 :]))
    return totals[..., :1, :].reshape([1 if i in axes else n for i, n in enumerate(x.shape)])
