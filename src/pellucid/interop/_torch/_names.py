"""What PyTorch calls the arrays of a layer, and how their axes lie there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ...errors import InteropError
from ...layers import (
    GRU,
    LSTM,
    RNN,
    BatchNorm,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocallyConnected1d,
    LocallyConnected2d,
    Monotone,
    MultiHeadAttention,
    PReLU,
    RMSNorm,
)
from ...module import Layer, replaced

Turn = Callable[[Any, np.ndarray], np.ndarray]


class Named(NamedTuple):
    """A field of a layer: how its array becomes PyTorch's, and back; both are given the layer too."""

    field: str
    there: Turn = lambda layer, a: a
    back: Turn = lambda layer, a: a


def transposed(layer: Any, a: np.ndarray) -> np.ndarray:
    return a.T


def signed_there(layer: Any, a: np.ndarray) -> np.ndarray:
    return np.asarray(layer.weight).T


def signed_back(layer: Any, a: np.ndarray) -> np.ndarray:
    return layer.raw_of(a.T)


def kernel_there(layer: Any, a: np.ndarray) -> np.ndarray:
    """(size..., in / groups, out) -> (out, in / groups, size...)."""
    return np.moveaxis(a, (-1, -2), (0, 1))


def kernel_back(layer: Any, a: np.ndarray) -> np.ndarray:
    return np.moveaxis(a, (0, 1), (-1, -2))


def spread_there(layer: Any, a: np.ndarray) -> np.ndarray:
    """(size..., in / groups, out) -> (in, out / groups, size...), the groups one after the other."""
    g = layer.groups
    parts = a.reshape(*a.shape[:-1], g, a.shape[-1] // g)
    return np.moveaxis(parts, (-2, -3, -1), (0, 1, 2)).reshape(g * a.shape[-2], a.shape[-1] // g, *a.shape[:-2])


def spread_back(layer: Any, a: np.ndarray) -> np.ndarray:
    g = layer.groups
    parts = np.moveaxis(a.reshape(g, a.shape[0] // g, *a.shape[1:]), (0, 1, 2), (-2, -3, -1))
    return parts.reshape(*a.shape[2:], a.shape[0] // g, g * a.shape[1])


BIAS = {"bias": Named("bias")}
PLAIN = {"weight": Named("weight"), **BIAS}
KERNEL = {"weight": Named("weight", kernel_there, kernel_back), **BIAS}
SPREAD = {"weight": Named("weight", spread_there, spread_back), **BIAS}
SCALE = {"weight": Named("weight")}
RECURRENT = {
    "weight_ih_l0": Named("weight", transposed, transposed),
    "weight_hh_l0": Named("recurrent", transposed, transposed),
    "h0": Named("h0"),
    "c0": Named("c0"),
}
NAMES: dict[type[Layer], dict[str, Named]] = {
    Dense: {"weight": Named("weight", transposed, transposed), **BIAS},
    Monotone: {"weight": Named("raw", signed_there, signed_back), **BIAS},
    **dict.fromkeys((Conv1d, Conv2d, Conv3d), KERNEL),
    **dict.fromkeys((ConvTranspose1d, ConvTranspose2d), SPREAD),
    **dict.fromkeys((LocallyConnected1d, LocallyConnected2d, LayerNorm, GroupNorm, InstanceNorm), PLAIN),
    **dict.fromkeys((Embedding, RMSNorm), SCALE),
    PReLU: {"weight": Named("slope")},
    BatchNorm: {**PLAIN, "running_mean": Named("mean"), "running_var": Named("variance")},
    **dict.fromkeys((RNN, LSTM, GRU), RECURRENT),
    MultiHeadAttention: {
        "in_proj_weight": Named("weight", transposed, transposed),
        "in_proj_bias": Named("bias"),
        "out_proj.weight": Named("output_weight", transposed, transposed),
        "out_proj.bias": Named("output_bias"),
    },
}
COUNTS = "num_batches_tracked"  # which nothing is computed from


def tensors_of(layer: Layer) -> dict[str, np.ndarray]:
    """The arrays of a layer by PyTorch's names, as they lie there.

    Example:
        >>> {name: a.shape for name, a in tensors_of(Dense(np.zeros((3, 2)), np.zeros(2))).items()}
        {'weight': (2, 3), 'bias': (2,)}
    """
    found = {}
    for name, named in NAMES.get(type(layer), {}).items():
        array = getattr(layer, named.field, None)
        if array is not None:
            found[name] = np.ascontiguousarray(named.there(layer, np.asarray(array)))
    if isinstance(layer, RNN | LSTM | GRU):
        found |= biases_there(layer)
    return found


def with_tensors(layer: Layer, tensors: Mapping[str, np.ndarray], where: str) -> Layer:
    """The layer with PyTorch's arrays in place of its own, in the type that its own have.

    Raises: InteropError where one is missing, left over, or of another shape.
    """
    wanted = tensors_of(layer)
    given = {name: array for name, array in tensors.items() if name != COUNTS}
    if isinstance(layer, RNN | LSTM | GRU) and not any(name.startswith("bias") for name in given):
        given |= {name: np.zeros_like(array) for name, array in wanted.items() if name.startswith("bias")}
    if missing := sorted(set(wanted) - set(given)):
        raise InteropError(f"{where} ({type(layer).__name__}): there is no tensor for {', '.join(missing)}")
    if extra := sorted(set(given) - set(wanted)):
        raise InteropError(f"{where} ({type(layer).__name__}) has no place for {', '.join(extra)}")
    fields = {}
    for name, named in NAMES[type(layer)].items():
        if name in wanted:
            fields[named.field] = named.back(layer, fitting(given[name], wanted[name], f"{where}.{name}"))
    if isinstance(layer, RNN | LSTM | GRU):
        fields |= biases_back(layer, *(fitting(given[n], wanted[n], f"{where}.{n}") for n in BIASES))
    import jax.numpy as jnp

    return replaced(layer, **{field: jnp.asarray(np.ascontiguousarray(array)) for field, array in fields.items()})


def fitting(given: np.ndarray, wanted: np.ndarray, where: str) -> np.ndarray:
    if given.shape != wanted.shape:
        raise InteropError(f"{where} has the shape {given.shape}; the network takes {wanted.shape}")
    return given.astype(wanted.dtype)


BIASES = ("bias_ih_l0", "bias_hh_l0")


def biases_there(layer: RNN | LSTM | GRU) -> dict[str, np.ndarray]:
    """PyTorch adds two biases; the second is 0 but for the candidate of a GRU, where ours has two as well."""
    bias = np.asarray(layer.bias)
    second = np.zeros_like(bias)
    if isinstance(layer, GRU):
        second[-len(layer.recurrent_bias) :] = layer.recurrent_bias
    return dict(zip(BIASES, (bias, second), strict=True))


def biases_back(layer: RNN | LSTM | GRU, first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
    if not isinstance(layer, GRU):
        return {"bias": first + second}
    n = len(layer.recurrent_bias)
    own = np.concatenate([second[:-n], np.zeros(n, second.dtype)])
    return {"bias": first + own, "recurrent_bias": second[-n:]}
