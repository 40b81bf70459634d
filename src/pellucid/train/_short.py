"""A training of so many steps that leaves no run, no files and no bar: what the doctor tries things with."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..module import Layer
from ._epoch import OF_AN_EPOCH, Plan, Segment, State, advance, start_state
from ._settings import Settings

SIZES = (4, 16, 256)  # steps in one call of the compiled epoch: few, so that little is ever compiled
MOST_NUMBERS = 2**24  # of the rows taken into order for one call
PARTS = 16


class Short(NamedTuple):
    """The network after `steps` steps, the mean loss of each part of them, and whether every number was finite."""

    net: Layer
    losses: np.ndarray
    steps: int
    finite: bool
    seconds: float


def short(
    net: Layer,
    x: np.ndarray,
    y: np.ndarray,
    settings: Settings,
    steps: int,
    *,
    rate: float | None = None,
    seed: int | None = None,
    seconds: float = float("inf"),
    like: int | None = None,
) -> Short:
    """Train for `steps` steps at one learning rate (that of the settings by default), or until the time is over.

    The time to compile does not count, and what is compiled for a training of `like` steps serves here too. Rows are
    shuffled anew in every pass where the settings say so. A batch is always full: passes run into each other.
    """
    searching = settings.optimizer == "lbfgs"  # whose steps take all rows
    size = len(x) if searching else min(settings.batch_size, len(x))
    plan = Plan(settings.loss, settings.rule(), size, 0, searching)
    state, key = start_state(net, plan), jax.random.key(settings.seed if seed is None else seed)
    rng = np.random.default_rng(settings.seed if seed is None else seed)
    chunk = chunk_of(like or steps, size, x)
    data = jnp.asarray(x), jnp.asarray(y)
    rates = np.full(chunk, settings.rate() if rate is None else rate, np.float32)
    began = time.perf_counter()
    rows, losses, done = Rows(len(x), rng, settings.shuffle), [], 0
    while done < steps and bool(state.finite) and time.perf_counter() - began < seconds:
        now = min(chunk, steps - done)
        order = rows.take(chunk * size)
        segment = Segment(*data, None, order, np.int32(len(order)), rates)
        zeros = {name: np.zeros_like(np.asarray(getattr(state, name))) for name in OF_AN_EPOCH}
        state = advance(state._replace(**zeros), segment, np.int32(now), key, plan=plan, whole=True)
        losses.append(mean_loss(state))
        done += int(state.at)
        if len(losses) == 1:
            began = time.perf_counter()
    finite = bool(state.finite)
    return Short(state.net, np.array(losses), done, finite, time.perf_counter() - began)


def chunk_of(steps: int, size: int, x: np.ndarray) -> int:
    """How many steps one call takes: so that there are some parts to see a curve in, and little memory is needed."""
    numbers = size * max(int(np.prod(x.shape[1:])), 1)
    fitting = [n for n in SIZES if n * PARTS <= steps and n * numbers <= MOST_NUMBERS]
    return fitting[-1] if fitting else SIZES[0]


def mean_loss(state: State) -> float:
    weight = float(state.weight_sum)
    return float(state.loss_sum) / weight if weight else float("nan")


class Rows:
    """The numbers of rows in the order they are learned from, pass after pass."""

    def __init__(self, n: int, rng: np.random.Generator, shuffle: bool):
        self.n, self.rng, self.shuffle = n, rng, shuffle
        self.left: Any = np.zeros(0, np.int32)

    def take(self, count: int) -> np.ndarray:
        parts, have = [self.left], len(self.left)
        while have < count:
            parts.append(self.rng.permutation(self.n) if self.shuffle else np.arange(self.n))
            have += self.n
        whole = np.concatenate(parts).astype(np.int32)
        self.left = whole[count:]
        return whole[:count]
