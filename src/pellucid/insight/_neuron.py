from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import SettingError
from ..language import key_of, phrase
from ..module import Layer
from ..records import Record, unlisted
from ..train import Preprocess, Run
from ..train import unit as as_seen
from ._looking import Kept, Observed, Tally, observed, slopes
from ._places import pictured
from ._subject import Subject, subject_of
from ._unit import (
    CUT_OFF,
    GATE_WORDS,
    Place,
    effects,
    features_of,
    named_inputs,
    outgoing,
    place_of,
    unit_names,
    weights_of,
)
from ._worst import cells

STRONGEST = 6  # terms that are named
MOSTLY = 0.8  # the share of saturated values from which it is said


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
class Excited(Record):
    """A row and the largest pre-activation `z` it gives the unit, at `place` where the layer has several.

    `row` is its number in the data, `values` are cells as they were given, `input` is what the network was fed (a
    picture in its own units). `box` bounds the part of the input that moves z, (start, stop) for each axis.
    """

    row: int
    z: float
    place: tuple[int, ...]
    values: dict[str, Any]
    box: tuple[tuple[int, int], ...] | None
    input: np.ndarray = unlisted(repr=False)

    @property
    def patch(self) -> np.ndarray:
        """The part of the input that moves z."""
        return self.input if self.box is None else self.input[tuple(slice(*ends) for ends in self.box)]


@dataclass(frozen=True)
class Margins(Record):
    """How the pre-activations z lie about 0: `count[i]` of them in (edges[i], edges[i+1]]; z > 0 is on.

    `on + off + zero = total`, where `off` has z < 0. A margin is z / ‖w‖: the signed distance from the hyperplane in
    the units of the layer's input.
    """

    total: int
    on: int
    off: int
    zero: int
    low: float
    high: float
    mean: float
    deviation: float
    norm: float
    edges: np.ndarray
    count: np.ndarray

    @property
    def margins(self) -> np.ndarray:
        """The edges as signed distances; NaN where all weights are 0."""
        return self.edges / self.norm if self.norm else np.full(len(self.edges), np.nan)

    @property
    def positive(self) -> float:
        """The share with z > 0."""
        return self.on / self.total


@dataclass(frozen=True)
class Feeds(Record):
    """What the next layer with weights makes of a unit: `weight[j]` is that of its unit j.

    Where a unit reaches j by several weights (a kernel, the places of a picture), it is their norm with the sign of
    their sum. `share` is the unit's part of `Σ w² · variance of what it weighs` over all inputs of that layer.
    """

    path: str
    names: tuple[str, ...]
    weight: np.ndarray
    share: float


@dataclass(frozen=True)
class Neuron(Record):
    """A unit as what it computes, `z = Σ weight · input + bias`, and what that does on the data.

    `weight` and `bias` are in the users' own units where the layer sees the columns of a table, else in those of the
    layer's input: a column (in,), or a kernel (height, width, in); `input_names` names each. A recurrent unit weighs
    with each of its `gates`, (gates, in) and `recurrent` (gates, units), and z is its output. `terms` are the strongest
    by pull, of `inputs`; `picture` is weight · deviation where the inputs are pixels, or the kernel. `effect` is how
    much the unit moves the layer above: the deviation of its output times the norm of its outgoing weights.
    `correlation` is that of its output, a row's at its largest z, with each class or target. `direction` is the mean of
    dz/dinput over the rows, for a unit at one place that does not see the inputs.
    """

    path: str
    index: int
    kind: str
    activation: str
    sides: tuple[str, str]
    rule: str
    state: str
    rows: int
    inputs: int
    bias: float
    terms: tuple[Term, ...]
    margins: Margins
    effect: float
    feeds: Feeds | None
    correlation: dict[str, float]
    most: tuple[Excited, ...]
    least: tuple[Excited, ...]
    weight: np.ndarray = field(repr=False)
    input_names: tuple[str, ...] = field(repr=False)
    gates: tuple[str, ...] = ()
    gate_bias: np.ndarray | None = field(default=None, repr=False)
    recurrent: np.ndarray | None = field(default=None, repr=False)
    picture: np.ndarray | None = field(default=None, repr=False)
    direction: np.ndarray | None = field(default=None, repr=False)

    @property
    def useless(self) -> bool:
        """Whether its output is the same for every row."""
        return self.margins.low == self.margins.high or (self.activation in CUT_OFF and not self.margins.on)


