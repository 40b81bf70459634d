"""The preprocessing of a run as part of the graph: from the columns of a table, or bytes, to what the network takes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...train import Column, Preprocess
from ...train._columns import CYCLES
from ._sheet import ML, Pen, Value

DOUBLE, TEXT = np.dtype(np.float64), np.dtype(object)
FRACTION = float(np.float32(1 / 255))
Ports = list[tuple[Value, str]]  # inputs of the model, each with what is to be known of it


def from_columns(preprocess: Preprocess, w: Pen) -> tuple[Ports, Value]:
    """An input (batch, 1) for each column, and what the network takes of them.

    Computed in double precision, as when the network was trained: a large mean is taken away from large numbers.
    """
    ports: Ports = []
    used = [column for column in preprocess.columns if column.kind != "dropped"]
    names = {column.name: w.sheet.fresh(column.name or "column") for column in used}

    def port(column: Column, dtype: np.dtype, how: str) -> str:
        value = Value(names[column.name], (None, 1), dtype, (0, 1))
        ports.append((value, f"{column.line()}; {how}"))
        return value.name

    parts = valued(preprocess, w, port)
    for column in used:
        if column.kind == "category":
            parts.append(levels(column, w, port(column, TEXT, "text, '' where missing")))
    x = parts[0] if len(parts) == 1 else w.node("Concat", *parts, axis=1)
    return ports, Value(x, (None, len(preprocess.input_names)), w.sheet.dtype, (0, 1))


def valued(preprocess: Preprocess, w: Pen, port: Any) -> list[str]:
    """Numbers, parts of dates and booleans, standardised, and which of them were missing."""
    ordered = [c for kind in ("number", "date", "boolean") for c in preprocess.columns if c.kind == kind]
    if not ordered:
        return []
    parts = []
    for column in ordered:
        given = port(column, DOUBLE, HOW[column.kind])
        parts += [given, *(waves(column, w, given) if column.kind == "date" else [])]
    raw = parts[0] if len(parts) == 1 else w.node("Concat", *parts, axis=1)
    gone, scaler, imputer = w.node("IsNaN", raw), preprocess.scaler, preprocess.imputer
    filled = w.node("Where", gone, np.asarray(imputer.statistics_), raw)
    if scaler is not None:
        rest = len(imputer.statistics_) - len(scaler.mean_)  # booleans stay as they are
        mean, scale = np.append(scaler.mean_, np.zeros(rest)), np.append(scaler.scale_, np.ones(rest))
        filled = w.node("Sub", filled, w.parameter("mean", mean, as_it_is=True))
        filled = w.node("Div", filled, w.parameter("scale", scale, as_it_is=True))
    found = [w.node("Cast", filled, to=w.sheet.dtype)]
    gaps = imputer.indicator_.features_
    if len(gaps):
        found.append(w.node("Cast", w.node("Gather", gone, gaps.astype(np.int64), axis=1), to=w.sheet.dtype))
    return found


HOW = {
    "number": "a number, NaN where missing",
    "date": "days since 1970-01-01 (UTC), with a fraction for the time of day; NaN where missing",
    "boolean": "1 for true, 0 for false, NaN where missing",
}


def waves(column: Column, w: Pen, days: str) -> list[str]:
    """The place of a date in each cycle; 0, 0 where it is missing."""
    found = []
    for cycle in column.cycles:
        turn = w.node("Div", w.node("Mul", days, np.float64(2 * math.pi)), np.float64(CYCLES[cycle]))
        for wave in ("Sin", "Cos"):
            found.append(w.node("Where", w.node("IsNaN", days), np.zeros(()), w.node(wave, turn)))
    return found


def levels(column: Column, w: Pen, given: str) -> str:
    """One input for each level of a category: 1 where the text is that level, 0 elsewhere."""
    codes = {category: i for i, category in enumerate(column.categories)}
    codes.setdefault("", len(column.levels) - 1 if column.missing else -1)
    code = w.node(
        "LabelEncoder",
        given,
        domain=ML,
        keys_strings=list(codes),
        values_int64s=list(codes.values()),
        default_int64=len(column.categories) if column.other else -1,
    )
    return w.node("Cast", w.node("Equal", code, np.arange(len(column.levels))), to=w.sheet.dtype)


def from_rows(preprocess: Preprocess, w: Pen, any_steps: bool) -> tuple[Ports, Value]:
    """The input for plain arrays: numbers as they are, bytes as fractions of 255, sequences padded with NaN."""
    form: Any = preprocess.form
    if form.name != "bytes":
        steps = (None, *form.shape[1:]) if any_steps and form.name == "sequences" else form.shape
        x = Value(w.sheet.fresh("input"), (None, *steps), w.sheet.dtype, tuple(range(len(steps) + 1)))
        return [(x, form.line())], x
    axes = tuple(range(len(form.shape) + 1))
    given = Value(w.sheet.fresh("input"), (None, *form.shape), np.dtype(np.uint8), axes)
    real = w.node("Mul", w.node("Cast", given.name, to=w.sheet.dtype), FRACTION)
    return [(given, form.line())], Value(real, given.shape, w.sheet.dtype, axes)
