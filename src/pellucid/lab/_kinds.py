"""One layer of every kind, small, with an input it takes: what the chain rule is checked on."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import layers as of
from ..activations import CURVES
from ..module import Layer

KEY = jax.random.key(0)


def every_kind() -> dict[str, tuple[Layer, Any]]:
    """Every kind of layer by its name, the activations each by its own; arrays in double precision.

    It is to be called within `jax.enable_x64(True)`.
    """
    rng = np.random.default_rng(0)

    def normal(*shape: int) -> Any:
        return rng.normal(size=shape)

    rows, line, steps, picture = normal(5, 4), normal(2, 7, 2), normal(2, 4, 3), normal(2, 5, 6, 2)
    block, pair = normal(1, 3, 4, 5, 2), (normal(5, 4), normal(5, 4))
    dense = of.Dense.create(4, 4, key=KEY)
    found: dict[str, tuple[Layer, Any]] = {f"Activation {name}": (of.Activation(name), rows) for name in CURVES}
    found |= {type(layer).__name__: (layer, x) for layer, x in [
        (dense, rows), (of.PReLU.create(4), rows), (of.Softmax(), rows), (of.LogSoftmax(), rows),
        (of.Monotone.create(4, 3, key=KEY, inputs="+-0+", outputs="+-+"), rows),
        (of.Flatten(), picture), (of.Pad(1), picture), (of.Upsample(2), picture),
        (of.Conv1d.create(2, 3, 3, key=KEY), line), (of.Conv2d.create(2, 3, 3, key=KEY, padding="same"), picture),
        (of.Conv3d.create(2, 3, 2, key=KEY), block), (of.ConvTranspose1d.create(2, 3, 3, key=KEY), line),
        (of.ConvTranspose2d.create(2, 3, 3, key=KEY), picture),
        (of.LocallyConnected1d.create(2, 3, 3, 7, key=KEY), line),
        (of.LocallyConnected2d.create(2, 3, 3, (5, 6), key=KEY), picture),
        (of.MaxPool(2), picture), (of.AvgPool(2), picture), (of.GlobalAveragePool(), picture),
        (of.GlobalMaxPool(), picture), (of.AdaptiveAveragePool(2), picture),
        (of.BatchNorm.create(4), rows), (of.LayerNorm.create(4), rows), (of.GroupNorm.create(2, 2), picture),
        (of.InstanceNorm.create(2), picture), (of.RMSNorm.create(4), rows),
        (of.Dropout(0.4), rows), (of.ChannelDropout(0.4), picture), (of.PlainDropout(0.4), rows),
        (of.GaussianNoise(0.3), rows), (of.RandomShift(1), picture), (of.RandomFlip(), picture),
        (of.Embedding.create(6, 3, key=KEY), np.array([[0.0, 4.0, 2.0], [2.0, 2.0, 1.0]])),
        (of.MultiHeadAttention.create(4, 2, key=KEY), normal(2, 3, 4)),
        (of.RNN.create(3, 4, key=KEY), steps), (of.LSTM.create(3, 4, key=KEY), steps),
        (of.GRU.create(3, 4, key=KEY), steps),
        (of.Bidirectional(of.RNN.create(3, 4, key=KEY), of.RNN.create(3, 4, key=KEY, reverse=True)), steps),
        (of.Masking(), steps), (of.Gate(), pair), (of.GatedLinear(), rows),
        (of.Add(), pair), (of.Concat(), pair), (of.Collect(), pair), (of.Pick(1), pair),
        (of.Operator("Mul", opset=14, constants={1: np.array([0.5, -1.0, 2.0, 1.5])}, learned=[1]), rows),
        (of.Function(jnp.sin), rows), (of.Residual(dense), rows), (of.Parallel([dense, of.Activation("tanh")]), rows),
        (of.Sequential([dense, of.Activation("tanh"), dense]), rows),
        (of.Graph({"dense": dense, "add": of.Add()}, [("a", "dense", "input"), ("sum", "add", ("a", "input"))]), rows),
    ]}  # fmt: skip
    return {name: (jax.tree.map(wide, layer), x) for name, (layer, x) in found.items()}


def wide(a: Any) -> Any:
    """In double precision, and moved off what a new layer begins with, such as biases of 0 and scales of 1."""
    a = np.asarray(a)
    if a.dtype.kind != "f":
        return a
    return a.astype(np.float64) + 0.1 * np.cos(np.arange(a.size)).reshape(a.shape)
