import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import SettingError
from pellucid.layers import (
    LSTM,
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    Dense,
    Embedding,
    Flatten,
    Function,
    GlobalAveragePool,
    Graph,
    MaxPool,
    MultiHeadAttention,
    Parallel,
    Residual,
    Sequential,
    Upsample,
)

KEY = jax.random.key(0)


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


def test_multiply_adds_are_those_of_the_geometry_however_a_layer_is_lowered():
    def macs(layer, shape):
        return pl.summary(layer, shape).macs

    assert macs(Conv2d.create(6, 12, 3, key=KEY), (2, 10, 9, 6)) == 8 * 7 * 3 * 3 * 6 * 12
    assert macs(Conv2d.create(6, 12, 3, key=KEY, groups=3), (2, 10, 9, 6)) == 8 * 7 * 3 * 3 * 2 * 12
    assert macs(Conv2d.create(6, 6, 3, key=KEY, groups=6, padding="same", stride=2), (2, 10, 9, 6)) == 5 * 5 * 3 * 3 * 6
    assert macs(ConvTranspose1d.create(4, 2, 4, key=KEY, stride=2), (3, 10, 4)) == 10 * 4 * 4 * 2
    assert macs(LSTM.create(3, 5, key=KEY), (2, 7, 3)) == 7 * (3 + 5) * 4 * 5
    assert macs(MultiHeadAttention.create(8, 2, key=KEY), (2, 7, 8)) == 7 * 8 * 4 * 8 + 2 * 7 * 7 * 8


def test_the_receptive_field_grows_through_windows_strides_and_dilations():
    net = Sequential(
        [
            Conv2d.create(1, 2, 3, key=KEY),
            MaxPool((2, 2)),
            Activation("relu"),
            Residual(Conv2d.create(2, 2, 3, key=KEY, padding="same", dilation=(1, 2))),
            AvgPool((3, 3), 2),
            Upsample(2),
            GlobalAveragePool(),
        ]
    )
    rows = pl.summary(net, (1, 28, 20, 1)).rows
    assert [row.receptive_field for row in rows] == [(3, 3), (4, 4), (4, 4), (8, 12), (12, 16), (12, 16), (28, 20)]
    assert [row.step for row in rows[:6]] == [(1, 1), (2, 2), (2, 2), (2, 2), (4, 4), (2, 2)]


def test_the_receptive_field_is_what_the_gradient_reaches():
    net = Sequential(
        [
            Conv1d.create(1, 2, 3, key=KEY, stride=2),
            Parallel([Conv1d.create(2, 1, 3, key=KEY, padding="same", dilation=2), Activation("tanh")]),
            ConvTranspose1d.create(3, 2, 4, key=KEY, stride=2),
            Upsample(3, "linear"),
            AvgPool(2, 1),
        ]
    )
    x = jnp.sin(jnp.arange(80.0)).reshape(1, 80, 1)
    last = pl.summary(net, x).rows[-1]
    seen = jax.jacobian(lambda x: net(x)[0, :, 0])(x)[:, 0, :, 0] != 0
    middle = seen[80:160]
    assert max(int(row.nonzero()[0].max() - row.nonzero()[0].min()) + 1 for row in middle) == last.receptive_field[0]
    first = [int(row.nonzero()[0].min()) for row in middle]
    np.testing.assert_allclose((first[-1] - first[5]) / (len(first) - 6), last.step[0], rtol=0.1)


def test_whole_numbers_and_steps_are_seen_too_and_behind_an_unknown_function_nothing_is_said():
    net = Sequential(
        [
            Embedding.create(10, 4, key=KEY),
            Conv1d.create(4, 3, 5, key=KEY),
            LSTM.create(3, 6, key=KEY),
            Function(jnp.tanh),
            Dense.create(6, 2, key=KEY),
        ]
    )
    table = pl.summary(net, np.zeros((2, 30), np.int32))
    assert table.error is None
    assert [row.receptive_field for row in table.rows] == [(1,), (5,), (30,), None, None]
    assert pl.summary(net, (2, 30)).rows == table.rows
    assert pl.summary(pl.mlp([3, 2], key=0)).rows[0].receptive_field is None


def test_running_statistics_are_counted_apart():
    table = pl.summary(Sequential([Conv2d.create(1, 2, 3, key=KEY), BatchNorm.create(2)]), (1, 8, 8, 1))
    assert (table.parameters, table.running, table.bytes) == (20 + 4, 4, 4 * (20 + 4 + 4))
    assert [(row.parameters, row.running) for row in table.rows] == [(20, 0), (4, 4)]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv2d.create(2, 3, 3, key=KEY, groups=1), "(1, 28, 28, 2)"),
        (Embedding.create(5, 3, key=KEY), "(1, 100)"),
        (LSTM.create(3, 5, key=KEY), "(1, 100, 3)"),
    ],
    ids=["picture", "whole numbers", "steps"],
)
def test_an_input_that_the_first_weight_leaves_open_is_asked_for(layer, shape):
    kind = type(layer).__name__
    with pytest.raises(SettingError) as refused:
        pl.summary(Sequential([Activation("relu"), layer, Dense.create(3, 2, key=KEY)]))
    assert f"that of a {kind}, does not say" in str(refused.value)
    assert str(refused.value).endswith(f"give its shape as x, as in x={shape}.")


def test_text_and_page_show_what_there_is_to_show():
    plain = pl.summary(pl.mlp([3, 2], key=0))
    net = Sequential([Conv2d.create(1, 2, (3, 2), key=KEY, stride=(1, 2)), BatchNorm.create(2), Flatten()])
    said = pl.summary(net, (1, 32, 32, 1))
    for word in ("without sharing", "sees of the input", "running"):
        assert word in str(said)
        assert word in said._repr_html_()
        assert word not in str(plain) + plain._repr_html_()
    assert "3 × 2, step 1 × 2" in str(said)
    assert "  all" in str(said)
    assert f"{30 * 16 * 14:,}" in str(said)


def test_a_summary_is_json():
    said = json.loads(json.dumps(pl.summary(pl.mlp([3, 2], key=0)).to_json(), allow_nan=False))
    assert said["rows"][0]["output"] == [1, 2]
    assert said["error"] is None
