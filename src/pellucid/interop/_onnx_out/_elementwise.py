"""Layers that treat every number, or every example's row of numbers, by itself."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np

from ... import layers
from ._sheet import Pen, Value

WITH_GELU = 20  # the first opset that has Gelu


def simple(kind: str, **attributes: Any) -> Callable[..., str]:
    """A curve that ONNX has by that name."""
    return lambda w, x: w.node(kind, x, **attributes)


def clipped(low: float, high: float) -> Callable[..., str]:
    return lambda w, x: w.node("Clip", x, low, high)


def gelu(w: Pen, x: str) -> str:
    if w.sheet.opset >= WITH_GELU:
        return w.node("Gelu", x)
    both = w.node("Add", w.node("Erf", w.node("Mul", x, sqrt(0.5))), 1.0)
    return w.node("Mul", w.node("Mul", x, 0.5), both)


def gelu_tanh(w: Pen, x: str) -> str:
    if w.sheet.opset >= WITH_GELU:
        return w.node("Gelu", x, approximate="tanh")
    cubed = w.node("Mul", w.node("Mul", x, x), w.node("Mul", x, 0.044715))
    return w.node("Mul", x, w.node("Sigmoid", w.node("Mul", w.node("Add", x, cubed), sqrt(8 / pi))))


CURVES: dict[str, Callable[..., str]] = {
    "identity": lambda w, x: x,
    "relu": simple("Relu"),
    "leaky_relu": lambda w, x, slope=0.01: w.node("LeakyRelu", x, alpha=slope),
    "elu": lambda w, x, alpha=1.0: w.node("Elu", x, alpha=alpha),
    "selu": simple("Selu"),
    "gelu": gelu,
    "gelu_tanh": gelu_tanh,
    "silu": lambda w, x: w.node("Mul", x, w.node("Sigmoid", x)),
    "mish": simple("Mish"),
    "softplus": simple("Softplus"),
    "softsign": simple("Softsign"),
    "sigmoid": simple("Sigmoid"),
    "exponential": simple("Exp"),
    "tanh": simple("Tanh"),
    "hard_tanh": clipped(-1.0, 1.0),
    "hard_sigmoid": simple("HardSigmoid", alpha=1 / 6, beta=0.5),
    "relu6": clipped(0.0, 6.0),
    "abs": simple("Abs"),
}


def activation(layer: layers.Activation, x: Value, w: Pen) -> Value:
    return x.named(CURVES[layer.name](w, x.name, **{name: float(value) for name, value in layer.settings}))


def prelu(layer: layers.PReLU, x: Value, w: Pen) -> Value:
    slope = np.asarray(layer.slope)
    behind = x.rank - 1 - x.axes.index(x.rank - 1)  # axes that lie behind the channels
    return x.named(w.node("PRelu", x.name, w.parameter("slope", slope.reshape(-1, *(1,) * behind))))


def softmax(layer: layers.Softmax | layers.LogSoftmax, x: Value, w: Pen) -> Value:
    return x.named(w.node(type(layer).__name__, x.name, axis=x.axes.index(x.rank - 1)))


def unchanged(layer: Any, x: Value, w: Pen) -> Value:
    """What is done in training only."""
    return x


def gate(layer: layers.Gate, x: tuple[Value, Value], w: Pen) -> Value:
    opening, signal = x
    return opening.named(w.node("Mul", w.node("Sigmoid", opening.name), w.laid(signal, opening.axes)))


def gated_linear(layer: layers.GatedLinear, x: Value, w: Pen) -> Value:
    last = x.axes.index(x.rank - 1)
    half = w.size(x, -1) // 2
    signal, opening = w.nodes("Split", x.name, [half, half], outputs=2, axis=last)
    return w.out(w.node("Mul", signal, w.node("Sigmoid", opening)), x.axes)


def flatten(layer: layers.Flatten, x: Value, w: Pen) -> Value:
    return w.out(w.node("Flatten", w.laid(x), axis=1))


def dense(layer: layers.Dense | layers.Monotone, x: Value, w: Pen) -> Value:
    weight = w.parameter("weight", layer.weight)
    bias = "" if layer.bias is None else w.parameter("bias", layer.bias)
    if bias and x.rank == 2:
        return w.out(w.node("Gemm", w.laid(x), weight, bias))
    y = w.node("MatMul", w.laid(x), weight)
    return w.out(w.node("Add", y, bias) if bias else y)


ROWS: dict[type[Any], Callable[[Any, Any, Pen], Value]] = {
    layers.Activation: activation,
    layers.ChannelDropout: unchanged,
    layers.Dense: dense,
    layers.Dropout: unchanged,
    layers.Flatten: flatten,
    layers.Gate: gate,
    layers.GatedLinear: gated_linear,
    layers.GaussianNoise: unchanged,
    layers.LogSoftmax: softmax,
    layers.Monotone: dense,
    layers.PReLU: prelu,
    layers.PlainDropout: unchanged,
    layers.RandomFlip: unchanged,
    layers.RandomShift: unchanged,
    layers.Softmax: softmax,
}
