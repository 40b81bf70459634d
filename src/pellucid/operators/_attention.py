"""Attention, and how positions are turned into it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ._activation import softmax
from ._arithmetic import product
from ._table import Call, operator
from ._types import type_of


def heads_apart(x: Array, heads: int | None) -> Array:
    """(batch, steps, heads · size) as (batch, heads, steps, size)."""
    if x.ndim == 4 or heads is None:
        return x
    return x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


def heads_together(x: Array) -> Array:
    return x.swapaxes(1, 2).reshape(x.shape[0], x.shape[2], -1)


def mask_of(
    at: Call, mask: Array | None, lengths: Array | None, past: int, q: int, kv: int, causal: bool, left: int,
    right: int, dtype: Any,
) -> Array:  # fmt: skip
    """What is added to the scores: 0 where a query may look, −∞ where not; (..., q, kv)."""
    bias = at.xp.zeros((q, kv), dtype)
    if mask is not None:
        fill = False if mask.dtype == bool else -at.xp.inf
        mask = at.xp.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, kv - mask.shape[-1])], constant_values=fill)
        bias = bias + (at.xp.where(mask, 0, -at.xp.inf).astype(dtype) if fill is False else mask)
    steps, keys = at.xp.arange(q)[:, None], at.xp.arange(kv)
    first = past if lengths is None else at.xp.reshape(lengths, (-1, 1, 1, 1)) - q
    ahead = keys - steps - first
    allowed = at.xp.ones_like(ahead, bool)
    allowed = allowed & (ahead <= 0) if causal else allowed
    allowed = allowed & (-ahead <= left) if left >= 0 else allowed
    allowed = allowed & (ahead <= right) if right >= 0 else allowed
    if lengths is not None:
        allowed = allowed & (keys < at.xp.reshape(lengths, (-1, 1, 1, 1)))
    return at.xp.where(allowed, bias, at.xp.asarray(-at.xp.inf, dtype))


@operator("Attention")
def attention(
    at: Call, query: Array, key: Array, value: Array, mask: Array | None = None, past_key: Array | None = None,
    past_value: Array | None = None, lengths: Array | None = None, *,
    is_causal: int = 0, kv_num_heads: int | None = None, q_num_heads: int | None = None,
    qk_matmul_output_mode: int = 0, scale: float | None = None, softcap: float = 0.0,
    softmax_precision: int | None = None, left_window_size: int = -1, right_window_size: int = -1,
) -> tuple[Array, ...]:  # fmt: skip
    """softmax(Q Kᵀ · scale + mask) V; the keys and values with those of before; and what was made on the way."""
    flat = query.ndim == 3
    query, key, value = (
        heads_apart(query, q_num_heads),
        heads_apart(key, kv_num_heads),
        heads_apart(value, kv_num_heads),
    )
    past = 0 if past_key is None else past_key.shape[2]
    if past_key is not None:
        key, value = at.xp.concatenate([past_key, key], 2), at.xp.concatenate([past_value, value], 2)
    present = key, value
    group = query.shape[1] // key.shape[1]
    key, value = (at.xp.repeat(a, group, 1) for a in (key, value))
    bias = mask_of(
        at, mask, lengths, past, query.shape[2], key.shape[2], bool(is_causal), left_window_size, right_window_size,
        query.dtype,
    )  # fmt: skip
    root = at.xp.asarray(np.sqrt(1 / np.sqrt(query.shape[-1]) if scale is None else scale), query.dtype)
    scores = product(at, query * root, (key * root).swapaxes(-1, -2))
    capped = softcap * at.xp.tanh(scores / softcap) if softcap > 0 else scores
    biased = capped + bias
    open_rows = at.xp.isfinite(bias).any(-1, keepdims=True)
    exact = biased if softmax_precision is None else biased.astype(at.type(type_of(softmax_precision)))
    shares = at.xp.where(open_rows, softmax(at, at.xp.where(open_rows, exact, 0), -1), 0).astype(query.dtype)
    y = product(at, shares, value)
    made = (scores, capped, biased, shares)[qk_matmul_output_mode]
    return (heads_together(y) if flat else y), *present, made.astype(query.dtype)


@operator("ai.onnx.preview.FlexAttention")
def flex_attention(
    at: Call, query: Array, key: Array, value: Array, *,
    scale: float | None = None, score_mod: Any = None, prob_mod: Any = None, softmax_precision: int | None = None,
) -> Array:  # fmt: skip
    """Attention whose scores and shares are each changed by a graph of their own."""
    key, value = (at.xp.repeat(a, query.shape[1] // a.shape[1], 1) for a in (key, value))
    root = np.asarray(np.sqrt(1 / np.sqrt(query.shape[-1]) if scale is None else scale), query.dtype)
    inner = jnp.promote_types(query.dtype, jnp.float32) if softmax_precision is None else type_of(softmax_precision)
    scores = product(at, query * root, (key * root).swapaxes(-1, -2)).astype(at.type(inner))
    scores = scores if score_mod is None else score_mod(scores)[0]
    shares = softmax(at, scores, -1)
    shares = shares if prob_mod is None else prob_mod(shares)[0]
    return (shares @ value.astype(shares.dtype)).astype(value.dtype)


@operator("LinearAttention")
def linear_attention(
    at: Call, query: Array, key: Array, value: Array, past: Array | None = None, decay: Array | None = None,
    rate: Array | None = None, *,
    q_num_heads: int, kv_num_heads: int, update_rule: str = "gated_delta", scale: float = 0.0, chunk_size: int = 64,
) -> tuple[Array, Array]:  # fmt: skip
    """A state S of keys and values that is written at each step, S ← S e^g + k (β (v − Sᵀk))ᵀ, and read by q."""
    gated, corrected = update_rule.startswith("gated"), update_rule.endswith("delta")
    if (decay is not None) != gated or (rate is not None) != corrected:
        raise at.refuse(f"the update rule {update_rule!r} does not fit its inputs")
    exact = jnp.promote_types(query.dtype, jnp.float32)

    def steps(x: Array | None, heads: int, otherwise: float = 0.0) -> Array:
        """(steps, batch, heads, size)"""
        if x is None:
            return at.xp.full((query.shape[1], 1, 1, 1), otherwise, exact)
        return heads_apart(x.astype(exact), heads).transpose(2, 0, 1, 3)

    q, k, v = steps(query, q_num_heads), steps(key, kv_num_heads), steps(value, kv_num_heads)
    g, b = steps(decay, kv_num_heads), steps(rate, 1 if rate is None else rate.shape[-1], 1.0)
    state = at.xp.zeros((*k.shape[1:], v.shape[-1]), exact) if past is None else past.astype(exact)

    def step(state: Array, now: tuple[Array, ...]) -> tuple[Array, Array]:
        q, k, v, g, b = now
        state = state * at.xp.exp(g)[..., None]
        v = b * (v - at.xp.einsum("bhdm,bhd->bhm", state, k)) if corrected else v
        state = state + k[..., None] * v[..., None, :]
        read = at.xp.repeat(state, q_num_heads // kv_num_heads, 1)
        return state, at.xp.einsum("bhd,bhdm->bhm", q, read)

    state, y = over(at, step, state, (q, k, v, g, b))
    y = (scale or 1 / k.shape[-1] ** 0.5) * y.transpose(1, 0, 2, 3).reshape(k.shape[1], len(k), -1)
    return y.astype(query.dtype), state.astype(query.dtype if past is None else past.dtype)


def over(at: Call, step: Callable[[Any, Any], Any], state: Any, parts: tuple[Array, ...]) -> tuple[Any, Any]:
    """The last state, and what each step gives."""
    if at.xp is not np:
        return lax.scan(step, state, parts)
    found = []
    for now in zip(*parts, strict=True):
        state, y = step(state, now)
        found.append(y)
    return state, np.stack(found)


@operator("RotaryEmbedding")
def rotary_embedding(
    at: Call, x: Array, cosines: Array, sines: Array, positions: Array | None = None, *,
    interleaved: int = 0, num_heads: int | None = None, rotary_embedding_dim: int = 0,
) -> Array:  # fmt: skip
    """Pairs of features turned by an angle that grows with the position."""
    flat = x.ndim == 3
    y = heads_apart(x, num_heads).swapaxes(1, 2)  # (batch, steps, heads, size)
    n = rotary_embedding_dim or y.shape[-1]
    if positions is not None:
        cosines, sines = at.xp.take(cosines, positions, 0), at.xp.take(sines, positions, 0)
    cosines, sines = cosines[:, :, None], sines[:, :, None]
    turned, rest = y[..., :n], y[..., n:]
    a, b = (turned[..., 0::2], turned[..., 1::2]) if interleaved else at.xp.split(turned, 2, -1)
    pair = cosines * a - sines * b, sines * a + cosines * b
    turned = at.xp.stack(pair, -1).reshape(turned.shape) if interleaved else at.xp.concatenate(pair, -1)
    y = at.xp.concatenate([turned, rest], -1)
    return y.reshape(x.shape) if flat else y.swapaxes(1, 2)
