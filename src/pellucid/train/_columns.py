"""Columns of a table recognised and turned into a network's inputs, and its outputs back into the user's terms."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property, partial
from typing import Any

import numpy as np
import polars as pl

from ..errors import DataError, StoreError
from ..language import phrase
from ..recall import recalled
from ..records import Record, plain
from ._cells import (
    LARGEST,
    Rows,
    are_dates,
    bad_cell,
    booleans,
    dates,
    missing,
    numbers,
    short,
    some,
    texts,
)
from ._files import column_of, is_table, table
from ._forms import Form
from ._images import unit
from ._target import Target
from ._transformers import encoder, numbers_of, rebuild

FARTHEST = float(np.finfo(np.float32).max)  # of an input: a value far outside a narrow column is beyond it
KEPT = 50  # categories with an input of their own; the rest of a column share one
TRANSFORMERS = {"imputer": "SimpleImputer", "scaler": "StandardScaler", "encoder": "OneHotEncoder"}
KINDS = ("number", "boolean", "date", "category", "dropped")
UNLISTED = {"json": False}
MANY = 25  # columns, above which they are described by kind
CYCLES = {"year": 365.2425, "week": 7.0, "day": 1.0}  # in days


@dataclass(frozen=True)
class Column(Record):
    """One column of a table: what it was recognised as and how it becomes inputs.

    Units: mean and deviation in the column's own (numbers only); missing and rows counted among the training rows.
    """

    name: str
    kind: str  # "number", "boolean", "date", "category", "dropped"
    rows: int
    missing: int
    note: str = ""
    categories: tuple[str, ...] = ()
    other: bool = False  # the rarer categories share one input
    times: bool = False  # a date with a time of day
    mean: float | None = None
    deviation: float | None = None

    def sound(self) -> bool:
        """Whether its fields, read from a file, are of their types."""
        texts_only = all(isinstance(text, str) for text in (self.name, self.note, *self.categories))
        counts = type(self.rows) is int and type(self.missing) is int and 0 <= self.missing <= self.rows
        shown = self.kind != "number" or (type(self.mean) is float and type(self.deviation) is float)
        several = len(set(self.categories)) == len(self.categories)
        return self.kind in KINDS and texts_only and counts and shown and several

    @property
    def levels(self) -> tuple[str, ...]:
        """The names of a category's inputs."""
        names = [f"{self.name} = {category}" for category in self.categories]
        names += [phrase("{name} is another value", name=self.name)] * self.other
        return (*names, *[self._missing()] * bool(self.missing))

    def _missing(self) -> str:
        """The name of the input that says whether a cell is missing."""
        return phrase("{name} is missing", name=self.name)

    def line(self) -> str:
        """What it is, how it becomes inputs and how many cells are missing, in one line."""
        return f"{self.name}: {self.kind}; {self.told()}"

    def told(self) -> str:
        """How it becomes inputs, what is to be known of it and how many cells are missing, in the language at hand."""
        gone = ""
        if 0 < self.missing < self.rows:
            gone = phrase("{missing:,} of {rows:,} missing", missing=self.missing, rows=self.rows)
        return phrase("; ").join(part for part in (self._how(), recalled(self.note), gone) if part)

    def _how(self) -> str:
        match self.kind:
            case "number":
                mean, deviation = short(self.mean), short(self.deviation)
                return phrase("standardised: mean {mean}, deviation {deviation}", mean=mean, deviation=deviation)
            case "boolean":
                return phrase("1 for true, 0 for false")
            case "date" if "day" in self.cycles:
                return phrase("days since 1970-01-01 and place in the year, week, day, standardised")
            case "date":
                return phrase("days since 1970-01-01 and place in the year, week, standardised")
            case "category" if self.other:
                return phrase("one input each for {names}, one for all others", names=some(self.categories))
            case "category":
                return phrase("one input each for {names}", names=some(self.categories))
        return ""

    @property
    def cycles(self) -> list[str]:
        """What a date goes round in."""
        return [name for name in CYCLES if self.times or name != "day"]

    @property
    def parts(self) -> list[str]:
        """The names of what a number, a date or a boolean gives."""
        if self.kind != "date":
            return [self.name]
        words = {"year": phrase("year"), "week": phrase("week"), "day": phrase("day")}
        waves = [
            phrase("{name} ({wave} of {cycle})", name=self.name, wave=wave, cycle=words[cycle])
            for cycle in self.cycles
            for wave in (phrase("sine"), phrase("cosine"))
        ]
        return [phrase("{name} (days since 1970-01-01)", name=self.name), *waves]


