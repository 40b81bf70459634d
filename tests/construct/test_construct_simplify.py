"""A smaller network that does the same: planted units are found, nothing else changes, and the proof holds."""

from fractions import Fraction
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from pellucid import construct
from pellucid.construct import _ranges
from pellucid.construct._stages import net_of, stages_of
from pellucid.errors import SettingError
from pellucid.geometry import complex_of, lowered
from pellucid.layers import Activation, BatchNorm, Dense, Dropout, Parallel, PReLU, Sequential


def exact(net, row):
    """What a network of Dense layers and ReLUs gives, in fractions."""
    x = [Fraction(float(v)) for v in row]
    for layer in net.layers:
        if hasattr(layer, "weight"):
            weight, bias = np.asarray(layer.weight, float), np.asarray(layer.bias, float)
            x = [sum((Fraction(w) * v for w, v in zip(column, x, strict=True)), Fraction(b))
                 for column, b in zip(weight.T.tolist(), bias.tolist(), strict=True)]  # fmt: skip
        else:
            x = [max(v, Fraction(0)) for v in x]
    return x


def dense(weight, bias):
    return Dense(jnp.asarray(weight, jnp.float32), jnp.asarray(bias, jnp.float32))


def layered(rng, sizes):
    """A network with small whole numbers for weights."""
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [dense(rng.integers(-3, 4, (n_in, n_out)), rng.integers(-2, 3, n_out)), Activation("relu")]
    return Sequential(layers[:-1])


def planted(net, rng):
    """The same function with units that are not needed, in every hidden layer."""
    layers = list(net.layers)
    for k in range(0, len(layers) - 1, 2):
        weight, bias = np.asarray(layers[k].weight), np.asarray(layers[k].bias)
        out = np.asarray(layers[k + 2].weight)
        off = np.full((len(weight), 1), 1.0), np.array([-1e4])  # never on
        unread = rng.integers(-3, 4, (len(weight), 1)), np.array([1.0])
        copies = [(2 * weight[:, :1], 2 * bias[:1]), off, unread]
        share = rng.integers(1, 4, (1, out.shape[1]))
        rows = [share, rng.integers(-3, 4, (1, out.shape[1])), np.zeros((1, out.shape[1]))]
        first = out[:1] - 2 * share  # the copy takes over a part of the first
        layers[k] = dense(np.hstack([weight, *(w for w, _ in copies)]), np.concatenate([bias, *(b for _, b in copies)]))
        layers[k + 2] = dense(np.vstack([first, out[1:], *rows]), np.asarray(layers[k + 2].bias))
    return Sequential(layers)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([(2, 4, 1), (2, 3, 3, 2), (3, 4, 2), (1, 5, 4, 1)]))
def test_what_was_planted_is_found_and_the_function_stays_exactly(seed, sizes):
    rng = np.random.default_rng(seed)
    base = layered(rng, sizes)
    net = planted(base, rng)
    found = construct.simplify(net, (-1, 1))
    assert found.neurons[0] == sum(sizes[1:-1]) + 3 * (len(sizes) - 2)
    assert found.neurons[1] <= sum(sizes[1:-1])
    for row in rng.integers(-16, 17, (20, sizes[0])) / 16:
        for a, b in zip(exact(net, row), exact(found.net, row), strict=True):
            assert abs(a - b) <= Fraction(found.difference)
    assert found.measured <= found.difference * (1 + 1e-6) + 1e-9
    assert found.difference <= 1e-3


def test_every_reason_is_told():
    weight = np.array([[1, 2, 0, 1, 1, 0, 1.0], [0, 0, 1, -1, 1, 0, 1]])
    bias = np.array([0, 0, 0, 5, -9, 3, 0.0])
    out = np.array([[1, 1, 1, 1, 1, 2, 0.0]]).T
    net = Sequential([dense(weight, bias), Activation("relu"), dense(out, [0])])
    found = construct.simplify(net, (-1, 1))
    reasons = {gone.unit: gone.reason for gone in found.removed}
    assert reasons == {
        "layers[1][1]": "2 times layers[1][0]",
        "layers[1][4]": "off everywhere on the box",
        "layers[1][5]": "no input reaches it",
        "layers[1][6]": "nothing reads it",
    }
    assert (found.neurons, found.difference) == ((7, 3), 0.0)
    dead = next(gone for gone in found.removed if gone.unit == "layers[1][4]")
    assert (dead.low, dead.high, dead.how) == (pytest.approx(-11), pytest.approx(-7), "bounds")


