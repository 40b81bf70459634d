from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from ..module import Layer, static


class Function(Layer):
    """A function of your own as a layer: `y = f(x)`, or `y = f(parameters, x)`; its backward comes from `jax.vjp`.

    Shapes: whatever f takes and gives.
    Blame:  dx, dparameters = vjp(dy).
    Example:
        >>> Function(jnp.sin)(jnp.zeros(3)).tolist()
        [0.0, 0.0, 0.0]
        >>> scale = Function(lambda s, x: s * x, parameters=2.0)
        >>> scale(jnp.ones(2)).tolist()
        [2.0, 2.0]
    """

    parameters: Any
    function: Callable[..., Any] = static()

    def __init__(self, function: Callable[..., Any], parameters: Any = None):
        self.parameters = jax.tree.map(jnp.asarray, parameters)
        self.function = function

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        if self.parameters is None:
            return jax.vjp(self.function, x)
        return jax.vjp(self.function, self.parameters, x)

    def backward(self, saved: Any, dy: Any) -> tuple[Any, Function]:
        *dparameters, dx = saved(dy)
        return dx, Function(self.function, *dparameters)
