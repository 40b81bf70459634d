import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

import pellucid as pl
from pellucid.activations import CURVES
from pellucid.backprop import blame
from pellucid.errors import DataError, SettingError
from pellucid.initializers import he_normal, lecun_normal
from pellucid.insight._mean_field import mean_field, moments
from pellucid.insight._signal import Seen, gain_of
from pellucid.layers import (
    Activation,
    ChannelDropout,
    Concat,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    Dropout,
    Flatten,
    Function,
    Graph,
    LocallyConnected1d,
    LocallyConnected2d,
    LogSoftmax,
    Masking,
    Parallel,
    PlainDropout,
    RandomFlip,
    Residual,
    Sequential,
)
from pellucid.module import Layer


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def dense(n_in, n_out, seed, init=he_normal):
    return Dense.create(n_in, n_out, key=jax.random.key(seed), init=init)


X, Y = normal(200, 300), normal(200, 1, seed=1)
WIDE = 300
FAR = 30 * normal(200, WIDE, seed=2)  # targets so far off that the error knows nothing of the weights


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("q", [0.02, 1.0, 60.0])
def test_the_moments_of_every_activation_are_the_integrals(name, q):
    curve, root = CURVES[name], math.sqrt(q)
    with jax.enable_x64(True):
        value = jax.jit(lambda x: curve.value(x))
        slope = jax.jit(lambda x: curve.derivative(x, curve.value(x)))

        def mean_square(f):
            def density(z):
                return float(f(root * z)) ** 2 * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

            bends = sorted({min(max(k / root, -8), 8) for k in (*curve.kinks, 0.0, -2.0, 2.0)})
            return quad(density, -9, 9, points=bends, epsabs=1e-9, epsrel=1e-7, limit=60)[0]

        wanted = mean_square(value), mean_square(slope)
    if name == "exponential" and q > 3:  # its mean lies beyond z = 9, in numbers that no layer ever sees
        assert min(moments(Activation(name), q)) > 1e20
        return
    assert moments(Activation(name), q) == pytest.approx(wanted, rel=1e-6)


def test_fixed_points_and_depth_scales_are_those_of_the_literature():
    relu = mean_field(Activation("relu"), 2.0, 2.0, 0.0, 0.7)
    assert (relu.fixed_point, relu.chi, relu.depth_scale) == (pytest.approx(0.7), pytest.approx(1), math.inf)  # He
    selu = mean_field(Activation("selu"), 1.0, 1.0, 0.0, 3.0)
    assert selu.fixed_point == pytest.approx(1, abs=1e-6)  # Klambauer and others
    edge = mean_field(Activation("tanh"), 1.76, 1.76, 0.05, 1.0)
    assert edge.chi == pytest.approx(1, abs=1e-3)  # Schoenholz and others: the critical line at σ_b² = 0.05
    linear = mean_field(Activation("identity"), 0.5, 0.5, 1.0, 9.0)
    assert (linear.fixed_point, linear.chi) == pytest.approx((2.0, 0.5))  # q = q / 2 + 1
    assert (linear.depth_scale, linear.variance_depth_scale) == pytest.approx((1 / math.log(2), 1 / math.log(2)))
    assert mean_field(Activation("relu"), 2.1, 2.1, 0.0, 1.0).fixed_point == math.inf
    assert mean_field(Activation("relu"), 1.9, 1.9, 0.0, 1.0).fixed_point == 0
    assert mean_field(Activation("tanh"), 1.0, 1.0, 0.0, 1.0).fixed_point == 0


