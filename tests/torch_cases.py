"""Modules of PyTorch as people write them, and onnxruntime as a judge of what they are translated into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import nn

F = nn.functional


class Mlp(nn.Module):
    """Inline activations, and one layer used twice."""

    def __init__(self):
        super().__init__()
        self.first, self.again, self.last = nn.Linear(6, 5), nn.Linear(5, 5, bias=False), nn.Linear(5, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x):
        h = self.act(self.first(x))
        h = torch.tanh(self.again(h)) + F.silu(self.again(h)) * 0.5
        h += 1
        return self.last(F.dropout(h, 0.3, self.training)).log_softmax(-1)


class Basic(nn.Module):
    """The basic block of a ResNet."""

    def __init__(self, n_in, n_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(n_out), nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        plain = stride == 1 and n_in == n_out
        self.downsample = (
            None if plain else nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))
        )

    def forward(self, x):
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        return self.relu(out)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
        )
        self.layer1, self.layer2 = nn.Sequential(Basic(4, 4)), nn.Sequential(Basic(4, 6, 2))
        self.avgpool, self.fc = nn.AdaptiveAvgPool2d((1, 1)), nn.Linear(6, 5)

    def forward(self, x):
        x = self.avgpool(self.layer2(self.layer1(self.stem(x))))
        return self.fc(torch.flatten(x, 1))


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, n_out in ((3, 4), (4, 6)):
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2, 2)]
        self.features, self.avgpool = nn.Sequential(*layers), nn.AdaptiveAvgPool2d((3, 3))
        self.classifier = nn.Sequential(
            nn.Linear(54, 8), nn.ReLU(True), nn.Dropout(), nn.Linear(8, 8), nn.ReLU(True), nn.Dropout(), nn.Linear(8, 4)
        )

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


class Inverted(nn.Module):
    """The inverted residual of MobileNetV2 and V3, squeeze and excitation included."""

    def __init__(self):
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8), nn.Hardswish(inplace=True))
        self.depth = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False), nn.BatchNorm2d(8), nn.ReLU6(True))
        self.down, self.up = nn.Conv2d(8, 2, 1), nn.Conv2d(2, 8, 1)
        self.project = nn.Sequential(nn.Conv2d(8, 4, 1, bias=False), nn.BatchNorm2d(4))

    def forward(self, x):
        h = self.depth(self.expand(x))
        scale = F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(h, 1)))))
        return x + self.project(scale * h)


class Tagger(nn.Module):
    """Embedding, recurrent layers one above the other in both directions, and a layer at every step."""

    def __init__(self, kind):
        super().__init__()
        self.embedding = nn.Embedding(11, 4)
        self.memory = kind(4, 3, num_layers=2, bidirectional=True, batch_first=True, dropout=0.2)
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        y, _ = self.memory(self.embedding(x))
        return self.out(y)


class LastState(nn.Module):
    """The last state of one recurrent layer, by slice or as the layer gives it."""

    def __init__(self, kind, of_layer=False, **settings):
        super().__init__()
        self.memory, self.out, self.of_layer = kind(3, 4, batch_first=True, **settings), nn.Linear(4, 2), of_layer

    def forward(self, x):
        y, state = self.memory(x)
        last = (state[0] if isinstance(state, tuple) else state)[-1] if self.of_layer else y[:, -1]
        return self.out(last)


class Stepping(nn.Module):
    """Cells in a loop over time, from a state of zeros."""

    def __init__(self):
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(3, 4), nn.GRUCell(4, 4), nn.RNNCell(4, 4, nonlinearity="relu")
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        h = c = r = u = x.new_zeros(x.shape[0], 4)
        for step in x.unbind(1):
            h, c = self.lstm(step, (h, c))
            u = self.gru(h, u)
            r = self.rnn(u, r)
        return self.out(r + h)


class Attending(nn.Module):
    """A small transformer over patches, with a token of its own and learned positions."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 5, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu", norm_first=True)
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, 3)

    def forward(self, x):
        h = self.patch(x).flatten(2).transpose(1, 2)
        h = torch.cat([self.token.expand(x.shape[0], -1, -1), h], 1) + self.places
        return self.head(self.norm(self.block(h))[:, 0])