def test_opposite_units_that_only_differ_are_a_line():
    """relu(z) − relu(−z) is z."""
    net = Sequential([dense([[1, -1, 1]], [0.25, -0.25, 0]), Activation("relu"), dense([[2], [-2], [1]], [0])])
    found = construct.simplify(net, [(-1, 1)])
    assert (found.neurons, found.difference) == ((3, 2), 0.0)
    for x in (-1.0, -0.25, 0.0, 0.5):
        assert exact(found.net, [x]) == exact(net, [x])
    assert any("opposite of" in gone.reason for gone in found.removed)


def test_units_that_are_on_everywhere_are_handed_on_by_one():
    out = dense([[1, 1], [2, 0], [1, 1], [1, 0], [0, 1]], [0, 1])
    net = Sequential([dense([[1, 3, -2, 1, 2]], [5, 6, 7, 0, -0.5]), Activation("relu"), out])
    found = construct.simplify(net, (-1, 1))
    assert (found.neurons, found.difference) == ((5, 3), 0.0)
    assert complex_of(Sequential([dense([[1], [0]], [0]), *found.net.layers])).residual < 1e-6


def test_a_layer_that_is_linear_becomes_part_of_the_next():
    relu = Activation("relu")
    net = Sequential([dense(np.eye(2), [3, 3]), relu, dense(np.eye(2), [0, 0]), relu, dense([[1], [2]], [0])])
    found = construct.simplify(net, (-1, 1))
    assert [type(layer).__name__ for layer in found.net.layers] == ["Dense"]
    assert (found.neurons, found.parameters, found.difference) == ((4, 0), (15, 3), 0.0)


def test_what_bounds_leave_open_a_program_decides():
    """relu(x) + relu(−x) ≤ 1: the next unit never is on, and lines around each unit alone do not see that."""
    rng = np.random.default_rng(3)
    a = rng.integers(-3, 4, (2, 6)).astype(float)
    hidden = np.hstack([a, -a])
    second = np.vstack([np.eye(6), np.eye(6)])  # |a · x| of every one, 6 of them
    most = np.array([abs(a).sum(0).max()])
    third = np.vstack([np.ones((6, 1))])
    net = Sequential([
        dense(hidden, np.zeros(12)), Activation("relu"),
        dense(np.hstack([second, second @ third]), np.append(np.full(6, -0.5), -float(corners(a)))), Activation("relu"),
        dense(np.ones((7, 1)), [0]),
    ])  # fmt: skip
    assert most > 0
    found = construct.simplify(net, (-1, 1))
    gone = {r.unit: r for r in found.removed}
    assert "layers[3][6]" in gone
    assert gone["layers[3][6]"].how in (_ranges.PROGRAM, _ranges.BOUNDS)
    assert found.measured <= found.difference + 1e-9


def corners(a):
    """The largest Σ |a · x| on the square: at one of its corners."""
    return max(abs(np.array([s, t]) @ a).sum() for s in (-1, 1) for t in (-1, 1))


@pytest.mark.parametrize("sizes", [(2, 12, 1), (3, 8, 8, 2)])
@pytest.mark.parametrize("tolerance", [0.02, 0.3])
def test_a_tolerance_is_kept(sizes, tolerance):
    net = pl.mlp(list(sizes), key=1)
    found = construct.simplify(net, (-1, 1), tolerance=tolerance)
    x = np.random.default_rng(0).uniform(-1, 1, (20_000, sizes[0])).astype(np.float32)
    off = abs(np.asarray(found.net(x)) - np.asarray(net(x))).max()
    assert off <= found.difference + 1e-5
    assert found.difference <= tolerance
    assert found.neurons[1] <= found.neurons[0]


def test_a_larger_tolerance_leaves_fewer_units():
    net = pl.mlp([2, 24, 1], key=4)
    counts = [construct.simplify(net, (-1, 1), tolerance=t).neurons[1] for t in (0.0, 0.3, 3.0)]
    assert counts[0] >= counts[1] > counts[2]


