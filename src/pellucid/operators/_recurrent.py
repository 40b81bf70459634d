"""Recurrent networks as ONNX has them: time first, gates side by side, one or two directions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from ._table import Call, operator

Curve = Callable[[Array], Array]
Numbers = Sequence[float] | None
CURVES: dict[str, tuple[Callable[..., Array], tuple[float, ...]]] = {
    "Relu": (jax.nn.relu, ()),
    "Tanh": (jnp.tanh, ()),
    "Sigmoid": (jax.nn.sigmoid, ()),
    "Softsign": (jax.nn.soft_sign, ()),
    "Softplus": (jax.nn.softplus, ()),
    "LeakyRelu": (lambda x, a: jax.nn.leaky_relu(x, a), (0.01,)),
    "Elu": (lambda x, a: jax.nn.elu(x, a), (1.0,)),
    "ThresholdedRelu": (lambda x, a: jnp.where(x > a, x, 0), (1.0,)),
    "Affine": (lambda x, a, b: a * x + b, (1.0, 0.0)),
    "ScaledTanh": (lambda x, a, b: a * jnp.tanh(b * x), (1.0, 1.0)),
    "HardSigmoid": (lambda x, a, b: jnp.clip(a * x + b, 0, 1), (0.2, 0.5)),
}


@dataclass(frozen=True)
class Way:
    """One direction: its parameters, the curves of its gates, and what is held back by `clip`."""

    weight: Array
    back: Array
    bias: Array
    peepholes: Array | None
    curves: tuple[Curve, ...]
    clip: float | None

    def bent(self, i: int, x: Array) -> Array:
        return self.curves[i](x if self.clip is None else jnp.clip(x, -self.clip, self.clip))


def chosen(at: Call, names: Sequence[str], alphas: Numbers, betas: Numbers) -> list[Curve]:
    """The curves named; those with settings take the next of `alphas` and `betas`, or their own."""
    alphas, betas, found = list(alphas or ()), list(betas or ()), []
    titles = {name.lower(): name for name in CURVES}
    for name in names:
        if name.lower() not in titles:
            raise at.refuse(f"there is no activation {name!r}")
        function, settings = CURVES[titles[name.lower()]]
        given = [left.pop(0) if left else own for left, own in zip((alphas, betas), settings, strict=False)]
        found.append(lambda x, f=function, g=tuple(given): f(x, *g))
    return found


def over_time(
    step: Callable[..., Any], start: tuple[Array, ...], x: Array, lengths: Array | None, reverse: bool
) -> Any:
    """The states of all steps, (time, ...), and the last ones; beyond its length an example's state stays, and its
    output is 0."""
    n = x.shape[0]
    order = jnp.arange(n)[:, None] if lengths is None else jnp.arange(n)[:, None] + 0 * lengths
    if reverse:
        last = n - 1 if lengths is None else lengths - 1
        order = jnp.where(order <= last, last - order, order)
    turned = jnp.take_along_axis(x, order[..., None], 0) if reverse else x

    def one(state: tuple[Array, ...], now: Any) -> Any:
        t, given = now
        new = step(state, given)
        if lengths is None:
            return new, new[0]
        goes_on = (t < lengths)[:, None]
        kept = tuple(jnp.where(goes_on, a, b) for a, b in zip(new, state, strict=True))
        return kept, jnp.where(goes_on, new[0], 0)

    state, y = lax.scan(one, start, (jnp.arange(n), turned))
    return (jnp.take_along_axis(y, order[..., None], 0) if reverse else y), state


def recur(
    at: Call, step: Callable[..., Any], gates: int, default: Sequence[str], inputs: Sequence[Any], *,
    starts: Sequence[Array | None], lengths: Array | None, direction: str, layout: int, clip: float | None,
    activations: Sequence[str] | None, alphas: Numbers, betas: Numbers,
) -> tuple[Array, ...]:  # fmt: skip
    """Y (time, directions, batch, hidden) and the last state of each kind, (directions, batch, hidden)."""
    x, weight, back, bias, peepholes = inputs
    x = jnp.swapaxes(x, 0, 1) if layout else jnp.asarray(x)
    ways, hidden = weight.shape[0], back.shape[-1]
    if ways != (2 if direction == "bidirectional" else 1):
        raise at.refuse(f"direction={direction!r} does not fit weights of {ways} directions")
    curves = chosen(at, activations or list(default) * ways, alphas, betas)
    found = []
    for i in range(ways):
        reverse = direction == "reverse" or i == 1
        way = Way(
            weight[i], back[i], jnp.zeros(2 * gates * hidden, x.dtype) if bias is None else bias[i],
            None if peepholes is None else peepholes[i], tuple(curves[i * len(default) : (i + 1) * len(default)]), clip,
        )  # fmt: skip
        start = tuple(
            jnp.zeros((x.shape[1], hidden), x.dtype) if s is None else (s[:, i] if layout else s[i]) for s in starts
        )
        found.append(over_time(partial(step, way), start, x, lengths, reverse))
    y = jnp.stack([y for y, _ in found], 1)
    last = [jnp.stack(states) for states in zip(*(state for _, state in found), strict=True)]
    if layout:
        return y.transpose(2, 0, 1, 3), *(s.swapaxes(0, 1) for s in last)
    return y, *last


@operator("RNN", in_jax=True)
def rnn(
    at: Call, x: Any, weight: Any, back: Any, bias: Any = None, lengths: Any = None, start: Any = None, *,
    activations: Sequence[str] | None = None, activation_alpha: Numbers = None, activation_beta: Numbers = None,
    clip: float | None = None, direction: str = "forward", hidden_size: int = 0, layout: int = 0,
    output_sequence: int = 1,
) -> tuple[Array, ...]:  # fmt: skip
    def step(way: Way, state: tuple[Array, ...], x: Array) -> tuple[Array, ...]:
        inner, outer = jnp.split(way.bias, 2)
        return (way.bent(0, x @ way.weight.T + inner + state[0] @ way.back.T + outer),)

    return recur(
        at, step, 1, ["Tanh"], (x, weight, back, bias, None), starts=[start], lengths=lengths, direction=direction,
        layout=layout, clip=clip, activations=activations, alphas=activation_alpha, betas=activation_beta,
    )  # fmt: skip


@operator("GRU", in_jax=True)
def gru(
    at: Call, x: Any, weight: Any, back: Any, bias: Any = None, lengths: Any = None, start: Any = None, *,
    activations: Sequence[str] | None = None, activation_alpha: Numbers = None, activation_beta: Numbers = None,
    clip: float | None = None, direction: str = "forward", hidden_size: int = 0, layout: int = 0,
    linear_before_reset: int = 0, output_sequence: int = 1,
) -> tuple[Array, ...]:  # fmt: skip
    """Gates in the order update, reset, new state."""

    def step(way: Way, state: tuple[Array, ...], x: Array) -> tuple[Array, ...]:
        (h,), (inner, outer) = state, jnp.split(way.bias, 2)
        xz, xr, xh = jnp.split(x @ way.weight.T + inner, 3, -1)
        rz, rr, rh = jnp.split(way.back, 3)
        bz, br, bh = jnp.split(outer, 3)
        z, r = way.bent(0, xz + h @ rz.T + bz), way.bent(0, xr + h @ rr.T + br)
        new = xh + r * (h @ rh.T + bh) if linear_before_reset else xh + (r * h) @ rh.T + bh
        return ((1 - z) * way.bent(1, new) + z * h,)

    return recur(
        at, step, 3, ["Sigmoid", "Tanh"], (x, weight, back, bias, None), starts=[start], lengths=lengths,
        direction=direction, layout=layout, clip=clip, activations=activations, alphas=activation_alpha,
        betas=activation_beta,
    )  # fmt: skip


@operator("LSTM", in_jax=True)
def lstm(
    at: Call, x: Any, weight: Any, back: Any, bias: Any = None, lengths: Any = None, start: Any = None,
    cell: Any = None, peepholes: Any = None, *,
    activations: Sequence[str] | None = None, activation_alpha: Numbers = None, activation_beta: Numbers = None,
    clip: float | None = None, direction: str = "forward", hidden_size: int = 0, input_forget: int = 0,
    layout: int = 0, output_sequence: int = 1,
) -> tuple[Array, ...]:  # fmt: skip
    """Gates in the order input, output, forget, cell; peepholes let the first three see the cell."""

    def step(way: Way, state: tuple[Array, ...], x: Array) -> tuple[Array, ...]:
        (h, c), (inner, outer) = state, jnp.split(way.bias, 2)
        i, o, f, g = jnp.split(x @ way.weight.T + inner + h @ way.back.T + outer, 4, -1)
        pi, po, pf = (0, 0, 0) if way.peepholes is None else jnp.split(way.peepholes, 3)
        i = way.bent(0, i + pi * c)
        f = 1 - i if input_forget else way.bent(0, f + pf * c)
        new = f * c + i * way.bent(1, g)
        o = way.bent(0, o + po * new)
        return o * way.bent(2, new), new

    return recur(
        at, step, 4, ["Sigmoid", "Tanh", "Tanh"], (x, weight, back, bias, peepholes), starts=[start, cell],
        lengths=lengths, direction=direction, layout=layout, clip=clip, activations=activations,
        alphas=activation_alpha, betas=activation_beta,
    )  # fmt: skip