def recognise(cells: pl.Series) -> Column:
    """What a column is, from its type and its cells; `dropped`, with the reason, where nothing can be learned from it.

    Example:
        >>> print(recognise(pl.Series("city", ["Rome", "Oslo", "Rome", None])).line())
        city: category; one input each for 'Oslo', 'Rome'; 1 of 4 missing
    """
    if cells.dtype == pl.String and are_dates(cells):
        cells = dates(cells)
    kind, gone = cells.dtype, missing(cells)
    given = cells.filter(~gone)
    column = partial(Column, cells.name, rows=len(cells), missing=int(gone.sum()))
    if given.is_empty():
        return column("dropped", note=phrase("every value is missing"))
    if kind.is_nested() or kind in (pl.Binary, pl.Object):
        words = phrase("holds {kind}, and an input is a number, a category, a boolean or a date", kind=str(kind))
        return column("dropped", note=words)
    if given.n_unique() == 1 and len(given) == len(cells):
        return column("dropped", note=phrase("constant: always {value!r}", value=given[0]))
    if kind == pl.Boolean:
        return column("boolean")
    if kind in (pl.Date, pl.Datetime):
        moments = dates(given)
        span = phrase("from {first} to {last}", first=str(moments.min()), last=str(moments.max()))
        return column("date", note=span, times=bool((moments.dt.truncate("1d") != moments).any()))
    if kind.is_numeric() or kind in (pl.Duration, pl.Time):
        return column("number")
    counts = texts(given).value_counts(sort=True).sort(["count", cells.name], descending=[True, False])
    if counts.height == len(given):
        words = phrase("every value is different, as in a name or a number for each row")
        return column("dropped", note=words)
    names = counts[cells.name].to_list()
    note = phrase("the {kept} most frequent of {n:,}", kept=KEPT, n=len(names)) if len(names) > KEPT else ""
    return column("category", note=note, categories=tuple(sorted(names[:KEPT])), other=len(names) > KEPT)


