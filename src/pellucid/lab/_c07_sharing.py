"""C7: a convolution shares its weights over positions; without sharing there are 900 times as many, and it learns by
heart."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..backprop import Row, summary
from ..errors import DataError, SettingError
from ..language import phrase
from ..layers import Activation, Conv1d, Conv2d, Dense, GlobalMaxPool, Sequential, unshare
from ..losses import loss as loss_named
from ..module import Layer, map_layers, parameters, static, walk
from ..train import bundled
from ._evidence import Sharing
from ._given import Given
from ._learn import accuracy, learned
from ._record import Found, at_least, equal

FAULTS = {
    "shared-by-rows": phrase("Each row of the picture has a kernel of its own, which its columns share."),
    "nothing-shared": phrase("The convolution, too, is trained with its sharing undone."),
}
CODE = (Conv2d.forward, unshare)
SIDE, KERNEL, UNITS = 32, 3, 8
FILTERS, WINDOW, SHIFT = 16, 5, 2  # of the network that is trained
STEPS, LEARNED, TESTED = 600, 300, 600
GAIN = 0.05  # of the test error, at least, that sharing must save


def experiment(given: Given, fault: str | None = None) -> Found:
    """The exact ratio of the parameters, the same function on a picture, and both trained, tested on shifted ones."""
    conv, shape = layer_asked(given)
    local = undone(conv, shape, fault)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = np.asarray(conv(x))
    found = trained(given, fault)
    checks = (
        equal(phrase("Parameters without sharing, for each one with it"), expected_places(conv, shape),
              size(local) / size(conv)),
        equal(phrase("The largest difference of their outputs on a picture, before training"), 0.0,
              float(abs(np.asarray(local(x)) - y).max()), 1e-5 * float(abs(y).max())),
        equal(phrase("pl.summary: how often each weight is used"), expected_places(conv, shape),
              float(row_of(conv, shape).uses)),
        at_least(phrase("Test error on shifted pictures, without sharing less with it"), GAIN,
                 found.errors[1] - found.errors[0]),
    )  # fmt: skip
    measured = {
        "places": expected_places(conv, shape), "alone": size(local), "shared": size(conv), "n": LEARNED,
        "with_it": found.errors[0], "without": found.errors[1], "first": found.learned[0], "second": found.learned[1],
    }  # fmt: skip
    on = phrase("a 3×3 kernel over 32×32, and the digits, shifted") if given.own else given.words
    return Found(on, checks, measured, found)


def size(layer: Layer) -> int:
    return sum(a.size for a in parameters(layer).values())


def row_of(conv: Layer, shape: tuple[int, ...]) -> Row:
    return summary(conv, shape).rows[0]


def layer_asked(given: Given) -> tuple[Conv1d | Conv2d, tuple[int, ...]]:
    """The convolution to undo, and the shape of its input: the lab's, or the first of the user's network.

    Raises: SettingError where the network begins with none; DataError where nothing says how large its input is.
    """
    if given.net is None:
        return Conv2d.create(1, UNITS, KERNEL, key=jax.random.key(0)), (1, SIDE, SIDE, 1)
    found = next((layer for _, layer in walk(given.net) if isinstance(layer, Conv1d | Conv2d)), None)
    first = next(layer for _, layer in walk(given.net) if parameters(layer) and not getattr(layer, "layers", None))
    if found is None or first is not found:
        raise SettingError("C7 is about a convolution: the network needs a Conv1d or Conv2d as its first layer.")
    if given.rows is None:
        raise DataError("A convolution takes inputs of any size: give pictures as data=(x, y).")
    return found, (1, *given.rows.x.shape[1:])


def expected_places(conv: Conv1d | Conv2d, shape: tuple[int, ...]) -> int:
    """How many places the kernel is used at, by arithmetic: ⌊(n + padding − dilation (k − 1) − 1) / stride⌋ + 1."""
    axes = len(conv.stride)
    sides = zip(shape[1:-1], conv.weight.shape[:axes], conv.stride, conv.dilation, strict=True)
    if isinstance(conv.padding, str):
        counts = [-(-n // s) if conv.padding == "same" else (n - d * (k - 1) - 1) // s + 1 for n, k, s, d in sides]
    else:
        counts = [(n + sum(p) - d * (k - 1) - 1) // s + 1
                  for (n, k, s, d), p in zip(sides, conv.padding, strict=True)]  # fmt: skip
    return int(np.prod(counts))


class ByRows(Layer):
    """The fault: a locally connected layer whose kernels are those of their row, for every column."""

    kernels: Any
    columns: int = static()

    def whole(self) -> Any:
        """The layer with a kernel at every place."""
        one = self.kernels
        weight = jnp.repeat(one.weight, self.columns, 1)
        bias = None if one.bias is None else jnp.repeat(one.bias, self.columns, 1)
        return type(one)(weight, bias, one.stride, one.padding, one.dilation)

    def forward(self, x: Array, *, key: Array | None = None) -> tuple[Array, Any]:
        return self.whole().forward(x)

    def backward(self, saved: Any, dy: Array) -> tuple[Array, ByRows]:
        dx, blame = self.whole().backward(saved, dy)
        return dx, ByRows(jax.tree.map(lambda a: a.sum(1, keepdims=True), blame), self.columns)


def undone(conv: Conv1d | Conv2d, shape: tuple[int, ...], fault: str | None) -> Any:
    """The layer without sharing; with the fault, of a picture a kernel for each row alone."""
    local = unshare(conv, shape)
    if fault != "shared-by-rows" or len(conv.stride) < 2:
        return local
    first = jax.tree.map(lambda a: a[:, :1], local)
    return ByRows(first, local.weight.shape[1])


def trained(given: Given, fault: str | None) -> Sharing:
    """The network with sharing and without, from the same function, on the same pictures."""
    x, y, net = pictures(given)
    conv = next(layer for _, layer in walk(net) if isinstance(layer, Conv1d | Conv2d))
    alone = replaced(net, conv, unshare(conv, (1, *x.shape[1:])))
    order = np.random.default_rng(0).permutation(len(x))
    own, other = order[: min(LEARNED, len(x) // 2)], order[-min(TESTED, len(x) // 2) :]
    moved = shifted(x[other])
    after, errors, kept = [], [], []
    for start in (alone if fault == "nothing-shared" else net, alone):
        found: Any = learned(start, x[own], y[own], loss_named("cross_entropy"), STEPS).net
        after.append(found)
        errors.append(1 - accuracy(found, moved, y[other]))
        kept.append(1 - accuracy(found, x[own], y[own]))
    counts = size(net), size(alone)
    shared, apart = (
        np.asarray(next(a for path, a in parameters(one).items() if path.endswith("weight"))) for one in after
    )
    return Sharing(counts, (errors[0], errors[1]), (kept[0], kept[1]), shared, apart, moved[:8])


def pictures(given: Given) -> tuple[np.ndarray, np.ndarray, Layer]:
    """Pictures with their classes, and a network for them.

    Raises: DataError where the rows are no pictures or signals, or have no classes.
    """
    if given.rows is None:
        table, target = bundled("digits")
        x = (table.drop(target).to_numpy() / 16).astype(np.float32).reshape(-1, 8, 8, 1)
        x = np.pad(x, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT), (0, 0)))  # room to be moved in, with nothing cut off
        y, classes = table[target].to_numpy().astype(np.int32), 10
    else:
        x, y, classes = given.rows.x, given.rows.targets(), given.rows.classes
    if x.ndim not in (3, 4) or not classes:
        shapes = "pictures (rows, height, width, channels) or signals (rows, time, channels)"
        raise DataError(f"C7 needs {shapes} with classes.")
    if given.net is not None:
        return x, y, given.net
    first, second = jax.random.split(jax.random.key(0))
    kind = Conv2d if x.ndim == 4 else Conv1d
    conv = kind.create(x.shape[-1], FILTERS, WINDOW, key=first, padding="same")
    return x, y, Sequential([conv, Activation("relu"), GlobalMaxPool(), Dense.create(FILTERS, classes, key=second)])


def replaced(net: Layer, old: Layer, new: Layer) -> Layer:
    """The network with one layer in the place of another."""
    return map_layers(net, lambda _, layer: new if layer is old else layer)


def shifted(x: np.ndarray, most: int = SHIFT) -> np.ndarray:
    """Every picture moved by up to `most` places along each of its axes."""
    axes = x.ndim - 2
    padded = np.pad(x, ((0, 0), *[(most, most)] * axes, (0, 0)))
    corners = np.random.default_rng(0).integers(0, 2 * most + 1, (len(x), axes))
    return np.stack([
        picture[tuple(slice(at, at + n) for at, n in zip(corner, x.shape[1:], strict=False))]
        for picture, corner in zip(padded, corners, strict=True)
    ])  # fmt: skip