def test_what_is_measured_is_what_blame_sees_in_the_order_of_the_pass():
    net = pl.mlp([300, *[20] * 12, 1], key=0)
    found = pl.signal(net, X, Y, "squared_error")
    seen = blame(net, X, Y, loss="squared_error").signals
    assert [row.path for row in found.layers] == [f"layers[{2 * i}]" for i in range(13)]
    for row in found.layers:
        assert row.variance == pytest.approx(np.square(seen[row.path].y, dtype=float).mean(), rel=1e-5)
        assert row.blame == pytest.approx(seen[row.path].blame_variance, rel=1e-4)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_wide_random_network_does_what_mean_field_says_and_its_initializer_promised(activation):
    found = pl.signal(pl.mlp([300, 400, 200, 300, 300], key=0, activation=activation), X, FAR, "mse")
    for row in found.layers:
        assert row.variance == pytest.approx(row.variance_predicted, rel=0.2)
        assert row.blame == pytest.approx(row.blame_predicted, rel=0.2)
        assert row.variance == pytest.approx(row.variance_law, rel=0.2)
        assert row.blame == pytest.approx(row.blame_law, rel=0.2)


def test_a_network_at_another_scale_is_told_from_the_law_of_the_initializer_it_is_compared_with():
    net = Sequential(
        [dense(WIDE, WIDE, 0), Activation("relu"), dense(WIDE, WIDE, 1), Activation("relu"), dense(WIDE, 1, 2)]
    )
    found = pl.signal(net, X, Y, "mse", init="lecun_normal")
    assert found.init == "lecun_normal"
    for row, ratio in zip(found.layers, (2, 4), strict=False):
        assert row.variance_predicted / row.variance_law == pytest.approx(ratio, rel=0.05)


@pytest.mark.parametrize(("kind", "forward"), [(Dropout, 1 / 0.6), (PlainDropout, 0.6)])
def test_dropout_counts_in_training_and_not_in_testing(kind, forward):
    net = Sequential([dense(WIDE, WIDE, 0), Activation("relu"), kind(0.4), dense(WIDE, WIDE, 1), dense(WIDE, WIDE, 2)])
    tested, trained = (pl.signal(net, X, FAR, "mse", key=key) for key in (None, 3))
    assert trained.training
    assert not tested.training
    for found, factor in ((tested, 1.0), (trained, forward)):
        below, above = found.layers[:2]
        for which in ("", "_predicted"):
            assert getattr(above, "variance" + which) / getattr(below, "variance" + which) == pytest.approx(
                factor, rel=0.1
            )
            assert getattr(below, "blame" + which) / getattr(above, "blame" + which) == pytest.approx(factor, rel=0.1)


def test_a_residual_stream_gathers_what_every_block_adds():
    blocks = [Residual(Sequential([Activation("relu"), dense(WIDE, WIDE, i)])) for i in range(1, 5)]
    net = Sequential([dense(WIDE, WIDE, 0, lecun_normal), *blocks, dense(WIDE, WIDE, 9, lecun_normal)])
    found = pl.signal(net, X, FAR, "mse")
    assert [round(row.variance_predicted) for row in found.layers] == [1, 1, 2, 4, 8, 16]
    for row in found.layers:
        assert row.variance == pytest.approx(row.variance_predicted, rel=0.25)
        assert row.blame == pytest.approx(row.blame_predicted, rel=0.25)
    assert found.layers[0].blame / found.layers[4].blame == pytest.approx(16, rel=0.3)
    assert found.mean_field is None


def test_where_there_is_no_formula_the_prediction_goes_on_from_what_was_measured_and_says_so():
    def scaled(x):
        return 5 * x

    net = Sequential(
        [dense(WIDE, WIDE, 0), Function(scaled), dense(WIDE, WIDE, 1), Activation("relu"), dense(WIDE, 9, 2)]
    )
    found = pl.signal(net, X, normal(200, 9), "mse")
    assert found.notes == ("layers[1] (Function): mean field has no formula for it here.",)
    first, second, _ = found.layers
    assert second.variance / first.variance == pytest.approx(50, rel=0.1)
    assert second.variance_predicted == pytest.approx(second.variance, rel=0.1)
    assert first.blame_predicted == first.blame
    assert found.mean_field is None