@dataclass(frozen=True)
class Preprocess(Record):
    """How raw rows become a network's inputs, and its outputs the user's terms. Fitted once, kept with the network.

    Inputs come in this order: numbers and parts of dates (standardised), booleans, "is missing" for each of these
    that had missing cells, categories. For plain arrays there are no columns, and `form` says what they are.
    """

    columns: tuple[Column, ...]
    target: Target
    form: Form | None = None  # of the rows of a plain array
    imputer: Any = field(default=None, compare=False, repr=False, metadata=UNLISTED)
    scaler: Any = field(default=None, compare=False, repr=False, metadata=UNLISTED)
    encoder: Any = field(default=None, compare=False, repr=False, metadata=UNLISTED)

    @classmethod
    def fit(cls, frame: pl.DataFrame, target: Target, rows: Rows = None) -> Preprocess:
        """Recognise the columns of these rows (the target not among them) and fit the transformers to them.

        Raises: DataError where no column can be used, or naming the cell of an infinite number.
        """
        columns = tuple(recognise(cells) for cells in frame)
        if all(column.kind == "dropped" for column in columns):
            why = "; ".join(column.line() for column in columns[:5]) or "the target is the only column"
            raise DataError(f"No column can be learned from ({why}): add one that varies from row to row.")
        self = cls(columns, target)
        imputer, scaler = self._fitted(self._values(frame, rows))
        if scaler is not None:
            found = zip(self._of("number"), scaler.mean_.tolist(), scaler.scale_.tolist(), strict=False)
            known = {column.name: replace(column, mean=mean, deviation=scale) for column, mean, scale in found}
            columns = tuple(known.get(column.name, column) for column in columns)
        levels = [len(column.levels) for column in self._of("category")]
        onehot = encoder(levels) if levels else None
        return replace(self, columns=columns, imputer=imputer, scaler=scaler, encoder=onehot)

    def transform(self, rows: Any, numbered: Rows = None) -> np.ndarray:
        """Raw rows as float32 inputs: a data frame, a dict of columns, a list of dicts; for plain arrays an array.

        Shapes: n rows -> (n, d); columns in any order, others ignored.
        Raises: DataError for a missing column, or naming the column, row and value of a cell of another kind.
        """
        return self.transform_noted(rows, numbered)[0]

    def transform_noted(self, rows: Any, numbered: Rows = None) -> tuple[np.ndarray, tuple[str, ...]]:
        """`transform`, and a note for each column with values that training did not have."""
        if self.form is not None:
            return unit(self.form.rows(rows, numbered)), ()
        import sklearn

        frame = table(rows)
        self._expect([column.name for column in self.columns if column.kind != "dropped"], frame)
        if not frame.height:
            return np.zeros((0, len(self.input_names)), np.float32), ()
        parts, notes = [], ()
        with sklearn.config_context(assume_finite=True, transform_output="default"):
            if self.imputer is not None:
                parts.append(self.imputer.transform(self._values(frame, numbered)))
                if self.scaler is not None:
                    parts[0][:, : self._scaled] = self.scaler.transform(parts[0][:, : self._scaled])
                np.clip(parts[0], -FARTHEST, FARTHEST, out=parts[0])
            if self.encoder is not None:
                codes, notes = self._codes(frame)
                parts.append(self.encoder.transform(codes))
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind"), notes

    def kept(self, rows: Any) -> np.ndarray:
        """`transform`, but bytes stay bytes: so are images kept until the network sees them."""
        return self.transform(rows) if self.form is None else self.form.rows(rows)

    def targets(self, rows: Any, numbered: Rows = None) -> np.ndarray:
        """The target of raw rows, or of its own values alone: int32 class numbers (n,), or float32 (n, 1).

        Raises: DataError for a missing column, a class that training did not have, a cell of another kind.
        """
        if self.shape is not None:
            return self.target.encode(np.asarray(rows), numbered)
        if not is_table(rows):
            return self.target.encode(column_of(self.target.name, rows), numbered)
        frame = table(rows)
        self._expect([self.target.name], frame)
        return self.target.encode(frame[self.target.name], numbered)

    def names(self, prediction: Any) -> np.ndarray:
        """A network's probabilities as class names, or its numbers in the target's own units."""
        return self.target.decode(np.asarray(prediction))

    def original_units(self, weight: Any, bias: Any) -> tuple[np.ndarray, np.ndarray]:
        """A first layer's weights per original unit of each input: `W / s`, `b − (m / s) W` for `x = (raw − m) / s`.

        Shapes: weight (d, k), bias (k,) -> the same, float64, one row for each of `input_names`.
        """
        weight, bias = np.asarray(weight, float), np.asarray(bias, float)
        mean, scale = np.zeros(len(weight)), np.ones(len(weight))
        if self.scaler is not None:
            mean[: self._scaled], scale[: self._scaled] = self.scaler.mean_, self.scaler.scale_
        return weight / scale[:, None], bias - (mean / scale) @ weight

    def original_inputs(self, x: Any) -> np.ndarray:
        """Inputs in the columns' own units, float64: `raw = x s + m`, the opposite of standardising; shape as x."""
        raw = np.array(x, float)
        if self.scaler is not None:
            raw[..., : self._scaled] = raw[..., : self._scaled] * self.scaler.scale_ + self.scaler.mean_
        return raw

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Of one row of a plain array as the network sees it; None for a table."""
        return None if self.form is None else self.form.shape

    @property
    def task(self) -> str:
        """ "classification" where the target has classes, else "regression"."""
        return "classification" if self.target.classes else "regression"

    @cached_property
    def input_names(self) -> tuple[str, ...]:
        """The name of every input, in order."""
        if self.form is not None and self.form.names:
            return self.form.names
        if self.shape is not None:
            axes = self.shape[:-1] if len(self.shape) > 1 and self.shape[-1] == 1 else self.shape
            return tuple(f"x[{', '.join(map(str, place))}]" for place in np.ndindex(axes))
        return tuple(name for _, name in self._inputs)

    @cached_property
    def input_columns(self) -> tuple[str, ...]:
        """The column every input comes from, in order."""
        return self.input_names if self.shape is not None else tuple(name for name, _ in self._inputs)

    def describe(self) -> str:
        """One line per column: what it is, how it becomes inputs, how many cells are missing; of many, one per kind."""
        if self.form is not None:
            return f"x: {self.form.line()}\n{self.target.line()}"
        lines = [column.line() for column in self.columns]
        if len(lines) > MANY:
            kinds = dict.fromkeys(column.kind for column in self.columns)
            names = {kind: [column.name for column in self.columns if column.kind == kind] for kind in kinds}
            lines = [f"{len(found):,} columns: {kind}; {some(found)}" for kind, found in names.items()]
        return "\n".join([*lines, self.target.line()])

    def state(self) -> dict[str, Any]:
        """All of it as JSON can hold it, the numbers that the transformers were fitted to included."""
        fitted = {name: numbers_of(getattr(self, name)) for name in TRANSFORMERS}
        form = self.form and self.form._asdict()
        return plain({"columns": self.columns, "target": self.target, "form": form} | fitted)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Preprocess:
        """The same again from `state()`: it transforms bit for bit as before.

        Raises: StoreError for anything missing, unknown or that does not fit together.
        """
        try:
            return _restored(**state)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            raise StoreError(f"The preprocessing is not as it was written: {error}. Save the network again.") from error

    def _fitted(self, values: np.ndarray) -> tuple[Any, Any]:
        """The imputer and the scaler of these values; None where there is nothing for them to do."""
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import StandardScaler

        if not values.shape[1]:
            return None, None
        imputer = SimpleImputer(add_indicator=True).fit(values)
        filled = np.asarray(imputer.transform(values))
        return imputer, StandardScaler().fit(filled[:, : self._scaled]) if self._scaled else None

    def _of(self, kind: str) -> list[Column]:
        return [column for column in self.columns if column.kind == kind]

    @property
    def _valued(self) -> list[Column]:
        return self._of("number") + self._of("date") + self._of("boolean")

    @cached_property
    def _scaled(self) -> int:
        """How many inputs, the first ones, are standardised."""
        return sum(len(column.parts) for column in self._of("number") + self._of("date"))

    @cached_property
    def _inputs(self) -> list[tuple[str, str]]:
        """The column and the name of every input."""
        named = [(column.name, part) for column in self._valued for part in column.parts]
        named += [(column.name, column._missing()) for column in self._valued if column.missing]
        return named + [(column.name, level) for column in self._of("category") for level in column.levels]

    def _values(self, frame: pl.DataFrame, rows: Rows) -> np.ndarray:
        """Numbers, parts of dates and booleans, float64 with NaN where missing."""
        found = frame.select(column.name for column in self._of("number"))
        other = [name for name, kind in found.schema.items() if not kind.is_numeric()]
        found = found.with_columns(numbers(found[name], rows) for name in other)
        parts = [found.cast(pl.Float64).to_numpy().reshape(frame.height, -1)]
        parts += [_date_parts(dates(frame[column.name], rows), column) for column in self._of("date")]
        parts += [booleans(frame[column.name], rows).to_numpy()[:, None] for column in self._of("boolean")]
        values = np.concatenate(parts, axis=1)
        large = np.abs(values) > LARGEST
        if large.any():
            row, place = np.argwhere(large)[0]
            raise bad_cell(frame[self._inputs[place][0]], row, "infinite, or too large to learn from", rows)
        return values

    def _codes(self, frame: pl.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
        """The number of every category among its column's levels; -1, and a note, for what training did not have."""
        codes, notes = [], []
        for column in self._of("category"):
            cells = texts(frame[column.name])
            code = cells.cast(pl.Enum(column.categories), strict=False).to_physical().cast(pl.Int64)
            code, empty = code.fill_null(-1).to_numpy().copy(), cells.is_null().to_numpy()
            if column.other:
                code[(code < 0) & ~empty] = len(column.categories)
            if column.missing:
                code[empty] = len(column.levels) - 1
            new = code < 0
            if new.any():
                values = some(cells.filter(new).unique(maintain_order=True).to_list())
                notes.append(
                    phrase(
                        "{name}: {new:,} of {n:,} rows hold what training did not have: {values}.",
                        name=column.name,
                        new=int(new.sum()),
                        n=len(new),
                        values=values,
                    )
                )
            codes.append(code)
        return np.stack(codes, axis=1), tuple(notes)

    def _expect(self, names: list[str], frame: pl.DataFrame) -> None:
        for name in names:
            if name not in frame.columns:
                raise no_column(name, frame.columns)


