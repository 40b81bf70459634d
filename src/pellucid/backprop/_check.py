from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..losses import Loss
from ..module import Layer, parameters
from ..records import Record
from ._pass import backpropagate


@dataclass(frozen=True)
class GradientCheck(Record):
    """The gradient beside finite differences in float64, for a sample of the weights of every parameter.

    `worst` is the largest |gradient − difference| / max(|gradient|, |difference|, 1e-6 · largest gradient).
    A kink closer than `step` makes a difference that is not a derivative; `kinks` counts the weights where the
    two one-sided differences disagree and the gradient equals one of them or lies between, which are left out.
    """

    worst: float
    where: str
    by_path: dict[str, float]
    checked: int
    kinks: int
    step: float

    @property
    def ok(self) -> bool:
        return self.worst < 1e-5


def check_gradient(net: Layer, loss: Loss, x: Any, y: Any, *, samples: int = 25, seed: int = 0) -> GradientCheck:
    """Central differences `(L(w + h) − L(w − h)) / 2h` in float64 against the backward pass."""
    rng = np.random.default_rng(seed)
    step = 1e-6
    with jax.enable_x64(True):
        net64, x64 = jax.tree.map(as_float64, (net, x))
        y64 = jax.tree.map(as_float64, y)
        leaves, shape = jax.tree.flatten(net64)
        gradient = jax.jit(lambda net: jax.tree.leaves(backpropagate(net, loss, x64, y64).dnet))(net64)
        value = jax.jit(lambda leaves: loss.evaluate(jax.tree.unflatten(shape, leaves)(x64), y64)[0])
        here = float(value(leaves))
        scale = max((float(jnp.abs(g).max()) for g in gradient if g.size), default=0.0)
        floor = max(1e-6 * scale, 1e-12)
        by_path, checked, kinks = {}, 0, 0
        for n, path in enumerate(parameters(net64)):
            worst = 0.0
            flat = np.asarray(leaves[n]).ravel()
            for index in rng.choice(flat.size, min(samples, flat.size), replace=False):
                ahead, behind = (
                    float(value([*leaves[:n], moved(leaves[n], index, h), *leaves[n + 1 :]])) for h in (step, -step)
                )
                wanted, got = (ahead - behind) / (2 * step), float(np.asarray(gradient[n]).ravel()[index])
                right, left = (ahead - here) / step, (here - behind) / step
                error = abs(got - wanted) / max(abs(got), abs(wanted), floor)
                if error > 1e-4 and abs(right - left) > 1e-3 * max(abs(right), abs(left)) and between(got, left, right):
                    kinks += 1
                    continue
                checked, worst = checked + 1, max(worst, error)
            by_path[path] = worst
    where = max(by_path, key=lambda path: by_path[path], default="")
    return GradientCheck(by_path.get(where, 0.0), where, by_path, checked, kinks, step)


def as_float64(a: Any) -> Any:
    return jnp.asarray(a, jnp.float64) if jnp.issubdtype(jnp.result_type(a), jnp.floating) else a


def moved(array: Any, index: int, step: float) -> Any:
    flat = np.array(array).ravel()
    flat[index] += step
    return jnp.asarray(flat.reshape(array.shape))


def between(value: float, a: float, b: float) -> bool:
    slack = 1e-3 * max(abs(a), abs(b))
    return min(a, b) - slack <= value <= max(a, b) + slack