def neuron(net: Layer | Run, path: str, index: int, data: Any = None) -> Neuron:
    """One unit of a layer: what it weighs, on which side the rows fall, what excites it, what it feeds.

    `path` names the layer, as `pl.summary` does; `index` is a column of a Dense layer, a channel of a convolution, a
    unit of a recurrent layer. A run is looked at on its own rows, those held out among them, or on `data`, raw rows; a
    network on `data`, an array x or a pair (x, y).

    Raises: SettingError where there is no such layer or unit; DataError where there are no rows, or one is not finite.
    Example:
        >>> from pellucid import mlp
        >>> found = neuron(mlp([2, 3, 1], key=0), "layers[0]", 1, np.eye(2))
        >>> found.margins.on + found.margins.off + found.margins.zero, found.feeds.path
        (2, 'layers[2]')
    """
    subject = subject_of(net, data)
    return units(subject, place_of(subject.net, path), [index], direction=True)[0]


def units(subject: Subject, place: Place, indices: list[int], direction: bool = False) -> list[Neuron]:
    """These units of a layer, from one pass over the rows."""
    for index in indices:
        if isinstance(index, bool) or not isinstance(index, int | np.integer) or not 0 <= index < place.units:
            raise SettingError(f"{place.path or 'The network'} has the units 0 to {place.units - 1}; got {index!r}.")
    seen = observed(subject, place, indices)
    return [unit(subject, place, seen, k, direction) for k in range(len(indices))]


def unit(subject: Subject, place: Place, seen: Observed, k: int, direction: bool) -> Neuron:
    """The record of the k-th unit that was observed."""
    index, known, gates = int(seen.indices[k]), subject.preprocess, place.gates
    own, bias = place.weights(index), place.bias(index)
    pulls = own * spread_of(seen.x.deviation, place, index)
    table = known if known is not None and known.shape is None and seen.direct and own.ndim == 1 else None
    weight, shift = table.original_units(own[:, None], bias) if table else (own, bias)
    names = names_of(known, place, seen, own.shape, index)
    terms = strongest(names, weight.ravel(), np.abs(pulls).ravel(), table)
    feeds, effect = fed(subject, place, seen, index)
    deep = direction and not seen.direct and np.prod(seen.places) == 1
    most, least = ends(subject, place, seen, k, tuple(term.name for term in terms))
    return Neuron(
        path=place.path,
        index=index,
        kind=type(place.layer).__name__,
        activation=place.activation,
        sides=place.sides,
        rule="" if gates else rule(place.sides[0], terms, own.size, float(shift[0])),
        state=state(place, seen.tallies[k]),
        rows=seen.rows,
        inputs=own.size,
        bias=float(shift[0]),
        terms=terms,
        margins=margins_of(seen.tallies[k], np.nan if gates else float(np.linalg.norm(own))),
        effect=effect,
        feeds=feeds,
        correlation=correlations(subject, seen, k),
        most=most,
        least=least,
        weight=weight.reshape(own.shape),
        input_names=names,
        gates=gates,
        gate_bias=bias if gates else None,
        recurrent=place.recurrent(index),
        picture=picture(known, place, seen, own, pulls),
        direction=mean_slope(subject, place, index) if deep else None,
    )


def spread_of(deviation: np.ndarray, place: Place, index: int) -> np.ndarray:
    """The deviation of what a unit weighs; of a grouped convolution the channels of its own group."""
    start = first_of(deviation, place, index)
    return deviation[start : start + weights_of(place.layer).shape[-2]]


