"""Modules of PyTorch with statistics, chance, memory or attention, as Pellucid's layers have them. Needs PyTorch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ._modules import Sequences, counted, kept, like, run, values_of


class BatchNorm(nn.BatchNorm1d):
    """The statistics are over all axes but the last, and of sequences over the steps that count."""

    reads_lengths = True

    def forward(self, input: Any) -> Any:
        values, counts = values_of(input), counted(input)
        if counts is None:
            return super().forward(values.reshape(-1, values.shape[-1])).reshape(values.shape)
        there = counts.expand(*values.shape[:-1], 1)[..., 0]
        y = torch.zeros_like(values)
        y[there] = super().forward(values[there])
        return like(input, y)


class Normalization(nn.Module):
    """What normalizations of each example have in common: weight and bias, where they have them."""

    def __init__(self, weight: Tensor | None, bias: Tensor | None, epsilon: float):
        super().__init__()
        self.weight = None if weight is None else nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)
        self.epsilon = epsilon


class LayerNorm(Normalization):
    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape[-1:] if self.weight is None else self.weight.shape
        return functional.layer_norm(x, tuple(shape), self.weight, self.bias, self.epsilon)


class RMSNorm(Normalization):
    def forward(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.weight, self.epsilon)


class GroupNorm(Normalization):
    """Over a group of channels and all axes between; each channel is a group where `groups` is None."""

    reads_lengths = True

    def __init__(self, weight: Tensor | None, bias: Tensor | None, epsilon: float, groups: int | None):
        super().__init__(weight, bias, epsilon)
        self.groups = groups

    def forward(self, x: Any) -> Any:
        values, counts = values_of(x), counted(x)
        n = values.shape[-1]
        groups = self.groups or n
        if counts is None:
            # Copied: the backward pass of PyTorch 2.13 crashes on turned arrays that need no gradient themselves.
            turned = values.movedim(-1, 1).contiguous()
            return functional.group_norm(turned, groups, self.weight, self.bias, self.epsilon).movedim(1, -1)
        axes = (*range(1, values.ndim - 1), values.ndim)
        parts = values.reshape(*values.shape[:-1], groups, n // groups)
        there = counts.expand(*values.shape[:-1], 1)[..., None].expand(parts.shape)
        number = there.sum(axes, keepdim=True).clamp(min=1)
        apart = parts - kept(there, parts).sum(axes, keepdim=True) / number
        variance = kept(there, apart.square()).sum(axes, keepdim=True) / number
        y = (apart * torch.rsqrt(variance + self.epsilon)).reshape(values.shape)
        y = y if self.weight is None else y * self.weight
        return like(x, kept(counts, y if self.bias is None else y + self.bias))


class ChannelDropout(nn.Module):
    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return torch.feature_dropout(x.movedim(-1, 1), self.p, self.training).movedim(1, -1)


class PlainDropout(nn.Module):
    """Units are left out in training, and the rest is not scaled up."""

    def __init__(self, p: float):
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return x * (torch.rand_like(x) >= self.p) if self.training else x


class GaussianNoise(nn.Module):
    reads_lengths = True

    def __init__(self, deviation: float):
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Any) -> Any:
        if not self.training:
            return x
        values = values_of(x)
        return like(x, kept(counted(x), values + self.deviation * torch.randn_like(values)))


class RandomFlip(nn.Module):
    def __init__(self, axis: int):
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        flips = torch.rand(len(x), *(1,) * (x.ndim - 1), device=x.device) < 0.5
        return torch.where(flips, x.flip(self.axis), x)


class RandomShift(nn.Module):
    reads_lengths = True

    def __init__(self, places: int, axes: tuple[int, ...]):
        super().__init__()
        self.places, self.axes = places, axes

    def forward(self, x: Any) -> Any:
        if not self.training:
            return x
        y = values_of(x)
        for axis in self.axes:
            steps = torch.randint(-self.places, self.places + 1, (len(y), 1), device=y.device)
            n = y.shape[axis]
            source = torch.arange(n, device=y.device) - steps
            fits = [len(y) if a == 0 else n if a == axis else 1 for a in range(y.ndim)]
            index = source.clamp(0, n - 1).reshape(fits).expand(y.shape)
            y = kept(((source >= 0) & (source < n)).reshape(fits), y.gather(axis, index))
        return like(x, kept(counted(x), y))


def swept(module: Any, forward: Callable[..., Any], x: Any) -> Any:
    """What recurrent modules add to PyTorch's own: learned first states, backwards, the last step, lengths.

    The order of the steps is turned round within each example's length, so that padding always comes last and does
    not reach the steps before it.
    """
    values, lengths = values_of(x), x.lengths if isinstance(x, Sequences) else None
    values = turned_round(values, lengths) if module.backwards else values
    size = (1, len(values), module.hidden_size)
    zeros = values.new_zeros(size)
    h, c = (zeros if a is None else a.expand(size).contiguous() for a in (module.h0, module.c0))
    y = forward(values, (h, c) if isinstance(module, nn.LSTM) else h)[0]
    if module.last:
        if lengths is None:
            return y[:, -1]
        end = y[torch.arange(len(y), device=y.device), (lengths - 1).clamp(min=0)]
        return torch.where((lengths > 0)[:, None], end, h[0])
    y = turned_round(y, lengths) if module.backwards else y
    return like(x, kept(counted(x), y))


def turned_round(x: Tensor, lengths: Tensor | None) -> Tensor:
    """The steps that count from the last to the first, and the rest where it is."""
    if lengths is None:
        return x.flip(1)
    steps = torch.arange(x.shape[1], device=x.device)
    source = torch.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return x.gather(1, source[..., None].expand(x.shape))


class RNN(nn.RNN):
    reads_lengths = True

    def forward(self, input: Any, hx: Any = None) -> Any:
        return swept(self, super().forward, input)


class LSTM(nn.LSTM):
    reads_lengths = True

    def forward(self, input: Any, hx: Any = None) -> Any:
        return swept(self, super().forward, input)


class GRU(nn.GRU):
    reads_lengths = True

    def forward(self, input: Any, hx: Any = None) -> Any:
        return swept(self, super().forward, input)


class Bidirectional(nn.Module):
    reads_lengths = True

    def __init__(self, forwards: nn.Module, backwards: nn.Module):
        super().__init__()
        self.forwards, self.backwards = forwards, backwards

    def forward(self, x: Any) -> Any:
        both = [values_of(run(part, x)) for part in (self.forwards, self.backwards)]
        return like(x, torch.cat(both, -1))


class MultiHeadAttention(nn.Module):
    """Self-attention; the parameters are named as in PyTorch's own."""

    reads_lengths = True

    def __init__(self, n: int, heads: int, causal: bool, rotary: bool, dropout: float, biases: tuple[bool, bool]):
        super().__init__()
        self.heads, self.causal, self.rotary, self.dropout = heads, causal, rotary, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * n, n))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * n)) if biases[0] else None
        self.out_proj = nn.Linear(n, n, bias=biases[1])

    def forward(self, x: Any) -> Any:
        values, counts = values_of(x), counted(x)
        batch, time, n = values.shape
        projected = functional.linear(values, self.in_proj_weight, self.in_proj_bias)
        q, k, v = (a.unflatten(2, (self.heads, -1)) for a in projected.chunk(3, -1))
        if self.rotary:
            q, k = rotated(q), rotated(k)
        seen = torch.ones(time, time, dtype=torch.bool, device=values.device).tril() if self.causal else None
        if counts is not None:
            steps = counts[:, None, None, :, 0]
            seen = steps if seen is None else steps & seen
        if seen is not None:  # not −∞: a step that sees none would find NaN
            least = torch.full((), torch.finfo(values.dtype).min, dtype=values.dtype, device=values.device)
            seen = torch.where(seen, torch.zeros_like(least), least)
        p = self.dropout if self.training else 0.0
        q, k, v = (a.transpose(1, 2) for a in (q, k, v))
        found = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=p)
        return like(x, kept(counts, self.out_proj(found.transpose(1, 2).reshape(batch, time, n))))


def rotated(x: Tensor) -> Tensor:
    """Features 2i and 2i + 1 of step t turned by t · 10000^(−2i / d); x is (batch, time, heads, d)."""
    d = x.shape[-1]
    speeds = torch.exp(torch.arange(0, d, 2, dtype=x.dtype, device=x.device) * (-math.log(10_000.0) / d))
    angle = torch.arange(x.shape[1], dtype=x.dtype, device=x.device)[:, None] * speeds
    cos, sin = angle.cos()[:, None, :], angle.sin()[:, None, :]
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)
