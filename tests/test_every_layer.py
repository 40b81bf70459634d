"""One table, every layer held to the same laws, in double precision. Its rows are in `layer_cases`."""

import inspect
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from layer_cases import attention, augment, basic, conv, dropout, local, norm, operator, pool, recurrent
from layer_cases.case import Case
from pellucid import layers
from pellucid.activations import CURVES
from pellucid.errors import ShapeError, StoreError
from pellucid.layers import (
    Activation,
    Dropout,
    Function,
    GaussianNoise,
    Graph,
    Parallel,
    PlainDropout,
    Residual,
    Sequential,
    values_of,
)
from pellucid.module import Layer, learned, parameters
from pellucid.store import load, save

CASES: dict[str, Case] = (
    basic.CASES
    | conv.CASES
    | augment.CASES
    | dropout.CASES
    | attention.CASES
    | norm.CASES
    | local.CASES
    | operator.CASES
    | pool.CASES
    | recurrent.CASES
)


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


def blame_of(y: Any) -> Any:
    """Random blame for an output, an array or a tuple of them."""
    return jax.tree.map(lambda a: jnp.asarray(np.random.default_rng(1).normal(size=a.shape)), y)


def inner(a: Any, b: Any) -> jax.Array:
    return sum(jnp.vdot(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def one_pass(case: Case, layer: Layer, x: Any) -> tuple[Any, Any, Any]:
    y, saved = layer.forward(x, key=case.key)
    dx, dlayer = layer.backward(saved, blame_of(values_of(y)))
    return values_of(y), dx, dlayer


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
    x = case.at_kinks()
    y, vjp = jax.vjp(lambda layer, x: values_of(layer.forward(x, key=case.key)[0]), case.layer, x)
    dlayer, dx = vjp(blame_of(y))
    got_y, got_dx, got_dlayer = one_pass(case, case.layer, x)
    assert jax.tree.structure(got_dlayer) == jax.tree.structure(case.layer)
    assert_same((got_y, got_dx, learned(got_dlayer)), (y, dx, learned(dlayer)))


def test_backward_meets_finite_differences(case):
    x, h = case.away(), 3e-6
    _, dx, dlayer = one_pass(case, case.layer, x)
    rng = np.random.default_rng(2)
    for _ in range(3):
        way = jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), (learned(case.layer), x))
        way = way if case.moves else (way[0], jax.tree.map(jnp.zeros_like, x))
        ahead, behind = (
            inner(values_of(y), blame_of(values_of(y)))
            for s in (h, -h)
            for layer, moved in [jax.tree.map(lambda a, d, s=s: a if d is None else a + s * d, (case.layer, x), way)]
            for y in [layer.forward(moved, key=case.key)[0]]
        )
        slope = inner((learned(dlayer), dx), way)
        np.testing.assert_allclose((ahead - behind) / (2 * h), slope, rtol=1e-7, atol=1e-8)


@pytest.fixture(scope="module")
def compiled():
    """The passes of all cases in one program: they share one compilation."""
    with jax.enable_x64(True):
        whole = jax.jit(lambda held: {name: one_pass(CASES[name], *given) for name, given in held.items()})
        return whole({name: (case.layer, case.at_kinks()) for name, case in CASES.items()})


def test_jit_changes_nothing(name, case, compiled):
    assert_same(compiled[name], one_pass(case, case.layer, case.at_kinks()))


def test_a_layer_is_a_pytree_of_its_arrays(case):
    leaves, shape = jax.tree.flatten(case.layer)
    again = jax.tree.unflatten(shape, leaves)
    assert type(again) is type(case.layer)
    assert jax.tree.structure(again) == shape
    assert list(parameters(case.layer).values()) == jax.tree.leaves(learned(case.layer))
    assert all(a is b for a, b in zip(jax.tree.leaves(again), leaves, strict=True))
    x = case.away()
    nothing = one_pass(case, jax.tree.map(jnp.zeros_like, case.layer), x)
    whole = values_of(case.layer.forward(x, key=case.key)[0])
    assert jax.tree.map(jnp.shape, nothing[0]) == jax.tree.map(jnp.shape, whole)


def test_saved_and_loaded_is_the_same_bit_for_bit(case, tmp_path):
    if not case.saved:
        with pytest.raises(StoreError, match="function is a function, and a file holds no code"):
            save(tmp_path / "layer", case.layer)
        return
    found, _ = load(save(tmp_path / "layer", case.layer))
    assert jax.tree.structure(found) == jax.tree.structure(case.layer)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(case.layer), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
    assert_same(values_of(found(case.at_kinks())), values_of(case.layer(case.at_kinks())), 0, 0)


def test_pytorch_agrees_in_value_and_gradient(case):
    if case.pytorch is None:
        assert case.key is not None, "only a random mask has no counterpart"
        return
    x = case.away()
    y, dx, dlayer = one_pass(case, case.layer, x)
    theirs = {path: tensor(a) for path, a in parameters(case.layer).items()}
    inputs = jax.tree.map(tensor, x)
    wanted = case.pytorch(theirs, inputs)
    outputs = jax.tree.leaves(wanted)
    torch.autograd.backward(outputs, [torch.from_numpy(np.array(a)) for a in jax.tree.leaves(blame_of(y))])
    tolerance = 1e-7 if "hard_sigmoid" in str(case.layer) else 1e-11  # PyTorch's own 1/6 has single precision
    assert_same(y, jax.tree.map(lambda t: t.detach().numpy(), wanted), tolerance, 1e-12)
    assert_same(dx, jax.tree.map(lambda t: t.grad.numpy(), inputs), tolerance, 1e-12)
    for path, gradient in parameters(dlayer).items():
        np.testing.assert_allclose(gradient, theirs[path].grad.numpy(), tolerance, 1e-12)


def tensor(a: Any) -> torch.Tensor:
    return torch.tensor(np.array(a), requires_grad=True)


def test_single_precision_is_kept_forward_and_backward(case):
    single = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (case.layer, case.away()))

    def go(layer, x):
        y, saved = layer.forward(x, key=case.key)
        return values_of(y), layer.backward(saved, jax.tree.map(jnp.ones_like, values_of(y)))

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
REFUSING |= {Activation, GaussianNoise, Dropout, PlainDropout}  # their settings


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
    x = case.away()
    assert_same(values_of(case.layer.forward(x)[0]), values_of(case.layer(x)), 0, 0)
