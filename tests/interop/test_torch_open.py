"""Modules of PyTorch as networks: the same outputs, and every gradient the same."""

from itertools import permutations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn

import pellucid as pl
from pellucid.errors import InteropError
from pellucid.interop._torch._open import model_of
from pellucid.layers import (
    GRU,
    LSTM,
    Activation,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout,
    Embedding,
    Graph,
    Sequential,
    values_of,
)
from pellucid.module import learned, parameters, walk
from torch_cases import MODULES, F, computed_by_onnxruntime, module_of, normal, tensor


def passes(net: Any, x: Any, seed: int = 1) -> tuple[Any, Any, Any]:
    """Outputs, and the blame of the input and of every parameter, from one compiled pass."""

    @jax.jit
    def both(net: Any, x: Any) -> Any:
        y, saved = net.forward(x)
        rng = np.random.default_rng(seed)
        dy = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape), a.dtype), values_of(y))
        return y, dy, net.backward(saved, dy)

    y, dy, (dx, dnet) = both(net, x)
    return (y, dy), dx, dnet


def gradients(module: nn.Module, x: np.ndarray, dy: Any) -> tuple[list[np.ndarray], Any, dict[str, np.ndarray]]:
    """PyTorch's own outputs and gradients."""
    dtype = next(module.parameters()).dtype
    given = tensor(x, dtype)
    given = given.requires_grad_() if given.is_floating_point() else given
    y = module(given)
    outputs = list(y) if isinstance(y, tuple) else [y]
    blames = list(dy) if isinstance(dy, tuple) else [dy]
    sum((a * torch.from_numpy(np.array(b))).sum() for a, b in zip(outputs, blames, strict=True)).backward()
    named = {name: p.grad.numpy() for name, p in module.named_parameters() if p.grad is not None}
    return [a.detach().numpy() for a in outputs], given.grad, named


def lying_as(theirs: np.ndarray, mine: np.ndarray, of: np.ndarray, held: np.ndarray) -> np.ndarray | None:
    """Their gradient with its axes as those of my array, which holds the same numbers; None where it does not."""
    for order in permutations(range(theirs.ndim)):
        turned = held.transpose(order)
        if turned.size == of.size and np.allclose(turned.reshape(-1), of.reshape(-1), 1e-6, 1e-7):
            return theirs.transpose(order).reshape(mine.shape)
    return None


def compare_gradients(net: Any, dnet: Any, module: nn.Module, theirs: dict[str, np.ndarray], tolerance: float) -> None:
    """Each of my arrays has the numbers of one of theirs, and so must its gradient; recurrent biases are sums."""
    held = {name: p.detach().numpy() for name, p in module.named_parameters()}
    for name in [name for name in held if "bias_ih" in name]:
        held[name + " + bias_hh"] = held[name] + held[name.replace("bias_ih", "bias_hh")]
        theirs[name + " + bias_hh"] = theirs[name]
    met = set()
    blames = parameters(dnet)
    for path, mine in parameters(net).items():
        of, blame = np.asarray(mine), np.asarray(blames[path])
        found = {
            name: turned for name in theirs if (turned := lying_as(theirs[name], blame, of, held[name])) is not None
        }
        if not found and path.rsplit(".")[-1] in ("bias", "recurrent_bias"):
            continue  # the parts of a GRU's bias: compared where there is one alone
        assert found, path
        met |= set(found)
        scale = max(1.0, np.abs(blame).max())
        assert min(np.abs(turned - blame).max() for turned in found.values()) / scale < tolerance, path
    left = {name for name in theirs if "bias_" not in name} - met
    assert not left


TOLERANCES = {"mobilenet": 1e-7}  # PyTorch's own 1/6 in hardsigmoid has single precision


