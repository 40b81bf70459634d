"""The closed list of scikit-learn transformers that are kept with a network: built, and rebuilt from their numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import StoreError


def imputer(statistics: list[float], gaps: list[int]) -> Any:
    """The imputer with these means and an indicator of these columns: fitted to two rows that have both, exactly.

    Example:
        >>> imputer([31.0, 2.5], gaps=[1]).transform([[np.nan, np.nan]]).tolist()
        [[31.0, 2.5, 1.0]]
    """
    from sklearn.impute import SimpleImputer

    two = np.array([statistics, statistics], float)
    two[0, gaps] = np.nan
    return SimpleImputer(add_indicator=True).fit(two)


def scaler(mean: list[float], scale: list[float], var: list[float], n_samples_seen: int) -> Any:
    """The standard scaler with these fitted numbers."""
    from sklearn.preprocessing import StandardScaler

    made: Any = StandardScaler()
    made.mean_, made.scale_, made.var_ = (np.array(values, float) for values in (mean, scale, var))
    made.n_features_in_, made.n_samples_seen_ = len(mean), n_samples_seen
    return made


def encoder(levels: list[int]) -> Any:
    """One output for each of the levels 0, 1, ... of each column; any other level, such as -1, is all zeros.

    Example:
        >>> encoder([2, 3]).transform([[1, 0], [-1, 2]]).astype(int).tolist()
        [[0, 1, 1, 0, 0], [0, 0, 0, 0, 1]]
    """
    from sklearn.preprocessing import OneHotEncoder

    columns: Any = [np.arange(n) for n in levels]
    made = OneHotEncoder(categories=columns, handle_unknown="ignore", sparse_output=False, dtype=np.float32)  # pyright: ignore[reportArgumentType]
    return made.fit(np.zeros((1, len(levels)), np.int64))


BUILD = {"SimpleImputer": imputer, "StandardScaler": scaler, "OneHotEncoder": encoder}
NUMBERS = {
    "SimpleImputer": lambda made: {"statistics": made.statistics_.tolist(), "gaps": made.indicator_.features_.tolist()},
    "StandardScaler": lambda made: {
        "mean": made.mean_.tolist(),
        "scale": made.scale_.tolist(),
        "var": made.var_.tolist(),
        "n_samples_seen": int(made.n_samples_seen_),
    },
    "OneHotEncoder": lambda made: {"levels": [len(levels) for levels in made.categories_]},
}


def numbers_of(transformer: Any) -> dict[str, Any] | None:
    """A fitted transformer as its type and its numbers, such as JSON can hold."""
    if transformer is None:
        return None
    kind = type(transformer).__name__
    return {"type": kind} | NUMBERS[kind](transformer)


def rebuild(state: dict[str, Any] | None, wanted: str) -> Any:
    """The transformer `numbers_of` described.

    Raises: StoreError for a type that is not the wanted one, or for numbers that no such transformer has.
    """
    if state is None:
        return None
    kind, held = state.get("type"), {name: value for name, value in state.items() if name != "type"}
    if kind != wanted:
        raise StoreError(
            f"The preprocessing holds a {kind!r} where a {wanted} belongs: it was not written by Pellucid."
        )
    for value in held.values():
        if not np.isfinite(np.asarray(value, float)).all():
            raise StoreError(f"The {kind} of the preprocessing holds a number that is not finite.")
    return BUILD[wanted](**held)
