"""Optimizers and schedules by name, with PyTorch's constants; the learning rate itself is data, not part of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from ..errors import SettingError, unknown

# Every rule is built for a learning rate of 1: its updates are linear in the rate, which the epoch multiplies in
# step by step. So one compiled program serves every rate, every schedule, and the range test.
OPTIMIZERS: dict[str, tuple[Callable[..., optax.GradientTransformation], float]] = {
    "sgd": (lambda **_: optax.sgd(1.0), 1e-2),
    "momentum": (lambda **_: optax.sgd(1.0, momentum=0.9), 1e-2),
    "nesterov": (lambda **_: optax.sgd(1.0, momentum=0.9, nesterov=True), 1e-2),
    "adam": (lambda **_: optax.adam(1.0), 1e-3),
    "adamw": (lambda decay: optax.adamw(1.0, weight_decay=decay, mask=weights_only), 1e-3),
    "rmsprop": (lambda **_: optax.rmsprop(1.0, decay=0.99, eps=1e-8, eps_in_sqrt=False), 1e-3),
    "adagrad": (lambda **_: optax.adagrad(1.0, initial_accumulator_value=0.0, eps=1e-10), 1e-2),
    "lion": (lambda decay: optax.lion(1.0, weight_decay=decay, mask=weights_only), 1e-4),
    "lbfgs": (lambda **_: optax.lbfgs(), 1.0),
}
DECOUPLED = ("adamw", "lion")


class Decay(NamedTuple):
    """How strongly weights are drawn to 0: a number in the optimizer's memory, and no part of the program."""

    strength: Array


@dataclass(frozen=True)
class Decaying:
    """An update rule with a strength of its weight decay. Rules that differ in it alone are equal: one program is
    compiled for them all, as in a search for the best strength."""

    rule: Any
    strength: float = field(compare=False)

    def init(self, net: Any) -> Any:
        return self.told(self.rule.init(net))

    def told(self, memory: Any) -> Any:
        """A memory with this strength in it."""

        def one(part: Any) -> Any:
            return Decay(jnp.float32(self.strength)) if isinstance(part, Decay) else part

        return jax.tree.map(one, memory, is_leaf=lambda part: isinstance(part, Decay))

    def update(self, gradient: Any, memory: Any, net: Any, **extra: Any) -> tuple[Any, Any]:
        return self.rule.update(gradient, memory, net, **extra)


@lru_cache
def optimizer(
    rule: str | optax.GradientTransformation, *, weight_decay: float = 0.0, l1: float = 0.0, clip: float | None = None
) -> Any:
    """The update rule as an Optax transformation; the same settings give the same object, hence one compilation.

    Weight decay is decoupled for adamw and lion, and `λ w` added to the gradient elsewhere, as in PyTorch; L1 adds
    `λ sign(w)`. Both leave biases alone. `clip` bounds the gradient's norm first.

    Raises: SettingError where the rule is unknown or a setting negative.
    """
    for name, value in {"weight_decay": weight_decay, "l1": l1, "clip": clip or 0.0}.items():
        if not (value >= 0 and math.isfinite(value)):
            raise SettingError(f"{name} is a number of 0 or more, got {value}.")
    if isinstance(rule, str):
        if rule not in OPTIMIZERS:
            raise unknown("optimizer", rule, OPTIMIZERS)
        if rule in DECOUPLED:
            return chained(OPTIMIZERS[rule][0](decay=weight_decay), False, l1, clip)
    elif not isinstance(rule, optax.GradientTransformation):
        raise SettingError(f"optimizer is a name or an Optax transformation, got a {type(rule).__name__}.")
    found = coupled(rule, bool(weight_decay), l1, clip)
    return Decaying(found, weight_decay) if weight_decay else found


@lru_cache
def coupled(rule: Any, decaying: bool, l1: float, clip: float | None) -> Any:
    """A rule with its penalties in the gradient."""
    return chained(OPTIMIZERS[rule][0]() if isinstance(rule, str) else rule, decaying, l1, clip)


def chained(rule: Any, decaying: bool, l1: float, clip: float | None) -> Any:
    steps = [optax.clip_by_global_norm(clip)] if clip else []
    steps += [lasso(l1)] if l1 else []
    steps += [ridge()] if decaying else []
    return optax.chain(*steps, rule) if steps else rule


def default_rate(rule: str | optax.GradientTransformation) -> float:
    return OPTIMIZERS[rule][1] if isinstance(rule, str) and rule in OPTIMIZERS else 1.0


def weights_only(net: Any) -> Any:
    """True for weights, False for biases."""
    return jax.tree.map(lambda a: a.ndim >= 2, net)


def ridge() -> optax.GradientTransformation:
    """`λ w` added to the gradient, with λ from the memory."""

    def start(params: Any) -> Any:
        return Decay(jnp.zeros(()))

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        return jax.tree.map(lambda g, w: g + state.strength * w if w.ndim >= 2 else g, updates, params), state

    return optax.GradientTransformation(start, update)


def lasso(strength: float) -> optax.GradientTransformation:
    def update(gradient: Any, net: Any) -> Any:
        return jax.tree.map(lambda g, w: g + strength * jnp.sign(w) if w.ndim >= 2 else g, gradient, net)

    return optax.stateless(update)


SCHEDULES: dict[str, Callable[[int], optax.Schedule]] = {
    "constant": lambda total: optax.constant_schedule(1.0),
    "cosine": lambda total: optax.cosine_decay_schedule(1.0, total),
    "warmup": lambda total: optax.linear_schedule(0.01, 1.0, max(1, total // 10)),
    "warmup_cosine": lambda total: optax.warmup_cosine_decay_schedule(0.01, 1.0, max(1, total // 10), total),
    "one_cycle": lambda total: optax.cosine_onecycle_schedule(max(total, 10), 1.0),
    "plateau": lambda total: optax.constant_schedule(1.0),
}


def rates(schedule: str, learning_rate: float, first: int, count: int, total: int) -> np.ndarray:
    """The learning rate of `count` steps from step `first` on, of `total` in the whole training."""
    if schedule not in SCHEDULES:
        raise unknown("schedule", schedule, SCHEDULES)
    if schedule in ("constant", "plateau"):
        return np.full(count, learning_rate, np.float32)
    shares = jax.vmap(SCHEDULES[schedule](total))(np.arange(first, first + count))
    return (learning_rate * np.asarray(shares)).astype(np.float32)