@pytest.mark.parametrize("name", MODULES)
def test_outputs_and_every_gradient_agree_in_double_precision(name):
    tolerance = TOLERANCES.get(name, 1e-10)
    with jax.enable_x64(True):
        module, x = module_of(name), MODULES[name][1]
        net = pl.from_torch(module, x[:1])  # the batch is free
        (y, dy), dx, dnet = passes(net, jnp.asarray(x))
        wanted, wanted_dx, theirs = gradients(module, x, dy)
        for mine, other in zip(y if isinstance(y, tuple) else [y], wanted, strict=True):
            np.testing.assert_allclose(mine, other, tolerance, tolerance)
        if wanted_dx is not None:
            np.testing.assert_allclose(dx, wanted_dx.numpy(), tolerance, tolerance)
        compare_gradients(net, dnet, module, theirs, tolerance)


@pytest.mark.parametrize("name", ["mobilenet", "gru, its own state"])
def test_outputs_and_every_gradient_agree_in_single_precision(name):
    module, x = module_of(name, torch.float32), MODULES[name][1]
    net = pl.from_torch(module, x)
    (y, dy), dx, dnet = passes(net, jnp.asarray(x, jnp.float32))
    (wanted,), wanted_dx, theirs = gradients(module, x, dy)
    np.testing.assert_allclose(y, wanted, 1e-5, 1e-5)
    np.testing.assert_allclose(dx, wanted_dx.numpy(), 1e-5, 1e-5)
    compare_gradients(net, dnet, module, theirs, 1e-5)


def kinds(net: Any) -> list[type]:
    return [type(layer) for _, layer in walk(net)]


def test_layers_are_ours_and_called_as_the_module_calls_them():
    net = pl.from_torch(module_of("mobilenet", torch.float32), MODULES["mobilenet"][1])
    assert isinstance(net, Graph)
    assert isinstance(net.layers["depth_0"], Conv2d)
    assert net.layers["depth_0"].groups == 8
    assert isinstance(net.layers["expand_1"], BatchNorm)
    assert {"layers.down.weight", "layers.up.bias", "layers.project_0.weight"} <= set(parameters(net))
    tagger = pl.from_torch(module_of("lstm tagger", torch.float32), MODULES["lstm tagger"][1])
    assert {Embedding, LSTM, Dense, Dropout} <= set(kinds(tagger))
    assert GRU in kinds(pl.from_torch(module_of("gru, its own state", torch.float32), normal(1, 5, 3)))


def test_a_layer_that_is_used_twice_is_one_layer():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.norm, self.memory = nn.Linear(4, 4), nn.LayerNorm(4), nn.GRU(4, 4, batch_first=True)

        def forward(self, x):
            for _ in range(2):
                x = self.memory(self.norm(self.fc(x)).relu())[0]
            return x

    module = Twice()
    net = pl.from_torch(module, normal(2, 3, 4))
    assert (
        sum(a.size for a in parameters(net).values()) == sum(p.numel() for p in module.parameters()) - 8
    )  # GRU's sums
    assert {"fc", "norm", "memory"} <= set(net.layers)


def test_the_module_is_left_as_it_was():
    module = MODULES["vgg"][0]().train()
    module.features.eval()
    before = {name: t.clone() for name, t in module.state_dict().items()}
    modes = [part.training for part in module.modules()]
    net = pl.from_torch(module, MODULES["vgg"][1])
    assert [part.training for part in module.modules()] == modes
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())
    assert kinds(net).count(Dropout) == 2
    x = jnp.ones((2, 3, 14, 14))
    assert not np.array_equal(net.forward(x, key=jax.random.key(0))[0], net(x))  # a key means training


def test_the_weights_are_copies():
    module = nn.Sequential(nn.Linear(2, 1))
    net = pl.from_torch(module, np.ones((3, 2)))
    before = np.array(net(np.ones((1, 2), np.float32)))
    with torch.no_grad():
        module[0].weight.zero_()
    np.testing.assert_array_equal(net(np.ones((1, 2), np.float32)), before)


