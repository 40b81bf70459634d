"""Embedding and attention."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import torch

from layer_cases.case import KEY, Case, F, draw
from pellucid.layers import Embedding, Masking, MultiHeadAttention, Sequential

STEPS = draw(2, 3, 4)  # (batch, time, features)
HALVES = np.random.default_rng(6).integers(-3, 4, (2, 3, 4)) / 2
PADDED = np.where(np.arange(3) < np.array([[3], [2]]), 1.0, np.nan)[..., None]  # lengths 3 and 2
INDICES = np.array([[0.0, 4.0, 2.0], [2.0, 2.0, 1.0]])


def heads(bias: bool = True, **settings: Any) -> MultiHeadAttention:
    biases = (draw(12), draw(4)) if bias else (None, None)
    return MultiHeadAttention(draw(4, 12), biases[0], draw(4, 4), biases[1], heads=2, **settings)


def attend(p: dict[str, torch.Tensor], x: torch.Tensor, padding: Any = None, causal: bool = False) -> torch.Tensor:
    mask = torch.ones(3, 3, dtype=torch.bool).triu(1) if causal else None
    y, _ = F.multi_head_attention_forward(
        x.swapaxes(0, 1), x.swapaxes(0, 1), x.swapaxes(0, 1), 4, 2, p["weight"].T, p.get("bias"), None, None, False,
        0.0, p["output_weight"].T, p.get("output_bias"), False, padding, False, mask,
    )  # fmt: skip
    return y.swapaxes(0, 1)


def attend_padded(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    p = {path.removeprefix("layers[1]."): value for path, value in p.items()}
    padding = torch.isnan(x).all(-1)
    y = attend(p, torch.where(padding[..., None], 0, x), padding, causal=True)
    return torch.where(padding[..., None], 0, y)


def attend_rotary(p: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Features in pairs as complex numbers, turned by multiplication; PyTorch's own product of q, k and v."""
    q, k, v = (a.reshape(2, 3, 2, 2).swapaxes(1, 2) for a in (x @ p["weight"] + p["bias"]).chunk(3, -1))
    turn = torch.polar(torch.ones(3, dtype=torch.float64), torch.arange(3, dtype=torch.float64))[:, None]
    q, k = (torch.view_as_real(torch.view_as_complex(a.contiguous())[..., None] * turn)[..., 0, :] for a in (q, k))
    found = F.scaled_dot_product_attention(q, k, v).swapaxes(1, 2).reshape(2, 3, 4)
    return found @ p["output_weight"] + p["output_bias"]


REFUSED = {"bad": jnp.ones((2, 3, 5)), "refusal": r"MultiHeadAttention expects x \(batch, time, 4\), got \(2, 3, 5\)"}
CASES = {
    "Embedding": Case(
        Embedding(draw(5, 3)),
        lambda p, x: F.embedding(x.detach().long(), p["weight"]) + 0 * x[..., None],
        smooth=INDICES,
        kinks=INDICES,
        moves=False,
        bad=jnp.array(1.0),
        refusal=r"Embedding expects x \(batch, \.\.\.\), got \(\)",
    ),
    "MultiHeadAttention": Case(heads(), attend, smooth=STEPS, **REFUSED),
    "MultiHeadAttention, causal, without biases": Case(
        heads(bias=False, causal=True), lambda p, x: attend(p, x, causal=True), smooth=STEPS
    ),
    "MultiHeadAttention with rotary positions": Case(heads(positions="rotary"), attend_rotary, smooth=STEPS),
    "MultiHeadAttention of sequences": Case(
        Sequential([Masking(), heads(causal=True)]), attend_padded, smooth=STEPS * PADDED, kinks=HALVES * PADDED
    ),
    "MultiHeadAttention in training": Case(heads(dropout=0.4), key=KEY, smooth=STEPS),
}
