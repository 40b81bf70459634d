import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.layers import Activation, Add, Dense, Flatten, Function, Graph, Residual, Sequential


def test_counts_are_those_worked_out_by_hand():
    table = pl.summary(pl.mlp([64, 32, 10], key=0, dropout=0.1))
    rows = {row.path: row for row in table.rows}
    assert [(row.path, row.kind) for row in table.rows] == [
        ("layers[0]", "Dense"),
        ("layers[1]", "Activation"),
        ("layers[2]", "Dropout"),
        ("layers[3]", "Dense"),
    ]
    assert [row.parameters for row in table.rows] == [64 * 32 + 32, 0, 0, 32 * 10 + 10]
    assert [row.bytes for row in table.rows] == [4 * (64 * 32 + 32), 0, 0, 4 * (32 * 10 + 10)]
    assert [row.macs for row in table.rows] == [64 * 32, 0, 0, 32 * 10]
    assert [row.uses for row in table.rows] == [1, 0, 0, 1]
    assert [row.output for row in table.rows] == [(1, 32), (1, 32), (1, 32), (1, 10)]
    assert (table.input, table.parameters, table.bytes, table.macs) == ((1, 64), 2410, 9640, 2368)
    assert rows["layers[0]"].formula == "y = x W + b"
    assert rows["layers[1]"].formula == "y = max(0, x)"
    assert rows["layers[2]"].formula == "y = x · mask / (1 − p)"
    assert table.error is None


def test_the_cost_is_of_one_example_and_nothing_is_computed():
    net = pl.mlp([64, 32, 10], key=0)
    huge = pl.summary(net, (10**12, 64))
    assert huge.rows[-1].output == (10**12, 10)
    assert [row.macs for row in huge.rows] == [row.macs for row in pl.summary(net, np.zeros((5, 64))).rows]


def test_a_shared_layer_has_one_row_with_all_its_uses():
    cell = Dense.create(3, 3, key=jax.random.key(0))
    net = Graph(
        {"cell": cell, "bend": Activation("tanh"), "add": Add()},
        [("z", "cell", "input"), ("a", "bend", "z"), ("y", "cell", "a"), ("sum", "add", ("a", "y"))],
    )
    table = pl.summary(net)
    assert [(row.path, row.parameters, row.macs, row.uses) for row in table.rows] == [
        ("layers.cell", 12, 18, 2),
        ("layers.bend", 0, 0, 0),
        ("layers.add", 0, 0, 0),
    ]
    assert (table.parameters, table.macs) == (12, 18)


def test_a_shape_that_does_not_fit_ends_the_table_with_the_error():
    net = Sequential(
        [
            Flatten(),
            Dense.create(6, 4, key=jax.random.key(0)),
            Activation("relu"),
            Dense.create(9, 2, key=jax.random.key(0)),
        ]
    )
    table = pl.summary(net, (5, 2, 3))
    assert [row.output for row in table.rows] == [(5, 6), (5, 4), (5, 4)]
    assert table.error == "layers[3].Dense expects x (batch, 9), got (5, 4): the layer before gives 4 features."
    assert table.parameters == 6 * 4 + 4 + 9 * 2 + 2
    assert pl.summary(Residual(Dense.create(3, 2, key=jax.random.key(0)))).error.startswith("Residual expects a layer")
    assert pl.summary(net, ()).error.startswith("layers[0].Flatten expects x (batch, ...), got ()")


@pytest.mark.parametrize(
    ("function", "shape", "macs"),
    [
        (lambda w, x: x @ w, (7, 4), 4 * 5),
        (lambda w, x: jax.jit(jnp.matmul)(x, w), (7, 4), 4 * 5),
        (lambda w, x: x @ w @ w.T, (7, 4), 2 * 4 * 5),
        (lambda w, x: jnp.einsum("bti,io->bto", x, w), (7, 3, 4), 3 * 4 * 5),
        (lambda w, x: jax.lax.scan(lambda h, _: (h @ w @ w.T, None), x, length=6)[0], (7, 4), 6 * 2 * 4 * 5),
        (lambda w, x: jnp.tanh(x), (7, 4), 0),
    ],
    ids=["product", "compiled", "two", "over time", "loop", "none"],
)
def test_multiply_adds_are_counted_in_whatever_a_function_does(function, shape, macs):
    row = pl.summary(Function(function, jnp.ones((4, 5))), shape).rows[0]
    assert (row.macs, row.uses) == (macs, macs / 20)


def test_a_convolution_uses_its_kernel_at_every_position():
    def convolve(kernel, x):
        return jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    row = pl.summary(Function(convolve, jnp.ones((3, 3, 1, 2))), (5, 32, 32, 1)).rows[0]
    assert row.output == (5, 30, 30, 2)
    assert (row.macs, row.uses) == (30 * 30 * 3 * 3 * 2, 900)


def test_without_an_input_it_is_as_wide_as_the_first_weight():
    assert pl.summary(Sequential([Activation("relu"), Dense.create(6, 4, key=jax.random.key(0))])).input == (1, 6)
    assert pl.summary(Activation("relu")).input == (1, 1)


def test_a_summary_is_json():
    said = json.loads(json.dumps(pl.summary(pl.mlp([3, 2], key=0)).to_json(), allow_nan=False))
    assert said["rows"][0]["output"] == [1, 2]
    assert said["error"] is None