def test_buffers_and_what_is_no_weight_do_not_learn():
    class Shifted(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.arange(100.0))
            self.scale = nn.Parameter(torch.ones(1) * 2)
            self.norm = nn.BatchNorm1d(100, affine=False)

        def forward(self, x):
            return self.norm((x - self.mean) * self.scale)

    net = pl.from_torch(Shifted(), np.ones((2, 100)))
    assert [a.size for a in parameters(net).values()] == [1]
    assert learned(net) is not None


def test_several_inputs_and_outputs_are_tuples():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, a, b, *, scale=2.0):
            return self.fc(a) * scale + b, b.sum(1)

    module = Two()
    a, b = normal(4, 3).astype("f"), normal(4, 2).astype("f")
    net = pl.from_torch(module, (a, b))
    got, wanted = net((jnp.asarray(a), jnp.asarray(b))), module(torch.from_numpy(a), torch.from_numpy(b))
    for mine, theirs in zip(got, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs.detach().numpy(), 1e-5, 1e-6)


def test_there_and_back_again():
    """To PyTorch and back the network computes the same: the axes that are turned on the way meet again."""
    net = Sequential([Conv2d.create(2, 3, 3, key=jax.random.key(0)), Activation("relu"), BatchNorm.create(3)])
    back = pl.from_torch(pl.to_torch(net), np.ones((2, 6, 6, 2)))
    x = jnp.asarray(normal(3, 6, 6, 2), jnp.float32)
    np.testing.assert_allclose(back(x), net(x), 1e-5, 1e-6)
    assert "Transpose" not in str(back)


def test_everything_that_reads_networks_reads_this_one():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 2))
    net = pl.from_torch(module, np.ones((1, 2)))
    assert isinstance(net, Sequential)
    x, y = normal(8, 2).astype("f"), np.array([0, 1] * 4)
    assert pl.explain(net, x[0])
    assert pl.geometry.complex_of(net, box=[(-1, 1), (-1, 1)])
    assert pl.blame(net, x, y, loss="cross_entropy")
    given = torch.from_numpy(x)
    F.cross_entropy(module(given), torch.from_numpy(y)).backward()
    blamed = pl.blame(net, x, y, loss="cross_entropy")
    assert "layers[0]" in str(blamed)


@pytest.mark.parametrize(
    ("module", "example", "why"),
    [
        ("a text", np.ones(2), r"from_torch opens a torch\.nn\.Module; got a str"),
        (nn.Linear(2, 1), "text", "The example is an array, or a tuple of arrays"),
        (nn.Linear(2, 1), np.ones((3, 5)), "torch.export does not get through Linear"),
    ],
)
def test_what_is_given_wrongly_is_said(module, example, why):
    with pytest.raises(InteropError, match=why):
        pl.from_torch(module, example)


def test_a_batch_that_the_module_takes_for_a_constant_is_said():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            return self.fc(x) + torch.zeros(len(x), 2)

    with pytest.warns(UserWarning, match=r"for inputs of one shape alone: x \(1, 3\)"):
        net = pl.from_torch(Fixed(), np.ones((1, 3)))
    assert net(jnp.ones((1, 3))).shape == (1, 2)


def test_tied_weights_that_come_apart_are_said():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.out = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
            self.out.weight = self.embedding.weight

        def forward(self, x):
            return self.out(self.embedding(x))

    with pytest.warns(UserWarning, match=r"embedding\.weight is used in two forms"):
        pl.from_torch(Tied(), np.array([[1, 2]]))


def test_onnxruntime_is_given_the_names_of_the_module():
    model = model_of(module_of("resnet", torch.float32), MODULES["resnet"][1])
    names = [operation.name for operation in model.operations]
    assert len(names) == len(set(names))
    assert {"stem.0", "layer2.0.downsample.0", "fc"} <= set(names)
    assert len(computed_by_onnxruntime(model, MODULES["resnet"][1])) == 1
