"""What operators of other frameworks do, in the words of ONNX: one table of pure functions."""

from . import (
    _activation,
    _arithmetic,
    _attention,
    _control,
    _convolution,
    _image,
    _indexing,
    _loss,
    _normalization,
    _pooling,
    _quantization,
    _recurrent,
    _reduction,
    _resize,
    _sequence,
    _shape,
    _signal,
    _tables,
    _text,
    _types,
)
from ._evaluate import bound, evaluate, full_kind
from ._frozen import freeze, thaw
from ._lowering import LOWERINGS, Operation, lowered
from ._table import OPERATORS, Row, apply

THEMES = (
    _arithmetic, _reduction, _shape, _indexing, _types, _activation, _normalization, _convolution, _pooling, _recurrent,
    _attention, _resize, _image, _quantization, _signal, _loss, _sequence, _control, _text, _tables,
)  # fmt: skip  # each puts its operators into the table when it is imported

__all__ = [
    "LOWERINGS",
    "OPERATORS",
    "THEMES",
    "Operation",
    "Row",
    "apply",
    "bound",
    "evaluate",
    "freeze",
    "full_kind",
    "lowered",
    "thaw",
]
