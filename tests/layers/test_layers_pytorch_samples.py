"""PyTorch's own samples of its modules: each layer gives the module's output and all of its gradients on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch.testing._internal.common_modules import module_db

from pellucid import layers as la
from pellucid.module import Layer, parameters, with_parameters

Tensors = dict[str, torch.Tensor]


class LeftOut(Exception):
    """A sample with a setting that Pellucid does not have."""


class Twin(NamedTuple):
    """Our layer for a module, and how the module's tensors, or their gradients (`slopes`), are its parameters.

    `zeros` are parameters that are 0 because the module has none of the kind.
    """

    make: Callable[[dict[str, Any]], Layer]  # from its parameters
    tensors: dict[str, Callable[[Tensors, bool], torch.Tensor]]
    channels_first: bool = True
    zeros: frozenset[str] = frozenset()


def kernel(groups: int = 1, transposed: bool = False) -> Callable[[torch.Tensor], torch.Tensor]:
    def turned(w: torch.Tensor) -> torch.Tensor:
        if not transposed:  # (out, in / groups, ...) -> (..., in / groups, out)
            return w.movedim((0, 1), (-1, -2))
        parts = w.reshape(groups, w.shape[0] // groups, *w.shape[1:]).movedim((1, 0, 2), (-3, -2, -1))
        return parts.reshape(*parts.shape[:-2], -1)  # (in, out / groups, ...) -> (..., in / groups, out)

    return turned


def only(module: torch.nn.Module, **wanted: Any) -> None:
    """Leave a sample out that has a setting Pellucid does not have."""
    for name, value in wanted.items():
        if getattr(module, name) != value:
            raise LeftOut(f"{name}={getattr(module, name)}")


def linear(m: Any) -> Twin:
    return twin(m, la.Dense, {"weight": lambda w: w.T}, {}, False)


def convolution(m: Any) -> Twin:
    only(m, padding_mode="zeros")
    kind = getattr(la, type(m).__name__.removeprefix("Lazy"))
    padding = m.padding if isinstance(m.padding, str) else tuple(m.padding)
    settings = {"stride": m.stride, "padding": padding, "dilation": m.dilation, "groups": m.groups}
    return twin(m, kind, {"weight": kernel()}, settings)


def transposed(m: Any) -> Twin:
    names = ("stride", "padding", "output_padding", "dilation", "groups")
    kind = getattr(la, type(m).__name__)
    return twin(m, kind, {"weight": kernel(m.groups, True)}, {n: getattr(m, n) for n in names})


def pool(m: Any) -> Twin:
    only(m, ceil_mode=False)
    if "Max" in type(m).__name__:
        only(m, dilation=1)
        return bare(la.MaxPool(m.kernel_size, m.stride, m.padding))
    only(m, **({} if "1d" in type(m).__name__ else {"divisor_override": None}))
    plain = [v[0] if isinstance(v, tuple) and len(v) == 1 else v for v in (m.kernel_size, m.stride, m.padding)]
    return bare(la.AvgPool(*plain, count_padding=m.count_include_pad))


def adaptive(m: Any) -> Twin:
    if isinstance(m.output_size, tuple) and None in m.output_size:
        raise LeftOut("an axis that keeps its size")
    return bare(la.AdaptiveAveragePool(m.output_size))


def batch_norm(m: Any) -> Twin:
    only(m, track_running_stats=True)
    if m.momentum is None:
        raise LeftOut("a cumulative average")
    mean, variance = (t.numpy() for t in (m.running_mean, m.running_var))
    return twin(m, la.BatchNorm, {}, {"mean": mean, "variance": variance, "momentum": m.momentum, "epsilon": m.eps})


def instance_norm(m: Any) -> Twin:
    only(m, track_running_stats=False)
    return twin(m, la.InstanceNorm, {}, {"epsilon": m.eps})


def group_norm(m: Any) -> Twin:
    return twin(m, la.GroupNorm, {}, {"groups": m.num_groups, "epsilon": m.eps})


def layer_norm(m: Any) -> Twin:
    if m.weight is None and len(m.normalized_shape) > 1:
        raise LeftOut("several axes without a weight")
    return twin(m, la.LayerNorm, {}, {"epsilon": m.eps}, False)


def rms_norm(m: Any) -> Twin:
    if len(m.normalized_shape) > 1:
        raise LeftOut("several axes")
    epsilon = torch.finfo(torch.float64).eps if m.eps is None else m.eps
    return twin(m, la.RMSNorm, {}, {"epsilon": epsilon}, False, bias=False)


def padding(m: Any) -> Twin:
    flat = m.padding
    widths = tuple((flat[i], flat[i + 1]) for i in range(0, len(flat), 2))[::-1]
    mode = {"Ref": "reflect", "Rep": "edge"}.get(type(m).__name__[:3], "constant")
    return bare(la.Pad(widths, value=float(getattr(m, "value", 0.0)), mode=mode))


def recurrent(m: Any) -> Twin:
    only(m, proj_size=0, batch_first=True)
    kind, n = getattr(la, m.mode.split("_")[0]), m.hidden_size
    settings = {"activation": m.nonlinearity} if m.mode.startswith("RNN") else {}
    net = la.stacked(kind, m.input_size, n, key=0, depth=m.num_layers, bidirectional=m.bidirectional, **settings)
    tensors: dict[str, Any] = {}
    for i in range(m.num_layers):
        for way, end in (("forwards", ""), ("backwards", "_reverse"))[: 1 + m.bidirectional]:
            at = f"layers[{i}]" + (f".{way}" if m.bidirectional else "")
            tensors |= recurrent_tensors(at, f"l{i}{end}", kind is la.GRU, n)
    zeros = frozenset() if m.bias else frozenset(path for path in tensors if path.endswith("bias"))
    shapes = {path: array.shape for path, array in parameters(net).items()}

    def make(values: dict[str, Any]) -> Layer:
        return with_parameters(net, values | {path: jnp.zeros(shapes[path]) for path in zeros})

    held = {path: read for path, read in tensors.items() if path not in zeros}
    return Twin(make, held, False, zeros)


def recurrent_tensors(at: str, of: str, gru: bool, n: int) -> dict[str, Any]:
    def both(t: Tensors, slopes: bool) -> torch.Tensor:
        ih, hh = t[f"bias_ih_{of}"], t[f"bias_hh_{of}"]
        if slopes:
            return ih  # each of the two has the gradient of their sum
        return torch.cat([(ih + hh)[: 2 * n], ih[2 * n :]]) if gru else ih + hh

    return {
        f"{at}.weight": lambda t, slopes: t[f"weight_ih_{of}"].T,
        f"{at}.recurrent": lambda t, slopes: t[f"weight_hh_{of}"].T,
        f"{at}.bias": both,
    } | ({f"{at}.recurrent_bias": lambda t, slopes: t[f"bias_hh_{of}"][2 * n :]} if gru else {})


def embedding(m: Any) -> Twin:
    return twin(m, la.Embedding, {}, {}, False, bias=False)


def glu(m: Any) -> Twin:
    return bare(la.GatedLinear(), m.dim == 1)


def bare(layer: Layer, channels: bool = True) -> Twin:
    return Twin(lambda values: layer, {}, channels)


def twin(
    m: Any, kind: Any, changes: dict[str, Any], settings: dict[str, Any], channels: bool = True, bias: bool = True
) -> Twin:
    """Weight and bias as the module has them, but for the axes of the weight."""
    names = [name for name in ("weight", "bias")[: 1 + bias] if getattr(m, name, None) is not None]
    tensors = {name: lambda t, slopes, name=name: changes.get(name, lambda w: w)(t[name]) for name in names}
    arrays = dict.fromkeys(("weight", "bias")[: 1 + bias])
    return Twin(lambda values: kind(**(arrays | values), **settings), tensors, channels)


TWINS: dict[str, Callable[[Any], Twin]] = {
    "nn.Linear": linear,
    **{f"nn.Conv{n}d": convolution for n in (1, 2, 3)},
    **{f"nn.ConvTranspose{n}d": transposed for n in (1, 2)},
    **{f"nn.{kind}Pool{n}d": pool for kind in ("Max", "Avg") for n in (1, 2, 3)},
    **{f"nn.AdaptiveAvgPool{n}d": adaptive for n in (1, 2, 3)},
    **{f"nn.BatchNorm{n}d": batch_norm for n in (1, 2, 3)},
    **{f"nn.InstanceNorm{n}d": instance_norm for n in (1, 2, 3)},
    "nn.GroupNorm": group_norm,
    "nn.LayerNorm": layer_norm,
    "nn.RMSNorm": rms_norm,
    **{f"nn.{kind}Pad{n}d": padding for kind in ("Zero", "Constant", "Reflection", "Replication") for n in (1, 2, 3)},
    **{f"nn.{kind}": recurrent for kind in ("RNN", "GRU", "LSTM")},
    "nn.Embedding": embedding,
    "nn.GLU": glu,
}


# The samples that are left out, by their place in PyTorch's list, and the setting or input that Pellucid does not have.
LEFT_OUT: dict[str, dict[str, list[int]]] = {
    "nn.AvgPool2d": {"divisor_override=1": [4, 5, 6]},
    "nn.AvgPool3d": {"divisor_override=1": [8, 9, 10, 11, 12, 13, 14]},
    "nn.AdaptiveAvgPool2d": {"an axis that keeps its size": [4]},
    "nn.AdaptiveAvgPool3d": {"an axis that keeps its size": [3]},
    "nn.BatchNorm1d": {"a cumulative average": [2], "track_running_stats=False": [4]},
    "nn.BatchNorm2d": {"a cumulative average": [1], "track_running_stats=False": [4]},
    "nn.BatchNorm3d": {"a cumulative average": [1], "track_running_stats=False": [4]},
    **{f"nn.InstanceNorm{n}d": {"track_running_stats=True": [1, 3]} for n in (1, 2, 3)},
    "nn.LayerNorm": {"several axes without a weight": [4]},
    "nn.RMSNorm": {"several axes": [3, 4]},
    "nn.RNN": {"a first state": [*range(1, 32, 2)], "batch_first=False": [0, 2, 8, 10, 16, 18, 24, 26]},
    "nn.GRU": {"a first state": [*range(1, 16, 2)], "batch_first=False": [0, 2, 8, 10]},
    "nn.LSTM": {
        "a first state": [*range(1, 32, 2)],
        "proj_size=2": [*range(2, 32, 4)],
        "batch_first=False": [0, 4, 16, 20],
    },
}


class Sample(NamedTuple):
    layer: Layer
    x: np.ndarray
    y: np.ndarray
    dy: np.ndarray
    dx: np.ndarray | None
    slopes: dict[str, np.ndarray]
    zeros: frozenset[str]


def sample(make: Callable[[Any], Twin], info: Any, given: Any) -> Sample:
    """The module's pass on one of its samples, as our layer should give it."""
    torch.manual_seed(0)
    made = given.constructor_input
    module = info.module_cls(*made.args, **made.kwargs).double().train(False)
    x, *more = (*given.forward_input.args, *given.forward_input.kwargs.values())
    if more:
        raise LeftOut("a first state")
    x = x.detach()
    x.requires_grad_(x.is_floating_point())
    held = make(module)
    tensors = dict(module.named_parameters())
    with jax.enable_x64(True):
        values = {path: jnp.asarray(read(tensors, False).detach().numpy()) for path, read in held.tensors.items()}
        layer = held.make(values)
    y = module(x)
    y = y[0] if isinstance(y, tuple) else y  # of y and the last state, or the places of the maxima
    (y * blame_of(y)).sum().backward()
    way = (has_batch(module, x, held.channels_first), held.channels_first)
    slopes = {name: tensor.grad for name, tensor in tensors.items()}
    found = {path: read(slopes, True).numpy() for path, read in held.tensors.items()}
    xs, ys, dys = (ours(t, *way) for t in (x, y, blame_of(y)))
    return Sample(layer, xs, ys, dys, None if x.grad is None else ours(x.grad, *way), found, held.zeros)


