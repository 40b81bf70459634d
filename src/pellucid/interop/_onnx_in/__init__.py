"""ONNX files read into models."""

from ._file import MAX_BYTES, model_of, read_onnx
from ._order import captured, in_order, read_by
from ._tensors import Stored, Tensors

__all__ = ["MAX_BYTES", "Stored", "Tensors", "captured", "in_order", "model_of", "read_by", "read_onnx"]
