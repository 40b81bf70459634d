"""Dense layers, activations, dropout and containers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from layer_cases.case import KEY, RNG, WIDE, Case, F, dense, draw, linear
from pellucid.activations import CURVES
from pellucid.layers import (
    Activation,
    Add,
    Concat,
    Dropout,
    Flatten,
    Function,
    Graph,
    LogSoftmax,
    Masking,
    Monotone,
    Parallel,
    PlainDropout,
    PReLU,
    Residual,
    Sequential,
    Softmax,
)


def pytorch_curve(name: str) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    special = {
        "identity": torch.nn.Identity(),
        "gelu_tanh": torch.nn.GELU(approximate="tanh"),
        "softplus": torch.nn.Softplus(threshold=50),
        "abs": torch.abs,
        "exponential": torch.exp,
    }
    curve = special.get(name) or getattr(F, name.replace("hard_", "hard"))
    return lambda p, x: curve(x)


def pytorch_graph(p, x):
    a = torch.relu(linear(p, "layers.square.", x))
    again = linear(p, "layers.square.", a)
    return linear(p, "layers.out.", torch.cat([again + x + a + a, a, again], -1))


SIGNS = np.outer([1, -1, 0], [1, -1, 0, 1])


def pytorch_monotone(p, x):
    return x @ torch.cat([(torch.tensor(SIGNS) * p["raw"] ** 2)[:2], p["raw"][2:]]) + p["bias"]


with jax.enable_x64(True):
    SCALED = Function(
        lambda p, x: jnp.tanh(p["scale"] * x) + p["shift"], {"scale": RNG.normal(size=3), "shift": RNG.normal()}
    )
CASES = {
    "Dense": Case(
        dense(3, 2), lambda p, x: linear(p, "", x), bad=WIDE, refusal=r"Dense expects x \(batch, 3\), got \(5, 4\)"
    ),
    "Dense without bias": Case(
        dense(3, 2, bias=False),
        lambda p, x: linear(p, "", x),
        bad=jnp.ones(3),
        refusal=r"Dense expects x \(batch, 3\), got \(3,\): for one example give x\[None\]",
    ),
    "Monotone": Case(
        Monotone(draw(3, 4), draw(4), "+-0", "+-0+"),
        pytorch_monotone,
        bad=WIDE,
        refusal=r"Monotone expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Monotone without bias, at every step": Case(
        Monotone(draw(2, 3), None, inputs="++", outputs="+++"),
        lambda p, x: x @ p["raw"] ** 2,
        smooth=draw(2, 4, 2),
        bad=jnp.ones((2, 4, 3)),
        refusal=r"Monotone expects x \(batch, 2\), got \(2, 4, 3\)",
    ),
    **{f"Activation {name}": Case(Activation(name), pytorch_curve(name)) for name in CURVES},
    "Activation with a setting": Case(Activation("elu", alpha=1.7), lambda p, x: F.elu(x, alpha=1.7)),
    "PReLU": Case(
        PReLU(np.array([0.25, -0.5, 2.0])),
        lambda p, x: F.prelu(x, p["slope"]),
        bad=WIDE,
        refusal=r"PReLU expects x \(\.\.\., 3\), got \(5, 4\)",
    ),
    "PReLU, one slope for all": Case(PReLU(np.array([0.25])), lambda p, x: F.prelu(x, p["slope"])),
    "Softmax": Case(
        Softmax(),
        lambda p, x: F.softmax(x, -1),
        bad=jnp.array(1.0),
        refusal=r"Softmax expects x \(\.\.\., classes\), got \(\)",
    ),
    "LogSoftmax": Case(
        LogSoftmax(),
        lambda p, x: F.log_softmax(x, -1),
        bad=jnp.array(1.0),
        refusal=r"LogSoftmax expects x \(\.\.\., classes\), got \(\)",
    ),
    "Flatten": Case(
        Flatten(),
        lambda p, x: torch.flatten(x, 1),
        bad=jnp.ones(3),
        refusal=r"Flatten expects x \(batch, \.\.\.\), got \(3,\)",
    ),
    "Dropout": Case(Dropout(0.4), lambda p, x: F.dropout(x, 0.4, training=False)),
    "Dropout in training": Case(Dropout(0.4), key=KEY),
    "PlainDropout": Case(PlainDropout(0.4), lambda p, x: x.clone()),
    "PlainDropout in training": Case(PlainDropout(0.4), key=KEY),
    "Sequential": Case(
        Sequential([dense(3, 4), Sequential([Activation("relu"), Dropout(0.3)]), dense(4, 2)]),
        lambda p, x: linear(p, "layers[2].", torch.relu(linear(p, "layers[0].", x))),
        bad=WIDE,
        refusal=r"layers\[0\]\.Dense expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Sequential in training": Case(Sequential([Dropout(0.3), Activation("tanh"), Dropout(0.3)]), key=KEY),
    "Sequential of nothing": Case(Sequential([]), lambda p, x: x.clone()),
    "Residual": Case(
        Residual(Sequential([dense(3, 3), Activation("tanh")])),
        lambda p, x: x + torch.tanh(linear(p, "layer.layers[0].", x)),
        bad=WIDE,
        refusal=r"layer\.layers\[0\]\.Dense expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Parallel, side by side": Case(
        Parallel([dense(3, 2), Activation("relu")]),
        lambda p, x: torch.cat([linear(p, "layers[0].", x), torch.relu(x)], -1),
        bad=WIDE,
        refusal=r"layers\[0\]\.Dense expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Parallel, summed": Case(
        Parallel([dense(3, 2), dense(3, 2), dense(3, 2)], join="sum"),
        lambda p, x: sum(linear(p, f"layers[{i}].", x) for i in range(3)),
        bad=WIDE,
        refusal=r"layers\[0\]\.Dense expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Graph": Case(
        Graph(
            {"square": dense(3, 3), "bend": Activation("relu"), "join": Concat(), "sum": Add(), "out": dense(9, 2)},
            [
                ("z", "square", "input"),
                ("a", "bend", "z"),
                ("again", "square", "a"),
                ("mixed", "sum", ("again", "input", "a", "a")),
                ("wide", "join", ("mixed", "a", "again")),
                ("y", "out", "wide"),
            ],
        ),
        pytorch_graph,
        bad=WIDE,
        refusal=r"layers\.square\.Dense expects x \(batch, 3\), got \(5, 4\): node 'z' reads input",
    ),
    "Add": Case(
        Add(),
        lambda p, x: x[0] + x[1],
        pair=True,
        bad=(WIDE, WIDE[:, :1]),
        refusal=r"Add expects inputs of one shape, got \(5, 4\), \(5, 1\)",
    ),
    "Concat": Case(
        Concat(),
        lambda p, x: torch.cat(x, -1),
        pair=True,
        bad=(WIDE, WIDE[:2]),
        refusal=r"Concat expects inputs that differ in the last axis only, got \(5, 4\), \(2, 4\)",
    ),
    "Masking": Case(
        Masking(),
        lambda p, x: torch.where(torch.isnan(x), 0, x),
        bad=jnp.ones(3),
        refusal=r"Masking expects x \(batch, time, \.\.\.\), got \(3,\)",
    ),
    "Dense at every step": Case(
        dense(2, 3),
        lambda p, x: linear(p, "", x),
        smooth=draw(2, 4, 2),
        bad=jnp.ones((2, 4, 3)),
        refusal=r"Dense expects x \(batch, 2\), got \(2, 4, 3\)",
    ),
    "Function": Case(Function(jnp.sin), lambda p, x: torch.sin(x), saved=False),
    "Function with parameters": Case(
        SCALED,
        lambda p, x: torch.tanh(p["parameters.scale"] * x) + p["parameters.shift"],
        saved=False,
    ),
}
