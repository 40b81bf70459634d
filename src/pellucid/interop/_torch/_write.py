"""A network becomes a module of PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InteropError
from ...layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    AdaptiveAveragePool,
    Add,
    AvgPool,
    BatchNorm,
    Bidirectional,
    ChannelDropout,
    Collect,
    Concat,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Gate,
    GatedLinear,
    GaussianNoise,
    GlobalAveragePool,
    GlobalMaxPool,
    Graph,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LocallyConnected1d,
    LocallyConnected2d,
    LogSoftmax,
    Masking,
    MaxPool,
    Monotone,
    MultiHeadAttention,
    Operator,
    Pad,
    Parallel,
    Pick,
    PlainDropout,
    PReLU,
    RandomFlip,
    RandomShift,
    Residual,
    RMSNorm,
    Sequential,
    Softmax,
    Upsample,
)
from ...module import Layer, joined
from ._names import tensors_of
from ._open import pytorch

if TYPE_CHECKING:
    import torch

AXES = {"time": 1, "height": 1, "width": 2}


def to_torch(net: Layer) -> torch.nn.Module:
    """The network as a module of PyTorch, with its weights, in evaluation mode: the same arrays in and out.

    Layers become PyTorch's own modules, or modules made of its functions; a layer that a `Graph` uses twice is one
    module. Whoever trains the module calls `.train()` first; a recurrent module has two biases there, which both learn.

    Raises: InteropError naming every layer that has no counterpart: a `Function`, and some kinds of `Operator`.
    Example:
        >>> from pellucid.layers import mlp
        >>> to_torch(mlp([3, 4, 1], key=0))
        Sequential(
          (0): Linear(in_features=3, out_features=4, bias=True)
          (1): ReLU()
          (2): Linear(in_features=4, out_features=1, bias=True)
        )
    """
    pytorch()
    problems: list[str] = []
    module = written(net, "", problems)
    if problems:
        listed = "; ".join(problems)
        raise InteropError(f"The network cannot become a module of PyTorch: {listed}.")
    return module.eval()


def written(layer: Layer, path: str, problems: list[str]) -> Any:
    """The module of one layer; what has none is added to the problems."""
    from . import _modules as own
    from . import _statistics as more

    def inside(part: str, child: Layer) -> Any:
        return written(child, joined(path, part), problems)

    match layer:
        case Sequential():
            return own.Sequential(*(inside(f"layers[{i}]", child) for i, child in enumerate(layer.layers)))
        case Residual():
            return own.Residual(inside("layer", layer.layer))
        case Parallel():
            return own.Parallel([inside(f"layers[{i}]", c) for i, c in enumerate(layer.layers)], layer.join)
        case Bidirectional():
            return more.Bidirectional(inside("forwards", layer.forwards), inside("backwards", layer.backwards))
        case Graph():
            modules = {named(name): inside(f"layers.{name}", child) for name, child in layer.layers.items()}
            return own.Graph(modules, [(node, named(name), inputs) for node, name, inputs in layer.nodes])
    row = operation(layer) if isinstance(layer, Operator) else ROWS.get(type(layer))
    if row is None:
        kind = f"an Operator ({layer.kind})" if isinstance(layer, Operator) else f"a {type(layer).__name__}"
        problems.append(f"{path or 'the network'} is {kind}")
        return own.Sequential()
    if isinstance(layer, RNN | LSTM | GRU) and (layer.truncate or layer.dropout_recurrent):
        warnings.warn(
            f"{path or 'The network'}: truncate and dropout_recurrent of {type(layer).__name__} act in training, "
            "and PyTorch has no such thing: the module computes the same, and trains without them.",
            stacklevel=3,
        )
    return filled(row(layer), layer)


def operation(layer: Operator) -> Callable[[Any], Any] | None:
    """What makes the module of an operation, where PyTorch's functions are enough."""
    from . import _operator

    return _operator.Operator if layer.kind in _operator.WORDS else None


def named(name: str) -> str:
    """The name of a Graph's layer as an attribute: without dots, and another than every module has."""
    import torch

    name = name.replace(".", "_") or "_"
    return f"layer_{name}" if hasattr(torch.nn.Module(), name) or name == "nodes" else name


