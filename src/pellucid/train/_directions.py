"""Which inputs of a network are to rise or fall, from the names of a table's columns."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from ..errors import SettingError, unknown
from ._columns import Preprocess

DIRECTIONS: dict[Any, int] = {
    **{1: 1, "+1": 1, "1": 1, "rising": 1},
    **{-1: -1, "-1": -1, "falling": -1},
    **{0: 0, "0": 0, "free": 0},
}
NO_ORDER = {
    "category": "it is a category, which has no order: give its levels as numbers",
    "date": "it is a date, which also goes round in years and weeks: give a number, such as the days since a day",
    "dropped": "nothing was learned from it",
}


def directions_of(monotone: Mapping[Any, Any], preprocess: Preprocess) -> dict[str, int]:
    """1, −1 or 0 for every column that is named.

    A feature is the name of a column, or its number in the order of the table without the target; of a plain array, the
    number of the input.

    Raises: SettingError for a feature that is not there or has no order, a direction that is none, a feature twice.
    """
    if not isinstance(monotone, Mapping) or not monotone:
        raise SettingError(
            f"monotone names features and directions, as in {{'age': +1, 'price': 'falling'}}; got {monotone!r}."
        )
    if preprocess.form is not None and len(preprocess.form.shape) != 1:
        raise SettingError("monotone is for tables and plain rows of numbers: a pixel or a step has no direction.")
    found: dict[str, int] = {}
    for feature, direction in monotone.items():
        name = column_named(feature, preprocess)
        if name in found:
            raise SettingError(f"monotone names {name!r} twice.")
        found[name] = direction_of(direction, name)
    return found


def input_directions(directions: Mapping[str, int], preprocess: Preprocess) -> tuple[int, ...]:
    """1, −1 or 0 for every input of the network: standardising keeps the order of a column, and so its direction.

    Whether a cell is missing, an input of its own, is free.
    """
    named = zip(preprocess.input_names, preprocess.input_columns, strict=True)
    return tuple(directions.get(column, 0) if name == column else 0 for name, column in named)


def direction_of(given: Any, feature: Any) -> int:
    """1 for rising, −1 for falling, 0 for free.

    Raises: SettingError for anything else.
    """
    if isinstance(given, bool) or not isinstance(given, Hashable) or given not in DIRECTIONS:
        raise unknown(f"direction (of {feature})", given, ["rising", "falling", "free", "+1", "-1", "0"])
    return DIRECTIONS[given]


def column_named(feature: Any, preprocess: Preprocess) -> str:
    """The column that a name or a number stands for.

    Raises: SettingError where there is none, or it has no order.
    """
    columns = {column.name: column.kind for column in preprocess.columns}
    names = list(columns) or list(preprocess.input_names)
    if isinstance(feature, str) and feature not in names and feature.isdigit():
        feature = int(feature)
    if isinstance(feature, int | np.integer) and not isinstance(feature, bool):
        if not 0 <= feature < len(names):
            raise SettingError(f"There is no feature {feature}: they are numbered from 0 to {len(names) - 1}.")
        feature = names[feature]
    if feature not in names:
        raise unknown("feature", feature, names)
    why = NO_ORDER.get(columns.get(feature, ""))
    if why:
        raise SettingError(f"{feature} cannot rise or fall: {why}.")
    return feature
