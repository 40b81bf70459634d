"""BatchNorm along another axis than that of the units before it, found by moving one of those units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from ..backprop import heard
from ..language import phrase
from ..layers import BatchNorm, Sequential
from ..module import Layer, children, has_weights, walk
from ._patient import Patient
from ._rule import Rule, Sign

FEW = 4  # rows
MOVED = 1e-3  # of the largest output


class Chain(NamedTuple):
    """A layer with weights, what lies between it and a BatchNorm, and that."""

    layer: str
    between: tuple[Layer, ...]
    norm: str


def other_axis(patient: Patient) -> Iterator[Sign]:
    """A BatchNorm whose features are not the units of the layer before it: one unit moves all of them."""
    found = [chain for chain in chains(patient.net) if chain.between]
    if not found or not patient.has_rows:
        return
    outputs = dict(heard(patient.net, jnp.asarray(patient.some[0][:FEW]), units))
    for chain in found:
        y = outputs.get(chain.layer)
        if y is None or y.ndim < 3:
            continue
        axis = moved_axis(chain.between, y)
        if axis is not None:
            words = phrase(
                "the {n:,} units of {layer} lie on axis {axis}, it normalises along the last",
                n=y.shape[-1],
                layer=chain.layer,
                axis=axis,
            )
            yield Sign(chain.norm, words, "likely", 0.1, {"axis": axis})


def units(layer: Layer, x: Any, y: Any, saved: Any) -> Any:
    return y if has_weights(layer) else None


def chains(net: Layer) -> Iterator[Chain]:
    """Every BatchNorm of a Sequential with the layer with weights before it."""
    for path, layer in walk(net):
        if not isinstance(layer, Sequential):
            continue
        last: tuple[str, int] | None = None
        for i, (part, child) in enumerate(parts := list(children(layer).items())):
            here = f"{path}.{part}".removeprefix(".")
            if isinstance(child, BatchNorm) and last is not None:
                yield Chain(last[0], tuple(between for _, between in parts[last[1] + 1 : i]), here)
            if children(child) or isinstance(child, BatchNorm):
                last = None
            elif has_weights(child):
                last = here, i


def moved_axis(between: tuple[Layer, ...], y: Any) -> int | None:
    """The axis on which one unit of y lies behind these layers, where that is not the last and all of that moves."""
    was, now = y, y.at[..., 0].add(1 + jnp.abs(y).max())
    for layer in between:
        was, now = layer(was), layer(now)
    moved = np.abs(np.asarray(now - was))
    moved = moved > MOVED * max(float(moved.max()), 1e-30)
    if moved.ndim < 3:
        return None
    counts = [int(moved.any(tuple(a for a in range(moved.ndim) if a != axis)).sum()) for axis in range(moved.ndim)]
    if counts[-1] < moved.shape[-1] or moved.shape[-1] == 1:
        return None
    return next((a for a in range(1, moved.ndim - 1) if counts[a] == 1 < moved.shape[a] == y.shape[-1]), None)


AXIS_RULES: tuple[Rule, ...] = (
    Rule(
        "BN_AXIS", phrase("BatchNorm on another axis"), "probe", other_axis,
        phrase("The mean and variance are to be those of each unit over rows and places: along another axis they mix "
               "units, and the scale and shift that are learned belong to places."),
        phrase("Put BatchNorm before the axes are exchanged, or exchange them back: units, or channels, come last."),
        phrase("Ioffe and Szegedy 2015, section 3.2; by moving one unit"),
    ),
)  # fmt: skip