def has_batch(module: torch.nn.Module, x: torch.Tensor, channels_first: bool) -> bool:
    """Whether a sample has a batch axis: PyTorch's layers also take one example alone."""
    kind = type(module).__name__
    if isinstance(module, torch.nn.RNNBase):
        return x.ndim > 2
    places = int(kind[-2]) if channels_first and kind.endswith("d") else 0
    return "BatchNorm" in kind or x.ndim != places + 1


def ours(t: torch.Tensor, batched: bool, channels_first: bool) -> np.ndarray:
    """A tensor in our axes: batch first, channels last."""
    t = t.detach() if batched else t.detach()[None]
    return (t.movedim(1, -1) if channels_first and t.ndim > 2 else t).numpy()


def blame_of(y: torch.Tensor) -> torch.Tensor:
    return torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape)


@cache
def samples_of(name: str) -> tuple[list[Sample], dict[str, list[int]]]:
    """The samples of a module that Pellucid has a layer for, and the places of the others by what it does not have."""
    info = next(info for info in module_db if info.name == name)
    given = info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=True, training=False)
    samples, left_out = [], {}
    for place, one in enumerate(given):
        try:
            samples.append(sample(TWINS[name], info, one))
        except LeftOut as reason:
            left_out.setdefault(str(reason), []).append(place)
    return samples, left_out


