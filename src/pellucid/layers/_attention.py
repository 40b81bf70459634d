from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..errors import SettingError, unknown
from ..initializers import Initializer, glorot_uniform, zeros
from ..module import Layer, static
from ..shapes import expect
from ._dropout import checked, masked
from ._sequences import counted, like, values_of, where
from ._sums import summed

POSITIONS = ("rotary",)
PERIOD = 10_000.0  # of the slowest rotation, over 2π


class Kept(NamedTuple):
    """What the backward pass needs; the heads are (batch, heads, time, n / heads), all pairs (…, time, time)."""

    x: Array
    q: Array  # times 1 / √(n / heads)
    k: Array
    v: Array
    strength: Array  # exp(score − the row's largest)
    share: Array  # 1 / Σ strength
    mask: Array | None  # of the dropout
    heads: Array  # what each head found, before the output's weights
    counts: Array | None


class MultiHeadAttention(Layer):
    """Every step gathers from all what its query asks of their keys: `y_t = Σ_s softmax_s(q_t · k_s / √d) v_s W + b`.

    `weight` gives queries, keys and values side by side, each cut into `heads` of d = n / heads features, and the
    heads' findings side by side go through `output_weight`. `causal`: no step sees a later one. `positions="rotary"`
    turns neighbouring features i of q and k by t · 10000^(−2i / d), so that a score knows how far apart two steps
    are; None: steps have no order. `dropout` leaves out a share of the attention in training. Of sequences only the
    steps that count are seen, and y is 0 at the others.

    Shapes: x (batch, time, n) -> y (the same); weight (n, 3 n), output_weight (n, n), biases (3 n,) and (n,), or None.
    Blame:  with p the shares of attention and o what a head found: dv = pᵀ do, dp = do vᵀ, dscore = p (dp − Σ_v o do),
        dq = dscore k / √d, dk = dscoreᵀ q / √d; then as for Dense.
    Raises: ShapeError where x is not (batch, time, n); SettingError where the heads do not divide n, for rotary
        positions of an odd number of features, or an unknown kind of positions.
    Source: Vaswani et al. 2017, Attention Is All You Need, eq. 1; Su et al. 2021, RoFormer, eq. 34 (rotary positions).
    Example:
        >>> net = MultiHeadAttention.create(8, 2, key=jax.random.key(0), causal=True, positions="rotary")
        >>> net(jnp.ones((1, 5, 8))).shape
        (1, 5, 8)
    """

    reads_lengths: ClassVar[bool] = True
    weight: Array
    bias: Array | None
    output_weight: Array
    output_bias: Array | None
    heads: int = static()
    causal: bool = static(default=False)
    positions: str | None = static(default=None)
    dropout: float = static(default=0.0)

    @classmethod
    def create(
        cls,
        n: int,
        heads: int,
        *,
        key: Array,
        causal: bool = False,
        positions: str | None = None,
        dropout: float = 0.0,
        init: Initializer = glorot_uniform,
        bias: bool = True,
    ) -> MultiHeadAttention:
        first, last = jax.random.split(key)
        if heads < 1 or n < 1 or n % heads:
            raise SettingError(f"The heads of MultiHeadAttention divide its features, got {heads} heads of {n}.")
        if positions is not None and positions not in POSITIONS:
            raise unknown("kind of positions", positions, POSITIONS)
        if positions == "rotary" and n // heads % 2:
            raise SettingError(f"Rotary positions turn features in pairs, got {n // heads} features in each head.")
        biases = (zeros(key, (3 * n,)), zeros(key, (n,))) if bias else (None, None)
        weights = init(first, (n, 3 * n)), init(last, (n, n))
        return cls(weights[0], biases[0], weights[1], biases[1], heads, causal, positions, checked(dropout))

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Kept]:
        given, counts = values_of(x), counted(x)
        expect(self, given, ("batch", "time", self.weight.shape[0]))
        batch, time, n = given.shape
        flat = given.reshape(-1, n)
        q, k, v = jnp.split(plus(flat @ self.weight, self.bias).reshape(batch, time, -1, n // self.heads), 3, axis=2)
        if self.positions == "rotary":
            q, k = rotated(q, 1), rotated(k, 1)
        # Heads before time, so that every product of two matrices finds its rows side by side.
        q, k, v = (a.swapaxes(1, 2) for a in (q * (n // self.heads) ** -0.5, k, v))
        score = jnp.einsum("bhtd,bhsd->bhts", q, k)
        if (seen := self.seen(time, counts)) is not None:
            score = jnp.where(seen, score, jnp.finfo(score.dtype).min)
        strength = jnp.exp(score - jax.lax.stop_gradient(score.max(-1, keepdims=True)))
        share = 1 / strength.sum(-1, keepdims=True)
        kept, mask = masked(strength, key, self.dropout)
        # The division by Σ strength waits until a row has d numbers instead of one for every step.
        found = jnp.einsum("bhts,bhsd->bhtd", kept, v) * share
        y = plus(found.swapaxes(1, 2).reshape(-1, n) @ self.output_weight, self.output_bias).reshape(given.shape)
        return like(x, where(counts, y)), Kept(given, q, k, v, strength, share, mask, found, counts)

    def backward(self, saved: Kept, dy: Array) -> tuple[Array, MultiHeadAttention]:
        x, q, k, v, strength, share, mask, found, counts = saved
        batch, heads, time, d = q.shape
        n = heads * d
        rows = where(counts, dy).reshape(-1, n)
        dfound = (rows @ self.output_weight.T).reshape(batch, time, heads, d).swapaxes(1, 2)
        along = (found * dfound).sum(-1, keepdims=True) * share
        dfound = dfound * share
        dkept = jnp.einsum("bhtd,bhsd->bhts", dfound, v)
        dscore = strength * ((dkept if mask is None else dkept * mask) - along)
        dq = jnp.einsum("bhts,bhsd->bhtd", dscore, k) * d**-0.5
        # The small matrix is turned and not the (time, time) one, hence features before time here.
        dk = jnp.einsum("bhtd,bhts->bhds", q, dscore)
        dv = jnp.einsum("bhtd,bhts->bhds", dfound, strength if mask is None else strength * mask)
        dq, dk, dv = dq.transpose(0, 2, 1, 3), dk.transpose(0, 3, 1, 2), dv.transpose(0, 3, 1, 2)
        if self.positions == "rotary":
            dq, dk = rotated(dq, -1), rotated(dk, -1)
        dqkv = jnp.concatenate([a.reshape(-1, n) for a in (dq, dk, dv)], axis=1)
        dlayer = MultiHeadAttention(
            x.reshape(-1, n).T @ dqkv,
            None if self.bias is None else summed(dqkv)[0],
            found.swapaxes(1, 2).reshape(-1, n).T @ rows,
            None if self.output_bias is None else summed(rows)[0],
            self.heads, self.causal, self.positions, self.dropout,
        )  # fmt: skip
        return (dqkv @ self.weight.T).reshape(x.shape), dlayer

    def seen(self, time: int, counts: Array | None) -> Array | None:
        """Which step (across) is seen by which (down), over (batch, heads, time, time); None where all see all."""
        before = jnp.tri(time, dtype=bool) if self.causal else None
        if counts is None:
            return before
        keys = counts[:, None, None, :, 0]
        return keys if before is None else keys & before


def attention_weights(saved: Kept) -> Array:
    """Of what one forward pass saved: the share of each step (last axis) in what a step finds, by head; 0 from padding.

    (batch, heads, time, time); every row sums to one.
    """
    return where(None if saved.counts is None else saved.counts[:, None], saved.strength * saved.share)


def rotated(x: Array, way: int) -> Array:
    """Features 2i and 2i + 1 of step t turned by the angle way · t · 10000^(−2i / d); x is (batch, time, heads, d)."""
    d = x.shape[-1]
    angle = way * jnp.arange(x.shape[1])[:, None] * PERIOD ** (-jnp.arange(0, d, 2, dtype=x.dtype) / d)
    cos, sin = (curve(angle).astype(x.dtype)[:, None, :] for curve in (jnp.cos, jnp.sin))
    even, odd = x[..., 0::2], x[..., 1::2]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def plus(x: Array, bias: Array | None) -> Array:
    return x if bias is None else x + bias
