"""ATen's recurrent layers and cells in the words of ONNX."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import InteropError
from ._layers import linear
from ._shapes import permuted
from ._words import Tensor, Writer

RNNS = {"lstm": ("LSTM", (0, 3, 1, 2)), "gru": ("GRU", (1, 0, 2)), "rnn_tanh": ("RNN", (0,)), "rnn_relu": ("RNN", (0,))}


def recurrent(name: str) -> Callable[..., Any]:
    """Stacked recurrent layers, their gates in the order of ONNX; (time, batch, features) inside."""
    kind, gates = RNNS[name]

    def written(
        w: Writer, x: Tensor, start: Any, weights: Sequence[Tensor], bias: bool, depth: int, p: float, train: bool,
        both: bool, batch_first: bool = False,
    ) -> Any:  # fmt: skip
        if x.rank != 3 or len(weights) != depth * (1 + both) * (4 if bias else 2):
            raise InteropError("recurrence over packed or unbatched sequences, or with a projection, is not translated")
        starts = list(start) if kind == "LSTM" else [start]
        y: Any = permuted(w, x, (1, 0, 2)) if batch_first else x
        n, ends = 1 + both, []
        settings = {"hidden_size": weights[1].shape[1], "direction": "bidirectional" if both else "forward"}
        if kind == "GRU":
            settings["linear_before_reset"] = 1
        if kind == "RNN":
            settings["activations"] = [name.removeprefix("rnn_").capitalize()] * n
        for layer in range(depth):
            own = weights[layer * n * (4 if bias else 2) :][: n * (4 if bias else 2)]
            firsts = [part(w, s, layer * n, n) for s in starts]
            y, *last = w.add(
                kind, y, *onnx_weights(w, own, gates, bias), None, *firsts, outputs=1 + len(starts), **settings
            )
            ends.append(last)
            y = w.add("Squeeze", y, w.constant([1])) if n == 1 else turned(w, y)
            if p and layer < depth - 1:
                y = w.add("Dropout", y, w.constant(np.asarray(p, np.float32)))
        states = [w.add("Concat", *parts, axis=0) if depth > 1 else parts[0] for parts in zip(*ends, strict=True)]
        return [w.add("Transpose", y, perm=[1, 0, 2]) if batch_first else y, *states]

    return written


def turned(w: Writer, y: str) -> str:
    """(time, directions, batch, hidden) -> (time, batch, directions · hidden)."""
    return w.add("Reshape", w.add("Transpose", y, perm=[0, 2, 1, 3]), w.constant([0, 0, -1]))


def part(w: Writer, start: Tensor, at: int, n: int) -> Any:
    """The first state of one of several layers; None where all are zeros."""
    if start.zero:
        return None
    if start.shape[0] == n:
        return start
    return w.add("Slice", start, w.constant([at]), w.constant([at + n]), w.constant([0]))


def onnx_weights(w: Writer, own: Sequence[Tensor], gates: Sequence[int], bias: bool) -> list[Any]:
    """W, R and B of one layer, a row for each direction."""
    step = 4 if bias else 2
    inputs, hidden = own[::step], own[1::step]

    def ordered(*arrays: np.ndarray) -> np.ndarray:
        parts = [np.split(array, len(gates)) for array in arrays]
        return np.stack([np.concatenate([part[g] for g in gates]) for part in parts])

    def biases(*arrays: np.ndarray) -> np.ndarray:
        return np.concatenate([ordered(*arrays[::2]), ordered(*arrays[1::2])], axis=1)

    both = [w.derived("", ordered, *inputs), w.derived("", ordered, *hidden)]
    if not bias:
        return [*both, None]
    return [*both, w.derived("", biases, *(own[i + at] for i in range(0, len(own), step) for at in (2, 3)))]


def cell_sums(w: Writer, x: Tensor, h: Tensor, weights: Sequence[Any], gates: int) -> tuple[list[str], list[str]]:
    """What input and state bring to each gate, apart."""
    of_input, of_state = linear(w, x, weights[0], weights[2]), linear(w, h, weights[1], weights[3])
    if gates == 1:
        return [of_input], [of_state]
    first, second = (w.add("Split", z, outputs=gates, axis=-1, num_outputs=gates) for z in (of_input, of_state))
    return list(first), list(second)


def lstm_cell(w: Writer, x: Tensor, state: Sequence[Tensor], *weights: Any) -> Any:
    sums = cell_sums(w, x, state[0], (*weights, None, None), 4)
    i, f, g, o = (w.add("Add", a, b) for a, b in zip(*sums, strict=True))
    kept = w.add("Mul", w.add("Sigmoid", f), state[1])
    c = w.add("Add", kept, w.add("Mul", w.add("Sigmoid", i), w.add("Tanh", g)))
    return [w.add("Mul", w.add("Sigmoid", o), w.add("Tanh", c)), c]


def gru_cell(w: Writer, x: Tensor, h: Tensor, *weights: Any) -> Any:
    (xr, xz, xn), (hr, hz, hn) = cell_sums(w, x, h, (*weights, None, None), 3)
    r, z = w.add("Sigmoid", w.add("Add", xr, hr)), w.add("Sigmoid", w.add("Add", xz, hz))
    n = w.add("Tanh", w.add("Add", xn, w.add("Mul", r, hn)))
    return w.add("Add", n, w.add("Mul", z, w.add("Sub", h, n)))


def rnn_cell(kind: str) -> Callable[..., Any]:
    def written(w: Writer, x: Tensor, h: Tensor, *weights: Any) -> Any:
        (of_input,), (of_state,) = cell_sums(w, x, h, (*weights, None, None), 1)
        return w.add(kind, w.add("Add", of_input, of_state))

    return written


RECURRENT: dict[str, Callable[..., Any]] = {
    **{name: recurrent(name) for name in RNNS},
    "lstm_cell": lstm_cell,
    "gru_cell": gru_cell,
    "rnn_tanh_cell": rnn_cell("Tanh"),
    "rnn_relu_cell": rnn_cell("Relu"),
}
