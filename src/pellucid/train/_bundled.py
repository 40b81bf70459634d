from __future__ import annotations

import polars as pl

from ..errors import unknown

BUNDLED = {
    "breast_cancer": "diagnosis",
    "diabetes": "progression",
    "digits": "digit",
    "iris": "species",
    "wine": "cultivar",
}


def bundled(name: str) -> tuple[pl.DataFrame, str]:
    """One of scikit-learn's own data sets as a table with its columns' names, and the name of the target.

    Units: diabetes in the clinic's own (age in years, blood pressure in mm Hg), digits in ink from 0 to 16.
    Raises: SettingError where there is no such data set.
    Example:
        >>> table, target = bundled("iris")
        >>> table.shape, target
        ((150, 5), 'species')
    """
    if name not in BUNDLED:
        raise unknown("bundled data set", name, BUNDLED)
    from sklearn import datasets

    load = getattr(datasets, f"load_{name}")
    found = load(scaled=False) if name == "diabetes" else load()
    features = [str(feature) for feature in found.feature_names]
    target = BUNDLED[name]
    values = found.target if name in ("diabetes", "digits") else [str(found.target_names[i]) for i in found.target]
    return pl.DataFrame(found.data, schema=features).with_columns(pl.Series(target, values)), target
