"""The facade behind `import pellucid as pl`: it puts together what the packages below do."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from . import losses, store
from .doctor import Diagnosis, Doctor, Finding
from .errors import DataError, PellucidError, SettingError, StoreError
from .language import message_of, phrase
from .layers import convnet, mlp, monotone_mlp, recurrent_net, values_of
from .module import Layer
from .records import plain
from .train import (
    BUNDLED,
    Data,
    NonFinite,
    Preprocess,
    RangeTest,
    Run,
    Settings,
    bundled,
    directions_of,
    epoch_from_json,
    input_directions,
    open_data,
    read_snapshots,
    unit,
    write_snapshots,
)
from .train import fit as train

MODEL, CHECKPOINT, REPORT = "model.safetensors", "checkpoint.safetensors", "report.html"
SNAPSHOTS = "snapshots.safetensors"
ONNX, WEIGHTS = ".onnx", (".pt", ".pth")


def fit(
    net: Layer | Sequence[int] | None,
    data: Any,
    *,
    target: str | None = None,
    loss: str | losses.Loss | Callable[..., Any] | None = None,
    optimizer: Any = "adam",
    learning_rate: float | str | None = None,
    schedule: str = "constant",
    epochs: int = 20,
    batch_size: int = 32,
    validation: Any = 0.2,
    weights: Any = None,
    size: int | Sequence[int] | None = None,
    augment: Sequence[str] = (),
    monotone: Mapping[str | int, int | str] | None = None,
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
    on_finding: str = "tell",
) -> Run:
    """Train a network on data and watch it learn.

    `net` is a layer, or the sizes of the hidden layers (None for the usual ones), which are given inputs and outputs to
    suit the data: an `mlp` for a table, a `convnet` for images, a `recurrent_net` for sequences; `augment` is for these
    two. `data` is a pair of arrays `(x, y)`, a data frame or file with `target=` the column to predict, an `.npz` file
    with x and y, a folder with a folder of images for each class (brought to one `size`), or batches `(x, y)` from an
    iterable or a function that makes an iterator. Images in bytes are seen as fractions of 255; x may be a list of
    sequences of different lengths. `loss` is chosen from the target where it is not given.

    `monotone={"age": +1, "price": "falling"}` makes a network for a table whose answer rises with one column and falls
    with the other, whatever it learns (`layers.monotone_mlp`): a number, or of two classes the probability of the
    second in their order. `certify.monotone(run)` proves it.

    A fifth of the rows is held out to judge by (`validation=` a share, data of the same form, or None). With
    `runs="runs"` the run is kept in that folder, with a checkpoint every `checkpoint_seconds`, and `resume=ID` (or
    "last") goes on bit for bit where it stood. Ctrl-C returns the run so far. NaN or an infinite number stops the
    training, and `run.problem` names the layer where it arose.

    The doctor looks at the network, its loss and its targets before the first step, and at every epoch: `on_finding`
    is "tell", "pause" (stop there: `run.status` is "paused") or "fix" (mend what can be mended, and go on).

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
        rows, target, task=task, loss_targets=given and given.targets, weights=weights, validation=validation,
        seed=seed, net=net if isinstance(net, Layer) else None, size=size,
    )  # fmt: skip
    directions = None if monotone is None else directions_of(monotone, opened.preprocess)
    source = {
        "path": str(data) if isinstance(data, str | Path) else None,
        "target": target,
        "task": task,
        "weights": weights if isinstance(weights, str) else None,
        "validation": validation if isinstance(validation, int | float | str) else None,
        "seed": seed,
        "hidden": None if isinstance(net, Layer) else sizes_for(net, opened, monotone is not None),
        "augment": list(augment),
        "monotone": directions,
        "size": size,
    }
    net, criterion = suited(net, given, opened, seed, augment, directions)
    table = (
        tuple(sorted((str(k), float(v)) for k, v in class_weight.items()))
        if isinstance(class_weight, Mapping)
        else class_weight
    )
    settings = Settings(
        criterion, optimizer, learning_rate, schedule, epochs, batch_size, weight_decay, l1, clip, table, early_stop,
        shuffle, seed, watch_every,
    )  # fmt: skip
    options = {
        "watchers": [Doctor()],
        "progress": progress,
        "checkpoint_seconds": checkpoint_seconds,
        "on_finding": on_finding,
    }
    if runs is None and resume is None:
        return replace(train(net, opened, settings, **options), source=source)
    return kept_fit(
        store.RunStore(runs or "runs"), net, opened, settings, source, name or title or opened.name, resume, options
    )


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
    if resume:
        kept = folder.get(resume)
        id = kept["id"]
        check_same_network(kept["settings"].get("data", {}), source)
        folder.update(id, status="running")
    else:
        id = folder.create(name, about | {"environment": store.environment()})
    place = folder.folder(id)
    place.mkdir(parents=True, exist_ok=True)
    try:
        run = train(
            net,
            data,
            settings,
            checkpoint=place / CHECKPOINT,
            resume=resume is not None,
            on_epoch=lambda epoch: folder.add_epoch(id, epoch.number, epoch.to_json()),
            **options,
        )
    except PellucidError:
        if not resume and not (place / CHECKPOINT).exists() and not folder.history(id):
            folder.remove(id)  # nothing was trained: what was wrong was seen before the first step
        else:
            folder.update(id, status="failed")
        raise
    run = replace(run, id=id, source=source)
    last = run.history[-1] if run.history else None
    summary = {"loss": last.loss, "validation_loss": last.validation_loss, **last.metrics} if last else {}
    try:
        save(place / MODEL, run)
        if run.snapshots:
            write_snapshots(place / SNAPSHOTS, run.snapshots, id)
        folder.update(id, status=run.status, metrics=summary, findings=plain(run.findings))
    except StoreError as problem:  # hours of work are not thrown away for a full disk
        run = replace(run, notes=(*run.notes, phrase("The run was not kept: {problem}", problem=message_of(problem))))
        warnings.warn(run.notes[-1], RuntimeWarning, stacklevel=3)
    return run


