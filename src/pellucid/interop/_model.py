"""A network as others write it: operations over named values, in the words of ONNX, before it becomes layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Port:
    """An input or output of a model: its name, its shape (None where an axis may be of any length), and its type."""

    name: str
    shape: tuple[int | None, ...] | None
    dtype: np.dtype | None


@dataclass(frozen=True)
class Operation:
    """One step: `outputs = kind(inputs; attributes)`, an input "" being left out.

    `name` is what its author called it ("" where nothing); attributes are Python numbers, strings, lists of these,
    NumPy arrays, or models for the branches of control flow.
    """

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    domain: str = ""


@dataclass(frozen=True)
class Model:
    """Operations in an order in which they can be computed; `constants` are the arrays known beforehand, by name.

    Axes are in the order of the author: channels first, where it comes from ONNX or PyTorch.
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    operations: tuple[Operation, ...]
    constants: Mapping[str, np.ndarray]
    opset: int  # of the words of ONNX
    source: str = "the model"  # how errors name it
    exact: bool = False  # whether `constants` are the weights that are learned, and nothing else
