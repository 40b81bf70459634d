"""Convolutions and transposed convolutions."""

from typing import Any

import jax.numpy as jnp
import torch

from layer_cases.case import Case, F, draw
from layer_cases.norm import channels_first
from pellucid.layers import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d

LINE, PICTURE, BLOCK = draw(2, 7, 2), draw(2, 5, 6, 4), draw(1, 3, 4, 5, 2)


def convolution(axes: int, **settings: Any) -> Any:
    conv = (F.conv1d, F.conv2d, F.conv3d)[axes - 1]
    return channels_first(lambda p, x: conv(x, p["weight"].movedim((-1, -2), (0, 1)), p.get("bias"), **settings))


def transposed(axes: int, groups: int = 1, **settings: Any) -> Any:
    """PyTorch's kernel is (in, out / groups, places...), and its input channels come group by group."""
    conv = (F.conv_transpose1d, F.conv_transpose2d)[axes - 1]

    def function(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        kernels = [part.movedim((-2, -1), (0, 1)) for part in p["weight"].chunk(groups, -1)]
        return conv(x, torch.cat(kernels), p.get("bias"), groups=groups, **settings)

    return channels_first(function)


CASES = {
    "Conv1d": Case(
        Conv1d(draw(3, 2, 4), draw(4)),
        convolution(1),
        smooth=LINE,
        bad=jnp.ones((2, 2, 2)),
        refusal=r"Conv1d expects x of at least \(batch, 3, channels\), got \(2, 2, 2\)",
    ),
    "Conv1d with dilation, stride and padding": Case(
        Conv1d(draw(3, 2, 4), stride=2, padding=((2, 2),), dilation=2),
        convolution(1, stride=2, padding=2, dilation=2),
        smooth=LINE,
    ),
    "Conv2d": Case(
        Conv2d(draw(3, 2, 4, 3), draw(3)),
        convolution(2),
        smooth=PICTURE,
        bad=jnp.ones((2, 5, 6, 3)),
        refusal=r"Conv2d expects x \(batch, height, width, 4\), got \(2, 5, 6, 3\)",
    ),
    "Conv2d without bias, with strides, padding and dilation": Case(
        Conv2d(draw(3, 2, 4, 3), stride=(2, 3), padding=(1, 0), dilation=(1, 2)),
        convolution(2, stride=(2, 3), padding=(1, 0), dilation=(1, 2)),
        smooth=PICTURE,
    ),
    "Conv2d with the same places": Case(
        Conv2d(draw(3, 5, 4, 3), draw(3), padding="same"), convolution(2, padding="same"), smooth=PICTURE
    ),
    "Conv2d in groups": Case(
        Conv2d(draw(3, 3, 2, 6), draw(6), padding=1, groups=2), convolution(2, padding=1, groups=2), smooth=PICTURE
    ),
    "Conv2d depthwise": Case(
        Conv2d(draw(3, 3, 1, 8), draw(8), stride=2, padding=1, groups=4),
        convolution(2, stride=2, padding=1, groups=4),
        smooth=PICTURE,
    ),
    "Conv3d": Case(
        Conv3d(draw(2, 3, 2, 2, 3), draw(3), stride=(1, 2, 1), padding=(0, 1, 0)),
        convolution(3, stride=(1, 2, 1), padding=(0, 1, 0)),
        smooth=BLOCK,
        bad=jnp.ones((1, 4, 5, 2)),
        refusal=r"Conv3d expects x \(batch, depth, height, width, 2\), got \(1, 4, 5, 2\)",
    ),
    "ConvTranspose1d": Case(
        ConvTranspose1d(draw(3, 2, 4), draw(4), stride=2, padding=1, output_padding=1),
        transposed(1, stride=2, padding=1, output_padding=1),
        smooth=LINE,
        bad=jnp.ones((2, 7, 3)),
        refusal=r"ConvTranspose1d expects x \(batch, length, 2\), got \(2, 7, 3\)",
    ),
    "ConvTranspose2d": Case(
        ConvTranspose2d(draw(3, 2, 4, 3), draw(3)),
        transposed(2),
        smooth=PICTURE,
        bad=jnp.ones((5, 6, 4)),
        refusal=r"ConvTranspose2d expects x \(batch, height, width, 4\), got \(5, 6, 4\)",
    ),
    "ConvTranspose2d in groups, with strides and dilation": Case(
        ConvTranspose2d(
            draw(3, 2, 2, 6), None, stride=(2, 1), padding=(1, 0), output_padding=(1, 2), dilation=(1, 3), groups=2
        ),
        transposed(2, stride=(2, 1), padding=(1, 0), output_padding=(1, 2), dilation=(1, 3), groups=2),
        smooth=PICTURE,
    ),
}