def check_same_network(kept: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises: SettingError where a run is to go on with another network than it began with."""
    for name in ("hidden", "augment", "monotone"):
        if name in kept and kept[name] != now[name]:
            raise SettingError(
                f"The run was begun with {name}={kept[name]!r}, not {now[name]!r}: resume with the same."
            )


def named(data: Any, target: str | None) -> tuple[Any, str | None, str | None]:
    """The rows and target of one of the bundled data sets where `data` is its name and no file is; else as given."""
    if isinstance(data, str) and data in BUNDLED and not Path(data).exists():
        rows, own = bundled(data)
        return rows, target or own, data
    return data, target, None


def suited(
    net: Layer | Sequence[int] | None,
    loss: losses.Loss | None,
    data: Data,
    seed: int,
    augment: Sequence[str] = (),
    directions: Mapping[str, int] | None = None,
) -> tuple[Layer, losses.Loss]:
    """A network with the inputs and outputs this data needs, and the loss for its target."""
    classes = len(data.preprocess.target.classes)
    one = unit(data.sample.x[:1])
    if isinstance(net, Layer):
        if augment:
            raise SettingError("augment is for a network made here: put RandomShift() and the like into your own.")
        if directions is not None:
            raise SettingError("monotone is for a network made here: make your own of layers.Monotone.")
        if loss is None:
            shape = jax.eval_shape(lambda net, x: values_of(net(x)), net, one).shape
            loss = losses.loss(
                "squared_error" if not classes else "binary_cross_entropy" if shape[-1] == 1 else "cross_entropy"
            )
        return net, loss
    loss = loss or losses.loss(
        "squared_error" if not classes else "binary_cross_entropy" if classes == 2 else "cross_entropy"
    )
    single = not loss.rowwise and loss.targets in ("binary", "signs", "any", "own")
    steps = data.preprocess.target.steps
    numbers = math.prod(data.sample.y.shape[1 + steps :])
    outputs = 1 if classes and single else classes or numbers * loss.outputs
    hidden, shape, form = sizes_for(net, data, directions is not None), one.shape[1:], data.preprocess.form
    if directions is not None:
        if outputs != 1:
            raise SettingError(monotone_of_several(classes, outputs))
        return monotone_mlp([shape[0], *hidden, 1], input_directions(directions, data.preprocess), key=seed), loss
    if form and form.name == "sequences":
        n_in = form.tokens or shape[-1]
        options: dict[str, Any] = {"tokens": bool(form.tokens), "every_step": steps, "augment": augment}
        return recurrent_net(n_in, outputs, key=seed, hidden=hidden, **options), loss
    if len(shape) == 3:
        return convnet(shape, outputs, key=seed, channels=hidden, augment=augment), loss
    if augment:
        raise SettingError("augment is for images and sequences: a table has no places to shift.")
    return mlp([shape[0], *hidden, outputs], key=seed), loss


def monotone_of_several(classes: int, outputs: int) -> str:
    """Why several outputs cannot be made monotone here, and what can."""
    if classes == 2:
        return "monotone is for one output, and this loss wants two for two classes: take loss='binary_cross_entropy'."
    if classes:
        return (
            f"monotone is for a number or two classes, and there are {classes}: where one becomes more probable others "
            "become less. Number them in their order and say task='regression', or ask for one class against the rest."
        )
    return f"monotone is for one number a row, and this network gives {outputs}: train one for each."


def sizes_for(given: Sequence[int] | None, data: Data, monotone: bool = False) -> list[int]:
    """The sizes of the hidden layers, or the usual ones for this data: channels for images, halved as often as it takes
    to come from their sides to 8 at most; one layer more for a monotone network, which can turn less in each."""
    form = data.preprocess.form
    if given is None and form and form.name == "sequences":
        return [64]
    if given is None and form and len(form.shape) == 3:
        side = max(form.shape[:2])
        return [32, 64, 128, 128, 128, 128][: max(2, math.ceil(math.log2(side / 8)))]
    hidden = [64] * (2 + monotone) if given is None else list(given)
    if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in hidden):
        raise SettingError(f"The sizes of the hidden layers are whole numbers above 0, as in [64, 64]; got {hidden}.")
    return hidden


def save(path: str | Path, what: Layer | Run) -> Path:
    """Write a network, or a run with its network, preprocessing and history, to one safetensors file.

    The snapshots of a run are not in it: they lie beside it in the folder of a kept run.

    Raises: StoreError where the disk refuses, or the network holds a function (`Function`), which no file can hold.
    """
    if not isinstance(what, Run):
        return store.save(path, what)
    about = what.to_json() | {"preprocessing": what.preprocess.state(), "environment": store.environment()}
    return store.save(path, what.net, about={"run": about})


def load(path: str | Path, net: Layer | None = None, names: Mapping[str, str] | None = None) -> Layer | Run:
    """Read back what `save` wrote: a network, or a run; the folder of a kept run works too. An .onnx file of others is
    opened as a network of layers, which takes and gives the arrays that the file says.

    With `net`, the file holds the weights of a PyTorch module of the same build (.safetensors, .pt or .pth), which go
    into the layers of the same names; where those differ, `names` says so: `{"fc1": "layers[0]"}`.

    Raises: StoreError where the file is not one of ours, damaged, or not to be trusted; InteropError where that is so
        of an ONNX or PyTorch file, or it holds unsupported operations or weights that do not fit, all listed.
    """
    if net is not None:
        from .interop import load_state

        return load_state(net, path, names)
    if Path(path).suffix.lower() in WEIGHTS:
        raise StoreError(f"{path} holds weights without a network: name the one they are for, as load(path, net=…).")
    if Path(path).suffix.lower() == ONNX:
        from .interop import from_onnx

        return from_onnx(path)
    net, about = store.load(path)
    if not isinstance(about, dict) or "run" not in about:
        return net
    try:
        run = run_from_json(about["run"], net)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise StoreError(f"{path} says it holds a run, but its record is damaged: {problem!r}.") from None
    beside = (Path(path) if Path(path).is_dir() else Path(path).parent) / SNAPSHOTS
    return replace(run, snapshots=read_snapshots(beside, net, run.id)) if beside.exists() else run


def run_from_json(written: dict[str, Any], net: Layer) -> Run:
    kept = dict(written["settings"])
    loss = dict(kept.pop("loss"))
    kept["class_weight"] = (
        tuple(map(tuple, kept["class_weight"])) if isinstance(kept["class_weight"], list) else kept["class_weight"]
    )
    if kept["optimizer"] == "an Optax transformation":
        kept["optimizer"] = optax.identity()  # which rule it was no file can say; it is written as it was read
    name = loss.pop("name")
    criterion = losses.loss(name, **loss) if name in losses.LOSSES else losses.not_kept(name)
    known = {f.name for f in dataclasses.fields(Run)}
    fields = {k: v for k, v in written.items() if k in known}
    found = fields["range_test"]
    return Run(
        **fields
        | {
            "settings": Settings(criterion, **kept),
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


def open_run(run: str = "last", root: str | Path = "runs") -> Run:
    """A kept run: by its id, the beginning of it, or "last" in the folder `root`; or by its own folder or file.

    Raises: StoreError where there is no such run, it has no network yet, or its file cannot be trusted.
    """
    path = locate(run, root)
    found = load(path)
    if not isinstance(found, Run):
        raise StoreError(f"{path} holds a network alone, and no run that knows its data: load it with `load`.")
    return found


def locate(run: str, root: str | Path = "runs") -> Path:
    """The model file that the name of a run stands for.

    Raises: StoreError where there is no such run, or it has no network yet.
    """
    path = Path(run)
    if path.is_file():
        return path
    if not path.is_dir():
        if path.suffix.lower() in (".safetensors", ONNX) or len(path.parts) > 1:
            raise StoreError(f"There is no file or folder {run}.")
        folder = store.RunStore(root)
        path = folder.folder(folder.get(run)["id"])
    if not (path / MODEL).exists():
        raise StoreError(f"{path} has no network: its training has not come to an end: go on with resume={path.name}.")
    return path / MODEL


def with_data(run: Run, data: Any = None) -> Run:
    """A run read back from disk with the data it was trained on opened again, or with other data in its place.

    Raises: DataError where the data is gone, or is not what the run was trained on.
    """
    place = data if data is not None else run.source.get("path")
    if place is None:
        raise DataError("This run was not trained on a file: give the data to use.")
    if data is None and place not in BUNDLED and not Path(place).exists():
        raise DataError(f"The run was trained on {place}, which is not there now: give the data to use.")
    rows, target, _ = named(place, run.source.get("target"))
    opened = open_data(
        rows,
        target,
        task=run.source.get("task"),
        loss_targets=run.settings.loss.targets,
        weights=run.source.get("weights"),
        validation=run.source.get("validation"),
        seed=run.source.get("seed") or 0,
        preprocess=run.preprocess,
    )
    if data is None and opened.fingerprint != run.fingerprint:
        raise DataError(f"{place} has changed since the run was trained on it: name it as the data to use it as it is.")
    return replace(run, data=opened)


def write_report(
    run: Run, path: str | Path = REPORT, diagnosis: Diagnosis | None = None, *, lang: str | None = None
) -> Path:
    """One HTML page that shows what was learned, how well, from what, and how to do it again.

    A `diagnosis` of the run, from `pl.diagnose(run)`, is shown in its section on the doctor. `lang` is the language of
    the page, "en" or "zh".

    Raises: DataError where the data of a run read back from disk is gone or has changed; SettingError for a language
        that is not spoken.
    """
    from .insight import story
    from .report import page

    return store.write_text(path, page(story(run if run.data else with_data(run), diagnosis=diagnosis), lang=lang))
