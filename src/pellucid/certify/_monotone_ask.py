"""What is asked about a network: where its inputs lie, which of them are whole choices, and what its outputs say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import CertifyError, SettingError, unknown
from ..geometry import Network
from ..geometry._given import LINKS, number_of, outputs_of, units_of, with_named
from ..module import Layer
from ..train import Preprocess, Run, unit
from ._bounds import certified
from ._program import Certified
from ._space import spaces_of

SEVERAL = 5_000  # rows kept of those that say where inputs lie
NO_ORDER = {
    "category": "it is a category, which has no order",
    "date": "its parts go round in years and weeks",
    "dropped": "the network does not see it",
}


class Choice(NamedTuple):
    """An input that is 0 or 1, and what others are where it is 1, by their numbers."""

    input: int
    others: dict[int, float]


@dataclass(frozen=True, eq=False)
class Goal:
    """What is to rise: an output, or the share of one class among several; with its name, and what it is in."""

    output: int
    shared: bool
    name: str
    unit: str
    gain: float
    shift: float

    def rows(self, n_out: int) -> np.ndarray:
        """Sums of outputs that are all to rise, (rows, n_out): the output, or its lead over each other class."""
        own = np.eye(n_out)[self.output]
        return np.delete(own - np.eye(n_out), self.output, 0) if self.shared else own[None]

    def value(self, y: np.ndarray) -> np.ndarray:
        """What is to rise, from the outputs (points, n_out): the output, or the logarithm of the class's share."""
        own = y[:, self.output]
        if not self.shared:
            return own
        most = y.max(1)
        return own - most - np.log(np.exp(y - most[:, None]).sum(1))

    def shown(self, y: np.ndarray) -> np.ndarray:
        """The same as users know it: a probability, or a number in its own unit."""
        value = self.value(y)
        if self.shared:
            return np.exp(value)
        return 1 / (1 + np.exp(-np.clip(value, -700, 700))) if self.unit == "logit" else self.gain * value + self.shift

    def slope(self, y: np.ndarray) -> np.ndarray:
        """The derivative of that by the outputs, (points, n_out)."""
        own = np.tile(np.eye(y.shape[1])[self.output], (len(y), 1))
        if not self.shared:
            return own
        shares = np.exp(y - y.max(1, keepdims=True))
        return own - shares / shares.sum(1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Asked:
    """A network to be proven something of, and where its inputs lie: from `low` to `high`, (n_in,).

    `groups` are inputs of which exactly one is 1, `choices` all that are 0 or 1. `raw = x scale + mean` are the users'
    units; `rows` are inputs known to be possible, (rows, n_in), or none; `features` are inputs that may be asked about.
    """

    it: Certified
    low: np.ndarray
    high: np.ndarray
    groups: tuple[tuple[int, ...], ...]
    choices: tuple[Choice, ...]
    names: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    features: tuple[int, ...]
    rows: np.ndarray
    notes: tuple[str, ...]
    known: Preprocess | None

    def raw(self, x: np.ndarray) -> np.ndarray:
        """Inputs in the users' units."""
        return x * self.scale + self.mean


def asked(net: Layer | Network | Run, box: Any, data: Any, shape: tuple[int, ...] | None = None) -> Asked:
    """The network and where its inputs lie: in `box`, or in the range of `data`, for a run by default its own.

    A box is a pair (low, high) for each input of the network, or a dict of pairs in the users' units by names, over
    the range of the rows.

    Raises: CertifyError where nothing says where inputs lie, or a part of the network has no bound; SettingError for
        names that are not there.
    """
    layer, known = (net.net, net.preprocess) if isinstance(net, Run) else (net, None)
    low, high, rows = ranged(net, data)
    it = certified(layer, shape or (rows.shape[1:] if known is not None else None), arithmetic="real")
    n = it.network.n_in
    names, mean, scale = units_of(known, it.network)
    sides = None if low is None else np.stack([low.reshape(-1), high.reshape(-1)], 1)
    sides = sides_of(box, sides, names, mean, scale)
    space = spaces_of(sides, it.network)
    if len(space.low) != 1:
        raise CertifyError(f"One box is asked about at a time; got {len(space.low)}.")
    groups, choices, features, notes = discrete(known, n)
    fixed = [names[i] for i in features if space.low[0, i] == space.high[0, i]]
    if fixed:
        notes = *notes, f"{', '.join(fixed)}: of one value in the box."
    return Asked(
        it, space.low[0], space.high[0], groups, choices, names, mean, scale, features,
        rows.reshape(len(rows), n if len(rows) else 0).astype(float), notes, known,
    )  # fmt: skip


def ranged(net: Any, data: Any) -> tuple[Any, Any, np.ndarray]:
    """The least and the largest of every input over the rows, and some of them; None where there are no rows."""
    if data is not None:
        x = net.preprocess.transform(data) if isinstance(net, Run) else np.asarray(data, float)
        parts = [x] if np.ndim(x) > 1 else [np.asarray(x)[None]]
    elif isinstance(net, Run) and net.data is not None:
        held = net.data.validation
        parts = [unit(block.x) for block in [*net.data.blocks(0), *([held] if held is not None else [])]]
    else:
        return None, None, np.zeros((0, 0))
    parts = [np.asarray(part) for part in parts if len(part)]
    if not parts or not all(np.isfinite(part).all() for part in parts):
        raise CertifyError("The rows that say where inputs lie are to be some, and finite numbers.")
    low, high = (f([f(part, axis=0) for part in parts], axis=0) for f in (np.min, np.max))
    rows = np.concatenate([part[:: -(-len(part) * len(parts) // SEVERAL)] for part in parts])
    return low.astype(float), high.astype(float), rows


def sides_of(box: Any, range: Any, names: Sequence[str], mean: np.ndarray, scale: np.ndarray) -> Any:
    """A box as a user gave it, over the range of the rows."""
    if box is not None and not isinstance(box, Mapping):
        return box
    sides = with_named(np.zeros((len(names), 2)) if range is None else range, box or {}, names, mean, scale)
    if range is None and (box is None or len(box) < len(names)):
        which = ", ".join(name for name in names if name not in (box or {}))
        raise CertifyError(
            f"Nothing says where {which} lie: give box=, a pair (low, high) for each input, or data=, rows whose range "
            "it is (a run that was read back has its data after pl.with_data)."
        )
    return sides


def discrete(known: Preprocess | None, n: int) -> tuple[Any, Any, tuple[int, ...], tuple[str, ...]]:
    """Which inputs are one of a group, which are 0 or 1, which may be asked about, and what to say of them."""
    if known is None or known.form is not None:
        return (), (), tuple(range(n)), ()
    kinds = {column.name: column.kind for column in known.columns}
    inputs = list(zip(known.input_names, known.input_columns, strict=True))
    by_column: dict[str, list[int]] = {}
    for i, (_, column) in enumerate(inputs):
        by_column.setdefault(column, []).append(i)
    groups = tuple(tuple(found) for column, found in by_column.items() if kinds[column] == "category")
    choices = [Choice(i, {j: 0.0 for j in group if j != i}) for group in groups for i in group]
    features, notes = [], []
    for column, found in by_column.items():
        flags = [i for i in found if inputs[i][0] == f"{column} is missing" and kinds[column] != "category"]
        values = [i for i in found if i not in flags]
        choices += [Choice(i, filled(known, values)) for i in flags]
        if kinds[column] == "boolean":
            choices += [Choice(i, {}) for i in values]
        if kinds[column] in ("number", "boolean"):
            features += values
    if groups:
        held = [column for column in by_column if kinds[column] == "category"]
        notes.append(f"{', '.join(held)}: held fixed at each of the values.")
    dates = [column for column in by_column if kinds[column] == "date"]
    if dates:
        notes.append(f"{', '.join(dates)}: held fixed; days and places in the year and week in every combination.")
    return groups, tuple(choices), tuple(sorted(features)), tuple(notes)


def filled(known: Preprocess, inputs: Sequence[int]) -> dict[int, float]:
    """What the inputs of a column are where its cell is missing."""
    found = {}
    for k, i in enumerate(inputs):
        raw = 0.0 if k else float(known.imputer.statistics_[i])  # a missing date has no place in a cycle
        mean, one = (known.original_inputs(np.full(len(known.input_names), x))[i] for x in (0.0, 1.0))
        found[i] = float(np.float32((raw - mean) / (one - mean)))
    return found


def goal_of(net: Any, it: Certified, output: Any) -> Goal:
    """The output that is asked about; of two classes by default the second.

    Raises: SettingError where it is not said, or not there.
    """
    n, run = it.network.n_out, net if isinstance(net, Run) else None
    plain = tuple(f"output {k}" for k in range(n)), np.ones(n), np.zeros(n)
    names, gain, shift = outputs_of(run, n) if run else plain
    link = run.settings.loss.link if run else ""
    shared = n > 1 and ("softmax" in (link, it.network.set_aside.lower()) or it.network.set_aside == "LogSoftmax")
    if output is None and n > 1 and not (shared and n == 2):
        raise SettingError(f"The network gives several outputs: say output=, one of {', '.join(names)}.")
    k = n - 1 if output is None else number_of(output, names)
    if shared:
        return Goal(k, True, names[k], "logarithm of the share", 1.0, 0.0)
    word = LINKS.get(it.network.set_aside) or LINKS.get(link, "")
    return Goal(k, False, names[k], word, float(gain[k]), float(shift[k]))


def features_of(found: Asked, feature: Any) -> list[int]:
    """The inputs that are asked about: all that can be, or some by name or number.

    Raises: SettingError for one that is not there or has no order; CertifyError where none of them changes in the box.
    """
    free = [i for i in found.features if found.low[i] < found.high[i]]
    if feature is None:
        if not free:
            raise CertifyError("No feature can rise or fall here: none changes in the box, or none has an order.")
        return free
    wanted = feature if isinstance(feature, list | tuple) else [feature]
    numbers = []
    for one in wanted:
        if isinstance(one, int | np.integer) and not isinstance(one, bool):
            if not 0 <= one < len(found.names):
                raise SettingError(f"There is no feature {one}: they are numbered from 0 to {len(found.names) - 1}.")
            one = found.names[one]
        kinds = {column.name: column.kind for column in found.known.columns} if found.known else {}
        place = found.names.index(one) if one in found.names else -1
        if place not in found.features:
            if one in kinds:
                raise SettingError(f"{one} cannot rise or fall: {NO_ORDER.get(kinds[one], 'it has no order')}.")
            raise unknown("feature", one, [found.names[i] for i in found.features])
        if place not in free:
            at = found.raw(found.low)[place]
            raise CertifyError(f"{one} is {at:g} everywhere in the box: it can neither rise nor fall there.")
        numbers.append(place)
    return numbers
