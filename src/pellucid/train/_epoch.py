"""The compiled epoch: one program that runs any range of steps over rows in any order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from ..backprop import Pass, backpropagate, tapped, untapped
from ..losses import Loss
from ..module import Layer, learned, subkey
from ._images import unit
from ._watch import measure, watched_paths


@dataclass(frozen=True)
class Plan:
    """What is fixed when the epoch is compiled; equal plans share one program."""

    loss: Loss
    optimizer: Any  # an Optax transformation
    batch_size: int
    watch_every: int  # 0: never
    line_search: bool = False
    careful: bool = False  # look at every gradient and weight in every step, and not only at the loss


class State(NamedTuple):
    """Everything a training step changes: the network, the optimizer's memory, the sums of the epoch so far."""

    net: Any
    memory: Any
    step: Array  # since the start of the training
    at: Array  # within this segment
    loss_sum: Array
    weight_sum: Array
    watch_sum: Array
    watch_count: Array
    finite: Array


LARGE = 2**14  # bytes of a row
OF_AN_EPOCH = ("at", "loss_sum", "weight_sum", "watch_sum", "watch_count")  # begin anew with every epoch


class Segment(NamedTuple):
    """Rows on the device, the order to take them in (whole batches; padded), how many of these count, the rates."""

    x: Array
    y: Array
    weights: Array | None
    order: np.ndarray
    rows: np.integer
    rates: np.ndarray


def start_state(net: Layer, plan: Plan) -> State:
    net = jax.tree.map(jnp.asarray, net)
    layers = len(watched_paths(tapped(net))) if plan.watch_every else 0
    zero = jnp.zeros(())
    none = jnp.zeros((), jnp.int32)
    memory = plan.optimizer.init(learned(net))
    return State(net, memory, none, none, zero, zero, jnp.zeros((layers, 6)), none, jnp.array(True))


@partial(jax.jit, static_argnames=("plan", "whole"))
def advance(state: State, segment: Segment, stop: np.integer, key: Array, *, plan: Plan, whole: bool) -> State:
    """Train from `state.at` up to the batch `stop`, or to the first loss or gradient that is not finite.

    `whole` says that every batch is full and unweighted, so that weights cost nothing. The rows are taken into
    order once for the call: taking them batch by batch inside the loop was measured at a third to a half of the
    whole step. Large rows are taken by the batch: there it is a few copies, and the memory stays in use.
    """
    size, order = plan.batch_size, jnp.asarray(segment.order)
    large = segment.x[0].nbytes >= LARGE
    x = segment.x if large else taken(segment.x, order)
    y, w = taken(segment.y, order), None if segment.weights is None else taken(segment.weights, order)

    def batch(a: Array, i: Array) -> Array:
        return lax.dynamic_slice_in_dim(a, i * size, size)

    def step(state: State, *, watched: bool) -> State:
        i = state.at
        bx, by = unit(one_by_one(x, batch(order, i)) if large else batch(x, i)), batch(y, i)
        weights = None
        if not whole:
            weights = (i * size + jnp.arange(size) < segment.rows).astype(jnp.float32)
            weights = weights if w is None else weights * batch(w, i)
        listening = tapped(state.net)
        result = backpropagate(listening, plan.loss, bx, by, weights=weights, key=subkey(key, state.step))
        gradient = untapped(result.dnet, state.net)
        slopes = learned(gradient)
        extra = searched(plan, state.net, result.loss, slopes, bx, by, weights) if plan.line_search else {}
        change, memory = plan.optimizer.update(slopes, state.memory, learned(state.net), **extra)
        rate = lax.dynamic_index_in_dim(jnp.asarray(segment.rates), i, keepdims=False)
        net = jax.tree.map(
            lambda p, g, c: p + g if c is None else p + rate.astype(p.dtype) * c, state.net, gradient, change
        )  # running statistics, for which the optimizer has no change, bring their own
        watch_sum, watch_count = state.watch_sum, state.watch_count
        if watched:
            watch_sum, watch_count = watch_sum + measure(listening, result.dnet), watch_count + 1
        weight = jnp.float32(size) if weights is None else weights.sum()
        finite = jnp.isfinite(result.loss)
        if plan.careful:
            finite &= all_finite(gradient) & all_finite(net)
        return State(
            net, memory, state.step + 1, i + 1, state.loss_sum + result.loss * weight, state.weight_sum + weight,
            watch_sum, watch_count, finite,
        )  # fmt: skip

    def going(state: State) -> Array:
        return (state.at < stop) & state.finite

    def checked(state: State) -> State:
        # A gradient that is not finite makes the next loss NaN; what the last step did, or an infinite weight that no
        # loss shows, is found here. Looking at every gradient in every step was measured at 8 % of the step.
        return state._replace(finite=state.finite & all_finite(state.net))

    if not plan.watch_every:
        return checked(lax.while_loop(going, partial(step, watched=False), state))

    # The watched step is a second body and not a branch inside the loop: a branch keeps the compiler from joining
    # the plain step's arithmetic, which cost a third of a small network's step even where it was never taken.
    def due(state: State) -> Array:
        return state.step % plan.watch_every == 0

    def window(state: State) -> State:
        state = lax.cond(due(state), partial(step, watched=True), lambda s: s, state)
        return lax.while_loop(lambda s: going(s) & ~due(s), partial(step, watched=False), state)

    return checked(lax.while_loop(going, window, state))


def taken(a: Array, order: Array) -> Array:
    return a.at[order].get(mode="promise_in_bounds")


def one_by_one(a: Array, order: Array) -> Array:
    """`taken`, each row copied as a whole: for large rows."""
    return lax.map(lambda i: lax.dynamic_index_in_dim(a, i, keepdims=False), order)


def all_finite(tree: Any) -> Array:
    found = jnp.array(True)
    for array in jax.tree.leaves(tree):
        found &= jnp.isfinite(array).all()
    return found


def searched(plan: Plan, net: Any, value: Array, gradient: Any, x: Array, y: Array, weights: Array | None) -> dict:
    """What a line search asks for: the loss as a function of the network, with the layers' own backward."""

    def one_pass(given: Any) -> Pass:
        whole = jax.tree.map(lambda old, new: old if new is None else new, net, given)
        return backpropagate(whole, plan.loss, x, y, weights=weights)

    @jax.custom_vjp
    def loss_of(given: Any) -> Array:
        return one_pass(given).loss

    def forward(given: Any) -> tuple[Array, Any]:
        result = one_pass(given)
        return result.loss, learned(result.dnet)

    loss_of.defvjp(forward, lambda dnet, dy: (jax.tree.map(lambda g: g * dy, dnet),))
    return {"value": value, "grad": gradient, "value_fn": loss_of}
