"""Networks and runs written as ONNX."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from ...backprop import default_shape
from ...errors import InteropError, SettingError, ShapeError
from ...module import Layer
from ...train import Run
from ._answers import answers_of, output_of
from ._columns import from_columns, from_rows
from ._model import model_of, write_file
from ._seen import type_of
from ._sheet import Pen, Shape, Sheet, Value
from ._write import write_network

__all__ = ["to_onnx", "write_file"]

OPSET = 18
OLDEST = 18  # before it, Pad, Resize and the means of the table are said otherwise


def to_onnx(
    what: Layer | Run,
    path: str | os.PathLike[str] | None = None,
    *,
    x: Any = None,
    opset: int = OPSET,
    preprocessing: bool = True,
    answers: bool = False,
) -> Any:
    """A network, or a run with its preprocessing, as a model of ONNX (`onnx.ModelProto`); with a `path`, in a file too.

    The model takes the arrays that the network takes, channels last, in batches of any size. `x` is an array such as
    the network takes, a shape, batch first, with None where an axis may be of any length, a tuple of these for a
    network of several inputs, or nothing where the first layer says how wide its input is. Nodes and arrays are called
    by the paths of the layers. Layers that are for training only are left out.

    A run is written with what its preprocessing does: an input (batch, 1) for each column of the table, numbers in
    double precision with NaN where missing, texts with "" where missing, dates in days since 1970-01-01; bytes for
    images; sequences padded with NaN. Without `preprocessing` the model takes the inputs of the network itself. With
    `answers` it gives what the run's `predict` gives, "prediction" (classes by name, numbers in their own unit), and
    "probabilities" where there are classes; otherwise the network's own "output".

    Real numbers are in the type of the network's arrays. The file is whole or not written.

    Raises: InteropError where onnx is not installed, for layers that ONNX has no words for, and for more than 2 GB;
        ShapeError where x does not fit; SettingError for an opset there is not; StoreError where the disk refuses.
    Example:
        >>> from pellucid import mlp
        >>> model = to_onnx(mlp([4, 8, 3], key=0))
        >>> [node.op_type for node in model.graph.node], model.opset_import[0].version
        (['Gemm', 'Relu', 'Gemm'], 18)
    """
    check_opset(opset)
    run, net = (what, what.net) if isinstance(what, Run) else (None, what)
    if not isinstance(net, Layer):
        raise SettingError(f"to_onnx writes a network or a run, got a {type(net).__name__}.")
    if answers and run is None:
        raise SettingError("answers=True is for a run: a network alone does not know its classes or its unit.")
    if x is not None and run is not None and preprocessing:
        raise SettingError("x is for a network, or for preprocessing=False: a run knows its own columns.")
    how = Wanted(net, run, x, opset, preprocessing, answers)
    try:
        model = written(how)
    except (InteropError, ShapeError):
        if run is None or x is not None or steps_of(run) is None:
            raise
        model = written(replace(how, any_steps=False))  # the network takes sequences of one length alone
    if path is not None:
        write_file(path, model)
    return model


@dataclass(frozen=True)
class Wanted:
    """What is to be written; `any_steps`: sequences of any length."""

    net: Layer
    run: Run | None
    x: Any
    opset: int
    preprocessing: bool
    answers: bool
    any_steps: bool = True


def written(how: Wanted) -> Any:
    """The model.

    Raises: InteropError or ShapeError where the network cannot be written so.
    """
    sheet, run = Sheet(how.opset, type_of(how.net)), how.run
    pen = Pen(sheet)
    if run is not None and how.preprocessing:
        start = pen.inside("preprocess")
        table = run.preprocess.form is None
        inputs, value = (
            from_columns(run.preprocess, start) if table else from_rows(run.preprocess, start, how.any_steps)
        )
        values: tuple[Value, ...] = (value,)
    else:
        values = inputs_of(how.net, row_of(run, how.any_steps) if how.x is None else how.x, sheet)
        inputs = [(value, "") for value in values]
    z = write_network(how.net, values, sheet)
    return model_of(sheet, inputs, outputs_of(run, z, how.answers, pen), about(run))


def row_of(run: Run | None, any_steps: bool) -> Shape | None:
    """The shape of what a run's network takes."""
    if run is None:
        return None
    shape = run.preprocess.shape or (len(run.preprocess.input_names),)
    return (None, None, *shape[1:]) if any_steps and steps_of(run) else (None, *shape)


def steps_of(run: Run) -> int | None:
    """How many steps the sequences of a run had, None where it learned from something else."""
    form = run.preprocess.form
    return form.shape[0] if form is not None and form.name == "sequences" else None


def check_opset(opset: int) -> None:
    """Raises: InteropError where onnx is missing; SettingError for an opset that is too old, or not known yet."""
    if find_spec("onnx") is None:
        raise InteropError('Writing ONNX needs the package onnx: pip install "pellucid[onnx]".')
    from onnx import defs

    newest = defs.onnx_opset_version()
    if type(opset) is not int or not OLDEST <= opset <= newest:
        raise SettingError(
            f"opset is a whole number from {OLDEST} to {newest}, the newest of onnx here; got {opset!r}."
        )


def inputs_of(net: Layer, x: Any, sheet: Sheet) -> tuple[Value, ...]:
    """The inputs of the network: "input", or "input_0", "input_1", ... where there are several."""
    x = default_shape(net) if x is None else x
    several = isinstance(x, tuple | list) and not is_shape(x)
    if several and not x:
        raise SettingError("x is empty: give an array or a shape, batch first, such as (1, 28, 28, 1).")
    parts = [port_of(part, sheet) for part in (x if several else [x])]
    names = [f"input_{i}" for i in range(len(parts))] if several else ["input"]
    return tuple(
        Value(sheet.fresh(name), shape, dtype, tuple(range(len(shape))))
        for name, (shape, dtype) in zip(names, parts, strict=True)
    )


def is_shape(x: Any) -> bool:
    return isinstance(x, tuple) and bool(x) and all(n is None or (type(n) is int and n >= 0) for n in x)


def port_of(x: Any, sheet: Sheet) -> tuple[Shape, np.dtype]:
    """The shape of one input, the batch open, and its type: that of an array of whole numbers, or the network's."""
    if is_shape(x):
        return (None, *x[1:]), sheet.dtype
    shape, dtype = np.shape(x), np.dtype(getattr(x, "dtype", np.asarray(x).dtype))
    if not shape:
        raise SettingError(f"x is an array or a shape, batch first, such as (1, 28, 28, 1); got {x!r}.")
    return (None, *shape[1:]), dtype if dtype.kind in "iub" else sheet.dtype


def outputs_of(run: Run | None, z: Any, answers: bool, w: Pen) -> dict[str, Value]:
    """What the model gives, by name."""
    if run is not None:
        return answers_of(run, z, w.inside("answer")) if answers else {"output": output_of(z, w.inside("output"))}
    if isinstance(z, tuple):
        return {f"output_{i}": part.named(w.laid(part)) for i, part in enumerate(z)}
    found = {"output": replace(z, name=w.laid(z))}
    if z.lengths is not None:
        found["lengths"] = Value(z.lengths.count, (None,), np.dtype(np.int32), (0,))
    return found


def about(run: Run | None) -> str:
    """What the model is, in words that stay in the file."""
    if run is None:
        return "A network written by Pellucid."
    return f"A run of Pellucid{f', {run.id}' if run.id else ''}.\n{run.preprocess.describe()}"
