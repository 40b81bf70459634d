"""What a network learns: classes by name, or numbers, and the way back from its outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ..errors import DataError
from ..language import phrase
from ..recall import recalled
from ..records import Record
from ._cells import LARGEST, Rows, as_float32, bad_cell, booleans, missing, numbers, short, some, texts

FEW = 20  # a whole-number target with at most so many values is one of classes
TASKS = ("classification", "regression")
TARGET_KINDS = ("label", "sign", "number", "value", "integer")
TASK_OF = dict.fromkeys(("labels", "binary", "signs", "distribution"), TASKS[0]) | {
    "real": TASKS[1],
    "counts": TASKS[1],
}


@dataclass(frozen=True)
class Target(Record):
    """What is learned, and as what a network sees it.

    The kinds: "label", class numbers; "sign", −1 and 1 for two classes; "number", standardised; "value", real numbers
    as they were given; "integer", several whole numbers a row as they were given.
    """

    name: str
    kind: str
    classes: tuple[Any, ...] = ()
    mean: float = 0.0
    scale: float = 1.0
    note: str = ""
    steps: bool = False  # one for every step of a sequence

    def line(self) -> str:
        """What is learned, in one line."""
        return f"{self.name}: target; {self.told()}"

    def told(self) -> str:
        """What is learned, in the language at hand, without its name."""
        what = phrase("numbers")
        if self.classes:
            what = phrase("one of {n} classes: {names}", n=len(self.classes), names=some(self.classes))
        mean, deviation = short(self.mean), short(self.scale)
        scaled = phrase("standardised inside: mean {mean}, deviation {deviation}", mean=mean, deviation=deviation)
        parts = [what, scaled if self.kind == "number" else "", recalled(self.note)]
        return phrase("; ").join(part for part in parts if part)

    def sound(self) -> bool:
        """Whether its fields, read from a file, are of their types."""
        kinds = {type(name) for name in self.classes}
        named = len(kinds) == 1 if self.kind in ("label", "sign") else len(kinds) <= 1
        scaled = abs(self.mean) < np.inf and 0 < self.scale < np.inf
        texts_only = isinstance(self.name, str) and isinstance(self.note, str)
        return self.kind in TARGET_KINDS and named and kinds <= {str, int, float, bool} and scaled and texts_only

    @classmethod
    def of_column(cls, cells: pl.Series, task: str | None = None, loss_targets: str | None = None) -> Target:
        """The target a column of a table is: classes for texts, booleans and few whole numbers; else a number.

        `loss_targets` is what the loss takes: "labels", "binary" and "signs" make classes, "real" and "counts" numbers.

        Raises: DataError where there is nothing to learn: one class, one value, or a class for every row.
        """
        values, note, task = cells.filter(~missing(cells)), "", task or TASK_OF.get(loss_targets or "")
        text = values.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Boolean)
        if task is None and not text and values.dtype.is_numeric():
            whole = values.dtype.is_integer() or (len(values) < len(cells) and _whole(values))  # gaps made them floats
            few = whole and values.n_unique() <= FEW and 2 * values.n_unique() <= len(values)
            said = phrase("many whole numbers (if they are classes, say task='classification')")
            if few:
                said = phrase("few whole numbers (if they are amounts, say task='regression')")
            note = said if whole else ""
            task = TASKS[not few]
        if task == "regression" or (task is None and not text):
            return cls.of_numbers(cells.name, numbers(cells).drop_nulls().drop_nans().to_numpy(), loss_targets, note)
        classes = class_names(values)
        if len(classes) == len(values) > FEW:
            raise DataError(f"The target {cells.name!r} has a different class in every row: choose another column.")
        return cls.of_classes(cells.name, classes, loss_targets, note)

    @classmethod
    def of_classes(cls, name: str, classes: list[Any], loss_targets: str | None = None, note: str = "") -> Target:
        """One of these classes."""
        if len(classes) < 2:
            raise DataError(f"The target {name!r} is always {classes[0]!r}: there is nothing to learn from one class.")
        if loss_targets == "signs" and len(classes) != 2:
            raise DataError(
                f"The target {name!r} has {len(classes)} classes, and this loss is for two: use cross_entropy."
            )
        return cls(name, "sign" if loss_targets == "signs" else "label", tuple(classes), note=note)

    @classmethod
    def of_numbers(cls, name: str, values: np.ndarray, loss_targets: str | None = None, note: str = "") -> Target:
        """A number to be learned, standardised by these values; counts stay as they are."""
        if np.abs(values).max() > LARGEST:
            raise DataError(f"The target {name!r} holds a number that is infinite or too large: correct its cells.")
        if values.min() == values.max():
            raise DataError(f"The target {name!r} is always {short(values[0])}: there is nothing to learn from it.")
        if loss_targets == "counts":
            return cls(name, "value", note=note)
        return cls(name, "number", mean=float(values.mean()), scale=float(values.std()), note=note)

    @classmethod
    def of_array(cls, y: np.ndarray, task: str | None = None, loss_targets: str | None = None) -> Target:
        """The target an array is: whole numbers from 0 on and real numbers as they are, other labels named classes."""
        kind, task = y.dtype.kind, task or TASK_OF.get(loss_targets or "")
        text, one_a_row = kind in "USOb", y.size == len(y)
        if task is None:
            few = kind in "iu" and len(np.unique(y)) <= FEW
            task = "classification" if text or few or (kind == "f" and _one_hot(y)) else "regression"
        if kind in "USO" and not one_a_row:
            raise DataError(f"y holds {y.size // max(len(y), 1)} labels a row that are no numbers: number them first.")
        if task == "regression":
            return cls("y", "value")
        if one_a_row and (text or _whole(y)):
            return cls.of_classes("y", class_names(_series("y", y)), loss_targets)
        if _one_hot(y):
            return cls("y", "value", tuple(range(y.shape[-1])))
        return cls("y", "integer" if kind in "iu" and loss_targets != "binary" else "value")

    @classmethod
    def of_steps(cls, y: np.ndarray, task: str | None = None, loss_targets: str | None = None) -> Target:
        """The target an array (rows, steps, ...) is: whole numbers are classes 0, 1, …, others numbers as they are."""
        task = task or TASK_OF.get(loss_targets or "") or TASKS[y.ndim > 2 or y.dtype.kind == "f"]
        if task == "regression":
            return cls("y", "value", steps=True)
        if y.ndim > 2 or (y != np.round(y)).any() or y.min() < 0:
            raise DataError("The classes of steps are whole numbers from 0 on, (rows, steps): number them first.")
        return cls("y", "integer", tuple(range(max(2, int(y.max()) + 1))), steps=True)

    @classmethod
    def of_batches(cls, y: np.ndarray, task: str | None = None, loss_targets: str | None = None) -> Target:
        """The target of batches, from the first of them: class numbers 0, 1, ... as they are, or real numbers."""
        kind, task = y.dtype.kind, task or TASK_OF.get(loss_targets or "")
        if kind not in "biuf":
            raise DataError("Labels in batches must be whole numbers from 0 on: number the classes first.")
        if task == "regression" or (task is None and kind == "f" and not _one_hot(y)):
            return cls("y", "value")
        if loss_targets == "signs":
            return cls("y", "value", (-1, 1))
        if y.size == len(y) and _whole(y.astype(float)):
            return cls("y", "integer", tuple(range(max(2, int(y.max()) + 1))))
        if _one_hot(y):
            return cls("y", "value", tuple(range(y.shape[-1])))
        return cls("y", "integer" if kind in "iu" and loss_targets != "binary" else "value")

    def encode(self, cells: pl.Series | np.ndarray, rows: Rows = None) -> np.ndarray:
        """The target as a network learns it: int32 class numbers (n,), or float32 (n, 1) or of the shape it has.

        Raises: DataError naming the row of a class that training did not have, of a missing or of an infinite value.
        """
        if self.kind in ("label", "sign"):
            found = self._class_numbers(cells, rows)
            return found if self.kind == "label" else (2 * found[:, None] - 1).astype(np.float32)
        if self.kind == "integer":
            y = np.asarray(cells).astype(np.int32)
            return y.reshape(-1) if y.size == len(y) and not self.steps else y
        values = numbers(cells, rows).to_numpy() if isinstance(cells, pl.Series) else np.asarray(cells)
        y = as_float32(values, self.name, rows) if self.kind == "value" else (values - self.mean) / self.scale
        return as_float32(y[:, None] if y.ndim == 1 else y, self.name, rows)

    def _class_numbers(self, cells: pl.Series | np.ndarray, rows: Rows) -> np.ndarray:
        cells = cells if isinstance(cells, pl.Series) else _series(self.name, cells)
        if isinstance(self.classes[0], str):
            codes = texts(cells).cast(pl.Enum(self.classes), strict=False).to_physical()
            found = codes.cast(pl.Int32).fill_null(-1).to_numpy()
        else:
            values = (booleans if isinstance(self.classes[0], bool) else numbers)(cells, rows).to_numpy()
            known = np.array(self.classes, float)
            found = np.minimum(np.searchsorted(known, values), len(known) - 1).astype(np.int32)
            found = np.where(known[found] == values, found, -1).astype(np.int32)
        if (found < 0).any():
            position = int((found < 0).argmax())
            raise bad_cell(cells, position, f"none of the classes {some(self.classes)}", rows)
        return found

    def decode(self, prediction: np.ndarray) -> np.ndarray:
        """Probabilities as names of the likeliest classes; numbers in the user's units, flat where one a row.

        Of answers at every step, (rows, steps, ...), those to padding are NaN.
        """
        if prediction.ndim > 2 and self.steps:
            rows = prediction.reshape(-1, prediction.shape[-1])
            gone = np.isnan(rows).any(-1)
            named = np.asarray(self.decode(rows), float)
            named[gone] = np.nan
            return named.reshape(*prediction.shape[:2], *named.shape[1:])
        if self.classes:
            single = prediction.ndim == 1 or prediction.shape[-1] == 1
            likeliest = (prediction.reshape(-1) > 0.5).astype(int) if single else prediction.argmax(-1)
            # Batches may hold classes that the first of them did not show; their numbers are their names.
            return likeliest if self.kind == "integer" else np.array(self.classes)[likeliest]
        values = prediction * self.scale + self.mean if self.kind == "number" else prediction
        return values.reshape(-1) if values.size == len(values) else values


def _whole(values: pl.Series | np.ndarray) -> bool:
    return bool((values == values.round()).all())


def _one_hot(y: np.ndarray) -> bool:
    return y.ndim == 2 and y.shape[1] > 1 and bool((y >= 0).all() and np.allclose(y.sum(1), 1, atol=1e-3))


def class_names(values: pl.Series) -> list[Any]:
    """The different values of a column, sorted: texts, booleans or numbers (whole ones as integers)."""
    if values.dtype == pl.Boolean:
        return sorted(values.unique())
    if values.dtype.is_numeric():
        return sorted(values.unique().cast(pl.Int64 if _whole(values) else pl.Float64))
    return sorted(texts(values).unique())


def _series(name: str, y: np.ndarray) -> pl.Series:
    flat = y.reshape(-1)
    return pl.Series(name, flat.astype(str) if flat.dtype.kind in "OSU" else flat)
