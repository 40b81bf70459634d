"""The table of operators: how rows are called, and what they keep to whatever their formula."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import InteropError, SettingError, ShapeError
from pellucid.layers import Collect, Graph, Operator, Pick
from pellucid.operators import OPERATORS, THEMES, apply, evaluate, freeze, thaw
from pellucid.store import load, save

RNG = np.random.default_rng(0)


def draw(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


def test_every_operator_is_one_of_onnx_and_has_only_its_attributes():
    names = {f"{s.domain}.{s.name}" if s.domain else s.name: s for s in onnx.defs.get_all_schemas()}
    attributes: dict[str, set[str]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        name = f"{schema.domain}.{schema.name}" if schema.domain else schema.name
        attributes.setdefault(name, set()).update(schema.attributes)
    assert set(OPERATORS) <= set(names) | {"Scatter", "Upsample"}  # which later opsets call by other names
    old = {"axis", "broadcast", "consumed_inputs"}  # of the first opsets
    assert {kind: row.attributes - attributes[kind] - old for kind, row in OPERATORS.items()} == dict.fromkeys(
        OPERATORS, frozenset()
    )


def test_every_theme_puts_something_into_the_table():
    assert {row.function.__module__ for row in OPERATORS.values()} == {theme.__name__ for theme in THEMES}


def test_there_is_no_such_operator():
    with pytest.raises(InteropError, match="no operator Magic"):
        apply("Magic", [], opset=18)


def test_an_attribute_that_is_not_known_is_refused_by_its_name():
    with pytest.raises(InteropError, match=r"Relu \(opset 18\): the attribute warmth is not supported"):
        apply("Relu", [draw(3)], {"warmth": 1}, opset=18)


def test_what_numpy_would_say_is_said_with_the_operator_and_the_shapes():
    with pytest.raises(InteropError, match=r"Add \(opset 18\): it does not take float32 \(2,\), float32 \(3,\): "):
        apply("Add", [draw(2), draw(3)], opset=18)


def test_more_outputs_than_there_are_is_refused():
    with pytest.raises(InteropError, match="2 outputs are wanted, and 1 are supported"):
        apply("Relu", [draw(3)], opset=18, outputs=2)


def test_shapes_stay_numbers_while_a_network_is_compiled():
    @jax.jit
    def half(x):
        shape = apply("Shape", [x], opset=18)
        last = apply("Gather", [shape, np.array([1])], {"axis": 0}, opset=18)
        shape = apply("Concat", [np.array([-1]), apply("Div", [last, np.array([2])], opset=18)], {"axis": 0}, opset=18)
        return apply("Reshape", [x, shape], opset=18)

    assert half(jnp.ones((3, 4))).shape == (6, 2)


def test_a_shape_that_depends_on_the_input_is_refused():
    reshaped = lambda shape: apply("Reshape", [jnp.ones(4), shape], opset=18)  # noqa: E731
    assert reshaped(jnp.array([2, 2])).shape == (2, 2)
    with pytest.raises(InteropError, match="input 1 must be a constant"):
        jax.jit(reshaped)(jnp.array([2, 2]))


SAME = {
    "Add": ([draw(2, 3), draw(3)], {}),
    "Attention": ([draw(1, 2, 3, 4), draw(1, 2, 5, 4), draw(1, 2, 5, 4)], {"is_causal": 1}),
    "AveragePool": ([draw(1, 2, 5, 5)], {"kernel_shape": [3, 3], "ceil_mode": 1, "strides": [2, 2]}),
    "Clip": ([draw(9), np.float32(-0.5), np.float32(0.5)], {}),
    "Conv": ([draw(1, 2, 5, 5), draw(3, 2, 3, 3)], {"auto_pad": "SAME_UPPER"}),
    "ConvTranspose": ([draw(1, 2, 3, 3), draw(2, 3, 3, 3)], {"strides": [2, 2]}),
    "CumSum": ([draw(2, 3), np.array(1)], {"exclusive": 1, "reverse": 1}),
    "DFT": ([draw(1, 6, 1)], {}),
    "Einsum": ([draw(2, 3), draw(3, 4)], {"equation": "ij,jk->ki"}),
    "GRU": ([draw(4, 2, 3), draw(1, 6, 3), draw(1, 6, 2)], {"hidden_size": 2}),
    "Gather": ([draw(4, 3), np.array([-1, 0])], {"axis": 0}),
    "GatherND": ([draw(2, 3, 4), np.array([[[1, 2]], [[0, 3]]])], {"batch_dims": 1}),
    "GridSample": ([draw(1, 2, 4, 4), draw(1, 3, 3, 2) / 2], {"mode": "cubic", "padding_mode": "reflection"}),
    "LayerNormalization": ([draw(2, 3), draw(3), draw(3)], {}),
    "LRN": ([draw(1, 4, 2, 2)], {"size": 3}),
    "LSTM": ([draw(4, 2, 3), draw(1, 8, 3), draw(1, 8, 2)], {"hidden_size": 2, "direction": "reverse"}),
    "LinearAttention": (
        [draw(1, 3, 4), draw(1, 3, 4), draw(1, 3, 4)], {"q_num_heads": 2, "kv_num_heads": 2, "update_rule": "linear"},
    ),
    "MaxPool": ([draw(1, 2, 6, 6)], {"kernel_shape": [2, 2], "dilations": [2, 2]}),
    "NegativeLogLikelihoodLoss": ([draw(3, 4), np.array([0, 3, 1])], {"ignore_index": 3}),
    "ReduceLogSumExp": ([draw(2, 3, 4), np.array([0, -1])], {"keepdims": 0}),
    "Resize": ([draw(1, 1, 4, 4), None, None, np.array([1, 1, 7, 3])], {"mode": "cubic"}),
    "RoiAlign": ([draw(1, 2, 6, 6), np.array([[0, 0, 5, 4]], np.float32), np.array([0])], {"output_height": 2}),
    "ScatterElements": ([draw(3, 3), np.array([[2, 0, 2]]), draw(1, 3)], {"axis": 0, "reduction": "add"}),
    "Softmax": ([draw(2, 3)], {"axis": 0}),
    "Tile": ([draw(2, 3), np.array([2, 1])], {}),
    "TopK": ([draw(2, 5), np.array([2])], {"axis": 1}),
    "Where": ([np.array([True, False, True]), draw(3), draw(3)], {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAME)
def test_jax_and_numpy_arrays_give_the_same(kind):
    inputs, attributes = SAME[kind]
    known = OPERATORS[kind].known
    traced = [jnp.asarray(x) if x is not None and i not in known else x for i, x in enumerate(inputs)]
    got, wanted = apply(kind, traced, attributes, opset=20), apply(kind, inputs, attributes, opset=20)
    assert isinstance(wanted, np.ndarray)
    assert isinstance(got, jax.Array)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, 2e-5, 1e-6)


@pytest.mark.parametrize("kind", [k for k, (x, _) in SAME.items() if x[0].dtype == np.float32])
def test_blame_flows_through_an_operator(kind):
    inputs, attributes = SAME[kind]
    constants = {i: x for i, x in enumerate(inputs[1:], 1) if x is not None}
    layer = Operator(kind, opset=20, constants=constants, attributes=attributes)
    x, way, h = inputs[0].astype(np.float64), RNG.normal(size=inputs[0].shape), 1e-6
    constants = {i: c.astype(np.float64) if c.dtype == np.float32 else c for i, c in constants.items()}
    with jax.enable_x64(True):
        layer = Operator(kind, opset=20, constants=constants, attributes=attributes)
        y, saved = layer.forward(jnp.asarray(x))
        dx, _ = layer.backward(saved, jnp.ones_like(y))
        ahead, behind = (layer(jnp.asarray(x + s * way)).sum() for s in (h, -h))
        np.testing.assert_allclose((ahead - behind) / (2 * h), jnp.vdot(dx, way), 1e-5, 1e-6)


def test_clip_has_its_bounds_as_attributes_before_opset_11():
    x = draw(5)
    old = apply("Clip", [x], {"min": -0.5, "max": 0.5}, opset=6)
    assert (old == apply("Clip", [x, np.float32(-0.5), np.float32(0.5)], opset=13)).all()


def test_softmax_is_over_all_axes_from_one_on_before_opset_13():
    x = draw(2, 3, 4)
    assert np.isclose(apply("Softmax", [x], {"axis": 1}, opset=11).sum((1, 2)), 1).all()
    assert np.isclose(apply("Softmax", [x], {"axis": 1}, opset=13).sum(1), 1).all()


def test_a_second_array_begins_at_an_axis_before_opset_7():
    x, y = draw(2, 3, 4), draw(3)
    got = apply("Mul", [x, y], {"axis": 1, "broadcast": 1}, opset=6)
    assert (got == x * y[:, None]).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**31), 2**31 - 1), st.integers(-100, 100).filter(bool), st.booleans())
def test_whole_numbers_are_divided_towards_zero(a, b, compiled):
    x, y = np.array([a], np.int32), np.array([b], np.int32)
    got = apply("Div", [jnp.asarray(x), jnp.asarray(y)] if compiled else [x, y], opset=14)
    wanted = (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1)
    assert int(got[0]) == int(np.array(wanted).astype(np.int32))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(st.integers(), st.text(), st.booleans(), st.floats(allow_nan=False)), max_size=4))
def test_what_is_frozen_comes_back(values):
    assert list(thaw(freeze(values))) == values


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "bfloat16", "int4"])
def test_a_frozen_array_comes_back_with_its_type(dtype):
    array = np.arange(4).reshape(2, 2).astype(freeze(np.zeros(0))[1] if dtype == "float64" else jnp.dtype(dtype))
    back = thaw(freeze(array))
    assert (back.dtype, back.tolist()) == (array.dtype, array.tolist())
    assert hash(freeze(array)) == hash(freeze(array.copy()))


def test_what_is_no_setting_is_refused():
    with pytest.raises(InteropError, match="A set cannot be the setting of an operator"):
        freeze({1, 2})


@dataclass(frozen=True)
class Thing:
    """A model, operation or port, as `evaluate` wants them."""

    name: str = ""
    kind: str = ""
    domain: str = ""
    inputs: Any = ()
    outputs: Any = ()
    attributes: Any = None
    operations: Any = None
    constants: Any = None
    opset: int = 18


def step(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    class Step:
        pass

    one: Any = Step()
    one.kind, one.domain, one.attributes = kind, "", attributes
    one.inputs, one.outputs = inputs.split(), outputs.split()
    return one


def graph(inputs: str, outputs: str, *steps: Any, **constants: Any) -> Thing:
    ports = [[Thing(name=name) for name in names.split()] for names in (inputs, outputs)]
    return Thing(inputs=ports[0], outputs=ports[1], operations=steps, constants=constants)


def test_a_loop_sees_the_values_around_it_and_stacks_its_outputs():
    body = graph("i going total", "going next next", step("Add", "total x", "next"))
    loop = step("Loop", "n yes start", "last all", body=body)
    whole = graph("x", "last all", loop, n=np.array(3), yes=np.array(True), start=np.float32(0))
    last, rounds = evaluate(whole, [np.float32(2)])
    assert (last, rounds.tolist()) == (6, [2, 4, 6])


def test_a_scan_is_the_running_sum():
    body = graph("total x", "next next", step("Add", "total x", "next"))
    whole = graph(
        "x", "last all", step("Scan", "start x", "last all", body=body, num_scan_inputs=1), start=np.float32(0)
    )
    x = jnp.asarray(draw(5))
    _, sums = evaluate(whole, [x])
    np.testing.assert_allclose(sums, np.cumsum(x), 1e-6)


def test_a_branch_that_depends_on_the_input_is_chosen_where_both_have_one_shape():
    branches = {
        "then_branch": graph("", "y", step("Neg", "x", "y")),
        "else_branch": graph("", "y", step("Abs", "x", "y")),
    }
    whole = graph("x", "y", step("ReduceSum", "x", "s", keepdims=0), step("Greater", "s zero", "c"),
                  step("If", "c", "y", **branches), zero=np.float32(0))  # fmt: skip
    for x in (np.array([1.0, 2.0], np.float32), np.array([-1.0, -2.0], np.float32)):
        (y,) = jax.jit(lambda x: evaluate(whole, [x]))(x)
        assert y.tolist() == (-abs(x) if x.sum() > 0 else abs(x)).tolist()


def test_a_loop_whose_end_depends_on_the_input_is_refused():
    body = graph("i going x", "more y", step("Add", "x x", "y"), step("Less", "y limit", "more"), limit=np.float32(9))
    whole = graph("x", "y", step("Loop", "n yes x", "y", body=body), n=np.array(3), yes=np.array(True))
    assert evaluate(whole, [np.float32(2)])[0] == 16
    with pytest.raises(InteropError, match="how often it goes round depends on the input"):
        jax.jit(lambda x: evaluate(whole, [x]))(jnp.float32(2))


def test_a_loop_in_a_layer_sees_what_it_captures_and_hands_blame_on(tmp_path):
    body = graph("i going total", "going next", step("Mul", "total x", "next"))
    layer = Operator(
        "Loop", opset=18, given=(2, 3), constants={0: np.array(3), 1: np.array(True)}, attributes={"body": body},
        captured=["x"],
    )  # fmt: skip
    start, x = jnp.float32(5), jnp.float32(2)
    y, saved = layer.forward((start, x))
    assert float(y) == 5 * 2**3
    (dstart, dx), _ = layer.backward(saved, jnp.float32(1))
    assert (float(dstart), float(dx)) == (2**3, 5 * 3 * 2**2)
    again, _ = load(save(tmp_path / "loop", layer))
    assert jax.tree.structure(again) == jax.tree.structure(layer)
    assert float(jax.jit(lambda layer, x: layer(x))(again, (start, x))) == 40


def test_a_name_that_nothing_makes_is_refused():
    with pytest.raises(InteropError, match="Relu reads z, which nothing makes"):
        evaluate(graph("x", "y", step("Relu", "z", "y")), [draw(2)])


def test_positions_that_clash_are_refused():
    with pytest.raises(SettingError, match="Operator Add: input 0 is given twice"):
        Operator("Add", opset=18, constants={0: draw(2)})
    with pytest.raises(SettingError, match="Operator Add: no constant for input 1"):
        Operator("Add", opset=18, learned=[1])


def test_pick_and_collect_carry_several_arrays_through_a_graph():
    halves = Operator("Split", opset=18, outputs=2, attributes={"axis": 1, "num_outputs": 2})
    twice = Operator("Add", opset=18, given=(0, 1))
    parts = [("s", "split", "input"), ("a", "left", "s"), ("b", "right", "s")]
    net = Graph(
        {"split": halves, "left": Pick(0), "right": Pick(1), "twice": twice, "all": Collect()},
        [*parts, ("c", "twice", ("b", "b")), ("y", "all", ("a", "c"))],
    )
    x = jnp.arange(8.0).reshape(2, 4)
    y, saved = net.forward(x)
    assert [part.tolist() for part in y] == [x[:, :2].tolist(), (2 * x[:, 2:]).tolist()]
    dx, _ = net.backward(saved, jax.tree.map(jnp.ones_like, y))
    assert dx.tolist() == [[1, 1, 2, 2]] * 2
    with pytest.raises(ShapeError, match="Pick expects a tuple of at least 3 arrays, got a tuple of 2"):
        Pick(2)((x, x))


def test_an_operator_without_inputs_still_stands_in_a_graph():
    constant = Operator("Identity", opset=18, given=(), constants={0: draw(3)}, buffers=[0])
    y, saved = constant.forward(jnp.ones((2, 2)))
    assert y.shape == (3,)
    dx, dlayer = constant.backward(saved, jnp.ones(3))
    assert dx.tolist() == [[0, 0], [0, 0]]
    assert dlayer.buffers[0].tolist() == [0, 0, 0]


def test_the_page_of_operators_has_a_row_for_each():
    page = (Path(__file__).parents[2] / "docs" / "onnx-operators.md").read_text(encoding="utf-8")
    assert {kind for kind in OPERATORS if f"| `{kind}` |" not in page} == set()
