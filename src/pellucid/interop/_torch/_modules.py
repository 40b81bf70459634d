"""Modules of PyTorch that compute what Pellucid's layers do, on the same arrays: channels last, time second.

This file needs PyTorch; whoever writes a network for it imports this file then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Pairs = Sequence[tuple[int, int]]


class Sequences(NamedTuple):
    """Values (batch, time, ...) and how many of each example's steps count, (batch,)."""

    values: Tensor
    lengths: Tensor


def values_of(x: Any) -> Any:
    if isinstance(x, Sequences):
        return x.values
    return tuple(values_of(part) for part in x) if isinstance(x, tuple) else x


def like(x: Any, y: Any) -> Any:
    """y with the lengths that x came with, where it still has the (batch, time) axes."""
    given = x if isinstance(x, Sequences) or not isinstance(x, tuple) else next(iter(x), None)
    if not isinstance(given, Sequences) or isinstance(y, Sequences):
        return y
    shape = given.values.shape
    return Sequences(y, given.lengths) if y.ndim >= len(shape) and y.shape[:2] == shape[:2] else y


def counted(x: Any) -> Tensor | None:
    """Which steps count, (batch, time, 1, ...) with as many axes as the values; None where all do."""
    if not isinstance(x, Sequences):
        return None
    steps = torch.arange(x.values.shape[1], device=x.values.device) < x.lengths[:, None]
    return steps.reshape(*steps.shape, *(1,) * (x.values.ndim - 2))


def kept(counts: Tensor | None, x: Tensor) -> Tensor:
    """x where it counts, 0 elsewhere."""
    return x if counts is None else torch.where(counts, x, torch.zeros((), dtype=x.dtype, device=x.device))


def run(module: Any, x: Any) -> Any:
    """The module's output; one that does not read lengths is handed the values alone."""
    return module(x) if getattr(module, "reads_lengths", False) else like(x, module(values_of(x)))


class Sequential(nn.Sequential):
    reads_lengths = True

    def forward(self, input: Any) -> Any:
        for module in self:
            input = run(module, input)
        return input


class Residual(nn.Module):
    reads_lengths = True

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Any) -> Any:
        return like(x, values_of(x) + values_of(run(self.layer, x)))


class Parallel(nn.Sequential):
    """The same input for all; their outputs side by side, or summed."""

    reads_lengths = True

    def __init__(self, modules: Sequence[nn.Module], join: str):
        super().__init__(*modules)
        self.join = {"concat": Concat, "sum": Add}[join]()

    def forward(self, input: Any) -> Any:
        *branches, join = self
        return run(join, tuple(run(branch, input) for branch in branches))


class Graph(nn.Module):
    """Nodes `(node, module, inputs)` in order; each module is an attribute of that name."""

    reads_lengths = True

    def __init__(self, modules: dict[str, nn.Module], nodes: Sequence[tuple[str, str, tuple[str, ...]]]):
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)
        self.nodes = tuple(nodes)

    def forward(self, x: Any) -> Any:
        values = {"input": x}
        for node, name, inputs in self.nodes:
            given = values[inputs[0]] if len(inputs) == 1 else tuple(values[source] for source in inputs)
            values[node] = run(self.get_submodule(name), given)
        return values[self.nodes[-1][0]]


class Add(nn.Module):
    def forward(self, x: tuple[Tensor, ...]) -> Tensor:
        first, *rest = x
        for other in rest:
            first = first + other
        return first


class Concat(nn.Module):
    def forward(self, x: tuple[Tensor, ...]) -> Tensor:
        return torch.cat(x, -1)


class Gate(nn.Module):
    def forward(self, x: tuple[Tensor, Tensor]) -> Tensor:
        return torch.sigmoid(x[0]) * x[1]


class Pick(nn.Module):
    def __init__(self, index: int):
        super().__init__()
        self.index = index

    def forward(self, x: tuple[Tensor, ...]) -> Tensor:
        return x[self.index]


class Collect(nn.Module):
    def forward(self, x: Any) -> tuple[Tensor, ...]:
        return x if isinstance(x, tuple) else (x,)


class Curve(nn.Module):
    """A function of PyTorch that has no module, number by number."""

    def __init__(self, name: str):
        super().__init__()
        self.name = name

    def forward(self, x: Tensor) -> Tensor:
        return getattr(torch, self.name)(x)


class PReLU(nn.PReLU):
    def forward(self, input: Tensor) -> Tensor:
        return turned(super().forward, input) if input.ndim > 1 else super().forward(input)