def no_column(name: str, columns: list[str]) -> DataError:
    """The error for a column that is not in a table, with the nearest one that is."""
    near = get_close_matches(name, columns, 1)
    ask = f" did you mean {near[0]!r}?" if near else " add it, or give the table that has it."
    return DataError(f"There is no column {name!r}:{ask} The columns are {some(columns, 20)}.")


def _date_parts(moments: pl.Series, column: Column) -> np.ndarray:
    """Days since 1970-01-01, then sine and cosine of each cycle; a missing date has no place in a cycle: 0, 0."""
    days = (moments.to_physical() / 86_400e6).to_numpy()
    turns = [2 * np.pi * days / CYCLES[cycle] for cycle in column.cycles]
    return np.column_stack([days, *(np.nan_to_num(wave(turn)) for turn in turns for wave in (np.sin, np.cos))])


def _restored(*, columns: list[Any], target: dict[str, Any], form: dict | None, **states: dict | None) -> Preprocess:
    held = tuple(Column(**column | {"categories": tuple(column["categories"])}) for column in columns)
    named: dict[str, Any] = {**target, "classes": tuple(target["classes"])}
    goal = Target(**named)
    rows = (
        None if form is None else Form(form["name"], tuple(form["shape"]), form["tokens"], tuple(form.get("names", ())))
    )
    self = Preprocess(held, goal, rows)
    imputer, scaler, encoder = (states[name] or {} for name in TRANSFORMERS)
    valued = [part for column in self._valued for part in column.parts]
    gaps = [valued.index(column.parts[0]) for column in self._valued if column.missing]
    fits = {
        "target": goal.sound(),
        "form": rows is None or rows.sound(),
        "columns": all(column.sound() for column in held) and len({column.name for column in held}) == len(held),
        "imputer": len(imputer.get("statistics", ())) == len(valued) and imputer.get("gaps", []) == gaps,
        "scaler": all(len(scaler.get(name, ())) == self._scaled for name in ("mean", "scale", "var")),
        "encoder": encoder.get("levels", []) == [len(column.levels) for column in self._of("category")],
        "content": states.keys() == TRANSFORMERS.keys(),
    }
    for name, good in fits.items():
        if not good:
            raise StoreError(f"The {name} of the preprocessing does not fit together: the file was changed.")
    return replace(self, **{name: rebuild(states[name], kind) for name, kind in TRANSFORMERS.items()})
