"""One table, every layer held to the same laws, in double precision."""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from pellucid import layers
from pellucid.activations import CURVES
from pellucid.errors import ShapeError, StoreError
from pellucid.layers import (
    Activation,
    Add,
    Concat,
    Dense,
    Dropout,
    Flatten,
    Function,
    Graph,
    LogSoftmax,
    Parallel,
    PlainDropout,
    Residual,
    Sequential,
    Softmax,
)
from pellucid.module import Layer, parameters
from pellucid.store import load, save

F = torch.nn.functional
RNG = np.random.default_rng(0)
KINKS = np.array([[0.0, 1.0, -1.0], [6.0, 3.0, -3.0], [0.0, 0.0, 0.0], [-0.4, 0.7, 2.3], [-2.6, 0.2, -0.1]])
SMOOTH = RNG.uniform(0.05, 0.9, (5, 3)) * np.sign(RNG.normal(size=(5, 3))) + RNG.integers(-4, 5, (5, 3))
KEY = jax.random.key(7)


def dense(n_in: int, n_out: int, bias: bool = True) -> Dense:
    return Dense(RNG.normal(size=(n_in, n_out)), RNG.normal(size=n_out) if bias else None)


def linear(p: dict[str, torch.Tensor], at: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, p[f"{at}weight"].T, p.get(f"{at}bias"))


def pytorch_curve(name: str) -> Callable[[Any, torch.Tensor], torch.Tensor]:
    special = {
        "identity": torch.nn.Identity(),
        "gelu_tanh": torch.nn.GELU(approximate="tanh"),
        "softplus": torch.nn.Softplus(threshold=50),
        "abs": torch.abs,
    }
    curve = special.get(name) or getattr(F, name.replace("hard_", "hard"))
    return lambda p, x: curve(x)


def pytorch_graph(p, x):
    a = torch.relu(linear(p, "layers.square.", x))
    again = linear(p, "layers.square.", a)
    return linear(p, "layers.out.", torch.cat([again + x + a + a, a, again], -1))


@dataclass(frozen=True)
class Case:
    """A layer, PyTorch's own from its parameters and input, an input it must refuse, and the words of the refusal."""

    layer: Layer
    pytorch: Callable[[dict[str, torch.Tensor], Any], torch.Tensor] | None = None
    pair: bool = False
    key: jax.Array | None = None
    bad: Any = None
    refusal: str = ""
    saved: bool = True

    def inputs(self, x: np.ndarray) -> Any:
        x = jnp.asarray(x)
        return (x, 2 * x[::-1] - 0.5) if self.pair else x


WIDE = jnp.ones((5, 4))
with jax.enable_x64(True):
    SCALED = Function(
        lambda p, x: jnp.tanh(p["scale"] * x) + p["shift"], {"scale": RNG.normal(size=3), "shift": RNG.normal()}
    )