def first_of(deviation: np.ndarray, place: Place, index: int) -> int:
    """The first channel that a unit weighs: 0 but in a grouped convolution."""
    share = weights_of(place.layer).shape[-2]
    return index * (len(deviation) // share) // place.units * share


def names_of(
    known: Preprocess | None, place: Place, seen: Observed, shape: tuple[int, ...], index: int
) -> tuple[str, ...]:
    """What to call every weight of a unit."""
    if known is not None and seen.direct and shape == (len(known.input_names),):
        return known.input_names
    of_one = shape[1:] if place.gates else shape
    if not seen.direct:
        names = named_inputs(place, of_one, first_of(seen.x.deviation, place, index))
    else:
        held = seen.shape if np.prod(seen.shape) == np.prod(of_one) else of_one
        names = tuple(f"x[{', '.join(map(str, tap))}]" for tap in np.ndindex(held))
    several = len(place.gates) > 1
    if not several:
        return names
    return tuple(
        phrase("{name} at the {gate} gate", name=name, gate=GATE_WORDS[gate]) for gate in place.gates for name in names
    )


def strongest(
    names: tuple[str, ...], weight: np.ndarray, pull: np.ndarray, table: Preprocess | None
) -> tuple[Term, ...]:
    """The terms with the largest pull; a category or a boolean is there or not, and has no units."""
    kinds = {column.name: column.kind for column in table.columns} if table else {}
    columns = table.input_columns if table else names
    found = []
    for i in np.argsort(-pull, kind="stable")[:STRONGEST]:
        number = kinds.get(columns[i], "number") in ("number", "date") and not key_of(names[i]).endswith(" is missing")
        name = names[i]
        words = phrase("per unit of {name}", name=name) if number else phrase("where {name}", name=name)
        found.append(Term(names[i], float(weight[i]), float(pull[i]), words))
    return tuple(found)


def rule(side: str, terms: tuple[Term, ...], inputs: int, bias: float) -> str:
    """The half-space in words.

    Example:
        >>> rule("on", (Term("age", 0.31, 1.0, "per unit of age"), Term("old", -2.0, 1.0, "where old")), 2, -4.2)
        'on where 0.31 · age − 2 · [old] > 4.2'
    """
    total = ""
    for term in terms:
        here = key_of(term.unit).startswith("where")
        name = phrase("[{name}]", name=term.name) if here else term.name
        size, down = f"{abs(term.weight):.3g}", term.weight < 0
        if not total:
            total = phrase("{size} · {name}", size=f"−{size}" if down else size, name=name)
        elif down:
            total = phrase("{sum} − {size} · {name}", sum=total, size=size, name=name)
        else:
            total = phrase("{sum} + {size} · {name}", sum=total, size=size, name=name)
    known = {"side": side, "sum": total, "end": f"{0.0 - bias:.3g}".replace("-", "−")}
    if inputs > len(terms):
        return phrase("{side} where {sum} + … {more:,} more > {end}", **known, more=inputs - len(terms))
    return phrase("{side} where {sum} > {end}", **known)


def state(place: Place, tally: Tally) -> str:
    """What is wrong with a unit, or at its limit, plainly; empty where nothing is."""
    name, flat = place.activation, tally.flat - tally.silent
    if tally.silent == tally.n and name in CUT_OFF:
        return phrase(
            "Never on: behind {name} its output is 0 for every row, and no blame reaches its weights.", name=name
        )
    if tally.low == tally.high:
        return phrase("The same for every row: it tells none from another.")
    if tally.on == tally.n and not tally.flat and name in CUT_OFF:
        return phrase("Always on: {name} never cuts it off on these rows, on which it is linear.", name=name)
    if flat > MOSTLY * tally.n:
        return phrase(
            "Saturated: {part:.0f} % of its values lie on the flat part of {name}, where hardly any blame comes "
            "through.",
            part=100 * flat / tally.n,
            name=name,
        )
    return ""


def margins_of(tally: Tally, norm: float) -> Margins:
    edges, count = tally.bars()
    mean, deviation = float(tally.moments.mean), float(tally.moments.deviation)
    off = tally.n - tally.on - tally.zero
    return Margins(tally.n, tally.on, off, tally.zero, tally.low, tally.high, mean, deviation, norm, edges, count)


def fed(subject: Subject, place: Place, seen: Observed, index: int) -> tuple[Feeds | None, float]:
    """What the next layer with weights makes of a unit, and how much that moves it."""
    width = 0 if seen.after is None else len(seen.after.deviation)
    parts = None if seen.after is None else effects(place, seen.after.deviation)
    features = features_of(index, place.units, width, place.folded)
    if place.above is None or place.after is None or parts is None or features is None:
        return None, float(seen.y.deviation[index])
    reaching = outgoing(weights_of(place.above), features, width)
    total = reaching.sum(0)
    signed = total if len(reaching) == 1 else np.linalg.norm(reaching, axis=0) * np.where(total < 0, -1, 1)
    known = place.last and subject.preprocess is not None and len(subject.targets) == len(signed)
    names = subject.targets if known else unit_names(place.above, len(signed))
    share = parts[index] ** 2 / max(float(np.square(parts).sum()), 1e-300)
    return Feeds(place.after, names, signed, float(share)), float(parts[index])


def correlations(subject: Subject, seen: Observed, k: int) -> dict[str, float]:
    found, names = seen.correlation(k), subject.targets
    if len(names) != len(found):
        names = tuple(f"{names[0]}[{i}]" for i in range(len(found)))
    return {name: float(value) for name, value in zip(names, found, strict=True)}


def ends(
    subject: Subject, place: Place, seen: Observed, k: int, names: tuple[str, ...]
) -> tuple[tuple[Excited, ...], tuple[Excited, ...]]:
    """The rows with the largest and with the smallest z of the k-th unit, the most extreme first."""
    kept = [*seen.most[k], *seen.least[k]]
    boxes: list[Any] = [None] * len(kept)
    if np.prod(seen.places) > 1:
        dx = slopes(subject.net, np.concatenate([one.rows.block.x for one in kept]), seen.indices[k], place.path)
        boxes = [box(one) for one in dx]
    rows = [excited(subject, seen, *pair, names) for pair in zip(kept, boxes, strict=True)]
    n = len(seen.most[k])
    return tuple(rows[:n]), tuple(rows[n:])


def excited(subject: Subject, seen: Observed, one: Kept, where: Any, names: tuple[str, ...]) -> Excited:
    x, known = as_seen(one.rows.block.x[0]), subject.preprocess
    raw = known.original_inputs(x) if known is not None else x
    drawn = pictured(known.input_names, raw) if known is not None and raw.ndim == 1 else None
    place = tuple(int(i) for i in np.unravel_index(one.place, seen.places)) if seen.places else ()
    columns = tuple(dict.fromkeys(column_of(known, name) for name in names)) if known is not None else names
    return Excited(
        int(one.rows.numbers[0]),
        one.z,
        place,
        cells(one.rows, 0, columns),
        where,
        raw if drawn is None else drawn[..., None],
    )


def column_of(known: Preprocess, name: str) -> str:
    """The column that an input was made from."""
    return dict(zip(known.input_names, known.input_columns, strict=True)).get(name, name)


def box(dx: np.ndarray) -> tuple[tuple[int, int], ...] | None:
    """The bounds of what is not 0, with all of the last axis, the channels; None where all is 0."""
    where = np.nonzero(dx)
    if not len(where[0]):
        return None
    bounds = [(int(axis.min()), int(axis.max()) + 1) for axis in where]
    return (*bounds[:-1], (0, dx.shape[-1])) if dx.ndim > 1 else tuple(bounds)


def picture(
    known: Preprocess | None, place: Place, seen: Observed, weight: np.ndarray, pulls: np.ndarray
) -> np.ndarray | None:
    """The weights at their places: a kernel as it is, pixels each times its deviation."""
    if place.gates or weight.ndim > 1:
        return None if place.gates else weight
    if not seen.direct:
        return None
    if len(seen.shape) > 1:
        return pulls.reshape(seen.shape) if pulls.size == np.prod(seen.shape) else None
    return None if known is None else pictured(known.input_names, pulls)


def mean_slope(subject: Subject, place: Place, index: int) -> np.ndarray:
    """The mean of dz/dinput over the rows, each at its largest z: as a picture, or per unit of a table's columns."""
    total, n, known = 0.0, 0, subject.preprocess
    for rows in subject.batches():
        total = total + slopes(subject.net, rows.block.x, index, place.path).sum(0, dtype=float)
        n += len(rows.block.x)
    mean = np.asarray(total) / n
    if known is None or mean.ndim > 1:
        return mean
    drawn = pictured(known.input_names, mean)
    return known.original_units(mean[:, None], np.zeros(1))[0][:, 0] if drawn is None else drawn
