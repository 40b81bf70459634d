from __future__ import annotations

import dataclasses
import shlex
from dataclasses import dataclass
from typing import Any

from ..layers import Activation, Dense, Sequential
from ..losses import loss as loss_named
from ..records import Record
from ..store import environment
from ..train import BUNDLED, Data, Run, Settings

NO_FLAG = {"shuffle", "watch_every"}  # settings that the command line has no word for


@dataclass(frozen=True)
class Reproduction(Record):
    """How to do it again: Python, the command (None where it takes what only Python can give), and what the numbers
    hang on. `fingerprint` is the SHA-256 of the data."""

    python: str
    command: str | None
    seed: int
    fingerprint: str
    settings: dict[str, Any]
    environment: dict[str, Any]


class Code(str):
    """A value that only Python can give, as Python writes it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def reproduction(run: Run, data: Data) -> Reproduction:
    """What to run to get the same again, from the settings and what the run knows of its source."""
    place, options = run.source.get("path"), chosen(run, data)
    net = network(run)
    table = run.preprocess.shape is None
    rows = place or Code("table" if table else "(x, y)")
    words = ", ".join([repr(net), repr(rows), *(f"{name}={value!r}" for name, value in options.items())])
    python = f"import pellucid as pl\n\nrun = pl.fit({words})"
    command = None
    given = [net, rows, *options.values()]
    if not any(isinstance(value, Code) for value in given) and not NO_FLAG & options.keys():
        flags = {"hidden": net or "0", **options}
        words = (f"--{name.replace('_', '-')} {shlex.quote(listed(value))}" for name, value in flags.items())
        command = f"pellucid fit {shlex.quote(rows)} {' '.join(words)}"
    return Reproduction(python, command, run.settings.seed, data.fingerprint, run.settings.to_json(), environment())


def listed(value: Any) -> str:
    if isinstance(value, dict):
        value = [f"{name}={number:+d}" for name, number in value.items()]
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def chosen(run: Run, data: Data) -> dict[str, Any]:
    """The arguments of `fit` that are not the default ones; the loss, the epochs and the seed always."""
    source, target = run.source, run.preprocess.target.name
    found = {}
    if run.preprocess.shape is None and BUNDLED.get(str(source.get("path"))) != target:
        found["target"] = target
    found |= {name: source[name] for name in ("task", "weights", "augment", "monotone", "size") if source.get(name)}
    if source.get("validation", 0.2) != 0.2:
        apart = source["validation"] is None and data.validation is not None
        found["validation"] = Code("held_out") if apart else source["validation"] or 0
    return found | changed(run.settings)


def changed(settings: Settings) -> dict[str, Any]:
    """The settings that are not the default ones; the loss, the epochs and the seed always."""
    usual, loss = Settings(settings.loss), settings.loss
    names = [f.name for f in dataclasses.fields(Settings) if f.name != "loss"]
    found = {name: getattr(settings, name) for name in names}
    kept = {k: v for k, v in found.items() if k in ("epochs", "seed") or v != getattr(usual, k)}
    if not isinstance(settings.optimizer, str):
        kept["optimizer"] = Code("optimizer")
    if isinstance(settings.class_weight, tuple):
        kept["class_weight"] = Code(dict(settings.class_weight))
    if loss.targets == "own":
        return {"loss": Code("loss"), **kept}
    bound = ", ".join(f"{name}={value!r}" for name, value in loss.settings)
    ordinary = loss == loss_named(loss.name)
    return {"loss": loss.name if ordinary else Code(f"pl.losses.loss({loss.name!r}, {bound})"), **kept}


def network(run: Run) -> list[int] | Code:
    """The sizes of the hidden layers `pl.fit` makes this network from; `net` for one it was given."""
    net, hidden = run.net, run.source.get("hidden")
    if hidden is not None and (run.preprocess.form is not None or run.source.get("monotone")):
        return hidden
    if not isinstance(net, Sequential) or not all(isinstance(layer, Dense | Activation) for layer in net.layers):
        return Code("net")
    dense, between = net.layers[::2], net.layers[1::2]
    in_turn = len(dense) == len(between) + 1 and all(isinstance(layer, Dense) for layer in dense)
    if not in_turn or not all(isinstance(layer, Activation) and layer.name == "relu" for layer in between):
        return Code("net")
    return [layer.weight.shape[1] for layer in dense[:-1] if isinstance(layer, Dense)]
