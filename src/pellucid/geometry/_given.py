"""A network, or a run with rows as its user knows them, as what geometry works on and the way back to their units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import DataError, GeometryError, SettingError, unknown
from ..language import phrase
from ..module import Layer
from ..train import Preprocess, Run, unit
from ._network import Network, flat, input_shape, lowered
from ._region import input_name

LINKS = {
    "sigmoid": "logit",
    "softmax": "logit",
    "Softmax": "logit",
    "LogSoftmax": "logit",
    "tanh": phrase("value before tanh"),
    "exp": phrase("logarithm"),
}


class Given(NamedTuple):
    """Points (n, n_in) for a network, and their units: `raw = x scale + mean`, of outputs `y gain + shift`.

    `link` says what the outputs are to what the user sees, such as "logit"; empty where they are that.
    """

    network: Network
    points: np.ndarray
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    link: str
    mean: np.ndarray
    scale: np.ndarray
    gain: np.ndarray
    shift: np.ndarray
    known: Preprocess | None

    def raw(self, points: np.ndarray) -> np.ndarray:
        """Points in the users' own units."""
        return points * self.scale + self.mean

    def original(self, weight: np.ndarray, bias: np.ndarray, outputs: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """A map of the network's inputs to these outputs, (n_in, k) and (k,), as one between the users' units."""
        weight, gain = weight / self.scale[:, None], self.gain[outputs]
        return weight * gain, (bias - self.mean @ weight) * gain + self.shift[outputs]

    def chosen(self, output: Any, y: np.ndarray) -> int:
        """The number of an output: as asked, by its number or name; else that of the predicted class, or the only one.

        Raises: SettingError where there is no such output.
        """
        n = self.network.n_out
        if output is None and n > 1 and self.known is not None and not self.known.target.classes:
            raise SettingError(f"The network gives several numbers: say output=, one of {', '.join(self.outputs)}.")
        if output is None:
            return int(np.argmax(y))
        return number_of(output, self.outputs)


def given(net: Layer | Network | Run, rows: Any, single: bool) -> Given:
    """The network and its points: rows as a network takes them, or as they were before a run's preprocessing.

    Raises: DataError where a single row is wanted and more came, or one is not finite.
    """
    found = of_run(net, rows, single) if isinstance(net, Run) else of_network(net, rows, single)
    if single and len(found.points) != 1:
        raise DataError(f"One row is explained at a time; got {len(found.points):,}.")
    bad = ~np.isfinite(found.points)
    if bad.any():
        row, place = np.argwhere(bad)[0]
        raise DataError(f"Row {row} has {found.points[row, place]} in {found.names[place]}: give a finite number.")
    return found


def of_network(net: Layer | Network, rows: Any, single: bool) -> Given:
    rows = np.asarray(rows, float)
    network = net if isinstance(net, Network) else lowered(net, shape_of(net, rows, single))
    points = rows.reshape(1, -1) if single and rows.size == network.n_in else rows
    points = flat(network, points)
    names, mean, scale = units_of(None, network)
    outputs = tuple(phrase("output {k}", k=k) for k in range(network.n_out))
    link = LINKS.get(network.set_aside, "")
    plain = np.ones(network.n_out), np.zeros(network.n_out)
    return Given(network, points, names, outputs, link, mean, scale, *plain, None)


def shape_of(net: Layer, rows: np.ndarray, single: bool) -> tuple[int, ...]:
    """The shape of one input: as the network says it, or as it came; a single one may come with an axis for rows."""
    try:
        return input_shape(net)
    except GeometryError:
        return rows.shape if single and (rows.ndim < 2 or rows.shape[0] != 1) else rows.shape[1:]


def of_run(run: Run, rows: Any, single: bool) -> Given:
    known = run.preprocess
    if known.shape is not None and single and np.shape(rows) in (known.shape, known.shape[:-1]):
        rows = np.asarray(rows)[None]
    points = np.asarray(known.transform(rows), float)
    network = lowered(run.net, points.shape[1:])
    points = flat(network, points)
    names, mean, scale = units_of(known, network)
    outputs, gain, shift = outputs_of(run, network.n_out)
    link = LINKS.get(network.set_aside) or LINKS.get(run.settings.loss.link, "")
    return Given(network, points, names, outputs, link, mean, scale, gain, shift, known)


def units_of(known: Preprocess | None, network: Network) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """What the inputs of a network are called, and `x scale + mean` for each, that brings it to the users' units."""
    n = network.n_in
    names = known.input_names if known is not None and len(known.input_names) == n else ()
    names = names or tuple(input_name(network, i) for i in range(n))
    if known is None:
        return names, np.zeros(n), np.ones(n)
    mean = known.original_inputs(np.zeros(n))
    return names, mean, known.original_inputs(np.ones(n)) - mean


def number_of(output: Any, names: Sequence[str]) -> int:
    """The number of an output that is named, or numbered.

    Raises: SettingError for one that is not there.
    """
    if output in names:
        return names.index(output)
    if isinstance(output, str):
        raise unknown("output", output, names)
    n = len(names)
    if isinstance(output, bool | np.bool_) or not isinstance(output, int | np.integer) or not 0 <= output < n:
        raise SettingError(f"The network has the outputs 0 to {n - 1}; got {output!r}.")
    return int(output)


def outputs_of(run: Run, n: int) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
    """What the n outputs are called, and `y gain + shift` for each, that brings it to the target's own units."""
    target = run.preprocess.target
    spread = n // 2 if run.settings.loss.link == "mean" else 0  # the other half is the logarithm of a variance
    told = n - spread
    if len(target.classes) == told:
        names = tuple(map(str, target.classes))
    elif told == 1:
        names = (str(target.classes[1]) if len(target.classes) == 2 else target.name,)
    else:
        names = tuple(f"{target.name}[{k}]" for k in range(told))
    names += tuple(phrase("the spread of {name}", name=name) for name in names[:spread])
    gain, shift = np.ones(n), np.zeros(n)
    if target.kind == "number":
        gain[:told], shift[:told] = target.scale, target.mean
    return names, gain, shift


def bounds_of(net: Any, found: Given, box: Any) -> Any:
    """The box in the network's inputs: as given; "data", the range of a run's rows; or by name, in the users' units.

    Raises: SettingError where it is said in a way that this network does not know.
    """
    if box is None or not isinstance(box, str | dict):
        return box
    if isinstance(box, str):
        if box != "data" or not isinstance(net, Run):
            raise SettingError(f"A box is pairs of numbers, or 'data' for the range of a run's rows; got {box!r}.")
        return range_of(net, found.points[0])
    everywhere = np.tile([-np.inf, np.inf], (found.network.n_in, 1))
    return with_named(everywhere, box, found.names, found.mean, found.scale)


def with_named(
    sides: np.ndarray, box: Mapping[str, Any], names: Sequence[str], mean: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    """The sides of a box (n_in, 2), with those in its place that are given by the names of inputs, in the users' units.

    Raises: SettingError for a name that is not there, or what is no pair.
    """
    sides = np.array(sides)
    for name, pair in box.items():
        if name not in names:
            raise unknown("input", name, names)
        try:
            ends = tuple(map(float, pair))
        except (TypeError, ValueError):
            ends = ()
        if len(ends) != 2:
            raise SettingError(f"The box of {name} wants (low, high); got {pair!r}.")
        i = names.index(name)
        sides[i] = (np.array(ends) - mean[i]) / scale[i]
    return sides


def range_of(run: Run, x: np.ndarray) -> np.ndarray:
    """The range of each input over the rows that a run learned from, and of x; an input that never varies is free.

    Raises: GeometryError for a run that was read back without its data.
    """
    if run.data is None:
        raise GeometryError("This run was read back without its data, and knows no range: give box= as numbers.")
    low, high = x.copy(), x.copy()
    for block in run.data.blocks(0):
        rows = np.asarray(unit(block.x), float).reshape(len(block.x), -1)
        low, high = np.fmin(low, rows.min(0)), np.fmax(high, rows.max(0))
    same = low == high
    return np.stack([np.where(same, -np.inf, low), np.where(same, np.inf, high)], 1)
