from __future__ import annotations

from typing import Any

import jax
from jax import Array

from ..errors import SettingError
from ..module import Layer
from ._bidirectional import Bidirectional
from ._containers import Sequential
from ._dropout import Dropout
from ._recurrent import GRU, LSTM, RNN


def stacked(
    kind: type[RNN] | type[LSTM] | type[GRU],
    n_in: int,
    n_hidden: int,
    *,
    key: int | Array,
    depth: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    output: str = "sequence",
    **settings: Any,
) -> Sequential:
    """Recurrent layers one above the other, as PyTorch's `num_layers` stacks them; `dropout` is between them.

    `settings` go to every layer's `create`.

    Raises: SettingError for a depth below 1 or an impossible setting of a layer.
    Example:
        >>> net = stacked(LSTM, 3, 8, key=0, depth=2, bidirectional=True, output="last")
        >>> net(jax.numpy.ones((2, 5, 3))).shape
        (2, 16)
    """
    if depth < 1:
        raise SettingError(f"stacked wants a depth of at least 1, got {depth}.")
    key = key if isinstance(key, Array) else jax.random.key(key)
    layers: list[Layer] = []
    for i in range(depth):
        given: dict[str, Any] = settings | {"output": output if i == depth - 1 else "sequence"}
        layer = kind.create(n_in, n_hidden, key=jax.random.fold_in(key, 2 * i), **given)
        if bidirectional:
            back = kind.create(n_in, n_hidden, key=jax.random.fold_in(key, 2 * i + 1), reverse=True, **given)
            layer = Bidirectional(layer, back)
        layers.append(layer)
        if dropout and i < depth - 1:
            layers.append(Dropout(dropout))
        n_in = n_hidden * (1 + bidirectional)
    return Sequential(layers)
