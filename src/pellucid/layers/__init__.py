"""The parts networks are made of: each with its `forward` and its own `backward`."""

from ._activation import Activation, LogSoftmax, PReLU, Softmax
from ._attention import MultiHeadAttention, attention_weights
from ._augment import GaussianNoise, RandomFlip, RandomShift
from ._bidirectional import Bidirectional
from ._containers import Add, Concat, Parallel, Residual, Sequential
from ._conv import Conv1d, Conv2d, Conv3d
from ._conv_transpose import ConvTranspose1d, ConvTranspose2d
from ._dense import Dense
from ._dropout import ChannelDropout, Dropout, PlainDropout
from ._embedding import Embedding
from ._flatten import Flatten
from ._fold import fold_batchnorm
from ._function import Function
from ._gate import Gate, GatedLinear
from ._graph import Graph
from ._local import LocallyConnected1d, LocallyConnected2d
from ._mlp import mlp
from ._monotone import Monotone, monotone_mlp
from ._networks import convnet, recurrent_net
from ._norm import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, RMSNorm
from ._operator import Collect, Operator, Pick
from ._pad import Pad, Upsample
from ._pool import AdaptiveAveragePool, AvgPool, GlobalAveragePool, GlobalMaxPool, MaxPool
from ._recurrent import GRU, LSTM, RNN
from ._sequences import Masking, Sequences, counted, run, values_of
from ._sharing import Shared, share, unshare
from ._stacked import stacked
from ._sweep import State

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "AdaptiveAveragePool",
    "Add",
    "AvgPool",
    "BatchNorm",
    "Bidirectional",
    "ChannelDropout",
    "Collect",
    "Concat",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "Function",
    "Gate",
    "GatedLinear",
    "GaussianNoise",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "Graph",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "LocallyConnected1d",
    "LocallyConnected2d",
    "LogSoftmax",
    "Masking",
    "MaxPool",
    "Monotone",
    "MultiHeadAttention",
    "Operator",
    "PReLU",
    "Pad",
    "Parallel",
    "Pick",
    "PlainDropout",
    "RMSNorm",
    "RandomFlip",
    "RandomShift",
    "Residual",
    "Sequences",
    "Sequential",
    "Shared",
    "Softmax",
    "State",
    "Upsample",
    "attention_weights",
    "convnet",
    "counted",
    "fold_batchnorm",
    "mlp",
    "monotone_mlp",
    "recurrent_net",
    "run",
    "share",
    "stacked",
    "unshare",
    "values_of",
]
