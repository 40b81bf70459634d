"""Learning from rows as they come: one pass over each lot, from where the last one ended."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ..module import Layer
from ._data import Block
from ._epoch import OF_AN_EPOCH, Plan, Segment, State, advance, start_state
from ._evaluate import filled
from ._optimizers import Decaying
from ._settings import Settings
from ._short import mean_loss


def begun(net: Layer, settings: Settings) -> State:
    """A training before its first step, which `one_pass` goes on with."""
    return start_state(net, Plan(settings.loss, settings.rule(), settings.batch_size, 0))


def one_pass(state: State, block: Block, settings: Settings) -> tuple[State, float]:
    """The training after one pass over these rows, and the mean loss on the way.

    Batches are of `settings.batch_size`, or there is one; rows are filled up to powers of two, so that few shapes are
    ever compiled. They are shuffled, where that is asked for, in another order for every pass.
    """
    n = len(block.x)
    near = 1 << (n - 1).bit_length()
    size = min(settings.batch_size, near)
    steps = -(-n // size)
    rng = np.random.default_rng([settings.seed, int(state.step)])
    order = rng.permutation(n) if settings.shuffle else np.arange(n)
    x, y, weights = block.each(lambda part: filled(part, near))
    segment = Segment(
        jnp.asarray(x), jnp.asarray(y), None if weights is None else jnp.asarray(weights, jnp.float32),
        np.resize(order, steps * size).astype(np.int32), np.int32(n), np.full(steps, settings.rate(), np.float32),
    )  # fmt: skip
    zeros = {name: np.zeros_like(np.asarray(getattr(state, name))) for name in OF_AN_EPOCH}
    rule = settings.rule()
    memory = rule.told(state.memory) if isinstance(rule, Decaying) else state.memory
    plan = Plan(settings.loss, rule, size, 0)
    key = jax.random.key(settings.seed)
    state = advance(state._replace(memory=memory, **zeros), segment, np.int32(steps), key, plan=plan, whole=False)
    return state, mean_loss(state)
