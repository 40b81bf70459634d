"""The boxes people already have: networks of ONNX files, PyTorch and scikit-learn, opened and written."""

from ._onnx import from_onnx, input_shape
from ._onnx_out import to_onnx
from ._sklearn import from_sklearn
from ._torch import from_torch, load_state, to_torch, watch_torch

__all__ = [
    "from_onnx",
    "from_sklearn",
    "from_torch",
    "input_shape",
    "load_state",
    "to_onnx",
    "to_torch",
    "watch_torch",
]
