from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError, SettingError
from ..language import message_of, phrase
from ..module import walk
from ..records import Record
from ..train import Run
from ._judged import data_of, judged
from ._looking import observed
from ._neuron import Neuron, unit
from ._subject import of_run
from ._unit import effects, place_of, weighs


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
    """The first layer's neurons, ordered by their effect; in the users' own units where it sees the columns."""
    rows = judged(data_of(run))
    subject, n = of_run(run, lambda: iter([rows])), len(rows.block.x)
    path = next((path for path, layer in walk(run.net) if weighs(layer)), None)
    if path is None:
        note = phrase("No layer of this network has neurons of its own.")
        return Neurons("", "", (), 0, n, rows.held_out, note)
    try:
        place = place_of(run.net, path)
        some = list(range(min(most, place.units)))
        seen = observed(subject, place, some)
        size = None if seen.after is None else effects(place, seen.after.deviation)
        size = seen.y.deviation if size is None else size
        seen = observed(subject, place, [int(j) for j in np.argsort(-size, kind="stable")[:most]])
    except (DataError, SettingError) as problem:  # a network that broke off, or a layer that several nodes share
        return Neurons(path, "", (), 0, n, rows.held_out, message_of(problem))
    units = tuple(unit(subject, place, seen, k, direction=False) for k in some)
    return Neurons(path, place.activation, units, place.units, n, rows.held_out)