def test_a_network_of_one_input_is_written_anew():
    rng = np.random.default_rng(0)
    sizes = [(1, 20), (20, 20), (20, 1)]
    parts = [dense(rng.normal(size=s) / np.sqrt(s[0]), rng.normal(size=s[1])) for s in sizes]
    net = Sequential([parts[0], Activation("relu"), parts[1], Activation("relu"), parts[2]])
    found = construct.simplify(net, (-1, 1))
    x = np.linspace(-1, 1, 4001, dtype=np.float32)[:, None]
    assert abs(np.asarray(found.net(x)) - np.asarray(net(x))).max() < 1e-5
    assert found.difference < 1e-5
    coarse = construct.simplify(net, (-1, 1), tolerance=0.05)
    assert coarse.neurons[1] < found.neurons[1] < 40
    assert coarse.measured <= coarse.difference <= 0.05
    assert {gone.how for gone in coarse.removed} == {"exact pieces"}


@pytest.mark.parametrize("name", ["leaky_relu", "tanh", "hard_tanh"])
def test_other_curves_keep_what_they_do(name):
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(2, 4)), rng.normal(size=4)
    weight, bias = np.hstack([weight, weight[:, :1], weight[:, :1] * 2]), np.concatenate([bias, bias[:1], bias[:1] * 2])
    out = dense(rng.normal(size=(6, 2)), [0, 0])
    net = Sequential([dense(weight, bias), Activation(name), out, Activation("sigmoid")])
    found = construct.simplify(net, (-1, 1))
    assert found.neurons[1] <= (4 if name == "leaky_relu" else 5)
    x = rng.uniform(-1, 1, (2000, 2)).astype(np.float32)
    assert abs(np.asarray(found.net(x)) - np.asarray(net(x))).max() < 1e-5
    assert isinstance(found.net.layers[-1], Activation)


def test_dropout_and_batch_norm_are_seen_as_at_inference():
    norm = BatchNorm.create(3)
    first, last = dense(np.ones((2, 3)), [0, 9, -9]), dense(np.ones((3, 1)), [0])
    net = Sequential([first, norm, Activation("relu"), Dropout(0.5), last])
    found = construct.simplify(net, (-1, 1))
    x = np.random.default_rng(0).uniform(-1, 1, (100, 2)).astype(np.float32)
    assert np.asarray(found.net(x)) == pytest.approx(np.asarray(net(x)), abs=1e-4)
    assert found.neurons[1] < 3


def test_nothing_to_find_changes_nothing():
    net = Sequential([dense([[1, 0], [0, 1]], [0, 0]), Activation("relu"), dense([[1], [1]], [0])])
    found = construct.simplify(net, (-1, 1))
    assert (found.neurons, found.removed, found.difference) == ((2, 2), (), 0.0)


def test_stages_are_the_network_again():
    net = pl.mlp([3, 5, 2], key=0)
    x = np.random.default_rng(0).normal(size=(50, 3))
    stages, aside = stages_of(net)
    assert aside is None
    assert lowered(net_of(stages))(x) == pytest.approx(lowered(net)(x))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: construct.simplify(Parallel([dense([[1.0]], [0])]), (-1, 1)), "the network is a Parallel"),
        (lambda: construct.simplify(Sequential([dense([[1]], [0]), PReLU.create(1)]), (-1, 1)), "is a PReLU"),
        (lambda: construct.simplify(Sequential([Activation("relu")]), (-1, 1)), "second activation"),
        (lambda: construct.simplify(Sequential([]), (-1, 1)), "has none"),
        (lambda: construct.simplify(pl.mlp([2, 3, 1], key=0, activation="exponential"), (-1, 1)), "slope has no bound"),
        (lambda: construct.simplify(pl.mlp([2, 3, 1], key=0), [(-1, 1)] * 3), "3 sides"),
        (lambda: construct.simplify(pl.mlp([2, 3, 1], key=0), (1, -1)), "empty"),
        (lambda: construct.simplify(pl.mlp([2, 3, 1], key=0), (-1, 1), tolerance=-1), "tolerance"),
        (lambda: construct.simplify(pl.mlp([2, 3, 1], key=0), (-1, 1), tolerance=np.nan), "tolerance"),
        (lambda: construct.simplify(None, (-1, 1)), "wants a network"),
    ],
)
def test_bad_input_is_told(call, words):
    with pytest.raises(SettingError, match=words):
        call()
