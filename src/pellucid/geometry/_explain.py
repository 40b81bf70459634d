"""One answer explained: the affine map that gave it, what each input contributed, and how far the map holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..errors import GeometryError
from ..language import phrase
from ..module import Layer
from ..records import Record
from ..train import Run
from ._given import Given, bounds_of, given
from ._network import Network
from ._region import Region, box_of, region_of
from ._words import sentences

REFUSED = 1e-6


class Flip(Protocol):
    """A change of the input that changes the answer: any record that can say so in a sentence."""

    @property
    def sentence(self) -> str: ...


@dataclass(frozen=True)
class Part(Record):
    """One input's part in an answer: `contribution = weight · value`, and the values between which the map holds.

    Alone: the other inputs stay as they are. −inf and inf where nothing ends it.
    """

    name: str
    value: float
    weight: float
    contribution: float
    low: float
    high: float


@dataclass(frozen=True)
class Other(Record):
    """What another category would give: its contribution by this map, the network's own output, and whether that is
    still given by this map."""

    name: str
    contribution: float
    output: float
    same_region: bool


@dataclass(frozen=True)
class Choice(Record):
    """A column of categories: the one that is there ("" where training had none such), and the others."""

    column: str
    name: str
    contribution: float
    others: tuple[Other, ...]


@dataclass(frozen=True)
class Explanation(Record):
    """Why the network gave this output: `value = constant + Σ weights · values`, exactly, within `region`.

    All in the users' own units, but the region, which is in the network's inputs. `link` says what the value is to what
    the user sees, such as "logit"; empty where it is that. `ranges` (n_in, 2) are the values between which each input
    can lie, alone, before another map holds. `residual` is the distance of the sum from the network's own output in
    float64, relative to the largest of its terms. `flips` are records of what would change the answer.
    """

    output: int
    output_name: str
    link: str
    value: float
    constant: float
    names: tuple[str, ...]
    values: np.ndarray
    weights: np.ndarray
    contributions: np.ndarray
    ranges: np.ndarray
    choices: tuple[Choice, ...]
    residual: float
    region: Region
    categorical: np.ndarray
    flips: tuple[Flip, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """The inputs, the largest contribution first."""
        order = np.argsort(-np.abs(self.contributions), kind="stable")
        columns = self.values, self.weights, self.contributions, *self.ranges.T
        return tuple(Part(self.names[i], *(float(column[i]) for column in columns)) for i in order)

    @property
    def sentences(self) -> tuple[str, ...]:
        """The explanation in words."""
        return sentences(self)


def explain(
    net: Layer | Network | Run, x: Any, output: Any = None, box: Any = None, *, minimal: bool | None = None
) -> Explanation:
    """The affine map that gave one output, `f(x) = Σ w_i x_i + c`, its contributions, and the region where it holds.

    `x` is one input, or for a run one raw row: a dict, or a data frame of one row. `output` is a number or a name; by
    default that of the predicted class. `box` bounds the region: pairs for each input, for a run also "data", the range
    of the rows it learned from, or a dict of pairs by name in the users' units. `minimal` leaves out half-spaces that
    bound nothing, as in `region`: by default where that takes seconds.

    Raises: GeometryError where a layer is not piecewise linear, x lies outside of the box, or the map misses the
        network's output by more than 1e-6; SettingError where there is no such output; DataError for a bad row.
    Example:
        >>> from pellucid.layers import Activation, Dense, Sequential
        >>> up, down = np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([[3.0], [1.0]])
        >>> net = Sequential([Dense(up, np.array([0.5, 0.0])), Activation("relu"), Dense(down, np.array([0.0]))])
        >>> found = explain(net, [1.0, 2.0])
        >>> found.value, found.constant, found.contributions.tolist()
        (16.5, 1.5, [3.0, 12.0])
        >>> print(found.sentences[1])
        Within this region output 0 rises by 6 per unit of x[1] and rises by 3 per unit of x[0].
    """
    found = given(net, x, single=True)
    x = found.points[0]
    y = found.network(x[None])[0]
    k = found.chosen(output, y)
    bounds = bounds_of(net, found, box)
    bounds = None if bounds is None else box_of(found.network, x, bounds)
    shown = None if bounds is None else found.raw(bounds.T).T
    local = found.network.local(x, [k])
    weight, constant = found.original(local.weight, local.bias, [k])
    values, value = found.raw(x), float(y[k] * found.gain[k] + found.shift[k])
    contributions = weight[:, 0] * values
    around = region_of(found.network, x, bounds, found.names, shown, minimal)
    room = np.stack([x - around.room[:, 0], x + around.room[:, 1]])
    choices, categorical = choices_of(found, x, k, weight[:, 0])
    return Explanation(
        k, found.outputs[k], found.link, value, float(constant[0]), found.names, values, weight[:, 0], contributions,
        found.raw(room).T, choices, residual(value, float(constant[0]), contributions), around, categorical,
    )  # fmt: skip


def residual(value: float, constant: float, contributions: np.ndarray) -> float:
    """How far the contributions miss the output, relative to the largest term.

    Raises: GeometryError above 1e-6.
    """
    largest = max(abs(value), abs(constant), np.abs(contributions).max(initial=0.0), 1e-300)
    missed = abs(constant + contributions.sum() - value) / largest
    if not missed <= REFUSED:
        raise GeometryError(
            phrase(
                "The map gives {map:.9g}, the network itself {value:.9g}: its numbers are too large or too small for "
                "float64, and no exact reason can be given.",
                map=constant + contributions.sum(),
                value=value,
            )
        )
    return float(missed)


def choices_of(found: Given, x: np.ndarray, k: int, weight: np.ndarray) -> tuple[tuple[Choice, ...], np.ndarray]:
    """The columns of categories and of booleans, and which inputs are there or not and have no units."""
    categorical = np.zeros(len(x), bool)
    if found.known is None or found.known.shape is not None:
        return (), categorical
    columns, choices = np.array(found.known.input_columns), []
    categorical |= np.array([name.endswith(" is missing") for name in found.names])
    for column in found.known.columns:
        own = np.flatnonzero(columns == column.name)
        if column.kind == "category":
            names = list(column.levels)
            settings = np.eye(len(own))
        elif column.kind == "boolean":
            own = own[:1]
            names, settings = [f"{column.name} = {value}" for value in ("false", "true")], np.array([[0.0], [1.0]])
        else:
            continue
        categorical[own] = True
        choices.append(choice(found, x, k, weight, column.name, own, names, settings))
    return tuple(choices), categorical


def choice(
    found: Given, x: np.ndarray, k: int, weight: np.ndarray,
    column: str, own: np.ndarray, names: list[str], settings: np.ndarray,
) -> Choice:  # fmt: skip
    """One column: what its inputs are set to, and what each other setting would give."""
    other = np.repeat(x[None], len(settings), 0)
    other[:, own] = settings
    outputs = found.network(other)[:, k] * found.gain[k] + found.shift[k]
    parts, inside = settings @ weight[own], np.ones(len(settings), bool)
    for here, there in zip(found.network.pieces(x[None]), found.network.pieces(other), strict=True):
        inside &= (here == there).all(1)
    here = (settings == x[own]).all(1)
    others = tuple(Other(names[i], float(parts[i]), float(outputs[i]), bool(inside[i])) for i in np.flatnonzero(~here))
    name = names[int(here.argmax())] if here.any() else ""
    return Choice(column, name, float(x[own] @ weight[own]), others)
