from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..layers import Sequences, counted, values_of
from ..losses import Loss
from ..module import Layer, parameters, with_parameters
from ..records import Record
from ._pass import backpropagate

STEPS = (1e-5, 1e-6, 1e-4)
WORST = 1e-5


@dataclass(frozen=True)
class GradientCheck(Record):
    """The gradient beside finite differences in float64, for a sample of the weights of every parameter.

    `worst` is the largest |gradient − difference| / max(|gradient|, |difference|, floor), each weight at the best of
    `steps`; the floor is 1e-6 of the largest gradient, or what rounding of the loss alone can make of a difference.
    A kink closer than the step makes a difference that is not a derivative; `kinks` counts the weights where the
    differences to the left and to the right stay apart and the gradient lies between them, which are left out.
    """

    worst: float
    where: str
    by_path: dict[str, float]
    checked: int
    kinks: int
    steps: tuple[float, ...] = STEPS

    @property
    def ok(self) -> bool:
        return self.worst < WORST


def check_gradient(net: Layer, loss: Loss, x: Any, y: Any, *, samples: int = 25, seed: int = 0) -> GradientCheck:
    """Central differences `(L(w + h) − L(w − h)) / 2h` in float64 against the backward pass."""
    rng = np.random.default_rng(seed)
    by_path, checked, kinks = {}, 0, 0
    with jax.enable_x64(True):
        net, x, y = jax.tree.map(as_float64, (net, x, y))
        dnet = jax.jit(lambda net: backpropagate(net, loss, x, y).dnet)(net)
        gradients = {path: np.asarray(g) for path, g in parameters(dnet).items()}
        terms = jax.jit(lambda arrays: judged(loss, with_parameters(net, arrays)(x), y))
        largest = max((float(np.abs(g).max()) for g in gradients.values() if g.size), default=0.0)
        for path, g in gradients.items():
            errors = []
            for index in rng.choice(g.size, min(samples, g.size), replace=False):
                error, kink = compare(terms, parameters(net), path, index, float(g.flat[index]), 1e-6 * largest)
                kinks += kink
                errors += [] if kink else [error]
            checked += len(errors)
            by_path[path] = max(errors, default=0.0)
    where = max(by_path, key=lambda path: by_path[path], default="")
    return GradientCheck(by_path.get(where, 0.0), where, by_path, checked, kinks)


def judged(loss: Loss, z: Any, y: Any) -> Any:
    """Every term of the loss, such that their mean is the loss; 0 for the steps of a sequence that do not count."""
    terms = loss.terms(values_of(z), y)
    counts = counted(z._replace(values=terms)) if isinstance(z, Sequences) else None
    if counts is None:
        return terms
    return jnp.where(counts, terms, 0) * (counts.size / counts.sum())


def compare(
    terms: Callable[[dict[str, Any]], Any], arrays: dict[str, Any], path: str, index: int, got: float, floor: float
) -> tuple[float, bool]:
    """The relative error of one weight's gradient at the best step, and whether a kink is in the way."""
    here = np.asarray(terms(arrays))

    def slopes(step: float) -> tuple[np.ndarray, np.ndarray]:
        """From the left and from the right, term by term: a term that the weight does not reach adds no rounding."""
        left, right = (
            (np.asarray(terms(arrays | {path: moved(arrays[path], index, h)})) - here) / h for h in (-step, step)
        )
        return left, right

    best = np.inf
    for step in STEPS:
        wanted = float(np.mean(slopes(step)))
        rounding = 10 * np.finfo(np.float64).eps * float(np.abs(here).mean()) / step
        error = abs(got - wanted) / max(abs(got), abs(wanted), floor, rounding / WORST, 1e-12)
        best = min(best, error)
        if best < WORST / 10:
            break
    return best, best >= WORST and at_kink(got, slopes(1e-5), slopes(1e-6))


def at_kink(got: float, wide: tuple[np.ndarray, np.ndarray], narrow: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether the two sides stay apart as the step shrinks tenfold, and the gradient lies between them."""
    jump = float(np.abs(narrow[1] - narrow[0]).mean())
    low, high = float(np.minimum(*narrow).mean()), float(np.maximum(*narrow).mean())
    stays = jump > 0.5 * float(np.abs(wide[1] - wide[0]).mean())
    return stays and low - 1e-3 * jump <= got <= high + 1e-3 * jump


def as_float64(a: Any) -> Any:
    return jnp.asarray(a, jnp.float64) if jnp.issubdtype(jnp.result_type(a), jnp.floating) else a


def moved(array: Any, index: int, step: float) -> Any:
    flat = np.array(array).ravel()
    flat[index] += step
    return jnp.asarray(flat.reshape(array.shape))
