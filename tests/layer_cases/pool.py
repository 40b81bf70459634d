"""Pooling, padding and upsampling."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import torch

from layer_cases.case import Case, F, draw
from layer_cases.norm import channels_first
from pellucid.layers import (
    AdaptiveAveragePool,
    AvgPool,
    GlobalAveragePool,
    GlobalMaxPool,
    Masking,
    MaxPool,
    Pad,
    Sequential,
    Upsample,
)

LINE, PICTURE, BLOCK = draw(2, 7, 2), draw(2, 5, 7, 3), draw(1, 3, 4, 5, 2)
SEQUENCES = draw(4, 5, 2)
SEQUENCES[1, 3:] = SEQUENCES[2, :] = np.nan  # lengths 5, 3, 0, 5
FLAT, SMALL = jnp.ones((5, 4)), jnp.ones((2, 1, 4, 3))
NO_PLACES = r"expects x \(batch, \.\.\., channels\), got \(5, 4\)"


def picture(function: Callable[..., Any], *settings: Any, **more: Any) -> Any:
    return channels_first(lambda p, x: function(x, *settings, **more))


def each_alone(function: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """What PyTorch makes of each sequence without its padding; 0 of one without a step."""

    def pool(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        parts = [row[~row.isnan().all(-1)] for row in x]
        return torch.stack([function(part) if len(part) else torch.zeros(x.shape[-1]) for part in parts]).double()

    return pool


CASES = {
    "MaxPool": Case(
        MaxPool(2),
        picture(F.max_pool2d, 2),
        smooth=PICTURE,
        bad=SMALL,
        refusal=r"MaxPool expects x of at least \(batch, 2, 2, channels\), got \(2, 1, 4, 3\)",
    ),
    "MaxPool of overlapping windows": Case(MaxPool(3, 2, 1), picture(F.max_pool2d, 3, 2, 1), smooth=PICTURE),
    "MaxPool with gaps": Case(MaxPool((2,), 3), picture(F.max_pool1d, 2, 3), smooth=LINE),
    "MaxPool in three dimensions": Case(
        MaxPool((2, 3, 2), (1, 2, 1), (1, 0, 1)),
        picture(F.max_pool3d, (2, 3, 2), (1, 2, 1), (1, 0, 1)),
        smooth=BLOCK,
        bad=PICTURE,
        refusal=r"MaxPool expects x \(batch, depth, height, width, channels\), got \(2, 5, 7, 3\)",
    ),
    "AvgPool": Case(
        AvgPool(2),
        picture(F.avg_pool2d, 2),
        smooth=PICTURE,
        bad=FLAT,
        refusal="AvgPool " + NO_PLACES,
    ),
    "AvgPool with padding": Case(AvgPool(3, 2, 1), picture(F.avg_pool2d, 3, 2, 1), smooth=PICTURE),
    "AvgPool without the padding": Case(
        AvgPool((3, 2), (1, 3), (1, 0), count_padding=False),
        picture(F.avg_pool2d, (3, 2), (1, 3), (1, 0), count_include_pad=False),
        smooth=PICTURE,
    ),
    "AvgPool of a line": Case(AvgPool((3,), 2, 1), picture(F.avg_pool1d, 3, 2, 1), smooth=LINE),
    "GlobalAveragePool": Case(
        GlobalAveragePool(),
        lambda p, x: x.mean((1, 2)),
        smooth=PICTURE,
        bad=FLAT,
        refusal="GlobalAveragePool " + NO_PLACES,
    ),
    "GlobalAveragePool of sequences": Case(
        Sequential([Masking(), GlobalAveragePool()]),
        each_alone(lambda part: part.mean(0)),
        smooth=SEQUENCES,
        kinks=SEQUENCES,
    ),
    "GlobalMaxPool": Case(
        GlobalMaxPool(),
        lambda p, x: F.adaptive_max_pool2d(x.movedim(-1, 1), 1)[..., 0, 0],
        smooth=PICTURE,
        bad=FLAT,
        refusal="GlobalMaxPool " + NO_PLACES,
    ),
    "GlobalMaxPool of sequences": Case(
        Sequential([Masking(), GlobalMaxPool()]),
        each_alone(lambda part: F.adaptive_max_pool1d(part.T, 1)[:, 0]),
        smooth=SEQUENCES,
        kinks=np.round(SEQUENCES),
    ),
    "AdaptiveAveragePool": Case(
        AdaptiveAveragePool((3, 2)),
        picture(F.adaptive_avg_pool2d, (3, 2)),
        smooth=PICTURE,
        bad=LINE,
        refusal=r"AdaptiveAveragePool expects x \(batch, height, width, channels\), got \(2, 7, 2\)",
    ),
    "AdaptiveAveragePool to more": Case(AdaptiveAveragePool(9), picture(F.adaptive_avg_pool1d, 9), smooth=LINE),
    "Pad": Case(
        Pad((1, (0, 2)), 0.5),
        picture(F.pad, (0, 2, 1, 1), value=0.5),
        smooth=PICTURE,
        bad=FLAT,
        refusal=r"Pad expects x \(batch, height, width, channels\), got \(5, 4\)",
    ),
    "Pad with the edge": Case(Pad(((2, 1), 3), mode="edge"), picture(F.pad, (3, 3, 2, 1), "replicate"), smooth=PICTURE),
    "Pad with a mirror": Case(
        Pad(((2, 1), 4), mode="reflect"),
        picture(F.pad, (4, 4, 2, 1), "reflect"),
        smooth=PICTURE,
        bad=SMALL,
        refusal=r"Pad expects x of at least \(batch, 3, 5, channels\), got \(2, 1, 4, 3\): a mirror is longer",
    ),
    "Upsample": Case(
        Upsample((2, 3)),
        picture(F.interpolate, scale_factor=(2, 3)),
        smooth=PICTURE,
        bad=LINE,
        refusal=r"Upsample expects x \(batch, height, width, channels\), got \(2, 7, 2\)",
    ),
    "Upsample a line between": Case(
        Upsample(3, "linear"), picture(F.interpolate, scale_factor=3, mode="linear"), smooth=LINE
    ),
    "Upsample a picture between": Case(
        Upsample((2, 3), "linear"), picture(F.interpolate, scale_factor=(2, 3), mode="bilinear"), smooth=PICTURE
    ),
    "Upsample a block between": Case(
        Upsample(2, "linear"), picture(F.interpolate, scale_factor=2, mode="trilinear"), smooth=BLOCK
    ),
}
