from __future__ import annotations

from collections.abc import Sequence

import jax
from jax import Array

from ..errors import SettingError
from ..initializers import Initializer, default_for
from ..module import Layer
from ._activation import Activation
from ._containers import Sequential
from ._dense import Dense
from ._dropout import Dropout


def mlp(
    sizes: Sequence[int],
    *,
    key: int | Array,
    activation: str = "relu",
    init: Initializer | None = None,
    dropout: float = 0.0,
) -> Sequential:
    """A multilayer perceptron, `Dense` and activation in turn; the last layer gives the logits.

    `init` is by default the one that suits the activation behind each layer (He before ReLU, Glorot before tanh).

    Raises: SettingError where there are fewer than two sizes, or an unknown activation.
    Example:
        >>> [type(layer).__name__ for layer in mlp([2, 16, 1], key=0).layers]
        ['Dense', 'Activation', 'Dense']
    """
    if len(sizes) < 2:
        raise SettingError(f"mlp wants the sizes of input and output at least, as in [2, 16, 1]; got {list(sizes)}.")
    keys = jax.random.split(jax.random.key(key) if isinstance(key, int) else key, len(sizes) - 1)
    layers: list[Layer] = []
    for i, (n_in, n_out) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        last = i == len(sizes) - 2
        start = init or default_for("identity" if last else activation)
        layers.append(Dense.create(n_in, n_out, key=keys[i], init=start))
        if not last:
            layers.append(Activation(activation))
            if dropout:
                layers.append(Dropout(dropout))
    return Sequential(layers)
