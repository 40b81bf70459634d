from __future__ import annotations

import time
from typing import Any

import jax
import numpy as np

from ..errors import DataError, PellucidError, SettingError
from ..language import phrase
from ..losses import Loss
from ..losses import loss as loss_named
from ..module import Layer
from ..train import Run, Settings, as_rows, outputs
from ._changes import fresh
from ._diagnosis import Diagnosis, examined
from ._patient import Patient
from ._program import Program


def diagnose(
    net: Layer | Run,
    x: Any = None,
    y: Any = None,
    *,
    loss: str | Loss | Any = None,
    optimizer: Any = "adam",
    learning_rate: float | None = None,
    epochs: int = 20,
    batch_size: int = 32,
    weight_decay: float = 0.0,
    shuffle: bool = True,
    seed: int = 0,
    validation: tuple[Any, Any] | None = None,
    names: tuple[str, ...] = (),
    trained: Layer | None = None,
    seconds: float = 5.0,
) -> Diagnosis:
    """Find why a training does not learn what it could: what is wrong, where, how sure, and what to change.

    `net` is a network before its first step, with the rows it is to learn from and how, or a `Run`, which knows these
    itself. `trained` is the network after training, where there is one. Static checks come first, then checks of the
    data, then probes: short trainings as they are set up and with one thing changed, for `seconds` in all (compiling
    comes on top). Nothing of what is given is changed.

    The score that all is judged by is accuracy or R² on the rows learned from. A mismatch that costs none of it is
    "harmless". `Diagnosis.prescribe()` tries cures.

    Shapes: x (rows, ...); y (rows,) or (rows, outputs), as the loss takes them.
    Raises: DataError where x and y do not fit each other, SettingError for a setting there is not.
    Example:
        >>> import pellucid as pl
        >>> from pellucid.layers import Dense, Sequential, Softmax
        >>> x = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
        >>> net = Sequential([*pl.mlp([1, 8, 1], key=0).layers, Softmax()])
        >>> diagnose(net, x, (x > 0).astype(float), loss="squared_error").findings[0].code
        'OUT_SOFTMAX1'
    """
    began = time.perf_counter()
    if isinstance(net, Run):
        patient = patient_of(net, x, y, seconds)
    else:
        program = program_of(
            net, x, y, validation, names, loss, optimizer=optimizer, learning_rate=learning_rate, epochs=epochs,
            batch_size=batch_size, weight_decay=weight_decay, shuffle=shuffle, seed=seed,
        )  # fmt: skip
        patient = Patient(program, trained, seconds=seconds)
    findings, notes = examined(patient)
    known = patient.base is not None
    return Diagnosis(
        findings=tuple(findings),
        notes=(*unsaid(patient), *notes),
        metric=patient.task.words if patient.task else "",
        reached=patient.reached if known else None,
        trivial=patient.trivial if known else None,
        best=patient.best if known else None,
        seconds=time.perf_counter() - began,
        patient=patient,
    )


def program_of(
    net: Layer, x: Any, y: Any, validation: Any, names: tuple[str, ...], loss: Any, **settings: Any
) -> Program:
    """What is given, checked and as arrays."""
    if not isinstance(net, Layer):
        raise SettingError(f"diagnose takes a network or a run, got a {type(net).__name__}.")
    if (x is None) != (y is None):
        raise DataError(f"diagnose takes x and y together, or neither; {'x' if x is None else 'y'} is missing.")
    if x is not None:
        x, y = rows_of(x, y)
    criterion = loss_named(loss) if loss is not None else default_loss(net, x, y)
    size = settings["batch_size"]
    if x is not None and isinstance(size, int) and size > max(len(x), 1):
        settings["batch_size"] = max(len(x), 1)
    held = rows_of(*validation) if validation is not None else None
    return Program(net, Settings(criterion, **settings), x, y, held, tuple(names))


def rows_of(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Arrays of rows: numbers as float32, bytes as they are, names of classes as their numbers."""
    x, y = np.asarray(as_rows(x, "x")), np.asarray(as_rows(y, "y"))
    if len(x) != len(y):
        raise DataError(f"x has {len(x)} rows and y {len(y)}: give a target for each row.")
    if y.dtype.kind in "OUS":
        y = np.unique(y.astype(str), return_inverse=True)[1].reshape(y.shape)
    if x.dtype.kind not in "fiub":
        raise DataError(f"x holds {x.dtype}: encode it as numbers first.")
    x = x if x.dtype == np.uint8 else x.astype(np.float32)
    return x, y.astype(np.float32) if y.dtype.kind in "fb" else y


def default_loss(net: Layer, x: np.ndarray | None, y: np.ndarray | None) -> Loss:
    """The loss that targets like these call for, where none is named."""
    if y is None or x is None or not len(y):
        return loss_named("squared_error")
    try:
        units = outputs(net, x[:1]).shape[-1]
    except (PellucidError, TypeError, ValueError):
        units = 1
    values = np.unique(y)
    if units > 1 and y.ndim == 1 and y.dtype.kind in "iu":
        return loss_named("cross_entropy")
    if set(values.tolist()) <= {0, 1}:
        return loss_named("binary_cross_entropy" if units == 1 else "cross_entropy")
    return loss_named("squared_error")


def patient_of(run: Run, x: Any, y: Any, seconds: float) -> Patient:
    """A run as a patient: its data where it has some, else the rows given."""
    if run.net is None:
        raise DataError("This run has no network: it broke off before the first step.")
    held = None
    if x is not None:
        x = run.preprocess.kept(x) if run.preprocess is not None else np.asarray(x)
        y = run.preprocess.targets(y) if run.preprocess is not None else np.asarray(y)
    elif run.data is not None and run.data.in_memory:
        block = next(iter(run.data.blocks(0)))
        x, y, v = block.x, block.y, run.data.validation
        held = (np.asarray(v.x), np.asarray(v.y)) if v is not None and len(v.x) else None
    elif run.data is not None:
        x, y = run.data.sample.x, run.data.sample.y
    names = tuple(column.name for column in run.preprocess.columns) if run.preprocess is not None else ()
    start = run.snapshots[0].net if run.snapshots else fresh(run.net, run.settings.seed)
    program = Program(start, run.settings, x, y, held, names)
    return Patient(program, run.net, run.history, run.problem, seconds=seconds, start_known=bool(run.snapshots))


def unsaid(patient: Patient) -> list[str]:
    """What could not be looked at, and why."""
    if patient.x is None:
        return [phrase("There is no data: only the network and its settings were looked at.")]
    notes = []
    if not len(patient.x):
        notes.append(phrase("There are no rows: only the network and its settings were looked at."))
    elif patient.output_shape is None:
        notes.append(phrase("The network cannot be run on these rows: {why}", why=patient.refusal))
    elif patient.base is None:
        why = patient.refusal or phrase("the loss does not take these targets.")
        notes.append(phrase("The training could not be tried: {why}", why=why))
    if not all(np.isfinite(np.asarray(a)).all() for a in jax.tree.leaves(patient.net)):
        notes.append(phrase("The network holds weights that are NaN or infinite."))
    if not patient.start_known:
        notes.append(phrase("The start of this run was not kept: what it started with was not looked at."))
    if patient.left < 0:
        notes.append(
            phrase("The time of {n:g} s was over before all was tried: give seconds= for more.", n=patient.seconds)
        )
    return notes