class Causal(nn.Module):
    """Attention written by hand, as in nanoGPT: one weight for q, k and v, heads split and merged."""

    def __init__(self):
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(8, 24), nn.Linear(8, 8), 2

    def forward(self, x):
        b, t, c = x.size()
        q, k, v = self.qkv(x).split(c, dim=2)
        q, k, v = (a.view(b, t, self.heads, c // self.heads).transpose(1, 2) for a in (q, k, v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).contiguous().view(b, t, c))


class Norms(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True), nn.PReLU(4), nn.BatchNorm2d(4, affine=False),
            nn.LayerNorm((5, 6)),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x) * self.layers[0](x).mean((2, 3), keepdim=True)


class Written(nn.Module):
    """Views that are written to in place: what comes later sees the change."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        z = self.fc(x)
        first = z[:, 0]
        first += 1
        again = z
        again.relu_()
        return z * 2 + again


class Rebound(nn.Module):
    """A value that is changed in place under its other name."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x):
        z = self.fc(x)
        y = F.relu(z, inplace=True)
        return y + z


class Decoder(nn.Module):
    """Convolution over one axis, its transpose, and pictures made larger."""

    def __init__(self):
        super().__init__()
        self.up, self.smooth = nn.ConvTranspose2d(4, 3, 3, 2, 1, output_padding=1), nn.Conv2d(3, 2, 3, padding="same")
        self.line = nn.Conv1d(2, 2, 3, padding=2, dilation=2)

    def forward(self, x):
        h = F.interpolate(self.smooth(F.pad(self.up(x), (1, 0, 2, 1))), scale_factor=2, mode="nearest")
        h = F.avg_pool2d(h, 3, 2, 1, count_include_pad=False)
        return self.line(h.mean(3)), h.amax((2, 3)), h.softmax(1)[:, :1]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def tokens(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 11, shape)


MODULES: dict[str, tuple[Callable[[], nn.Module], np.ndarray]] = {
    "mlp": (Mlp, normal(3, 6)),
    "resnet": (ResNet, normal(2, 3, 12, 12)),
    "vgg": (Vgg, normal(2, 3, 14, 14)),
    "mobilenet": (Inverted, normal(2, 4, 5, 5)),
    "lstm tagger": (lambda: Tagger(nn.LSTM), tokens(2, 5)),
    "gru tagger": (lambda: Tagger(nn.GRU), tokens(2, 5)),
    "lstm": (lambda: LastState(nn.LSTM), normal(2, 5, 3)),
    "gru, its own state": (lambda: LastState(nn.GRU, of_layer=True), normal(2, 5, 3)),
    "cells": (Stepping, normal(2, 3, 3)),
    "rnn, without bias": (lambda: LastState(nn.RNN, bias=False), normal(2, 5, 3)),
    "transformer": (Attending, normal(2, 3, 8, 8)),
    "causal attention": (Causal, normal(2, 5, 8)),
    "norms": (Norms, normal(2, 4, 5, 6)),
    "a view written to": (Written, normal(3, 4)),
    "a value rebound": (Rebound, normal(3, 4)),
    "decoder": (Decoder, normal(2, 4, 5, 6)),
}


def module_of(name: str, dtype: torch.dtype = torch.float64) -> nn.Module:
    """The module at inference, every parameter and statistic drawn, so that no error is hidden by a 0 or 1."""
    torch.manual_seed(0)
    module = MODULES[name][0]().to(dtype).eval()
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5 if "var" in key else torch.randn_like(tensor) * 0.5)
    return module


def tensor(x: np.ndarray, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.from_numpy(x).to(dtype if x.dtype.kind == "f" else torch.int64)


def onnx_of(model: Any) -> onnx.ModelProto:
    """A Model of Pellucid as ONNX's own, for judges that read that."""

    def info(port: Any) -> onnx.ValueInfoProto:
        kind = helper.np_dtype_to_tensor_dtype(port.dtype)
        return helper.make_tensor_value_info(
            port.name, kind, [n or f"{port.name}_{i}" for i, n in enumerate(port.shape)]
        )

    def attribute(value: Any) -> Any:
        return numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value

    nodes = [
        helper.make_node(o.kind, o.inputs, o.outputs, o.name, **{k: attribute(v) for k, v in o.attributes.items()})
        for o in model.operations
    ]
    constants = [numpy_helper.from_array(np.asarray(array, order="C"), name) for name, array in model.constants.items()]
    graph = helper.make_graph(nodes, "g", list(map(info, model.inputs)), list(map(info, model.outputs)), constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", model.opset)], ir_version=11)


def computed_by_onnxruntime(model: Any, *inputs: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    written = onnx_of(model)
    onnx.checker.check_model(written, full_check=True)
    session = onnxruntime.InferenceSession(written.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {port.name: x.astype(port.dtype) for port, x in zip(model.inputs, inputs, strict=True)}
    return session.run(None, given)
