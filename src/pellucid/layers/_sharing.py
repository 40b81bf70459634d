"""A convolution with its sharing undone, and back: what sharing a kernel between places means, exactly."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import SettingError
from ._conv import Conv1d, Conv2d, slide_over
from ._local import Local, LocallyConnected1d, LocallyConnected2d, places_of

TWINS: dict[Any, Any] = {Conv1d: LocallyConnected1d, Conv2d: LocallyConnected2d}


class Shared(NamedTuple):
    """The nearest convolution, and how far the kernels and biases are from it.

    `error` is the Frobenius norm of the difference over that of the layer, `largest` the largest difference of all.
    """

    conv: Conv1d | Conv2d
    error: Array
    largest: Array


def unshare(conv: Conv1d | Conv2d, input_shape: tuple[int, ...]) -> Local:
    """The layer without sharing that computes the same function on inputs of one shape: `W[p, k] = W[k]` for all p.

    Groups become kernels with zeros where they see nothing of the input.

    Shapes: input_shape (batch, ..., in), the shape of x.
    Raises: SettingError where the layer is no convolution over one or two axes; ShapeError where the shape is refused.
    Example:
        >>> from pellucid import parameters
        >>> conv = Conv2d.create(1, 8, 3, key=jax.random.key(0))
        >>> local = unshare(conv, (1, 32, 32, 1))
        >>> local.weight.size // conv.weight.size
        900
    """
    if type(conv) not in TWINS:
        raise SettingError(f"unshare wants a Conv1d or Conv2d, got a {type(conv).__name__}.")
    at = slide_over(conv, jax.ShapeDtypeStruct(input_shape, jnp.float32))
    kernel = ungrouped(conv)
    twin = TWINS[type(conv)]
    one = twin(kernel[(None,) * len(conv.stride)], None, conv.stride, conv.padding, conv.dilation)
    places = places_of(one, input_shape, at)
    weight = jnp.broadcast_to(kernel, (*places, *kernel.shape))
    bias = None if conv.bias is None else jnp.broadcast_to(conv.bias, (*places, conv.bias.shape[0]))
    return twin(weight, bias, conv.stride, conv.padding, conv.dilation)


def share(local: Local) -> Shared:
    """The convolution nearest to a layer without sharing: `W[k] = mean_p W[p, k]`, the least squares over its places.

    Raises: SettingError where the layer is not locally connected.
    Example:
        >>> conv = Conv1d(jnp.ones((3, 1, 2)))
        >>> found = share(unshare(conv, (1, 9, 1)))
        >>> (found.conv.weight == conv.weight).all().item(), found.error.item()
        (True, 0.0)
    """
    kinds = {twin: conv for conv, twin in TWINS.items()}
    if type(local) not in kinds:
        raise SettingError(f"share wants a LocallyConnected1d or LocallyConnected2d, got a {type(local).__name__}.")
    places = tuple(range(len(local.stride)))
    held = [array for array in (local.weight, local.bias) if array is not None]
    # Each mean from one of the values, so that kernels that are all equal have exactly themselves as their mean.
    first = (0,) * len(places)
    means = [array[first] + (array - array[first]).mean(places) for array in held]
    apart = jnp.concatenate([(array - mean).ravel() for array, mean in zip(held, means, strict=True)])
    whole = jnp.concatenate([array.ravel() for array in held])
    norm = jnp.linalg.norm(whole)
    error = jnp.where(norm > 0, jnp.linalg.norm(apart) / jnp.where(norm > 0, norm, 1), 0)
    weight, bias = (*means, None)[:2]
    conv = kinds[type(local)](weight, bias, local.stride, local.padding, local.dilation)
    return Shared(conv, error, abs(apart).max())


def ungrouped(conv: Conv1d | Conv2d) -> Array:
    """The kernel (..., in, out) that does what one in groups (..., in / groups, out) does."""
    *size, each, n_out = conv.weight.shape
    parts = conv.weight.reshape(*size, each, conv.groups, n_out // conv.groups)
    own = jnp.eye(conv.groups, dtype=conv.weight.dtype)[:, None, :, None]  # a group's inputs reach its outputs alone
    return (parts[..., None, :, :, :] * own).reshape(*size, conv.groups * each, n_out)
