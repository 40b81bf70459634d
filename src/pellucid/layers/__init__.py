"""The parts networks are made of: each with its `forward` and its own `backward`."""

from ._activation import Activation, LogSoftmax, Softmax
from ._containers import Add, Concat, Parallel, Residual, Sequential
from ._dense import Dense
from ._dropout import Dropout, PlainDropout
from ._flatten import Flatten
from ._function import Function
from ._graph import Graph
from ._mlp import mlp
from ._sequences import Masking, Sequences, run, values_of

__all__ = [
    "Activation",
    "Add",
    "Concat",
    "Dense",
    "Dropout",
    "Flatten",
    "Function",
    "Graph",
    "LogSoftmax",
    "Masking",
    "Parallel",
    "PlainDropout",
    "Residual",
    "Sequences",
    "Sequential",
    "Softmax",
    "mlp",
    "run",
    "values_of",
]