def filled(module: Any, layer: Layer) -> Any:
    """The module with the layer's arrays, in their type."""
    import torch

    tensors = {name: tensor(array) for name, array in tensors_of(layer).items()}
    if tensors:
        floats = [t.dtype for t in tensors.values() if t.is_floating_point()]
        module = module.to(floats[0])
        held = module.state_dict()
        if set(held) - set(tensors) - {"num_batches_tracked"}:  # pragma: no cover - a row of the table is wrong
            raise InteropError(f"{type(layer).__name__}: {sorted(set(held) - set(tensors))} of the module is not given")
        with torch.no_grad():
            for name, value in tensors.items():
                held[name].copy_(value)
    return module


def tensor(array: Any) -> Any:
    import torch

    return None if array is None else torch.from_numpy(np.array(array))


def torch_nn() -> Any:
    from torch import nn

    return nn


def own() -> Any:
    from . import _modules

    return _modules


def more() -> Any:
    from . import _statistics

    return _statistics


def curve(layer: Activation) -> Any:
    nn, settings = torch_nn(), dict(layer.settings)
    match layer.name:
        case "leaky_relu":
            return nn.LeakyReLU(settings.get("slope", 0.01))
        case "elu":
            return nn.ELU(settings.get("alpha", 1.0))
        case "softplus":
            return nn.Softplus(threshold=50)  # beyond PyTorch's 20 it would be off by 2e-9
        case "gelu_tanh":
            return nn.GELU(approximate="tanh")
        case "exponential" | "abs":
            return own().Curve(layer.name.removesuffix("onential"))
    return getattr(nn, MODULES[layer.name])()


MODULES = {
    "identity": "Identity", "relu": "ReLU", "selu": "SELU", "gelu": "GELU", "silu": "SiLU", "mish": "Mish",
    "softsign": "Softsign", "sigmoid": "Sigmoid", "tanh": "Tanh", "hard_tanh": "Hardtanh",
    "hard_sigmoid": "Hardsigmoid", "relu6": "ReLU6",
}  # fmt: skip


def linear(layer: Dense | Monotone) -> Any:
    return torch_nn().Linear(*layer.weight.shape, bias=layer.bias is not None)


def convolution(layer: Conv1d | Conv2d | Conv3d) -> Any:
    *size, each, n_out = layer.weight.shape
    plain = isinstance(layer.padding, str) and (layer.padding == "valid" or set(layer.stride) == {1})
    even = not isinstance(layer.padding, str) and all(a == b for a, b in layer.padding)
    padding: Any = layer.padding if plain else tuple(a for a, _ in layer.padding) if even else 0
    module = getattr(own(), type(layer).__name__)(
        each * layer.groups, n_out, tuple(size), layer.stride, padding, layer.dilation, layer.groups,
        layer.bias is not None,
    )  # fmt: skip
    module.margins = None if plain or even else margins(layer, size)
    return module


def margins(layer: Any, size: Any) -> Any:
    reach = [d * (k - 1) + 1 for k, d in zip(size, layer.dilation, strict=True)]
    return own().Margins(layer.padding, reach, layer.stride)


def transposed_convolution(layer: ConvTranspose1d | ConvTranspose2d) -> Any:
    *size, each, n_out = layer.weight.shape
    return getattr(own(), type(layer).__name__)(
        each * layer.groups, n_out, tuple(size), layer.stride, layer.padding, layer.output_padding, layer.groups,
        layer.bias is not None, layer.dilation,
    )  # fmt: skip


def local(layer: LocallyConnected1d | LocallyConnected2d) -> Any:
    around = margins(layer, layer.weight.shape[layer.axes : -2])
    return own().LocallyConnected(tensor(layer.weight), tensor(layer.bias), around, layer.dilation)


def windows(kind: str) -> Callable[[Any], Any]:
    def made(layer: Any) -> Any:
        settings = {"count_include_pad": layer.count_padding} if kind == "mean" else {}
        stride = layer.size if layer.stride is None else layer.stride
        return own().Pool(kind, layer.size, stride=stride, padding=layer.padding, **settings)

    return made


