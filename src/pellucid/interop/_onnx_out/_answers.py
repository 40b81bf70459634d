"""From a run's output to its answers: the loss's link, names of classes, numbers in the target's own unit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...train import Run, Target
from ._sheet import INT, Lengths, Pen, Value

FLAT = 30.0  # past which the link "exp" goes on as a straight line


def exp(w: Pen, z: str) -> str:
    near = w.node("Min", z, FLAT)
    return w.node("Mul", w.node("Exp", near), w.node("Sub", w.node("Add", z, 1.0), near))


def sign(w: Pen, z: str) -> str:
    return w.node("Where", w.node("GreaterOrEqual", z, 0.0), 1.0, -1.0)


def unit(w: Pen, z: str) -> str:
    """z / |z|; the zero vector stays."""
    square = w.node("ReduceSum", w.node("Mul", z, z), [-1], keepdims=1)
    length = w.node("Sqrt", w.node("Max", square, 1e-16))
    return w.node("Where", w.node("Greater", square, 1e-16), w.node("Div", z, length), 0.0)


def mean(w: Pen, z: str) -> str:
    return w.nodes("Split", z, outputs=2, axis=-1, num_outputs=2)[0]


LINKS: dict[str, Callable[[Pen, str], str]] = {
    "identity": lambda w, z: z,
    "sigmoid": lambda w, z: w.node("Sigmoid", z),
    "softmax": lambda w, z: w.node("Softmax", z, axis=-1),
    "exp": exp,
    "sign": sign,
    "mean": mean,
    "unit": unit,
}


def output_of(z: Value, w: Pen) -> Value:
    """The run's output for raw rows: of answers at every step, NaN where the sequence has ended."""
    return ended(z.named(w.laid(z)), z.lengths, w)


def answers_of(run: Run, z: Value, w: Pen) -> dict[str, Value]:
    """The outputs of the model by name: "prediction", and for classes, where there are any, "probabilities"."""
    link, target = run.settings.loss.link, run.preprocess.target
    n = w.size(z, -1) // (2 if link == "mean" else 1)
    linked = replace(z, name=LINKS[link](w, w.laid(z)), shape=(*z.shape[:-1], n), axes=tuple(range(z.rank)))
    named = label_of(target, linked, w) if target.classes else number_of(target, linked, w)
    found = {"prediction": ended(named, z.lengths, w)}
    if target.classes and link == "softmax":
        found["probabilities"] = ended(linked, z.lengths, w)
    elif target.classes and link == "sigmoid" and n == 1:
        both = w.node("Concat", w.node("Sub", 1.0, linked.name), linked.name, axis=-1)
        found["probabilities"] = ended(replace(linked, name=both, shape=(*z.shape[:-1], 2)), z.lengths, w)
    return found


def number_of(target: Target, linked: Value, w: Pen) -> Value:
    """The numbers in the target's own unit, flat where there is one for each row, or each step of it."""
    name = linked.name
    if target.kind == "number":
        name = w.node("Add", w.node("Mul", name, float(target.scale)), float(target.mean))
    if linked.shape[-1] != 1 or linked.rank > 2 + target.steps:
        return linked.named(name)
    return without_last(linked, w.node("Squeeze", name, [-1]), linked.dtype)


def label_of(target: Target, linked: Value, w: Pen) -> Value:
    """The likeliest class by its name."""
    if linked.shape[-1] == 1:
        likeliest = w.node("Squeeze", w.node("Cast", w.node("Greater", linked.name, 0.5), to=INT), [-1])
    else:
        likeliest = w.node("ArgMax", linked.name, axis=-1, keepdims=0)
    if linked.lengths is not None:  # as real numbers, so that there can be NaN among them
        return without_last(linked, w.node("Cast", likeliest, to=w.sheet.dtype), w.sheet.dtype)
    if target.kind == "integer":
        return without_last(linked, likeliest, INT)
    names = np.array(target.classes)
    names = names.astype(object) if names.dtype.kind == "U" else names
    return without_last(linked, w.node("Gather", w.parameter("classes", names), likeliest, axis=0), names.dtype)


def without_last(x: Value, name: str, dtype: np.dtype) -> Value:
    return replace(x, name=name, shape=x.shape[:-1], dtype=dtype, axes=x.axes[:-1])


def ended(x: Value, lengths: Lengths | None, w: Pen) -> Value:
    """NaN where a sequence has ended, for answers at every step."""
    if lengths is None:
        return x
    return x.named(w.node("Where", w.mask(replace(x, lengths=lengths)), x.name, float("nan")))
