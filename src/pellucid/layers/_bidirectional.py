from __future__ import annotations

from typing import Any, ClassVar

import jax.numpy as jnp
from jax import Array

from ..errors import SettingError
from ..module import Layer, replaced, subkey
from ..shapes import located
from ._recurrent import GRU, LSTM, RNN
from ._sequences import like, values_of


class Bidirectional(Layer):
    """Two recurrent layers see the same sequence, one from its end: `y_t = [forwards(x)_t, backwards(x)_t]`.

    Every step so knows what came before it and what comes after. With output="last" each gives its own last state:
    forwards that behind the last step, backwards that behind the first.

    Shapes: x (batch, time, n_in), or Sequences -> y (batch, time, 2 n_hidden) or (batch, 2 n_hidden).
    Blame:  dx = forwards' backward of its part of dy + backwards' backward of the rest.
    Raises: SettingError unless `backwards` alone is reversed, and both give the same output.
    Source: Schuster and Paliwal 1997, Bidirectional recurrent neural networks.
    """

    forwards: RNN | LSTM | GRU
    backwards: RNN | LSTM | GRU

    reads_lengths: ClassVar[bool] = True

    def __init__(self, forwards: RNN | LSTM | GRU, backwards: RNN | LSTM | GRU):
        self.forwards, self.backwards = forwards, backwards
        for name, layer, reverse in (("forwards", forwards, False), ("backwards", backwards, True)):
            if not isinstance(layer, RNN | LSTM | GRU) or layer.reverse != reverse:
                wanted = f"an RNN, LSTM or GRU with reverse={reverse}"
                raise SettingError(f"Bidirectional: {name} is {wanted}, got {describe(layer)}.")
        outputs = forwards.output, backwards.output
        if outputs[0] != outputs[1]:
            raise SettingError(f"Bidirectional: both layers give the same output, got {outputs[0]} and {outputs[1]}.")

    def forward(self, x: Any, *, key: Array | None = None) -> tuple[Any, Any]:
        with located("forwards"):
            ahead, saved_ahead = self.forwards.forward(x, key=subkey(key, 0))
        with located("backwards"):
            back, saved_back = self.backwards.forward(x, key=subkey(key, 1))
        both = jnp.concatenate([values_of(ahead), values_of(back)], axis=-1)
        return like(x, both), (saved_ahead, saved_back, values_of(ahead).shape[-1])

    def backward(self, saved: Any, dy: Array) -> tuple[Array, Bidirectional]:
        ahead, back, n = saved
        dx, dforwards = self.forwards.backward(ahead, dy[..., :n])
        more, dbackwards = self.backwards.backward(back, dy[..., n:])
        return dx + more, replaced(self, forwards=dforwards, backwards=dbackwards)  # blames may be taps


def describe(layer: Any) -> str:
    reverse = getattr(layer, "reverse", None)
    return type(layer).__name__ + ("" if reverse is None else f" with reverse={reverse}")