class Margins(nn.Module):
    """Zeros around each axis, where PyTorch's own padding cannot say it: unequal ones, or "same" with a stride."""

    def __init__(self, padding: str | Pairs, reach: Sequence[int], stride: Sequence[int]):
        super().__init__()
        self.padding, self.reach, self.stride = padding, tuple(reach), tuple(stride)

    def forward(self, x: Tensor) -> Tensor:
        """x, channels first, with its zeros."""
        if self.padding == "valid":
            return x
        pairs = self.padding
        if isinstance(pairs, str):
            wanted = [
                max((-(-n // s) - 1) * s + r - n, 0)
                for n, r, s in zip(x.shape[2:], self.reach, self.stride, strict=True)
            ]
            pairs = [(n // 2, n - n // 2) for n in wanted]
        return functional.pad(x, widths(pairs))


def widths(pairs: Pairs) -> list[int]:
    """Pairs (before, behind) for each axis, as PyTorch takes them: from the last axis on."""
    return [n for pair in reversed(list(pairs)) for n in pair]


def turned(forward: Callable[[Tensor], Tensor], x: Tensor, margins: Margins | None = None) -> Tensor:
    """What a module for channels first gives for arrays whose channels come last."""
    x = x.movedim(-1, 1)
    return forward(x if margins is None else margins(x)).movedim(1, -1)


class Conv1d(nn.Conv1d):
    margins: Margins | None = None

    def forward(self, input: Tensor) -> Tensor:
        return turned(super().forward, input, self.margins)


class Conv2d(nn.Conv2d):
    margins: Margins | None = None

    def forward(self, input: Tensor) -> Tensor:
        return turned(super().forward, input, self.margins)


class Conv3d(nn.Conv3d):
    margins: Margins | None = None

    def forward(self, input: Tensor) -> Tensor:
        return turned(super().forward, input, self.margins)


class ConvTranspose1d(nn.ConvTranspose1d):
    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return turned(super().forward, input)


class ConvTranspose2d(nn.ConvTranspose2d):
    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        return turned(super().forward, input)


class LocallyConnected(nn.Module):
    """A kernel of its own at every place; the weight is (places..., size..., in, out)."""

    def __init__(self, weight: Tensor, bias: Tensor | None, margins: Margins, dilation: Sequence[int]):
        super().__init__()
        self.weight, self.margins, self.dilation = nn.Parameter(weight), margins, tuple(dilation)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.margins(x.movedim(-1, 1)).movedim(1, -1)
        along = zip(self.margins.reach, self.margins.stride, self.dilation, strict=True)
        for axis, (reach, stride, dilation) in enumerate(along, 1):
            seen = seen.unfold(axis, reach, stride)[..., ::dilation]
        rule = "npch,phco->npo" if len(self.dilation) == 1 else "npqchw,pqhwco->npqo"
        y = torch.einsum(rule, seen, self.weight)
        return y if self.bias is None else y + self.bias


POOLS = {
    "max": (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d),
    "mean": (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
    "adaptive": (functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d),
}


class Pool(nn.Module):
    """Windows over one to three axes between batch and channels."""

    def __init__(self, kind: str, size: Any, **settings: Any):
        super().__init__()
        self.kind, self.size, self.settings = kind, size, settings

    def forward(self, x: Tensor) -> Tensor:
        pool = POOLS[self.kind][x.ndim - 3]
        return pool(x.movedim(-1, 1), self.size, **self.settings).movedim(1, -1)


class GlobalPool(nn.Module):
    """The mean or the largest over all axes between batch and channels; of sequences over the steps that count."""

    reads_lengths = True

    def __init__(self, kind: str):
        super().__init__()
        self.kind = kind

    def forward(self, x: Any) -> Tensor:
        counts, flat = counted(x), values_of(x).flatten(1, -2)
        counts = torch.ones_like(values_of(x)[..., :1], dtype=torch.bool) if counts is None else counts
        counts = counts.expand(*values_of(x).shape[:-1], 1).flatten(1, -2)
        if self.kind == "mean":
            return kept(counts, flat).sum(1) / counts.sum(1).clamp(min=1)
        largest = torch.where(counts, flat, torch.full_like(flat, -torch.inf)).amax(1)
        return kept(counts.any(1), largest)


class Pad(nn.Module):
    def __init__(self, pairs: Any, mode: str, value: float):
        super().__init__()
        self.pairs, self.mode, self.value = pairs, mode, value

    def forward(self, x: Tensor) -> Tensor:
        pairs = self.pairs if isinstance(self.pairs, tuple) else [(self.pairs,) * 2] * (x.ndim - 2)
        options = {"value": self.value} if self.mode == "constant" else {}
        return functional.pad(x.movedim(-1, 1), widths(pairs), self.mode, **options).movedim(1, -1)


class Upsample(nn.Module):
    def __init__(self, factor: Any, mode: str):
        super().__init__()
        self.factor, self.mode = factor, mode

    def forward(self, x: Tensor) -> Tensor:
        factors = self.factor if isinstance(self.factor, tuple) else (self.factor,) * (x.ndim - 2)
        mode = "nearest" if self.mode == "nearest" else ("linear", "bilinear", "trilinear")[x.ndim - 3]
        options = {} if mode == "nearest" else {"align_corners": False}
        scale = [float(f) for f in factors]
        return functional.interpolate(x.movedim(-1, 1), scale_factor=scale, mode=mode, **options).movedim(1, -1)


class Embedding(nn.Embedding):
    """Whole numbers of any type; one that has no row is an error here, and not a row of NaN."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input.long())


class Masking(nn.Module):
    """Sequences padded with NaN become values and lengths."""

    reads_lengths = True

    def forward(self, x: Tensor) -> Sequences:
        there = ~torch.isnan(x).reshape(*x.shape[:2], -1).all(-1)
        lengths = (there * torch.arange(1, x.shape[1] + 1, device=x.device)).amax(1)
        found = Sequences(x, lengths)
        return Sequences(kept(counted(found), x), lengths)