def test_branches_are_measured_one_by_one_and_a_curve_on_anything_but_a_weighed_sum_is_noted():
    graph = Graph(
        {"cell": dense(30, 30, 0), "bend": Activation("tanh"), "join": Concat()},
        [("z", "cell", "input"), ("a", "bend", "z"), ("again", "cell", "a"), ("both", "join", ("a", "again"))],
    )
    net = Sequential([Activation("relu"), graph, Parallel([dense(60, 5, 1), dense(60, 5, 2)]), LogSoftmax()])
    found = pl.signal(net, normal(50, 30), np.zeros(50, int), "cross_entropy")
    paths = ["layers[1].layers.z", "layers[1].layers.again", "layers[2].layers[0]", "layers[2].layers[1]"]
    assert [row.path for row in found.layers] == paths
    assert all(row.variance > 0 and row.variance_predicted > 0 and row.blame_predicted > 0 for row in found.layers)
    assert found.notes[0].startswith("layers[0] (Activation): its input is no weighed sum")


def test_layers_before_and_between_that_pass_everything_on_change_nothing():
    net = Sequential([Flatten(), dense(WIDE, WIDE, 0), Flatten(), Activation("relu"), dense(WIDE, WIDE, 1)])
    found = pl.signal(net, X.reshape(200, 10, 30), FAR, "mse")
    assert found.notes == ()
    assert found.layers[1].variance == pytest.approx(found.layers[1].variance_predicted, rel=0.1)


KEY = jax.random.key(4)


