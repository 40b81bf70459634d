from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile

import numpy as np

from ..layers import Activation, Dense, Dropout, Flatten, Sequential
from ..module import Layer, children, walk
from ..records import Record
from ..train import Preprocess, Run
from ._judged import data_of, judged
from ._places import places_of

STRONGEST = 6


@dataclass(frozen=True)
class Term(Record):
    """One input's part in a neuron: `weight` per unit of the input, `pull = |weight| · its deviation over the rows`.

    `unit` says per what: "per unit of age", "where city = Rome".
    """

    name: str
    weight: float
    pull: float
    unit: str


@dataclass(frozen=True)
class Neuron(Record):
    """A first-layer neuron as a hyperplane in the users' own units, `z = Σ weight · input + bias = 0`.

    `positive` is the share of the rows with z > 0. `effect` is the deviation of its activation over the rows times the
    norm of its outgoing weights: how much it moves the layer above. `terms` are the strongest by pull, of `inputs`.
    `picture` holds weight · deviation of every input at its place where the inputs are pixels of an image.
    """

    unit: int
    terms: tuple[Term, ...]
    bias: float
    inputs: int
    positive: float
    effect: float
    picture: np.ndarray | None = None


@dataclass(frozen=True)
class Neurons(Record):
    """The neurons of the first layer with the largest effect, `total` of them in all; `note` says why there are none.

    `activation` is the curve behind them, "identity" where there is none.
    """

    path: str
    activation: str
    units: tuple[Neuron, ...]
    total: int
    rows: int
    held_out: bool
    note: str = ""


def neurons(run: Run, most: int = 8) -> Neurons:
    """The first layer's neurons in the users' own units, ordered by their effect."""
    rows = judged(data_of(run))
    found = first_dense(run.net)
    if found is None:
        note = "The first layer with weights is not a Dense layer that sees the inputs as they come."
        return Neurons("", "", (), 0, len(rows.block.x), rows.held_out, note)
    path, dense, between, after = found
    x = np.asarray(rows.block.x).reshape(len(rows.block.x), -1)
    z = np.asarray(dense(x))
    activation = np.asarray(through(between, z), float)
    outgoing = np.linalg.norm(np.asarray(after.weight, float), axis=1) if after else np.ones(z.shape[1])
    effect = activation.std(0) * outgoing if activation.shape == z.shape else z.std(0, dtype=float)
    weight = np.asarray(dense.weight, float)
    bias = np.zeros(z.shape[1]) if dense.bias is None else np.asarray(dense.bias)
    own, shift = run.preprocess.original_units(weight, bias)
    deviation = x.std(0, dtype=float)
    pull = np.abs(weight) * deviation[:, None]
    units = tuple(
        Neuron(
            int(j),
            terms(run.preprocess, own[:, j], pull[:, j]),
            float(shift[j]),
            len(weight),
            float((z[:, j] > 0).mean()),
            float(effect[j]),
            drawn(run.preprocess, weight[:, j] * deviation),
        )
        for j in np.argsort(-effect, kind="stable")[:most]
    )
    name = next((layer.name for layer in between if isinstance(layer, Activation)), "identity")
    return Neurons(path, name, units, z.shape[1], len(x), rows.held_out)


def first_dense(net: Layer) -> tuple[str, Dense, list[Layer], Dense | None] | None:
    """The Dense layer that sees the inputs, the layers without weights behind it, and the Dense that follows."""
    if any(children(layer) and not isinstance(layer, Sequential) for _, layer in walk(net)):
        return None
    leaves = [(path, layer) for path, layer in walk(net) if not children(layer)]
    while leaves and isinstance(leaves[0][1], Flatten | Dropout):
        leaves = leaves[1:]
    path, dense = leaves[0] if leaves else ("", None)
    if not isinstance(dense, Dense):
        return None
    rest = [layer for _, layer in leaves[1:]]
    between = list(takewhile(lambda layer: not isinstance(layer, Dense), rest))
    above = next((layer for layer in rest if isinstance(layer, Dense)), None)
    return path, dense, between, above


def through(layers: list[Layer], x: np.ndarray) -> np.ndarray:
    for layer in layers:
        x = np.asarray(layer(x))
    return x


def terms(preprocess: Preprocess, weight: np.ndarray, pull: np.ndarray) -> tuple[Term, ...]:
    """The strongest terms of one neuron."""
    names, columns = preprocess.input_names, preprocess.input_columns
    kinds = {column.name: column.kind for column in preprocess.columns}
    found = []
    for i in np.argsort(-pull, kind="stable")[:STRONGEST]:
        number = kinds.get(columns[i], "number") in ("number", "date") and not names[i].endswith(" is missing")
        unit = f"per unit of {names[i]}" if number else f"where {names[i]}"
        found.append(Term(names[i], float(weight[i]), float(pull[i]), unit))
    return tuple(found)


def drawn(preprocess: Preprocess, values: np.ndarray) -> np.ndarray | None:
    """One number for each input at its place in the image; None where the inputs are no image."""
    places = places_of(preprocess.input_names)
    if places is None:
        return None
    high, wide = (max(place[axis] for place in places) + 1 for axis in (0, 1))
    picture = np.zeros((high, wide))
    for place, value in zip(places, values, strict=True):
        picture[place] = value
    return picture
