"""Every kind of layer becomes a module of PyTorch that computes the same, and whose weights learn."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pellucid as pl
from layer_cases import attention, augment, basic, conv, dropout, local, norm, pool, recurrent
from pellucid import layers
from pellucid.errors import InteropError
from pellucid.interop import load_state
from pellucid.layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Add,
    BatchNorm,
    ChannelDropout,
    Collect,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    Function,
    GaussianNoise,
    Graph,
    Operator,
    Pick,
    PlainDropout,
    RandomFlip,
    RandomShift,
    Sequential,
    stacked,
    values_of,
)
from pellucid.module import Layer, parameters, walk
from torch_cases import MODULES, module_of

TABLES = (basic, conv, augment, dropout, attention, norm, local, pool, recurrent)
WITHOUT = (Function, Operator)


def opens(layer: Layer) -> bool:
    return not any(isinstance(part, WITHOUT) for _, part in walk(layer))


CASES = {name: case for table in TABLES for name, case in table.CASES.items()}
CASES = {name: case for name, case in CASES.items() if case.key is None and opens(case.layer)}


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


def double(a: Any) -> Any:
    return jnp.asarray(a, jnp.float64) if jnp.issubdtype(jnp.asarray(a).dtype, jnp.floating) else jnp.asarray(a)


@pytest.fixture(scope="module")
def computed():
    """What all layers give, from one compiled program."""
    with jax.enable_x64(True):
        held = {name: jax.tree.map(double, (case.layer, case.away())) for name, case in CASES.items()}
        whole = jax.jit(lambda held: {name: values_of(layer.forward(x)[0]) for name, (layer, x) in held.items()})
        return held, whole(held)


def tensors(x: Any) -> Any:
    return jax.tree.map(lambda a: torch.from_numpy(np.array(a)), x)


def test_every_kind_of_layer_is_in_the_table():
    known = {getattr(layers, name) for name in layers.__all__}
    kinds = {k for k in known if isinstance(k, type) and issubclass(k, Layer)} - set(WITHOUT)
    tried = {type(part) for case in CASES.values() for _, part in walk(case.layer)}
    assert kinds - tried <= {Pick, Collect}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:.*truncate and dropout_recurrent")
def test_the_module_computes_what_the_layer_computes(name, computed):
    layer, x = computed[0][name]
    module = pl.to_torch(layer)
    y = module(tensors(x))
    y = y.values if hasattr(y, "lengths") else y
    tolerance = 1e-7 if "hard_sigmoid" in str(layer) else 1e-10  # PyTorch's own 1/6 has single precision
    np.testing.assert_allclose(y.detach().numpy(), computed[1][name], tolerance, 1e-12)
    weights = dict(module.named_parameters())
    if weights:
        y.square().sum().backward()
        assert all(p.grad is not None for name, p in weights.items())
        assert sum(p.numel() for p in weights.values()) >= sum(a.size for a in parameters(layer).values())


def same(net: Layer, x: Any) -> None:
    got = pl.to_torch(net)(tensors(x))
    wanted = net(x)
    for mine, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs, 1e-6, 1e-6)


def test_a_graph_of_several_outputs_with_names_that_modules_have_of_their_own():
    layers = {"forward": Dense(jnp.ones((2, 2)), None), "a.b": Activation("relu"), "sum": Add(), "out": Collect()}
    nodes = [("f", "forward", "input"), ("g", "a.b", "f"), ("again", "a.b", "input"), ("s", "sum", ("g", "again"))]
    net = Graph(layers, [*nodes, ("y", "out", ("s", "f"))])
    same(net, jnp.array([[1.0, -2.0], [3.0, 4.0]]))
    picked = Graph({"net": net, "pick": Pick(1)}, [("both", "net", "input"), ("one", "pick", "both")])
    same(picked, jnp.array([[1.0, -2.0]]))


@pytest.mark.parametrize("name", ["mobilenet", "transformer", "decoder"])
def test_from_pytorch_and_back_to_it(name):
    """What has no layer here goes back operation by operation."""
    module, x = module_of(name), MODULES[name][1]
    back = pl.to_torch(pl.from_torch(module, x))
    wanted = module(torch.from_numpy(x))
    got = back(torch.from_numpy(x))
    for mine, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), theirs.detach().numpy(), 1e-10, 1e-10)
    assert sum(p.numel() for p in back.parameters()) == sum(p.numel() for p in module.parameters())


def test_training_differs_from_inference_where_it_does_here():
    x = torch.ones(64, 6, 6, 2, dtype=torch.float64)
    ways = [Dropout(0.5), PlainDropout(0.5), ChannelDropout(0.5), GaussianNoise(0.5), RandomFlip(), RandomShift(2)]
    torch.manual_seed(0)
    ramp = x * torch.arange(6)[:, None]
    for layer in ways:
        module = pl.to_torch(layer)
        assert torch.equal(module(ramp), ramp)
        assert not torch.equal(module.train()(ramp), ramp)
    dropped = pl.to_torch(ChannelDropout(0.5)).train()(x)
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert (dropped == dropped[:, :1, :1]).all()  # whole channels
    assert set(pl.to_torch(PlainDropout(0.5)).train()(x).unique().tolist()) == {0.0, 1.0}


def test_batch_statistics_follow_as_they_do_here():
    x = np.random.default_rng(0).normal(size=(8, 3, 3, 2))
    net = jax.tree.map(double, BatchNorm.create(2))
    y, saved = net.forward(jnp.asarray(x), key=jax.random.key(0))
    change = net.backward(saved, jnp.zeros_like(y))[1]
    module = pl.to_torch(net).train()
    np.testing.assert_allclose(module(torch.from_numpy(x)).detach().numpy(), y, 1e-10, 1e-12)
    np.testing.assert_allclose(module.running_var.numpy(), net.variance + change.variance, 1e-10)


def test_what_has_no_counterpart_is_listed_with_its_place():
    net = Sequential([Function(jnp.sin), Dense(jnp.ones((1, 1)), None), Operator("Det", opset=14)])
    with pytest.raises(InteropError, match=r"layers\[0\] is a Function; layers\[2\] is an Operator \(Det\)"):
        pl.to_torch(net)


def test_what_only_training_has_is_said():
    net = LSTM.create(2, 3, key=jax.random.key(0), truncate=5)
    with pytest.warns(UserWarning, match="truncate and dropout_recurrent of LSTM"):
        pl.to_torch(net)


def test_there_and_back_the_weights_are_the_same():
    key = jax.random.key(0)
    net = Graph(
        {
            "conv": Conv2d.create(2, 4, 3, key=key, groups=2),
            "rest": Sequential([BatchNorm.create(4), Activation("relu"), Flatten(), Dense.create(36, 2, key=key)]),
        },
        [("a", "conv", "input"), ("y", "rest", "a")],
    )
    memory = Sequential([stacked(LSTM, 3, 3, key=1, depth=2)])
    for one in (net, memory, stacked(GRU, 3, 2, key=2, bidirectional=True), stacked(RNN, 3, 2, key=2)):
        blank = jax.tree.map(jnp.zeros_like, one)
        back = load_state(blank, pl.to_torch(one).state_dict())
        assert jax.tree.structure(back) == jax.tree.structure(one)
        for mine, theirs in zip(jax.tree.leaves(back), jax.tree.leaves(one), strict=True):
            np.testing.assert_array_equal(mine, theirs)
