"""Layers with a kernel of its own at every place."""

import jax.numpy as jnp
import torch

from layer_cases.case import Case, F, draw
from pellucid.layers import LocallyConnected1d, LocallyConnected2d

LINE, PICTURE = draw(2, 7, 3), draw(2, 5, 6, 2)


def line(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Kernels of 3 places 2 apart, begun every second place, one zero before and two behind."""
    padded = F.pad(x, (0, 0, 1, 2))
    seen = [padded[:, i : i + 5 : 2].flatten(1) @ w.flatten(0, 1) for i, w in zip((0, 2, 4), p["weight"], strict=True)]
    return torch.stack(seen, 1) + p["bias"]


def picture(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """PyTorch's unfold gives windows of 3 × 2 places, (batch, in · 6, 15), with one row of zeros above and below."""
    seen = F.unfold(x.movedim(-1, 1), (3, 2), stride=(1, 2), padding=(1, 0))
    kernels = p["weight"].movedim(-2, 2).reshape(15, 12, -1)
    return torch.einsum("bip,pio->bpo", seen, kernels).reshape(len(x), 5, 3, -1)


CASES = {
    "LocallyConnected1d": Case(
        LocallyConnected1d(draw(3, 3, 3, 4), draw(3, 4), stride=2, padding=((1, 2),), dilation=2),
        line,
        smooth=LINE,
        bad=jnp.ones((2, 9, 3)),
        refusal=r"LocallyConnected1d expects x that gives \(3,\) places, one for each kernel, got \(4,\) from x",
    ),
    "LocallyConnected2d": Case(
        LocallyConnected2d(draw(5, 3, 3, 2, 2, 3), stride=(1, 2), padding=(1, 0)),
        picture,
        smooth=PICTURE,
        bad=jnp.ones((2, 5, 6, 3)),
        refusal=r"LocallyConnected2d expects x \(batch, height, width, 2\), got \(2, 5, 6, 3\)",
    ),
}
