"""Functions of several variables that are sums of functions of one: cheaper than a grid."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..errors import SettingError
from ._chain import Chain, affine, beside, picked, stored, then
from ._grid import boxes_of, per_axis
from ._shallow import of_error, of_neurons
from ._target import Target, target_of

PROBE = 8  # neurons by which the cost of a part is judged
CELLS = {2: 24, 3: 8, 4: 5}  # along each axis, in so many dimensions, on which mixed derivatives are bounded


class Form(NamedTuple):
    """A chain with its proven error, and in words what it is."""

    chain: Chain
    error: float
    how: str


def line(target: Target, axis: int, at: Sequence[float], scale: float = 1.0) -> Target:
    """The function along one axis through a point, over a scale."""
    point = [float(c) for c in at]

    def along(t: Any) -> Any:
        return (
            target.function(jnp.stack([t if i == axis else jnp.full_like(t, c) for i, c in enumerate(point)])) / scale
        )

    return target_of(along, (target.box[axis],))


def summed(target: Target, error: float) -> Form:
    """`f(x) ≈ Σ_i f(c, but x_i) − (d − 1) f(c)`, one hidden layer of all parts.

    The rest is at most `Σ_(i<j) max |∂²f / ∂x_i ∂x_j| w_i w_j`, with w how far the box reaches from its middle c.

    Raises: SettingError where the rest leaves no room for the parts.
    """
    low, high = boxes_of(np.array(target.box), np.full(target.d, per_axis(target.d, CELLS.get(target.d, 3))))
    mixed = target.jets(low, high).curve.most.max(0)
    reach = np.array([(b - a) / 2 for a, b in target.box])
    rest = sum(float(mixed[i, j] * reach[i] * reach[j]) for i, j in combinations(range(target.d), 2))
    if not rest < 0.5 * error:
        raise SettingError(f"as a sum of functions of one variable it is off by up to {rest:.3g}")
    centre = [(a + b) / 2 for a, b in target.box]
    parts = [line(target, i, centre) for i in range(target.d)]
    found = [
        of_error(part, share, polish=False)[0] for part, share in zip(parts, shares(parts, error - rest), strict=True)
    ]
    value = target.values(np.array([centre]))
    middle, unsure = float(value.low[0] + value.high[0]) / 2, float(value.high[0] - value.low[0])
    chain = then(
        beside([then(picked(target.d, [i]), one.units.chain()) for i, one in enumerate(found)]),
        affine(np.ones((target.d, 1)), [-(target.d - 1) * middle]),
    )
    constant = float(abs(stored(chain).maps[-1][1] - chain.maps[-1][1]).max())
    bound = rest + sum(one.error.proven for one in found) + constant + target.d * unsure
    return Form(chain, bound, f"a sum of {target.d} functions of one variable")


def shares(parts: Sequence[Target], error: float) -> np.ndarray:
    """The error of each part for which all take the fewest neurons: as the third root of what one costs."""
    costs = np.array([max(of_neurons(part, PROBE, polish=False).error.proven, 1e-12 * error) for part in parts])
    return error * np.cbrt(costs) / np.cbrt(costs).sum()
