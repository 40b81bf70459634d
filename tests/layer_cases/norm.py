"""Normalization over the batch, the features, groups and examples."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import torch

from layer_cases.case import KEY, WIDE, Case, F, draw
from pellucid.layers import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, Masking, RMSNorm, Sequential

MEAN, VARIANCE = draw(3), np.exp(draw(3))
INPUT = np.random.default_rng(11)  # its own: two numbers that happen to be close bend more than differences can bear
STEPS = INPUT.normal(size=(3, 5, 3))  # (batch, time, channels)
PADDED = np.where(np.arange(5) < np.array([[3], [5], [4]]), 1.0, np.nan)[..., None]  # lengths 3, 5, 4
HALVES = INPUT.integers(-3, 4, (3, 5, 3)) / 2


def batch_norm(affine: bool = True) -> BatchNorm:
    return BatchNorm(*((draw(3), draw(3)) if affine else (None, None)), MEAN, VARIANCE)


def pytorch_batch_norm(training: bool) -> Any:
    mean, variance = torch.tensor(MEAN), torch.tensor(VARIANCE)

    def norm(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        rows = x.reshape(-1, 3)
        y = F.batch_norm(rows, mean.clone(), variance.clone(), p.get("weight"), p.get("bias"), training)
        return y.reshape(x.shape)

    return norm


def pytorch_masked_batch_norm(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    counts = ~torch.isnan(x).all(-1)
    rows = F.batch_norm(x[counts], None, None, p["layers[1].weight"], p["layers[1].bias"], training=True)
    return torch.zeros_like(x).masked_scatter(counts[..., None].expand(x.shape), rows)


def channels_first(function: Any) -> Any:
    """PyTorch's function of (batch, channels, ...) on x with the channels last."""
    return lambda p, x: function(p, x.movedim(-1, 1)).movedim(1, -1)


def pytorch_masked(function: Any) -> Any:
    """PyTorch's function of each sequence alone, cut to its length, with zeros behind it."""

    def norm(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        p = {path.removeprefix("layers[1]."): value for path, value in p.items()}
        ends = (~torch.isnan(x).all(-1)).sum(1)
        rows = [channels_first(function)(p, one[None, :end]) for one, end in zip(x, ends, strict=True)]
        return torch.cat([F.pad(row, (0, 0, 0, x.shape[1] - row.shape[1])) for row in rows])

    return norm


def group_norm(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return F.group_norm(x, 2, p.get("weight"), p.get("bias"))


def instance_norm(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    return F.instance_norm(x, None, None, p.get("weight"), p.get("bias"))


REFUSED = {"bad": WIDE, "refusal": r"BatchNorm expects x \(batch, \.\.\., 3\), got \(5, 4\)"}
CASES = {
    "BatchNorm": Case(batch_norm(), pytorch_batch_norm(False), **REFUSED),
    "BatchNorm in training": Case(batch_norm(), pytorch_batch_norm(True), key=KEY, **REFUSED),
    "BatchNorm of images, without weights": Case(
        batch_norm(affine=False), pytorch_batch_norm(True), key=KEY, smooth=INPUT.normal(size=(2, 2, 3, 3))
    ),
    "BatchNorm of sequences": Case(
        Sequential([Masking(), batch_norm()]),
        pytorch_masked_batch_norm,
        key=KEY,
        smooth=STEPS * PADDED,
        kinks=HALVES * PADDED,
    ),
    "LayerNorm": Case(
        LayerNorm(draw(3), draw(3)),
        lambda p, x: F.layer_norm(x, (3,), p["weight"], p["bias"]),
        bad=WIDE,
        refusal=r"LayerNorm expects x \(\.\.\., 3\), got \(5, 4\)",
    ),
    "LayerNorm over two axes": Case(
        LayerNorm(draw(5, 3), draw(5, 3)),
        lambda p, x: F.layer_norm(x, (5, 3), p["weight"], p["bias"]),
        smooth=STEPS,
        bad=WIDE,
        refusal=r"LayerNorm expects x \(\.\.\., 5, 3\), got \(5, 4\)",
    ),
    "LayerNorm without weights": Case(LayerNorm(None, None), lambda p, x: F.layer_norm(x, (3,))),
    "GroupNorm": Case(
        GroupNorm(draw(4), draw(4), 2),
        channels_first(group_norm),
        smooth=INPUT.normal(size=(2, 3, 2, 4)),
        bad=jnp.ones((2, 3)),
        refusal=r"GroupNorm expects x \(batch, \.\.\., 4\), got \(2, 3\)",
    ),
    "GroupNorm without weights": Case(
        GroupNorm(None, None, 2),
        channels_first(group_norm),
        smooth=INPUT.normal(size=(2, 3, 4)),
        bad=jnp.ones((2, 3)),
        refusal=r"GroupNorm expects channels in 2 equal groups, got x \(2, 3\)",
    ),
    "GroupNorm of sequences": Case(
        Sequential([Masking(), GroupNorm(draw(2), draw(2), 1)]),
        pytorch_masked(lambda p, x: F.group_norm(x, 1, p["weight"], p["bias"])),
        smooth=STEPS[..., :2] * PADDED,
        kinks=HALVES[..., :2] * PADDED,
    ),
    "InstanceNorm": Case(
        InstanceNorm(draw(3), draw(3)),
        channels_first(instance_norm),
        smooth=INPUT.normal(size=(2, 2, 2, 3)),
        bad=jnp.ones((5, 3)),
        refusal=r"InstanceNorm expects more than one value for each channel of an example, got x \(5, 3\)",
    ),
    "InstanceNorm of sequences": Case(
        Sequential([Masking(), InstanceNorm(None, None)]),
        pytorch_masked(instance_norm),
        smooth=STEPS * PADDED,
        kinks=HALVES * PADDED,
    ),
    "RMSNorm": Case(
        RMSNorm(draw(3)),
        lambda p, x: F.rms_norm(x, (3,), p["weight"], 1e-5),
        bad=WIDE,
        refusal=r"RMSNorm expects x \(\.\.\., 3\), got \(5, 4\)",
    ),
    "RMSNorm without a weight": Case(RMSNorm(None), lambda p, x: F.rms_norm(x, (3,), None, 1e-5)),
}
