"""Sequences: their lengths, recurrent layers, embeddings and attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from ... import layers
from ...layers._attention import PERIOD
from ._sheet import INT, Lengths, Pen, Value, is_real

TIME_FIRST = (1, 0, 2)
INT32 = np.dtype(np.int32)


def masking(layer: layers.Masking, x: Value, w: Pen) -> Value:
    """Lengths are found as Pellucid finds them: up to the last step that is not all NaN."""
    there = w.node("Cast", w.node("Not", w.node("IsNaN", w.laid(x))), to=INT32)
    if x.rank > 2:
        there = w.node("ReduceMax", there, list(range(2, x.rank)), keepdims=0)
    steps = w.node("Cast", range_of(w, w.count(x, 1)), to=INT32)
    number = w.node("ReduceMax", w.node("Mul", there, w.node("Add", steps, np.int32(1))), [1], keepdims=0)
    mask = w.node("Less", steps, w.node("Unsqueeze", number, [1]))
    return w.masked(replace(x, name=w.laid(x), axes=tuple(range(x.rank)), lengths=Lengths(number, mask)))


def range_of(w: Pen, count: str) -> str:
    """0, 1, ... to below a number that has one axis."""
    return w.node("Range", w.constant(np.int64(0)), w.node("Squeeze", count), w.constant(np.int64(1)))


def embedding(layer: layers.Embedding, x: Value, w: Pen) -> Value:
    """A number that has no row gives NaN."""
    n, given = len(layer.weight), w.laid(x)
    whole = w.node("Cast", given, to=INT)
    known = w.node("And", w.node("GreaterOrEqual", whole, 0), w.node("Less", whole, n))
    if is_real(x.dtype):
        known = w.node("And", known, w.node("Equal", w.node("Cast", whole, to=w.sheet.dtype), given))
    rows = w.node("Gather", w.parameter("weight", layer.weight), w.node("Where", known, whole, 0), axis=0)
    return w.out(w.node("Where", w.node("Unsqueeze", known, [-1]), rows, float("nan")))


def rnn(layer: layers.RNN, x: Value, w: Pen) -> Value:
    return swept("RNN", layer, x, w, [0], activations=[layer.activation.capitalize()])


def lstm(layer: layers.LSTM, x: Value, w: Pen) -> Value:
    """ONNX has the gates in the order i, o, f, g."""
    return swept("LSTM", layer, x, w, [0, 3, 1, 2])


def gru(layer: layers.GRU, x: Value, w: Pen) -> Value:
    """ONNX has the update gate first."""
    return swept("GRU", layer, x, w, [1, 0, 2], linear_before_reset=1)


def swept(kind: str, layer: Any, x: Value, w: Pen, gates: Sequence[int], **how: Any) -> Value:
    """One recurrent layer: time comes first, the weights are (1, gates · hidden, in), all biases side by side."""
    hidden = layer.recurrent.shape[0]
    order = np.concatenate([np.arange(gate * hidden, (gate + 1) * hidden) for gate in gates])
    behind = np.zeros(len(order), np.asarray(layer.bias).dtype)
    if kind == "GRU":
        behind[2 * hidden :] = layer.recurrent_bias
    laid = w.laid(x, TIME_FIRST)
    given = [
        laid,
        w.parameter("weight", np.asarray(layer.weight).T[None, order]),
        w.parameter("recurrent", np.asarray(layer.recurrent).T[None, order]),
        w.parameter("bias", np.concatenate([np.asarray(layer.bias)[order], behind])[None]),
        "" if x.lengths is None else x.lengths.count,
        *(first_state(layer, state, x, w) for state in ("h0", "c0") if hasattr(layer, state)),
    ]
    how |= {"hidden_size": hidden, "direction": "reverse" if layer.reverse else "forward"}
    every, last = w.nodes(kind, *given, outputs=2, **how)
    if layer.output == "last":
        return w.out(w.node("Squeeze", last, [0]))
    return w.out(w.node("Squeeze", every, [1]), TIME_FIRST)


def first_state(layer: Any, state: str, x: Value, w: Pen) -> str:
    """(1, batch, hidden), the same for every example; "" for zeros."""
    array = getattr(layer, state)
    if array is None:
        return ""
    wanted = w.node("Concat", [1], w.count(x, 0), [array.shape[0]], axis=0)
    return w.node("Expand", w.parameter(state, np.asarray(array)[None, None]), wanted)


def attention(layer: layers.MultiHeadAttention, x: Value, w: Pen) -> Value:
    n = layer.weight.shape[0]
    d = n // layer.heads
    given = w.laid(x)
    together = plus(w, w.node("MatMul", given, w.parameter("weight", layer.weight)), layer.bias, "bias")
    parts = w.nodes("Split", together, [n] * 3, outputs=3, axis=2)
    q, k, v = (w.node("Reshape", part, [0, 0, layer.heads, d]) for part in parts)
    if layer.positions == "rotary":
        turn = angles(w, x, d)
        q, k = (rotated(w, part, turn, layer.heads, d) for part in (q, k))
    q, v = (w.node("Transpose", part, perm=[0, 2, 1, 3]) for part in (q, v))
    k = w.node("Transpose", k, perm=[0, 2, 3, 1])
    score = w.node("MatMul", w.node("Mul", q, d**-0.5), k)
    if seen := seen_steps(layer, x, w):
        score = w.node("Where", seen, score, float(jnp.finfo(w.sheet.dtype).min))
    found = w.node("MatMul", w.node("Softmax", score, axis=-1), v)
    rows = w.node("Reshape", w.node("Transpose", found, perm=[0, 2, 1, 3]), [0, 0, n])
    y = w.node("MatMul", rows, w.parameter("output_weight", layer.output_weight))
    y = plus(w, y, layer.output_bias, "output_bias")
    return w.masked(replace(w.out(y), lengths=x.lengths))


def seen_steps(layer: layers.MultiHeadAttention, x: Value, w: Pen) -> str:
    """Which step (across) is seen by which (down); "" where all see all."""
    keys = "" if x.lengths is None else w.node("Unsqueeze", x.lengths.mask, [1, 2])
    if not layer.causal:
        return keys
    steps = range_of(w, w.count(x, 1))
    before = w.node("LessOrEqual", steps, w.node("Unsqueeze", steps, [1]))
    return w.node("And", before, keys) if keys else before


def angles(w: Pen, x: Value, d: int) -> tuple[str, str]:
    """Cosine and sine of t · 10000^(−2i / d), (time, 1, d / 2, 1)."""
    speed = PERIOD ** (-np.arange(0, d, 2) / d)
    steps = w.node("Cast", range_of(w, w.count(x, 1)), to=w.sheet.dtype)
    angle = w.node("Mul", w.node("Reshape", steps, [-1, 1, 1, 1]), speed.astype(w.sheet.dtype).reshape(1, -1, 1))
    return w.node("Cos", angle), w.node("Sin", angle)


def rotated(w: Pen, x: str, turn: tuple[str, str], heads: int, d: int) -> str:
    """Neighbouring features as the two parts of a number that is turned."""
    cos, sin = turn
    even, odd = w.nodes("Split", w.node("Reshape", x, [0, 0, heads, d // 2, 2]), [1, 1], outputs=2, axis=4)
    first = w.node("Sub", w.node("Mul", even, cos), w.node("Mul", odd, sin))
    second = w.node("Add", w.node("Mul", even, sin), w.node("Mul", odd, cos))
    return w.node("Reshape", w.node("Concat", first, second, axis=4), [0, 0, heads, d])


def plus(w: Pen, x: str, bias: Any, name: str) -> str:
    return x if bias is None else w.node("Add", x, w.parameter(name, bias))


ROWS: dict[type[Any], Callable[[Any, Any, Pen], Value]] = {
    layers.Embedding: embedding,
    layers.GRU: gru,
    layers.LSTM: lstm,
    layers.Masking: masking,
    layers.MultiHeadAttention: attention,
    layers.RNN: rnn,
}
