"""Operations in the words of ONNX by PyTorch's functions, for networks that go back to it. Needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...layers import Operator as Ours
from ...operators import thaw

Inputs = list[Any]
Words = dict[str, Any]


class Operator(nn.Module):
    """One operation: its weights are parameters, the other constants are buffers."""

    def __init__(self, layer: Ours):
        super().__init__()
        self.kind, self.words, self.given, self.outputs = layer.kind, layer.words, layer.given, layer.outputs
        self.places = len(layer.settings)
        for i in range(self.places):
            weight, buffer, setting = layer.weights[i], layer.buffers[i], thaw(layer.settings[i])
            if weight is not None:
                self.register_parameter(f"weight_{i}", nn.Parameter(torch.from_numpy(np.array(weight))))
            elif buffer is not None or setting is not None:
                constant = torch.from_numpy(np.array(setting if buffer is None else buffer))
                self.register_buffer(f"constant_{i}", constant, persistent=False)

    def forward(self, x: Any) -> Any:
        parts = list(x) if len(self.given) > 1 else [x][: len(self.given)]
        inputs: Inputs = [
            getattr(self, f"weight_{i}", getattr(self, f"constant_{i}", None)) for i in range(self.places)
        ]
        for i, part in zip(self.given, parts, strict=True):
            inputs[i] = part
        made = WORDS[self.kind](inputs, self.words)
        return tuple(made[: self.outputs]) if self.outputs > 1 else made[0] if isinstance(made, tuple) else made


def whole(x: Any) -> list[int]:
    """Whole numbers out of a tensor of them."""
    return [int(n) for n in x.reshape(-1).tolist()]


def axes_of(inputs: Inputs, words: Words) -> list[int] | None:
    """Axes, as a second input or as a word."""
    if len(inputs) > 1 and inputs[1] is not None:
        return whole(inputs[1])
    return None if words.get("axes") is None else [int(a) for a in words["axes"]]


def reshape(inputs: Inputs, words: Words) -> Tensor:
    x, shape = inputs[0], whole(inputs[1])
    keep = not words.get("allowzero", 0)
    return x.reshape([x.shape[i] if n == 0 and keep else n for i, n in enumerate(shape)])


def flatten(inputs: Inputs, words: Words) -> Tensor:
    x, axis = inputs[0], int(words.get("axis", 1))
    axis += x.ndim if axis < 0 else 0
    return x.reshape(int(np.prod(x.shape[:axis])), -1)


def transpose(inputs: Inputs, words: Words) -> Tensor:
    x = inputs[0]
    return x.permute([int(a) for a in words.get("perm", range(x.ndim)[::-1])])


def squeeze(inputs: Inputs, words: Words) -> Tensor:
    axes = axes_of(inputs, words)
    return inputs[0].squeeze() if axes is None else inputs[0].squeeze(axes)


def unsqueeze(inputs: Inputs, words: Words) -> Tensor:
    x, axes = inputs[0], axes_of(inputs, words) or []
    for axis in sorted(a % (x.ndim + len(axes)) for a in axes):
        x = x.unsqueeze(axis)
    return x


def expand(inputs: Inputs, words: Words) -> Tensor:
    return torch.broadcast_to(inputs[0], torch.broadcast_shapes(inputs[0].shape, whole(inputs[1])))


def shape_of(inputs: Inputs, words: Words) -> Tensor:
    shape = list(inputs[0].shape)[words.get("start", 0) : words.get("end")]
    return torch.tensor(shape, dtype=torch.int64, device=inputs[0].device)


def gather(inputs: Inputs, words: Words) -> Tensor:
    x, index, axis = inputs[0], inputs[1].long(), int(words.get("axis", 0)) % inputs[0].ndim
    index = torch.where(index < 0, index + x.shape[axis], index)
    picked = x.index_select(axis, index.reshape(-1))
    return picked.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def cut(inputs: Inputs, words: Words) -> Tensor:
    x, starts, ends = inputs[0], whole(inputs[1]), whole(inputs[2])
    axes = whole(inputs[3]) if len(inputs) > 3 and inputs[3] is not None else range(len(starts))
    steps = whole(inputs[4]) if len(inputs) > 4 and inputs[4] is not None else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index = torch.arange(
            *slice(start, end if end >= -x.shape[axis] or step > 0 else None, step).indices(x.shape[axis])
        )
        x = x.index_select(axis, index.to(x.device))
    return x


def split(inputs: Inputs, words: Words) -> tuple[Tensor, ...]:
    x, axis = inputs[0], int(words.get("axis", 0))
    if len(inputs) > 1 and inputs[1] is not None:
        return x.split(whole(inputs[1]), axis)
    return x.split(-(-x.shape[axis] // int(words["num_outputs"])), axis)


def pad(inputs: Inputs, words: Words) -> Tensor:
    x, widths = inputs[0], whole(inputs[1])
    pairs = [(widths[i], widths[i + x.ndim]) for i in range(x.ndim)]
    modes = {"constant": "constant", "edge": "replicate", "reflect": "reflect", "wrap": "circular"}
    mode, value = modes[words.get("mode", "constant")], inputs[2] if len(inputs) > 2 else None
    if mode == "constant":
        flat = [n for pair in reversed(pairs) for n in pair]
        return functional.pad(x, flat, value=0.0 if value is None else float(value))
    return functional.pad(x, [n for pair in reversed(pairs[2:]) for n in pair], mode)


def clip(inputs: Inputs, words: Words) -> Tensor:
    low, high = (inputs[i] if len(inputs) > i else None for i in (1, 2))
    return inputs[0].clamp(low, high)


def convert(inputs: Inputs, words: Words) -> Tensor:
    return inputs[0].to(TYPES[int(words["to"])])


def reduced(function: Callable[..., Tensor]) -> Callable[[Inputs, Words], Tensor]:
    def written(inputs: Inputs, words: Words) -> Tensor:
        x, axes = inputs[0], axes_of(inputs, words)
        return function(x, axes if axes else list(range(x.ndim)), bool(words.get("keepdims", 1)))

    return written


def each(function: Callable[..., Tensor]) -> Callable[[Inputs, Words], Tensor]:
    """A function of the inputs alone."""
    return lambda inputs, words: function(*inputs)


def chained(function: Callable[..., Tensor]) -> Callable[[Inputs, Words], Tensor]:
    """A function of two, from the first input to the last."""

    def written(inputs: Inputs, words: Words) -> Tensor:
        made = inputs[0]
        for other in inputs[1:]:
            made = function(made, other)
        return made

    return written


def divided(a: Tensor, b: Tensor) -> Tensor:
    return torch.div(a, b) if a.is_floating_point() else torch.div(a, b, rounding_mode="trunc")


TYPES = {
    1: torch.float32, 2: torch.uint8, 3: torch.int8, 5: torch.int16, 6: torch.int32, 7: torch.int64, 9: torch.bool,
    10: torch.float16, 11: torch.float64,
}  # fmt: skip
WORDS: dict[str, Callable[[Inputs, Words], Any]] = {
    "Identity": each(lambda x: x), "Reshape": reshape, "Flatten": flatten, "Transpose": transpose, "Squeeze": squeeze,
    "Unsqueeze": unsqueeze, "Expand": expand, "Shape": shape_of, "Gather": gather, "Slice": cut, "Split": split,
    "Pad": pad, "Clip": clip, "Cast": convert, "Where": each(torch.where), "MatMul": each(torch.matmul),
    "Concat": lambda inputs, words: torch.cat(inputs, int(words["axis"])),
    "Tile": each(lambda x, times: x.repeat(whole(times))),
    "Softmax": lambda inputs, words: inputs[0].softmax(int(words.get("axis", -1))),
    "LogSoftmax": lambda inputs, words: inputs[0].log_softmax(int(words.get("axis", -1))),
    "Einsum": lambda inputs, words: torch.einsum(words["equation"], *inputs),
    "GatherElements": lambda inputs, words: inputs[0].gather(int(words.get("axis", 0)), inputs[1].long()),
    "Trilu": lambda inputs, words: (torch.triu if words.get("upper", 1) else torch.tril)(
        inputs[0], int(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else 0
    ),
    "Add": each(torch.add), "Sub": each(torch.sub), "Mul": each(torch.mul), "Div": each(divided),
    "Pow": each(torch.pow), "Max": chained(torch.maximum), "Min": chained(torch.minimum), "Sum": chained(torch.add),
    "Equal": each(torch.eq), "Less": each(torch.lt), "LessOrEqual": each(torch.le), "Greater": each(torch.gt),
    "GreaterOrEqual": each(torch.ge), "And": each(torch.logical_and), "Or": each(torch.logical_or),
    "Not": each(torch.logical_not),
    **{name.capitalize(): each(getattr(torch, name)) for name in (
        "abs", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "floor", "log",
        "neg", "reciprocal", "relu", "round", "sigmoid", "sign", "sin", "sinh", "sqrt", "tan", "tanh",
    )},
    "HardSwish": each(functional.hardswish), "Softsign": each(functional.softsign), "Mish": each(functional.mish),
    "Selu": each(functional.selu), "Softplus": each(lambda x: functional.softplus(x, threshold=50)),
    "LeakyRelu": lambda inputs, words: functional.leaky_relu(inputs[0], words.get("alpha", 0.01)),
    "Elu": lambda inputs, words: functional.elu(inputs[0], words.get("alpha", 1.0)),
    "Celu": lambda inputs, words: functional.celu(inputs[0], words.get("alpha", 1.0)),
    "Gelu": lambda inputs, words: functional.gelu(inputs[0], approximate=words.get("approximate", "none")),
    "HardSigmoid": lambda inputs, words: (
        words.get("alpha", 0.2) * inputs[0] + words.get("beta", 0.5)
    ).clamp(0, 1),
    "CumSum": each(lambda x, axis: x.cumsum(int(axis))),
    "ReduceMean": reduced(torch.mean), "ReduceSum": reduced(torch.sum), "ReduceMax": reduced(torch.amax),
    "ReduceMin": reduced(torch.amin), "ReduceLogSumExp": reduced(torch.logsumexp),
    "ReduceL2": reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, 2, axes, keep)),
    "ReduceL1": reduced(lambda x, axes, keep: torch.linalg.vector_norm(x, 1, axes, keep)),
}  # fmt: skip
