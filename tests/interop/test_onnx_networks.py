"""Networks as PyTorch exports them, opened: the numbers of onnxruntime, and the layers one would write."""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import pellucid as pl
from onnx_models import export
from pellucid.layers import Graph, Operator, Sequential
from pellucid.module import Layer, children, walk


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)
        self.conv2, self.bn2 = nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)

    def forward(self, x):
        return torch.relu(x + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.pool = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.MaxPool2d(3, 2, 1)
        self.block, self.gap, self.fc = Block(4), nn.AdaptiveAvgPool2d(1), nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(torch.flatten(self.gap(self.block(self.pool(torch.relu(self.stem(x))))), 1))


class Vgg(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4 * 5 * 5, 6)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv(x)), 2)
        return torch.softmax(self.fc(x.view(x.size(0), -1)), 1)


class Mobile(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 8, 3, 1, 1, groups=8),
            nn.SiLU(), nn.Upsample(scale_factor=2), nn.ConvTranspose2d(8, 4, 2, 2), nn.GroupNorm(2, 4), nn.PReLU(4),
        )  # fmt: skip
        self.gate, self.fc = nn.Linear(4, 4), nn.Linear(4, 5)

    def forward(self, x):
        x = self.features(x)
        return self.fc((x * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]).mean((2, 3)))


class Recurrent(nn.Module):
    def __init__(self, kind, **settings):
        super().__init__()
        self.cells = getattr(nn, kind)(5, 4, batch_first=True, **settings)
        self.fc = nn.Linear(8 if settings.get("bidirectional") else 4, 3)

    def forward(self, x):
        return self.fc(self.cells(x)[0][:, -1])


class Stacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.cells, self.fc = nn.Embedding(20, 5), nn.LSTM(5, 4, 2, batch_first=True), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.cells(self.words(x))[1][0][-1])


class Attention(nn.Module):
    def __init__(self, n, heads):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(n, 3 * n), nn.Linear(n, n)

    def forward(self, x):
        batch, time, n = x.shape
        q, k, v = (
            a.view(batch, time, self.heads, n // self.heads).transpose(1, 2) for a in self.qkv(x).split(n, dim=2)
        )
        score = (q @ k.transpose(-2, -1)) / (n // self.heads) ** 0.5
        score = score.masked_fill(torch.tril(torch.ones(time, time)) == 0, float("-inf"))
        return self.out((torch.softmax(score, -1) @ v).transpose(1, 2).reshape(batch, time, n))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(20, 8), nn.Parameter(torch.randn(1, 6, 8))
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(8), Attention(8, 2), nn.LayerNorm(8)
        self.up, self.down, self.head = nn.Linear(8, 16), nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x):
        x = self.words(x) + self.places
        x = x + self.attention(self.norm1(x))
        return self.head((x + self.down(nn.functional.gelu(self.up(self.norm2(x))))).mean(1))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.fc = nn.Linear(8, 3)

    def forward(self, x):
        return self.fc(self.layer(x)[:, 0])


PICTURE, STEPS, WORDS = (2, 3, 12, 12), (2, 6, 5), "words"
MLP = nn.Sequential(nn.Linear(6, 8), nn.LeakyReLU(0.2), nn.Dropout(), nn.Linear(8, 3))
CASES = {
    "mlp": (lambda: MLP, (2, 6), ["Dense", "Activation", "Dense"]),
    "resnet": (ResNet, PICTURE, ["Transpose", "Conv2d", "Activation", "MaxPool", "Conv2d", "Activation", "Conv2d",
                                 "Add", "Activation", "GlobalAveragePool", "Dense"]),
    "vgg": (Vgg, PICTURE, ["Transpose", "Conv2d", "Activation", "MaxPool", "Transpose", "Flatten", "Dense", "Softmax"]),
    "mobile": (Mobile, PICTURE, ["Transpose", "Conv2d", "Activation", "Conv2d", "Activation", "Upsample",
                                 "ConvTranspose2d", "GroupNorm", "PReLU", "GlobalAveragePool", "Dense", "Activation",
                                 "Reshape", "Mul", "GlobalAveragePool", "Dense"]),
    "rnn": (lambda: Recurrent("RNN"), STEPS, ["RNN", "Gather", "Dense"]),
    "gru both ways": (lambda: Recurrent("GRU", bidirectional=True), STEPS, ["Bidirectional", "Gather", "Dense"]),
    "lstm": (lambda: Recurrent("LSTM"), STEPS, ["LSTM", "Gather", "Dense"]),
    "stacked": (Stacked, WORDS, ["Embedding", "LSTM", "LSTM", "Dense"]),
    "gpt": (Gpt, WORDS, ["Embedding", "Add", "LayerNorm", "MultiHeadAttention", "Add", "LayerNorm", "Dense",
                         "Activation", "Dense", "Add", "GlobalAveragePool", "Dense"]),
    "encoder": (Encoder, (2, 6, 8), ["MultiHeadAttention", "Add", "LayerNorm", "Dense", "Activation", "Dense", "Add",
                                     "LayerNorm", "Gather", "Dense"]),
}  # fmt: skip


def example(shape) -> torch.Tensor:
    return torch.randint(0, 20, (2, 6)) if shape == WORDS else torch.randn(shape)


def kinds(net: Layer) -> list[str]:
    leaves = [layer for _, layer in walk(net) if not children(layer) or type(layer).__name__ == "Bidirectional"]
    found = [layer.kind if isinstance(layer, Operator) else type(layer).__name__ for layer in leaves]
    return [kind for i, kind in enumerate(found) if not (i and "Bidirectional" in found[max(0, i - 2) : i])]


@pytest.mark.parametrize("name", CASES)
def test_a_network_of_pytorch_opens_as_layers_and_gives_what_onnxruntime_gives(name: str, tmp_path: Path):
    torch.manual_seed(0)
    make, shape, wanted = CASES[name]
    x, path = example(shape), tmp_path / "net.onnx"
    net = pl.load(export(make(), x, path))
    assert isinstance(net, Graph | Sequential)
    assert kinds(net) == wanted
    want = onnxruntime.InferenceSession(path).run(None, {"x": x.numpy()})[0]
    np.testing.assert_allclose(net(jnp.asarray(x.numpy())), want, 1e-5, 1e-5)


@pytest.mark.parametrize("name", ["mlp", "resnet", "vgg", "stacked"])
def test_a_file_fixed_to_one_example_takes_any_number(name: str, tmp_path: Path):
    torch.manual_seed(0)
    make, shape, _ = CASES[name]
    x, module, path = example(shape), make(), tmp_path / "net.onnx"
    net = pl.load(export(module, x, path, fixed=True))
    with torch.no_grad():
        np.testing.assert_allclose(net(jnp.asarray(x.numpy())), module(x).numpy(), 1e-5, 1e-5)


def test_names_of_the_author_are_kept(tmp_path: Path):
    net = pl.load(export(ResNet(), example(PICTURE), tmp_path / "net.onnx"))
    assert {"layers.stem.weight", "layers.block_conv1.bias", "layers.fc.weight"} <= set(pl.parameters(net))


def test_a_module_used_twice_is_one_layer(tmp_path: Path):
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(torch.tanh(self.fc(x)))

    net = pl.load(export(Twice(), torch.randn(2, 4), tmp_path / "net.onnx"))
    assert sorted(pl.parameters(net)) == ["layers.fc.bias", "layers.fc.weight"]
