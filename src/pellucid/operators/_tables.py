"""What scikit-learn's exporter writes around a network, in the domain ai.onnx.ml: columns scaled, chosen and named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._table import Call, operator, traced

Numbers = Sequence[float]
DOMAIN = "ai.onnx.ml."


def single(at: Call, x: Any) -> Any:
    """Numbers in single precision, as these operators give them."""
    return x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float32)


@operator(DOMAIN + "Scaler")
def scaler(at: Call, x: Any, *, offset: Numbers = (0.0,), scale: Numbers = (1.0,)) -> Any:
    """(x − offset) · scale, for each column."""
    x = single(at, x)
    return (x - np.asarray(offset, x.dtype)) * np.asarray(scale, x.dtype)


@operator(DOMAIN + "Normalizer")
def normalizer(at: Call, x: Any, *, norm: str = "MAX") -> Any:
    """Each row over its largest number, the sum of its sizes, or its length."""
    x = single(at, x)
    sizes = {
        "MAX": lambda: x.max(-1, keepdims=True),
        "L1": lambda: at.xp.abs(x).sum(-1, keepdims=True),
        "L2": lambda: at.xp.sqrt((x * x).sum(-1, keepdims=True)),
    }
    size = sizes[norm]()
    return x / at.xp.where(size == 0, at.xp.ones_like(size), size)


@operator(DOMAIN + "Imputer")
def imputer(
    at: Call, x: Any, *,
    imputed_value_floats: Numbers | None = None, imputed_value_int64s: Sequence[int] | None = None,
    replaced_value_float: float = 0.0, replaced_value_int64: int = 0,
) -> Any:  # fmt: skip
    """Another number in each column for the one that means a missing value, which may be NaN."""
    if imputed_value_floats is not None:
        new, old = imputed_value_floats, replaced_value_float
    else:
        new, old = imputed_value_int64s or (), replaced_value_int64
    missing = at.xp.isnan(x) if np.isnan(old) else x == old
    return at.xp.where(missing, np.asarray(new, x.dtype), x)


@operator(DOMAIN + "Binarizer")
def binarizer(at: Call, x: Any, *, threshold: float = 0.0) -> Any:
    return (x > threshold).astype(x.dtype)


@operator(DOMAIN + "ArrayFeatureExtractor")
def features(at: Call, x: Any, index: Any) -> Any:
    """The columns at these places."""
    found = at.xp.take(x, index.reshape(-1), -1)
    return found.reshape(1, -1) if x.ndim == 1 else found


@operator(DOMAIN + "FeatureVectorizer")
def vectorizer(at: Call, *parts: Any, inputdimensions: Sequence[int] = ()) -> Any:
    """The columns of several tables side by side."""
    return at.xp.concatenate([single(at, part).reshape(len(part), -1) for part in parts], 1)


@operator(DOMAIN + "LinearRegressor")
def linear_regressor(
    at: Call, x: Any, *,
    coefficients: Numbers, intercepts: Numbers = (0.0,), post_transform: str = "NONE", targets: int = 1,
) -> Any:  # fmt: skip
    if post_transform != "NONE":
        raise at.refuse(f"post_transform={post_transform!r} is not supported")
    x = single(at, x)
    return x @ np.asarray(coefficients, x.dtype).reshape(targets, -1).T + np.asarray(intercepts, x.dtype)


@operator(DOMAIN + "LabelEncoder")
def label_encoder(
    at: Call, x: Any, *,
    keys_floats: Any = None, keys_int64s: Any = None, keys_strings: Any = None, keys_tensor: Any = None,
    values_floats: Any = None, values_int64s: Any = None, values_strings: Any = None, values_tensor: Any = None,
    default_float: float = -0.0, default_int64: int = -1, default_string: str = "_Unused", default_tensor: Any = None,
) -> Any:  # fmt: skip
    """For each key its value, and the default for what is no key; texts among them or not."""
    if traced(x):
        raise at.refuse("it takes labels that are known, not numbers that depend on the input")
    keys = next(k for k in (keys_tensor, keys_floats, keys_int64s, keys_strings) if k is not None)
    options = (
        (values_tensor, default_tensor, None), (values_floats, default_float, np.float32),
        (values_int64s, default_int64, np.int64), (values_strings, default_string, object),
    )  # fmt: skip
    values, default, dtype = next(option for option in options if option[0] is not None)
    if dtype is None:
        dtype = values.dtype
        default = np.zeros((), dtype) if default is None else default
    known = dict(zip(np.asarray(keys).reshape(-1).tolist(), np.asarray(values).reshape(-1).tolist(), strict=True))
    last = np.asarray(default).reshape(-1).tolist()[0]
    nan = next((value for key, value in known.items() if key != key), last)  # no NaN is another's equal
    found = [nan if key != key else known.get(key, last) for key in x.reshape(-1).tolist()]
    return np.array(found, dtype).reshape(x.shape)