def batch_norm(layer: BatchNorm) -> Any:
    n = layer.mean.shape[0]
    module = more().BatchNorm(n, layer.epsilon, layer.momentum, affine=layer.weight is not None)
    if (layer.weight is None) != (layer.bias is None):  # PyTorch has both or none
        module = more().BatchNorm(n, layer.epsilon, layer.momentum)
        module.register_parameter("weight" if layer.weight is None else "bias", None)
    return module


def normalization(kind: str) -> Callable[[Any], Any]:
    def made(layer: Any) -> Any:
        arrays = tensor(layer.weight), tensor(getattr(layer, "bias", None)), layer.epsilon
        if kind == "GroupNorm":
            return more().GroupNorm(*arrays, getattr(layer, "groups", None))
        return getattr(more(), kind)(*arrays)

    return made


def recurrent(layer: RNN | LSTM | GRU) -> Any:
    nn = torch_nn()
    options = {"nonlinearity": layer.activation} if isinstance(layer, RNN) else {}
    module = getattr(more(), type(layer).__name__)(*layer.weight.shape[:1], layer.recurrent.shape[0], batch_first=True,
                                                   **options)  # fmt: skip
    module.h0, module.c0 = (
        None if a is None else nn.Parameter(tensor(a)) for a in (layer.h0, getattr(layer, "c0", None))
    )
    module.backwards, module.last = layer.reverse, layer.output == "last"
    return module


def attention(layer: MultiHeadAttention) -> Any:
    biases = layer.bias is not None, layer.output_bias is not None
    return more().MultiHeadAttention(
        layer.weight.shape[0], layer.heads, layer.causal, layer.positions == "rotary", layer.dropout, biases
    )


ROWS: dict[type[Layer], Callable[[Any], Any]] = {
    Activation: curve,
    PReLU: lambda layer: own().PReLU(layer.slope.shape[0]),
    Softmax: lambda layer: torch_nn().Softmax(-1),
    LogSoftmax: lambda layer: torch_nn().LogSoftmax(-1),
    **dict.fromkeys((Dense, Monotone), linear),
    Flatten: lambda layer: torch_nn().Flatten(),
    Add: lambda layer: own().Add(),
    Concat: lambda layer: own().Concat(),
    Gate: lambda layer: own().Gate(),
    GatedLinear: lambda layer: torch_nn().GLU(-1),
    Pick: lambda layer: own().Pick(layer.index),
    Collect: lambda layer: own().Collect(),
    **dict.fromkeys((Conv1d, Conv2d, Conv3d), convolution),
    **dict.fromkeys((ConvTranspose1d, ConvTranspose2d), transposed_convolution),
    **dict.fromkeys((LocallyConnected1d, LocallyConnected2d), local),
    MaxPool: windows("max"),
    AvgPool: windows("mean"),
    AdaptiveAveragePool: lambda layer: own().Pool("adaptive", layer.size),
    GlobalAveragePool: lambda layer: own().GlobalPool("mean"),
    GlobalMaxPool: lambda layer: own().GlobalPool("max"),
    Pad: lambda layer: own().Pad(layer.widths, {"edge": "replicate"}.get(layer.mode, layer.mode), layer.value),
    Upsample: lambda layer: own().Upsample(layer.factor, layer.mode),
    BatchNorm: batch_norm,
    LayerNorm: normalization("LayerNorm"),
    RMSNorm: lambda layer: more().RMSNorm(tensor(layer.weight), None, layer.epsilon),
    GroupNorm: normalization("GroupNorm"),
    InstanceNorm: normalization("GroupNorm"),
    Dropout: lambda layer: torch_nn().Dropout(layer.p),
    ChannelDropout: lambda layer: more().ChannelDropout(layer.p),
    PlainDropout: lambda layer: more().PlainDropout(layer.p),
    GaussianNoise: lambda layer: more().GaussianNoise(layer.deviation),
    RandomFlip: lambda layer: more().RandomFlip(AXES[layer.axis]),
    RandomShift: lambda layer: more().RandomShift(layer.places, tuple(AXES[axis] for axis in layer.axes)),
    Embedding: lambda layer: own().Embedding(*layer.weight.shape),
    Masking: lambda layer: own().Masking(),
    **dict.fromkeys((RNN, LSTM, GRU), recurrent),
    MultiHeadAttention: attention,
}
