from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

import numpy as np

from ..errors import SettingError
from ..module import Layer
from ..records import Record
from ..train import Run
from ._places import pictured
from ._unit import Place, place_of


@dataclass(frozen=True)
class Filters(Record):
    """The weights of all units of a layer as pictures: `weight[j]` is unit j's, (width, in) or (height, width, in)."""

    path: str
    kind: str
    weight: np.ndarray = field(repr=False)


def filters(net: Layer | Run, path: str, shape: tuple[int, ...] | None = None) -> Filters:
    """The kernels of a convolution, or what each unit of a Dense layer looks for in a picture of `shape`.

    A run that was trained on pictures, or on columns named as pixels, knows their shape.

    Raises: SettingError where there is no such layer, or its weights make no picture.
    Example:
        >>> from pellucid import mlp
        >>> filters(mlp([6, 4, 1], key=0), "layers[0]", shape=(2, 3)).weight.shape
        (4, 2, 3, 1)
    """
    place = place_of(net.net if isinstance(net, Run) else net, path)
    weight = np.stack([place.weights(j) for j in range(place.units)])
    if place.gates:
        raise SettingError(
            f"{path} is a {type(place.layer).__name__}, whose weights are no pictures: ask for a neuron."
        )
    if weight.ndim == 2:
        weight = dense_pictures(net, place, weight, shape)
    return Filters(path, type(place.layer).__name__, weight)


def dense_pictures(net: Layer | Run, place: Place, weight: np.ndarray, shape: tuple[int, ...] | None) -> np.ndarray:
    """The columns of a Dense layer in the shape of what it sees, (units, height, width, channels)."""
    known = net.preprocess if isinstance(net, Run) and place.before is None else None
    if shape is None and known is not None and known.shape is None:
        drawn = [pictured(known.input_names, column) for column in weight]
        if all(picture is not None for picture in drawn):
            return np.stack([picture for picture in drawn if picture is not None])[..., None]
    shape = shape or (known.shape if known is not None else None) or ()
    if len(shape) not in (2, 3) or prod(shape) != weight.shape[1]:
        got, n = f"shape={shape}" if shape else "no shape", weight.shape[1]
        raise SettingError(f"{place.path} weighs {n} inputs: give their shape as a picture, as in (28, 28); got {got}.")
    return weight.reshape(len(weight), *shape, *(1,) * (3 - len(shape)))