CASES = {
    "Dense": Case(
        dense(3, 2), lambda p, x: linear(p, "", x), bad=WIDE, refusal=r"Dense expects x \(batch, 3\), got \(5, 4\)"
    ),
    "Dense without bias": Case(
        dense(3, 2, bias=False),
        lambda p, x: linear(p, "", x),
        bad=jnp.ones(3),
        refusal=r"Dense expects x \(batch, 3\), got \(3,\): for one example give x\[None\]",
    ),
    **{f"Activation {name}": Case(Activation(name), pytorch_curve(name)) for name in CURVES},
    "Activation with a setting": Case(Activation("elu", alpha=1.7), lambda p, x: F.elu(x, alpha=1.7)),
    "Softmax": Case(
        Softmax(),
        lambda p, x: F.softmax(x, -1),
        bad=jnp.array(1.0),
        refusal=r"Softmax expects x \(\.\.\., classes\), got \(\)",
    ),
    "LogSoftmax": Case(
        LogSoftmax(),
        lambda p, x: F.log_softmax(x, -1),
        bad=jnp.array(1.0),
        refusal=r"LogSoftmax expects x \(\.\.\., classes\), got \(\)",
    ),
    "Flatten": Case(
        Flatten(),
        lambda p, x: torch.flatten(x, 1),
        bad=jnp.ones(3),
        refusal=r"Flatten expects x \(batch, \.\.\.\), got \(3,\)",
    ),
    "Dropout": Case(Dropout(0.4), lambda p, x: F.dropout(x, 0.4, training=False)),
    "Dropout in training": Case(Dropout(0.4), key=KEY),
    "PlainDropout": Case(PlainDropout(0.4), lambda p, x: x.clone()),
    "PlainDropout in training": Case(PlainDropout(0.4), key=KEY),
    "Sequential": Case(
        Sequential([dense(3, 4), Sequential([Activation("relu"), Dropout(0.3)]), dense(4, 2)]),
        lambda p, x: linear(p, "layers[2].", torch.relu(linear(p, "layers[0].", x))),
        bad=WIDE,
        refusal=r"layers\[0\]\.Dense expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Sequential in training": Case(Sequential([Dropout(0.3), Activation("tanh"), Dropout(0.3)]), key=KEY),
    "Sequential of nothing": Case(Sequential([]), lambda p, x: x.clone()),
    "Residual": Case(
        Residual(Sequential([dense(3, 3), Activation("tanh")])),
        lambda p, x: x + torch.tanh(linear(p, "layer.layers[0].", x)),
        bad=WIDE,
        refusal=r"layer\.layers\[0\]\.Dense expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Parallel, side by side": Case(
        Parallel([dense(3, 2), Activation("relu")]),
        lambda p, x: torch.cat([linear(p, "layers[0].", x), torch.relu(x)], -1),
        bad=WIDE,
        refusal=r"layers\[0\]\.Dense expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Parallel, summed": Case(
        Parallel([dense(3, 2), dense(3, 2), dense(3, 2)], join="sum"),
        lambda p, x: sum(linear(p, f"layers[{i}].", x) for i in range(3)),
        bad=WIDE,
        refusal=r"layers\[0\]\.Dense expects x \(batch, 3\), got \(5, 4\)",
    ),
    "Graph": Case(
        Graph(
            {"square": dense(3, 3), "bend": Activation("relu"), "join": Concat(), "sum": Add(), "out": dense(9, 2)},
            [
                ("z", "square", "input"),
                ("a", "bend", "z"),
                ("again", "square", "a"),
                ("mixed", "sum", ("again", "input", "a", "a")),
                ("wide", "join", ("mixed", "a", "again")),
                ("y", "out", "wide"),
            ],
        ),
        pytorch_graph,
        bad=WIDE,
        refusal=r"layers\.square\.Dense expects x \(batch, 3\), got \(5, 4\): node 'z' reads input",
    ),
    "Add": Case(
        Add(),
        lambda p, x: x[0] + x[1],
        pair=True,
        bad=(WIDE, WIDE[:, :1]),
        refusal=r"Add expects inputs of one shape, got \(5, 4\), \(5, 1\)",
    ),
    "Concat": Case(
        Concat(),
        lambda p, x: torch.cat(x, -1),
        pair=True,
        bad=(WIDE, WIDE[:2]),
        refusal=r"Concat expects inputs that differ in the last axis only, got \(5, 4\), \(2, 4\)",
    ),
    "Function": Case(Function(jnp.sin), lambda p, x: torch.sin(x), saved=False),
    "Function with parameters": Case(
        SCALED,
        lambda p, x: torch.tanh(p["parameters.scale"] * x) + p["parameters.shift"],
        saved=False,
    ),
}


@pytest.fixture(autouse=True)
def in_double_precision():
    with jax.enable_x64(True):
        yield


@pytest.fixture(params=CASES, ids=str)
def name(request):
    return request.param


@pytest.fixture
def case(name):
    return CASES[name]


def blame_at(shape: tuple[int, ...]) -> jax.Array:
    return jnp.asarray(np.random.default_rng(1).normal(size=shape))


def one_pass(case: Case, layer: Layer, x: Any) -> tuple[Any, Any, Any]:
    y, saved = layer.forward(x, key=case.key)
    return y, *layer.backward(saved, blame_at(y.shape))


def assert_same(got: Any, wanted: Any, rtol: float = 1e-12, atol: float = 1e-14) -> None:
    assert jax.tree.structure(got) == jax.tree.structure(wanted)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, rtol, atol)


def test_every_layer_has_a_row():
    public = {getattr(layers, name) for name in layers.__all__}
    kinds = {kind for kind in public if inspect.isclass(kind) and issubclass(kind, Layer)}
    assert kinds == {type(case.layer) for case in CASES.values()}
    assert {case.layer.name for case in CASES.values() if isinstance(case.layer, Activation)} == CURVES.keys()


def test_backward_is_the_vjp(case):
    x = case.inputs(KINKS)
    y, vjp = jax.vjp(lambda layer, x: layer.forward(x, key=case.key)[0], case.layer, x)
    dlayer, dx = vjp(blame_at(y.shape))
    assert_same(one_pass(case, case.layer, x), (y, dx, dlayer))


def test_backward_meets_finite_differences(case):
    x, h = case.inputs(SMOOTH), 1e-5
    _, dx, dlayer = one_pass(case, case.layer, x)
    rng = np.random.default_rng(2)
    for _ in range(3):
        way = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), (case.layer, x))
        ahead, behind = (
            (y * blame_at(y.shape)).sum()
            for s in (h, -h)
            for layer, moved in [jax.tree.map(lambda a, d, s=s: a + s * d, (case.layer, x), way)]
            for y in [layer.forward(moved, key=case.key)[0]]
        )
        slope = sum(jnp.vdot(g, d) for g, d in zip(*map(jax.tree.leaves, ((dlayer, dx), way)), strict=True))
        np.testing.assert_allclose((ahead - behind) / (2 * h), slope, rtol=1e-7, atol=1e-8)


