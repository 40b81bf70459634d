from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import listening, places
from ..errors import DataError, SettingError
from ..module import Layer
from ..records import Record

CHANCE, LITTLE = 4.0, 0.1  # standard errors, and a difference from 1, that mean nothing


@dataclass(frozen=True)
class LayerScale(Record):
    """How much larger a layer's output is in testing than it is on average in training; ± one standard error.

    1 behind `Dropout`, 1 / (1 − p) behind `PlainDropout`. NaN for an output that is all 0 in testing.
    """

    path: str
    kind: str
    ratio: float
    error: float

    @property
    def differs(self) -> bool:
        """Whether the ratio is off 1 by more than chance, and than what a bent curve leaves behind."""
        return abs(self.ratio - 1) > max(CHANCE * self.error, LITTLE)


@dataclass(frozen=True)
class DropoutScale(Record):
    """The scale of every layer's output in testing beside that in training, in the order of the pass."""

    layers: tuple[LayerScale, ...]
    passes: int
    examples: int


def dropout_scale(net: Layer, x: Any, *, passes: int = 128, seed: int = 0) -> DropoutScale:
    """Whether dropout leaves the expected output as it is: `ratio = ⟨y, y⟩ / ⟨ȳ, y⟩` of every layer on these examples.

    y is the output in testing, ȳ its mean over `passes` passes in training. A ratio of mean outputs would divide 0 by 0
    where an output is centred, and one of mean sizes would take what the masks have not yet averaged out for size; the
    part of ȳ along y is linear in ȳ, so that chance only adds ± `error` to it. It is the layer's output that counts:
    what a layer before it changes, it passes on, and behind a bent curve even a rescaled mask leaves a little, as
    E[f(x)] is not f(E[x]). Whatever else a layer does in training only is measured too.

    Raises: DataError where there is no example; SettingError where there are fewer than two passes.
    Source: Srivastava et al. 2014, Dropout, section 10.
    Example:
        >>> from pellucid.layers import Dropout, PlainDropout
        >>> for kind in (Dropout, PlainDropout):
        ...     print(round(dropout_scale(kind(0.5), np.ones((20, 500))).layers[0].ratio, 1))
        1.0
        2.0
    """
    x = jnp.asarray(x)
    if not x.shape or not len(x):
        raise DataError("The scale of dropout is measured on examples, and there is none.")
    if passes < 2:
        raise SettingError(f"The error of a mean wants at least 2 passes, got passes={passes}.")
    shares = compared(net, x, jax.random.split(jax.random.key(seed), passes))
    layers = []
    for at, _, layer in places(net):
        share = np.asarray(shares[at], np.float64)
        mean, error = share.mean(), share.std(ddof=1) / np.sqrt(passes)
        with np.errstate(divide="ignore", invalid="ignore"):
            layers.append(LayerScale(at, type(layer).__name__, float(1 / mean), float(error / mean**2)))
    return DropoutScale(tuple(layers), passes, len(x))


@jax.jit
def compared(net: Layer, x: Array, keys: Array) -> dict[str, Array]:
    """⟨y in training, y in testing⟩ / ⟨y, y⟩ of every layer, for each key."""
    tested = outputs(net, x, None)

    def once(key: Array) -> dict[str, Array]:
        trained = outputs(net, x, key)
        return {at: jnp.vdot(trained[at], y) / jnp.vdot(y, y) for at, y in tested.items()}

    return jax.lax.map(once, keys)


def outputs(net: Layer, x: Array, key: Array | None) -> dict[str, Array]:
    """What every layer gives."""
    given: dict[str, Array] = {}

    def tell(path: str, layer: Layer, x: Any, y: Array, saved: Any) -> None:
        given[path] = y

    listening(net, tell).forward(x, key=key)
    return given