@pytest.mark.parametrize(
    ("shape", "layer"),
    [
        ((4,), dense(4, 3, 0)),
        ((2, 4), dense(4, 3, 0)),
        ((7, 2), Conv1d.create(2, 3, 3, key=KEY, padding="same", dilation=2)),
        ((5, 4, 4), Conv2d.create(4, 6, 3, key=KEY, padding=1, stride=2, groups=2)),
        ((3, 3, 3, 2), Conv3d.create(2, 2, 2, key=KEY)),
        ((4, 2), ConvTranspose1d.create(2, 3, 3, key=KEY, stride=2)),
        ((3, 4, 2), ConvTranspose2d.create(2, 3, 2, key=KEY)),
        ((5, 2), LocallyConnected1d.create(2, 3, 3, 5, key=KEY, padding="same")),
        ((4, 3, 2), LocallyConnected2d.create(2, 3, 2, (4, 3), key=KEY)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Layer) else "x".join(map(str, value)),
)
def test_the_inputs_and_outputs_that_meet_are_counted_as_the_jacobian_has_entries(shape, layer):
    made = layer(jnp.ones((1, *shape))).shape[1:]
    meet = np.count_nonzero(jax.jacobian(lambda x: layer(x[None])[0])(jnp.ones(shape)))
    gain = gain_of(layer, Seen(1.0, 1.0, 1.0, shape, made))
    assert (gain.fan_in, gain.fan_out) == pytest.approx((meet / math.prod(made), meet / math.prod(shape)))
    assert gain.weight == pytest.approx(np.square(layer.weight).mean())


def test_a_padded_convolutional_network_does_what_mean_field_says():
    first = Conv2d.create(16, 48, 3, key=KEY, padding="same", init=he_normal)
    last = Conv2d.create(48, 64, 3, key=jax.random.key(5), padding="same", stride=2)
    net = Sequential([RandomFlip(), first, Activation("relu"), last])
    found = pl.signal(net, normal(40, 8, 8, 16), 30 * normal(40, 4, 4, 64, seed=1), "mse")
    assert found.notes == ()
    for row in found.layers:
        assert row.variance == pytest.approx(row.variance_predicted, rel=0.1)
        assert row.blame == pytest.approx(row.blame_predicted, rel=0.1)
        assert row.variance_law == pytest.approx(row.variance_predicted, rel=0.05)


def test_a_signal_that_overflows_or_dies_says_where():
    deep = pl.mlp([300, *[30] * 20, 1], key=0)
    huge = pl.signal(jax.tree.map(lambda w: 1e3 * w, deep), X, Y, "mse")
    assert huge.forward.verdict.startswith("is not finite from layers[")
    assert huge.backward.verdict == "is not finite from layers[40] back"
    assert None in json.loads(json.dumps(huge.to_json()))["layers"][-1].values()
    nothing = pl.signal(jax.tree.map(lambda w: 0 * w, deep), X, Y, "mse")
    assert nothing.forward.verdict == "is 0 from layers[0] on"
    assert nothing.backward.verdict == "is 0 from layers[38] back"
    for record in (huge, nothing):
        assert record.forward.verdict in str(record)
        record.plot()


def test_two_layers_cannot_tell_a_rate():
    found = pl.signal(pl.mlp([300, 10, 1], key=0), X, Y, "mse")
    assert found.forward.verdict == found.backward.verdict == "cannot be told from so few layers"
    assert found.forward.rate is found.mean_field is None


def test_examples_without_targets_and_an_unknown_initializer_are_refused():
    net = pl.mlp([300, 1], key=0)
    with pytest.raises(DataError, match=r"got x \(200, 300\) and y \(3,\)"):
        pl.signal(net, X, np.zeros(3), "mse")
    with pytest.raises(SettingError, match="did you mean 'he_normal'"):
        pl.signal(net, X, Y, "mse", init="he_norml")
    with pytest.raises(DataError, match="targets 0 or 1"):
        pl.signal(net, X, 7 + Y, "binary_cross_entropy")


SCALED = Sequential(
    [dense(20, 30, 0), Activation("tanh"), Dropout(0.4), dense(30, 30, 1), PlainDropout(0.3), dense(30, 2, 2)]
)


def test_the_scale_of_dropout_is_the_part_of_the_mean_output_along_the_tested_one():
    x = normal(6, 20)
    found = pl.dropout_scale(SCALED, x, passes=30, seed=5)
    keys = jax.random.split(jax.random.key(5), 30)
    tested = np.asarray(SCALED(x), float)
    trained = np.asarray(jax.vmap(lambda key: SCALED.forward(jnp.asarray(x), key=key)[0])(keys), float)
    last = found.layers[-1]
    assert last.ratio == pytest.approx((tested**2).sum() / (trained.mean(0) * tested).sum(), rel=1e-4)
    shares = (trained * tested).sum((1, 2)) / (tested**2).sum()
    assert last.error == pytest.approx(shares.std(ddof=1) / math.sqrt(30) / shares.mean() ** 2, rel=1e-3)
    assert [row.kind for row in found.layers] == ["Dense", "Activation", "Dropout", "Dense", "PlainDropout", "Dense"]
    assert [row.differs for row in found.layers] == [False, False, False, False, True, True]


def test_the_stated_error_is_that_of_other_masks():
    x = normal(6, 20)
    ratios, errors = np.array(
        [
            [(row.ratio, row.error) for row in pl.dropout_scale(SCALED, x, passes=30, seed=s).layers[2::2]]
            for s in range(40)
        ]
    ).T
    for wanted, ratio, error in zip((1, 1 / 0.7), ratios, errors, strict=True):
        assert 0.7 < ratio.std() / error.mean() < 1.4
        assert abs(ratio.mean() - wanted) < 4 * error.mean() / math.sqrt(40)


def test_channels_and_steps_of_sequences_keep_their_scale_too():
    x = normal(30, 4, 50) + 1
    x[:10, 2:] = np.nan
    net = Sequential([Masking(), ChannelDropout(0.5), Graph({"read": dense(50, 3, 0)}, [("y", "read", "input")])])
    for row in pl.dropout_scale(net, x).layers:
        assert row.ratio == pytest.approx(1, abs=5 * row.error)
        assert not row.differs


def test_a_layer_that_is_silent_in_testing_has_no_scale():
    found = pl.dropout_scale(Sequential([Dropout(0.5), Activation("relu")]), -np.ones((3, 4)))
    assert math.isnan(found.layers[1].ratio)
    assert found.to_json()["layers"][1]["ratio"] is None
    assert "silent" in str(found)
    found.plot()


def test_no_example_and_a_single_pass_are_refused():
    with pytest.raises(DataError, match="there is none"):
        pl.dropout_scale(SCALED, np.zeros((0, 20)))
    with pytest.raises(SettingError, match="at least 2 passes, got passes=1"):
        pl.dropout_scale(SCALED, normal(6, 20), passes=1)