@pytest.fixture(scope="module")
def compiled():
    """The passes of all cases in one program: they share one compilation."""
    with jax.enable_x64(True):
        whole = jax.jit(lambda held: {name: one_pass(CASES[name], *given) for name, given in held.items()})
        return whole({name: (case.layer, case.inputs(KINKS)) for name, case in CASES.items()})


def test_jit_changes_nothing(name, case, compiled):
    assert_same(compiled[name], one_pass(case, case.layer, case.inputs(KINKS)))


def test_a_layer_is_a_pytree_of_its_arrays(case):
    leaves, shape = jax.tree.flatten(case.layer)
    again = jax.tree.unflatten(shape, leaves)
    assert type(again) is type(case.layer)
    assert jax.tree.structure(again) == shape
    assert list(parameters(case.layer).values()) == leaves
    assert all(a is b for a, b in zip(jax.tree.leaves(again), leaves, strict=True))
    x = case.inputs(SMOOTH)
    nothing = one_pass(case, jax.tree.map(jnp.zeros_like, case.layer), x)
    assert nothing[0].shape == case.layer.forward(x, key=case.key)[0].shape


def test_saved_and_loaded_is_the_same_bit_for_bit(case, tmp_path):
    if not case.saved:
        with pytest.raises(StoreError, match="function is a function, and a file holds no code"):
            save(tmp_path / "layer", case.layer)
        return
    found, _ = load(save(tmp_path / "layer", case.layer))
    assert jax.tree.structure(found) == jax.tree.structure(case.layer)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(case.layer), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert (found(case.inputs(KINKS)) == case.layer(case.inputs(KINKS))).all()


def test_pytorch_agrees_in_value_and_gradient(case):
    if case.pytorch is None:
        assert case.key is not None, "only a random mask has no counterpart"
        return
    x = case.inputs(SMOOTH)
    y, dx, dlayer = one_pass(case, case.layer, x)
    theirs = {path: tensor(a) for path, a in parameters(case.layer).items()}
    inputs = jax.tree.map(tensor, x)
    wanted = case.pytorch(theirs, inputs)
    wanted.backward(torch.from_numpy(np.array(blame_at(y.shape))))
    tolerance = 1e-7 if "hard_sigmoid" in str(case.layer) else 1e-11  # PyTorch's own 1/6 has single precision
    assert_same(y, wanted.detach().numpy(), tolerance, 1e-12)
    assert_same(dx, jax.tree.map(lambda t: t.grad.numpy(), inputs), tolerance, 1e-12)
    for path, gradient in parameters(dlayer).items():
        np.testing.assert_allclose(gradient, theirs[path].grad.numpy(), tolerance, 1e-12)


def tensor(a: Any) -> torch.Tensor:
    return torch.tensor(np.array(a), requires_grad=True)


def test_single_precision_is_kept_forward_and_backward(case):
    single = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (case.layer, case.inputs(SMOOTH)))

    def go(layer, x):
        y, saved = layer.forward(x, key=case.key)
        return y, layer.backward(saved, jnp.ones_like(y))

    y, (dx, dlayer) = jax.eval_shape(go, *single)
    assert {a.dtype for a in jax.tree.leaves((y, dx, dlayer))} == {jnp.dtype("float32")}
    assert (dlayer, dx) == jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype), single)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.bad is not None])
def test_a_wrong_shape_is_refused_with_the_layer_and_its_path(name):
    case = CASES[name]
    with pytest.raises(ShapeError, match="^" + case.refusal):
        case.layer(case.bad)
    behind = Sequential([Function(lambda x: x), case.layer])
    with pytest.raises(ShapeError, match=r"^layers\[1\]\." + case.refusal):
        behind(case.bad)


HEADINGS = ["Shapes", "Blame", "Units", "Raises", "Source", "Example"]
CONTAINERS = {Sequential, Residual, Parallel, Graph}
REFUSING = {type(case.layer) for case in CASES.values() if case.bad is not None} - {Sequential}
REFUSING |= {Activation, Dropout, PlainDropout}  # their settings


@pytest.mark.parametrize("kind", {type(case.layer): None for case in CASES.values()}, ids=lambda kind: kind.__name__)
def test_the_docstring_has_the_formula_and_the_headings_that_apply(kind):
    first, *rest = inspect.getdoc(kind).splitlines()
    assert re.search(r"`[^`]+ = [^`]+`", first)
    found = [line.split(":")[0] for line in rest if re.match(r"[A-Z][a-z]+:( |$)", line)]
    assert found == [heading for heading in HEADINGS if heading in found]
    assert "Blame" in found
    assert ("Shapes" in found) == (kind not in CONTAINERS)
    assert ("Raises" in found) == (kind in REFUSING)


def test_without_a_key_the_answer_is_always_the_same(case):
    x = case.inputs(SMOOTH)
    first, again = case.layer.forward(x)[0], case.layer(x)
    assert np.asarray(first).tobytes() == np.asarray(again).tobytes()
