"""What is proven is so, what is refuted is not, and what time does not suffice for is said to be unknown."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from certify_cases import SHARED, above, mlp
from pellucid import certify
from pellucid.certify import _search
from pellucid.certify._attack import attack
from pellucid.certify._bounds import certified
from pellucid.certify._claim import Claim, Clause
from pellucid.certify._decide import decide
from pellucid.certify._space import spaces_of
from pellucid.errors import CertifyError, SettingError
from pellucid.geometry import enumerate_regions, lowered, nearest_flip
from pellucid.layers import Activation, Conv2d, Dense, Flatten, MaxPool, Sequential

BOX = [(-1.0, 1.0)] * 3


def least_of(net, box, output=0):
    """The least output over a box by all regions, exactly: an oracle."""
    with jax.enable_x64(True):
        return enumerate_regions(net, box).lowest[output].value


@pytest.mark.parametrize("norm", [np.inf, 2])
@pytest.mark.parametrize("few", [12, 0])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_level_just_below_the_least_is_proven_and_one_just_above_refuted(seed, few, norm, monkeypatch):
    """By cutting inputs and by cutting units."""
    monkeypatch.setattr(_search, "FEW", few)
    net = mlp([3, 8, 6, 1], seed=seed)
    least, it = least_of(net, BOX), certified(net)
    space = spaces_of(BOX, it.network)
    if norm == 2:
        space = certify.around(np.zeros((1, 3)), 10.0, 2, BOX)  # a ball that holds the whole box
    below = decide([above(it, space, least - 1e-2)], "above", seconds=60)
    assert below.verdict == "proven"
    assert 0 < below.bounds[0] <= 1e-2 + 1e-6
    beyond = decide([above(it, space, least + 1e-2)], "above", seconds=60)
    assert beyond.verdict == "counterexample"
    found = beyond.counterexample
    y = np.asarray(net(np.float32(found.input)[None]))[0]
    np.testing.assert_array_equal(y, found.output)
    assert y[0] <= least + 1e-2
    assert found.output64[0] <= least + 1e-2
    assert (abs(found.input) <= 1).all()
    assert beyond.bounds[0] <= beyond.bounds[1] <= 0


@pytest.mark.parametrize(
    ("activation", "few"), [("relu", 12), ("tanh", 12), ("silu", 12), ("hard_tanh", 12), ("relu", 0), ("hard_tanh", 0)]
)
def test_a_range_is_as_wide_as_what_is_found_and_no_point_is_beyond(activation, few, monkeypatch):
    monkeypatch.setattr(_search, "FEW", few)
    net = mlp([2, 6, 5, 2], activation, seed=3)
    found = certify.output_range(net, [(-1, 1)] * 2, tolerance=2e-3, seconds=120)
    assert found.exact.all()
    wide = found.highest - found.lowest
    assert (found.lowest - found.low <= 2e-3 * wide + 1e-5).all()
    assert (found.high - found.highest <= 2e-3 * wide + 1e-5).all()
    network = lowered(net, curves=True)
    y = network(np.random.default_rng(0).uniform(-1, 1, (20_000, 2)))
    assert (found.low <= y.min(0)).all()
    assert (y.max(0) <= found.high).all()
    for k in range(2):
        assert network(found.lowest_at[k][None])[0, k] == pytest.approx(found.lowest[k], abs=1e-12)
        assert network(found.highest_at[k][None])[0, k] == pytest.approx(found.highest[k], abs=1e-12)
    if activation == "relu":
        np.testing.assert_allclose(found.low, [least_of(net, [(-1, 1)] * 2, k) for k in (0, 1)], atol=5e-3 * wide.max())
    assert certify.recheck(found, net).holds


@pytest.mark.parametrize("norm", [1, 2, np.inf])
def test_robust_agrees_with_the_nearest_flip(norm):
    net = mlp([4, 8, 8, 3], seed=2)
    x = np.float32(np.random.default_rng(0).uniform(0, 1, (4, 4)))
    for row in x:
        flip = nearest_flip(net, row, norm, seconds=60)
        assert flip.status == "exact"
        near = certify.robust(net, row, flip.distance * 0.98, norm, seconds=60)
        far = certify.robust(net, row, flip.distance * 1.02, norm, seconds=60)
        assert (near.verdicts, far.verdicts) == (("proven",), ("counterexample",))
        z = far.counterexamples[0]
        assert np.linalg.norm(z - row, norm) <= flip.distance * 1.02 * (1 + 1e-6)
        assert np.asarray(net(np.float32(z)[None])).argmax() != near.labels[0]
        assert certify.recheck(near.certificates[0], net).holds


def test_robust_counts_rows_and_a_row_that_is_wrong_is_refuted_by_itself():
    net = mlp([4, 8, 3], seed=2)
    x = np.float32(np.random.default_rng(0).uniform(0, 1, (6, 4)))
    labels = np.asarray(net(x)).argmax(1)
    found = certify.robust(net, x, 1e-4, within=(0, 1))
    assert found.share == 1.0
    np.testing.assert_array_equal(found.labels, labels)
    labels[2] = (labels[2] + 1) % 3
    found = certify.robust(net, x, 1e-4, labels=labels, within=(0, 1))
    assert (found.share, found.refuted) == (5 / 6, 1 / 6)
    assert found.verdicts[2] == "counterexample"
    assert set(found.counterexamples) == {2}


def test_one_output_answers_by_its_side_of_the_level():
    line = Dense(jnp.float32([[1.0]]), jnp.float32([-0.5]))
    for net in (Sequential([line]), Sequential([line, Activation("sigmoid")])):
        found = certify.robust(net, [[0.2], [0.8], [0.45]], 0.1)
        assert found.verdicts == ("proven", "proven", "counterexample")
        assert found.labels.tolist() == [0, 1, 0]


def test_a_convnet_with_pooling_is_proven_and_refuted():
    keys = jax.random.split(jax.random.key(1), 2)
    net = Sequential([Conv2d.create(1, 3, 3, key=keys[0]), Activation("relu"), MaxPool(2), Flatten(),
                      Dense.create(12, 3, key=keys[1])])  # fmt: skip
    x = np.float32(np.random.default_rng(0).uniform(size=(2, 6, 6, 1)))
    near = certify.robust(net, x, 0.01, within=(0, 1), shape=(6, 6, 1), seconds=60)
    assert near.share == 1.0
    assert all(certify.recheck(c, net).holds for c in near.certificates)
    far = certify.robust(net, x, 0.9, within=(0, 1), shape=(6, 6, 1), seconds=60)
    assert "counterexample" in far.verdicts


def test_networks_that_are_the_same_but_for_a_little():
    net = mlp([3, 8, 8, 2], seed=1)
    other = jax.tree.map(lambda a: a, net)
    other = Sequential([*other.layers[:-1], Dense(other.layers[-1].weight + 1e-3, other.layers[-1].bias)])
    proven = certify.equivalent(net, other, BOX, tolerance=0.05, seconds=60)
    assert proven.verdict == "proven"
    assert certify.equivalent(net, other, BOX, tolerance=1e-3, seconds=60).verdict == "counterexample"
    far = certify.equivalent(net, mlp([3, 8, 8, 2], seed=4), BOX, tolerance=0.5, seconds=60)
    assert far.verdict == "counterexample"
    y = [np.asarray(n(np.float32(far.counterexample.input)[None])) for n in (net, mlp([3, 8, 8, 2], seed=4))]
    assert abs(y[0] - y[1]).max() >= 0.5


@pytest.mark.parametrize(
    ("other", "box", "tolerance", "error", "words"),
    [
        (mlp([2, 3, 2]), BOX, 1, CertifyError, "3 inputs and 2 outputs, and 2 inputs"),
        (Sequential([*mlp([3, 4, 2]).layers, pl.layers.Softmax()]), BOX, 1, CertifyError, "Softmax"),
        (mlp([3, 4, 2]), BOX, 0, SettingError, "tolerance"),
        (mlp([3, 4, 2]), [BOX, BOX], 1, CertifyError, "one box"),
    ],
)
def test_what_cannot_be_compared_is_said(other, box, tolerance, error, words):
    with pytest.raises(error, match=words):
        certify.equivalent(mlp([3, 4, 2]), other, box, tolerance)


def test_without_time_the_answer_is_unknown_with_bounds_and_advice():
    net = mlp([8, 30, 30, 30, 1], seed=0, scale=3.0)
    it = certified(net)
    space = spaces_of([(-1, 1)] * 8, it.network)
    low = decide([above(it, space, -1e9)], "q", seconds=1e-9).verdict
    assert low == "proven"  # one bound suffices
    _, (least,) = attack(above(it, space, 0.0), np.random.default_rng(0))
    answer = decide([above(it, space, float(least) - 0.5)], "q", seconds=1e-9)
    assert answer.verdict == "unknown"
    assert answer.bounds[0] < 0 < answer.bounds[1]
    assert "seconds=" in answer.advice
    assert answer.proof is None
    with pytest.raises(SettingError, match="seconds"):
        decide([above(it, space, 0.0)], "q", seconds=0)


def test_a_stop_by_the_user_is_unknown_with_what_was_reached(monkeypatch):
    net = mlp([3, 8, 6, 1], seed=0)
    it = certified(net)
    claim = above(it, spaces_of(BOX, it.network), least_of(net, BOX) - 1e-4)

    def interrupted(self, told=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(_search.Search, "run", interrupted)
    answer = decide([claim], "q")
    assert answer.verdict == "unknown"
    assert answer.advice.startswith("Stopped after")


def test_several_conditions_at_once_refute_only_together():
    """Refuted where y0 ≤ 0.5 and y1 ≤ 0.5, for y = (x, 1 − x): nowhere on 0 … 1 but at the middle."""
    net = Sequential([Dense(jnp.float32([[1.0, -1.0]]), jnp.float32([0.0, 1.0]))])
    it = certified(net)
    space = spaces_of([(0, 1)], it.network)
    for level, verdict in ((0.49, "proven"), (0.51, "counterexample")):
        claim = Claim(it, space, (Clause(np.eye(2), np.full(2, -level)),))
        assert decide([claim], "q", seconds=30).verdict == verdict


def test_progress_in_lines(capsys, monkeypatch):
    monkeypatch.setattr(certify._telling, "PATIENCE", 0.0)
    certify.output_range(mlp([2, 6, 5, 1], seed=3), [(-1, 1)] * 2, progress=True)
    assert "proven," in capsys.readouterr().err


def test_records_are_json_and_say_what_they_are():
    found = certify.robust(mlp([4, 8, 3], seed=2), np.zeros((2, 4)), 1e-4)
    assert found.to_json()["verdicts"] == list(found.verdicts)
    answer = found.certificates[0]
    assert set(answer.to_json()) == {f.name for f in dataclasses.fields(answer)} - {"proof"}
    assert answer.sentence.endswith(("proven.", "refutes it by"))
    assert answer.holds


@pytest.mark.skipif(not SHARED.is_dir(), reason="the networks of ACAS Xu are not here")
@pytest.mark.parametrize(("net", "prop"), [("1_1", 2), ("1_1", 4), ("3_3", 1), ("3_3", 3), ("3_3", 4)])
def test_easy_properties_of_acas_xu_hold_and_their_proofs_verify(net, prop):
    network = pl.load(next(SHARED.glob(f"*{net}*.onnx")))
    answer = certify.property(network, SHARED / f"prop_{prop}.vnnlib", seconds=120)
    assert answer.verdict == "proven"
    assert certify.recheck(answer, network).holds
