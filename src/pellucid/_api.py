"""The facade behind `import pellucid as pl`: it puts together what the packages below do."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from . import losses, store
from .doctor import Doctor, Finding
from .errors import SettingError, StoreError
from .layers import mlp
from .module import Layer
from .records import plain
from .train import BUNDLED, Data, NonFinite, Preprocess, RangeTest, Run, Settings, bundled, epoch_from_json, open_data
from .train import fit as train

MODEL, CHECKPOINT, REPORT = "model.safetensors", "checkpoint.safetensors", "report.html"


def fit(
    net: Layer | Sequence[int] | None,
    data: Any,
    *,
    target: str | None = None,
    loss: str | losses.Loss | None = None,
    optimizer: Any = "adam",
    learning_rate: float | str | None = None,
    schedule: str = "constant",
    epochs: int = 20,
    batch_size: int = 32,
    validation: Any = 0.2,
    weights: Any = None,
    class_weight: str | Mapping[Any, float] | None = None,
    weight_decay: float = 0.0,
    l1: float = 0.0,
    clip: float | None = None,
    early_stop: int | None = None,
    shuffle: bool = True,
    seed: int = 0,
    task: str | None = None,
    watch_every: int = 64,
    runs: str | Path | None = None,
    name: str | None = None,
    resume: str | None = None,
    checkpoint_seconds: float = 10.0,
    progress: bool | None = None,
) -> Run:
    """Train a network on data and watch it learn.

    `net` is a layer, or the sizes of the hidden layers ([64, 64]; None for those), which are given inputs and outputs
    to suit the data. `data` is a pair of arrays `(x, y)`, a data frame or file with `target=` the column to predict, an
    `.npz` file with x and y, or batches `(x, y)` from an iterable or a function that makes an iterator. `loss` is
    chosen from the target where it is not given.

    A fifth of the rows is held out to judge by (`validation=` a share, data of the same form, or None). With
    `runs="runs"` the run is kept in that folder, with a checkpoint every `checkpoint_seconds`, and `resume=ID` (or
    "last") goes on bit for bit where it stood. Ctrl-C returns the run so far. NaN or an infinite number stops the
    training, and `run.problem` names the layer where it arose.

    Raises: DataError, SettingError or ShapeError, before anything is computed, where something does not fit.
    Example:
        >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
        >>> run = fit([8], (x, x**2), epochs=2, progress=False)
        >>> run.status, len(run.history)
        ('finished', 2)
    """
    given = losses.loss(loss) if loss is not None else None
    rows, target, title = named(data, target)
    opened = open_data(
        rows, target, task=task, loss_targets=given and given.targets, weights=weights, validation=validation, seed=seed
    )
    net, criterion = suited(net, given, opened, seed)
    table = tuple(sorted((str(k), float(v)) for k, v in class_weight.items())) if isinstance(class_weight, Mapping) else class_weight
    settings = Settings(
        criterion, optimizer, learning_rate, schedule, epochs, batch_size, weight_decay, l1, clip, table, early_stop,
        shuffle, seed, watch_every,
    )  # fmt: skip
    options = {"watchers": [Doctor()], "progress": progress, "checkpoint_seconds": checkpoint_seconds}
    if runs is None and resume is None:
        return train(net, opened, settings, **options)
    source = {"path": str(data) if isinstance(data, str | Path) else None, "target": target, "task": task}
    kept = source | {"validation": validation if isinstance(validation, int | float) else None, "seed": seed}
    return kept_fit(store.RunStore(runs or "runs"), net, opened, settings, kept, name or title or opened.name, resume, options)


def kept_fit(
    folder: store.RunStore,
    net: Layer,
    data: Data,
    settings: Settings,
    source: dict[str, Any],
    name: str,
    resume: str | None,
    options: dict[str, Any],
) -> Run:
    """Train and keep the run: its row and history in the index, its checkpoint and network in its folder."""

    about = {
        "task": data.preprocess.task,
        "loss": settings.loss.name,
        "fingerprint": data.fingerprint,
        "seed": settings.seed,
        "settings": settings.to_json() | {"data": source},
        "status": "running",
    }
    id = folder.get(resume)["id"] if resume else folder.create(name, about | {"environment": store.environment()})
    place = folder.folder(id)
    place.mkdir(parents=True, exist_ok=True)
    run = train(
        net,
        data,
        settings,
        checkpoint=place / CHECKPOINT,
        resume=resume is not None,
        on_epoch=lambda epoch: folder.add_epoch(id, epoch.number, epoch.to_json()),
        **options,
    )
    run = replace(run, id=id)
    save(place / MODEL, run, source=source)
    last = run.history[-1] if run.history else None
    summary = {"loss": last.loss, "validation_loss": last.validation_loss, **last.metrics} if last else {}
    folder.update(id, status=run.status, metrics=summary, findings=plain(run.findings))
    return run


def named(data: Any, target: str | None) -> tuple[Any, str | None, str | None]:
    """The rows and target of one of the bundled data sets where `data` is its name and no file is; else as given."""
    if isinstance(data, str) and data in BUNDLED and not Path(data).exists():
        rows, own = bundled(data)
        return rows, target or own, data
    return data, target, None


def suited(
    net: Layer | Sequence[int] | None, loss: losses.Loss | None, data: Data, seed: int
) -> tuple[Layer, losses.Loss]:
    """A network with the inputs and outputs this data needs, and the loss for its target."""
    classes = len(data.preprocess.target.classes)
    one = data.sample.x[:1]
    if isinstance(net, Layer):
        if loss is None:
            shape = jax.eval_shape(lambda net, x: net(x), net, one).shape
            loss = losses.loss("squared_error" if not classes else "binary_cross_entropy" if shape[-1] == 1 else "cross_entropy")
        return net, loss
    hidden = [64, 64] if net is None else list(net)
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in hidden):
        raise SettingError(f"The sizes of the hidden layers are whole numbers above 0, as in [64, 64]; got {hidden}.")
    loss = loss or losses.loss("squared_error" if not classes else "binary_cross_entropy" if classes == 2 else "cross_entropy")
    if one.ndim != 2:
        raise SettingError(f"Rows of shape {one.shape[1:]} need a network of your own, such as Sequential([Flatten(), …]).")
    single = loss.targets in ("binary", "signs")
    outputs = 1 if classes and single else classes or data.sample.y.reshape(len(data.sample.y), -1).shape[1] * loss.outputs
    return mlp([one.shape[1], *hidden, outputs], key=seed), loss


def save(path: str | Path, what: Layer | Run, *, source: dict[str, Any] | None = None) -> Path:
    """Write a network, or a run with its network, preprocessing and history, to one safetensors file.

    Raises: StoreError where the disk refuses, or the network holds a function (`Function`), which no file can hold.
    """
    if not isinstance(what, Run):
        return store.save(path, what)
    written = what.to_json() | {"preprocessing": what.preprocess.state(), "source": source, "environment": store.environment()}
    written |= {"fingerprint": what.data.fingerprint if what.data else None, "data_notes": list(what.data.notes) if what.data else []}
    return store.save(path, what.net, about={"run": written})


def load(path: str | Path) -> Layer | Run:
    """Read back what `save` wrote: a network, or a run; the folder of a kept run works too.

    Raises: StoreError where the file is not one of ours, damaged, or not to be trusted.
    """
    net, about = store.load(path)
    if not isinstance(about, dict) or "run" not in about:
        return net
    try:
        return run_from_json(about["run"], net)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise StoreError(f"{path} says it holds a run, but its record is damaged: {problem!r}.") from None


def run_from_json(written: dict[str, Any], net: Layer) -> Run:
    kept = dict(written["settings"])
    loss = dict(kept.pop("loss"))
    kept["class_weight"] = tuple(map(tuple, kept["class_weight"])) if isinstance(kept["class_weight"], list) else kept["class_weight"]
    if kept["optimizer"] == "an Optax transformation":
        kept["optimizer"] = "adam"
    known = {f.name for f in dataclasses.fields(Run)}
    fields = {k: v for k, v in written.items() if k in known}
    found = fields["range_test"]
    return Run(
        **fields
        | {
            "settings": Settings(losses.loss(loss.pop("name"), **loss), **kept),
            "history": tuple(epoch_from_json(epoch) for epoch in fields["history"]),
            "findings": tuple(Finding(**finding) for finding in fields["findings"]),
            "notes": tuple(fields["notes"]),
            "problem": fields["problem"] and NonFinite(**fields["problem"]),
            "range_test": found and RangeTest(np.array(found["rates"]), np.array(found["losses"]), found["suggested"]),
        },
        net=net,
        preprocess=Preprocess.from_state(written["preprocessing"]),
    )


def runs(root: str | Path = "runs") -> list[dict[str, Any]]:
    """The runs kept in a folder, newest first: id, name, status, settings, metrics, findings."""
    return store.RunStore(root).list()


def open_run(id: str = "last", root: str | Path = "runs") -> Run:
    """A kept run by its id, the beginning of it, or "last"."""
    folder = store.RunStore(root)
    row = folder.get(id)
    path = folder.folder(row["id"]) / MODEL
    if not path.exists():
        raise StoreError(f"The run {row['id']} is {row['status']} and has no network yet: go on with resume={row['id']!r}.")
    run = load(path)
    if not isinstance(run, Run):
        raise StoreError(f"{path} holds a network and no run.")
    return replace(run, id=row["id"])


def write_report(run: Run, path: str | Path = REPORT) -> Path:
    """One HTML page that shows what was learned, how well, from what, and how to do it again.

    Raises: DataError where the run has no data (read back from disk): `with_data` gives it again.
    """
    from .insight import story
    from .report import page

    return store.write_text(path, page(story(run)))


def with_data(run: Run, source: Mapping[str, Any], data: Any = None) -> Run:
    """A run read back from disk with the data it was trained on opened again."""
    place = data if data is not None else source.get("path")
    if place is None:
        raise SettingError("This run was trained on data that no file holds: give the data again.")
    rows, target, _ = named(place, source.get("target"))
    opened = open_data(
        rows,
        target,
        task=source.get("task"),
        loss_targets=run.settings.loss.targets,
        validation=source.get("validation"),
        seed=source.get("seed") or 0,
        preprocess=run.preprocess,
    )
    return replace(run, data=opened)