@jax.jit
def passes(layers: Sequence[Layer], xs: Sequence[Any], dys: Sequence[Any]) -> list[Any]:
    found = []
    for layer, x, dy in zip(layers, xs, dys, strict=True):
        y, saved = layer.forward(x)
        found.append((y, *layer.backward(saved, dy)))
    return found


@pytest.mark.parametrize("name", TWINS)
def test_each_layer_gives_what_the_module_gives_on_its_own_samples(name):
    samples, _ = samples_of(name)
    with jax.enable_x64(True):
        columns = zip(*((s.layer, jnp.asarray(s.x), jnp.asarray(s.dy)) for s in samples), strict=True)
        found = passes(*columns)
    for (y, dx, dlayer), wanted in zip(found, samples, strict=True):
        np.testing.assert_allclose(y, wanted.y, rtol=1e-9, atol=1e-11)
        if wanted.dx is not None:
            np.testing.assert_allclose(dx, wanted.dx, rtol=1e-9, atol=1e-11)
        slopes = parameters(dlayer)
        assert slopes.keys() == wanted.slopes.keys() | wanted.zeros
        for path, slope in wanted.slopes.items():
            np.testing.assert_allclose(slopes[path], slope, rtol=1e-9, atol=1e-11, err_msg=path)


def test_only_the_samples_in_the_table_are_left_out():
    assert {name: left_out for name in TWINS if (left_out := samples_of(name)[1])} == LEFT_OUT
