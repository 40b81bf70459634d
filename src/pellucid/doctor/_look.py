"""One pass through a network, layer by layer: values, slopes, blame and gradients, reduced to what rules read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from ..activations import curve
from ..backprop import backpropagate, places, tapped, traces, untapped
from ..errors import PellucidError
from ..layers import Activation
from ..losses import Loss
from ..module import Layer, learned
from ._numbers import few

FLAT = 0.01  # of the steepest slope: less is flat
ROWS = 256


@dataclass(frozen=True, eq=False)
class LayerLook:
    """One layer in one pass over some rows.

    `spread` is the root mean square of its outputs' deviations from their means over the rows, `size` that of the
    outputs themselves. For a curve: `dead` is the share of units whose slope is 0 on every row, `flat` the share of
    (row, unit) pairs where it is under a hundredth of the steepest, `slope` its root mean square. `blame` is the root
    mean square of dL/dy per row, `gradient` ‖dL/dW‖, `weight` ‖W‖; None for a layer without. `z`
    are some of a curve's inputs, `margins` those of the unit that stays furthest below 0.
    """

    path: str
    kind: str
    spread: float
    size: float
    blame: float
    units: int = 0
    dead: float | None = None
    flat: float | None = None
    slope: float | None = None
    gradient: float | None = None
    weight: float | None = None
    finite: bool = True
    z: tuple[float, ...] = ()
    margins: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Look:
    """All layers of one pass, the loss there, the outputs of the rows, and of sequences the blame of every step."""

    layers: tuple[LayerLook, ...]
    loss: float
    outputs: np.ndarray
    steps: tuple[float, ...] = ()

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.loss)) and all(layer.finite for layer in self.layers)

    @property
    def curves(self) -> tuple[LayerLook, ...]:
        return tuple(layer for layer in self.layers if layer.slope is not None)

    @property
    def weighted(self) -> tuple[LayerLook, ...]:
        return tuple(layer for layer in self.layers if layer.gradient is not None)

    @property
    def first_not_finite(self) -> str:
        return next((layer.path for layer in self.layers if not layer.finite), "")


def look(net: Layer, loss: Loss, x: np.ndarray, y: np.ndarray) -> Look | None:
    """One forward and one backward pass over at most 256 rows at inference; None where they do not fit the network."""
    some = np.linspace(0, len(x) - 1, min(len(x), ROWS)).astype(int)
    x, y = x[some], y[some]
    listening = tapped(net)
    try:
        result = jax.jit(backpropagate, static_argnums=1)(listening, loss, x, y)
    except (PellucidError, TypeError, ValueError):
        return None
    seen, gradients = traces(result.dnet), untapped(result.dnet, net)
    blamed = {place.path: place.layer for place in places(gradients)}
    found = [
        layer_look(place.path, place.layer, blamed.get(place.path), seen[place.at], len(x))
        for place in places(net)
        if place.at in seen
    ]
    return Look(tuple(found), float(result.loss), np.asarray(result.output, np.float64), by_step(result.dx))


def layer_look(path: str, layer: Layer, gradient: Any, trace: Any, rows: int) -> LayerLook:
    y, dy = np.asarray(trace.y, np.float64), np.asarray(trace.dy, np.float64)
    with np.errstate(all="ignore"):
        spread, size = rms(y - y.mean(0)), rms(y)
        blame = rms(dy) * rows
        dead = flat = slope = None
        z = margins = ()
        if isinstance(layer, Activation):
            dead, flat, slope = slopes(layer, trace)
            z, margins = some_inputs(np.asarray(trace.x, np.float64))
        own, theirs = (
            jax.tree.leaves(learned(layer)),
            jax.tree.leaves(learned(gradient)) if gradient is not None else [],
        )
        wide = [(np.asarray(a), np.asarray(b)) for a, b in zip(own, theirs, strict=False) if np.ndim(a) >= 2]
        norm = [
            float(np.sqrt(sum(np.square(a, dtype=np.float64).sum() for a in part))) for part in zip(*wide, strict=True)
        ]
    finite = bool(np.isfinite(y).all() and np.isfinite(dy).all())
    weight, grad = norm if norm else (None, None)
    return LayerLook(
        path,
        type(layer).__name__,
        spread,
        size,
        blame,
        int(y[0].size),
        dead,
        flat,
        slope,
        grad,
        weight,
        finite,
        z,
        margins,
    )


def by_step(dx: Any) -> tuple[float, ...]:
    """The root mean square of the blame of each step of sequences (batch, time, features)."""
    if np.ndim(dx) != 3:
        return ()
    return tuple(np.sqrt(np.square(np.asarray(dx, np.float64)).mean((0, 2))).tolist())


def slopes(layer: Activation, trace: Any) -> tuple[float, float, float]:
    """The share of units that are dead on all rows, of slopes that are flat, and the slopes' root mean square."""
    row, settings = curve(layer.name), dict(layer.settings)
    slope = np.abs(np.asarray(row.derivative(trace.x, trace.y, **settings), np.float64))
    steepest = row.lipschitz(**settings)
    steepest = steepest if np.isfinite(steepest) else max(float(np.nanmax(slope, initial=0.0)), 1e-30)
    units = slope.reshape(len(slope), -1)
    return float((units == 0).all(0).mean()), float((units < FLAT * steepest).mean()), rms(slope)


def some_inputs(x: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """At most 200 of a curve's inputs, and those of the unit whose largest is the lowest."""
    units = x.reshape(-1, x.shape[-1])
    lowest = units[:, int(units.max(0).argmin())]
    return tuple(few(np.sort(units, axis=None))), tuple(few(lowest))


def rms(a: np.ndarray) -> float:
    return float(np.sqrt(np.square(a).mean())) if a.size else 0.0
