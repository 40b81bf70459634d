"""A chain of Dense layers and activations taken apart into stages, and put together again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..activations import curve
from ..errors import SettingError
from ..layers import Activation, Dense, Dropout, Sequential, fold_batchnorm
from ..module import Layer, joined
from ._chain import single


@dataclass(eq=False)
class Stage:
    """`curve(h W + b)`, in float64; no curve is the identity. `names` are the units, as in `layers[1][5]`."""

    weight: np.ndarray
    bias: np.ndarray
    curve: Activation | None
    names: list[str] = field(default_factory=list)

    @property
    def width(self) -> int:
        return len(self.bias)

    @property
    def lipschitz(self) -> float:
        return 1.0 if self.curve is None else curve(self.curve.name).lipschitz(**dict(self.curve.settings))

    @property
    def pieces(self) -> tuple[tuple[float, ...], tuple[tuple[float, float], ...]] | None:
        """The kinks of the curve, and slope and offset of its straight pieces; None where it is not of such."""
        if self.curve is None:
            return (), ((1.0, 0.0),)
        row = curve(self.curve.name)
        return None if row.pieces is None else (row.kinks, row.pieces(**dict(self.curve.settings)))

    @property
    def homogeneous(self) -> bool:
        """Whether `curve(c z) = c curve(z)` for every c > 0."""
        found = self.pieces
        return found is not None and not any(found[0]) and not any(offset for _, offset in found[1])

    @property
    def carries(self) -> bool:
        """Whether numbers above 0 go through unchanged."""
        found = self.pieces
        return found is not None and found[0] in ((), (0.0,)) and found[1][-1] == (1.0, 0.0)

    def __call__(self, z: np.ndarray) -> np.ndarray:
        """What the curve makes of numbers, in float64."""
        if self.curve is None:
            return z
        if self.pieces is None:
            with jax.enable_x64(True):
                return np.asarray(self.curve.forward(jnp.asarray(z, jnp.float64))[0])
        kinks, pieces = self.pieces
        slopes, offsets = np.array(pieces).T
        piece = (z[..., None] > np.array(kinks)).sum(-1)
        return slopes[piece] * z + offsets[piece]

    def span(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The least and the largest that the curve makes of numbers between these."""
        if self.pieces is None:
            reach = abs(self(np.zeros(1))) + self.lipschitz * np.maximum(abs(low), abs(high))
            return -reach, reach
        ends = [self(z) for z in (low, high, *(np.clip(kink, low, high) for kink in self.pieces[0]))]
        return np.minimum.reduce(ends), np.maximum.reduce(ends)

    def keep(self, units: np.ndarray, after: Stage) -> None:
        """Only some of the units, here and where they are read."""
        self.weight, self.bias = self.weight[:, units], self.bias[units]
        after.weight = after.weight[units]
        self.names = [self.names[i] for i in np.arange(len(self.names))[units]]


def stages_of(net: Layer) -> tuple[list[Stage], Activation | None]:
    """The stages of a chain, the last without a curve, and a curve that stands behind it.

    Raises: SettingError naming a part that is none of the chain, or whose steepness has no bound.
    """
    if not isinstance(net, Layer):
        raise SettingError(f"simplify wants a network, got {net!r}.")
    stages: list[Stage] = []
    waiting: Stage | None = None
    for path, layer in flat(fold_batchnorm(net)):
        match layer:
            case Dense(weight=weight, bias=bias):
                if waiting is not None:
                    stages.append(waiting)
                weight = np.asarray(weight, float)
                waiting = Stage(weight, np.zeros(weight.shape[1]) if bias is None else np.asarray(bias, float), None)
                waiting.names = [f"{path}[{i}]" for i in range(waiting.width)]
            case Activation() if waiting is not None and waiting.curve is None:
                waiting = Stage(waiting.weight, waiting.bias, layer, [f"{path}[{i}]" for i in range(waiting.width)])
                if not np.isfinite(waiting.lipschitz):
                    raise SettingError(f"{path} is a {layer.name}, whose slope has no bound: simplify cannot weigh it.")
            case Dropout():
                continue
            case _:
                raise SettingError(
                    f"simplify works on Dense layers with activations between them; {path or 'the network'} is "
                    f"{'a second activation' if isinstance(layer, Activation) else f'a {type(layer).__name__}'}."
                )
    if waiting is None:
        raise SettingError("simplify works on Dense layers with activations between them; the network has none.")
    aside = waiting.curve
    return [*stages, Stage(waiting.weight, waiting.bias, None, waiting.names)], aside


def flat(net: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """The layers of a chain in order, with their paths."""
    if not isinstance(net, Sequential):
        yield path, net
        return
    for i, layer in enumerate(net.layers):
        yield from flat(layer, joined(path, f"layers[{i}]"))


def net_of(stages: list[Stage], aside: Activation | None = None, dtype: Any = np.float32) -> Sequential:
    """The stages as layers, their weights in float32."""
    layers: list[Any] = []
    for stage in stages:
        layers.append(Dense(*(held(a, dtype) for a in (stage.weight, stage.bias))))
        layers += [stage.curve] if stage.curve is not None else []
    return Sequential(layers + ([aside] if aside is not None else []))


def held(a: np.ndarray, dtype: Any) -> Any:
    """An array of JAX in float32, or of NumPy in float64."""
    return jnp.asarray(single(a), dtype) if dtype == np.float32 else np.asarray(a, dtype)


def gains(stages: list[Stage], k: int) -> np.ndarray:
    """By how much a change of each number that goes into stage k can change each output at most, (width, outputs)."""
    found = np.eye(stages[-1].width)
    for stage in reversed(stages[k:]):
        found = abs(stage.weight) @ (stage.lipschitz * found)
    return found
