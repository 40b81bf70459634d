from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import jax
from jax import Array

from ..activations import curve
from ..errors import SettingError
from ..initializers import Initializer, default_for, initializer
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
    init: str | Initializer | None = None,
    dropout: float = 0.0,
) -> Sequential:
    """A multilayer perceptron, `Dense` and activation in turn; the last layer gives the logits.

    `init`, a name or a function, is by default the one that suits the activation behind each layer (He before ReLU,
    Glorot before tanh).

    Raises: SettingError where there are fewer than two sizes, or an unknown activation.
    Example:
        >>> [type(layer).__name__ for layer in mlp([2, 16, 1], key=0).layers]
        ['Dense', 'Activation', 'Dense']
    """
    if len(sizes) < 2:
        raise SettingError(f"mlp wants the sizes of input and output at least, as in [2, 16, 1]; got {list(sizes)}.")
    curve(activation)  # with two sizes nothing else would look the name up
    keys = jax.random.split(key if isinstance(key, Array) else jax.random.key(key), len(sizes) - 1)
    layers: list[Layer] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = i == len(sizes) - 2
        start = initializer(init) if init else default_for("identity" if last else activation)
        layers.append(Dense.create(n_in, n_out, key=keys[i], init=start))
        if not last:
            layers.append(Activation(activation))
            if dropout:
                layers.append(Dropout(dropout))
    return Sequential(layers)
