"""Whether an output rises or falls with a feature: proofs that hold, and pairs of inputs that show it does not."""

import dataclasses
from itertools import product

import jax.numpy as jnp
import numpy as np
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pellucid as pl
from certify_cases import mlp
from pellucid import certify
from pellucid.certify import _monotone
from pellucid.errors import CertifyError, SettingError
from pellucid.geometry import lowered
from pellucid.layers import Activation, Dense, Sequential, monotone_mlp

BOX = [(-1.0, 1.0)] * 3


def mixed():
    """Rises with the first, falls with the second, does both with the third, and does not see the fourth."""
    first = np.array([[1.0, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, -1], [0, 0, 0, 0]])
    last = np.array([[1.0], [1], [1], [1]])
    return Sequential([Dense(jnp.float32(first), jnp.float32([2, 2, 0, 0])), Activation("relu"),
                       Dense(jnp.float32(last), None)])  # fmt: skip


def test_the_table_says_rising_falling_neither_and_constant_and_the_pairs_are_real():
    net = mixed()
    found = certify.monotone(net, box=[(-1, 1)] * 4)
    assert [trend.answer for trend in found.trends] == ["rising", "falling", "neither", "constant"]
    assert found.decided
    for trend in found.trends:
        for certificate, sign in ((trend.rises, 1), (trend.falls, -1)):
            if certificate.verdict == "proven":
                assert certify.recheck(certificate, net).holds
            else:
                refutes(net, certificate, sign)
    neither = found.trends[2]
    assert neither.slope == pytest.approx((-1, 1), rel=1e-9)
    assert neither.rise.values[1] > neither.rise.values[0]
    assert neither.fall.values[1] < neither.fall.values[0]


def refutes(net, certificate, sign):
    """Two inputs that differ in one place alone, the second further along; there the network goes the other way."""
    x = certificate.counterexample.input
    differ = np.flatnonzero(x[0] != x[1])
    assert len(differ) == 1
    assert x[1, differ[0]] > x[0, differ[0]]
    y = np.asarray(net(np.float32(x)), float)[:, 0]
    assert sign * (y[1] - y[0]) < 0
    exact = lowered(net, curves=True)(x)[:, 0]
    assert sign * (exact[1] - exact[0]) < 0
    assert certificate.counterexample.margin > 0


@pytest.mark.parametrize("activation", ["relu", "tanh", "softplus", "hard_tanh"])
def test_a_network_that_rises_by_design_is_proven_to_and_the_proof_verifies(activation):
    net = monotone_mlp([3, 6, 6, 1], [1, -1, 0], activation=activation, key=0)
    found = certify.monotone(net, [0, 1], box=BOX)
    assert [trend.answer for trend in found.trends] == ["rising", "falling"]
    for trend, certificate in ((found.trends[0], found.trends[0].rises), (found.trends[1], found.trends[1].falls)):
        assert trend.slope[0] * trend.slope[1] >= 0
        assert certify.recheck(certificate, net).holds


def hidden_rise():
    """`x / 2 + |x − z| − |x − z − 0.2|`: its slope by x is 1/2 at least, and by intervals −3/2."""
    first = np.array([[1.0, 1, -1, 1, -1], [0, -1, 1, -1, 1]])
    last = np.array([[0.5], [1], [1], [-1], [-1]])
    return Sequential([Dense(jnp.float32(first), jnp.float32([5, 0, 0, -0.2, 0.2])), Activation("relu"),
                       Dense(jnp.float32(last), None)])  # fmt: skip


def test_a_rise_that_intervals_do_not_see_is_proven_by_parts_and_verified():
    net = hidden_rise()
    found = certify.monotone(net, 0, 1, box=BOX[:2]).trends[0]
    assert found.answer == "rising"
    assert certify.recheck(found.rises, net).leaves > 1
    assert certify.recheck(found.rises, net).holds


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["relu", "leaky_relu", "tanh"]))
def test_of_any_network_what_is_proven_holds_at_every_point_and_what_is_refuted_is_shown(seed, activation):
    net = mlp([2, 4, 1], activation, seed=seed, scale=1.0)
    found = certify.monotone(net, box=BOX[:2], seconds=5)
    grid = np.linspace(-1, 1, 41)
    y = lowered(net, curves=True)(np.array(list(product(grid, grid)))).reshape(41, 41)
    for axis, trend in enumerate(found.trends):
        steps = np.diff(y, axis=axis) / (grid[1] - grid[0])
        assert trend.slope[0] <= steps.min() + 1e-9
        assert steps.max() - 1e-9 <= trend.slope[1]
        for certificate, sign in ((trend.rises, 1), (trend.falls, -1)):
            if certificate.verdict == "proven":
                assert (sign * steps >= -1e-12).all()
                assert certify.recheck(certificate, net).holds
            elif certificate.verdict == "counterexample":
                refutes(net, certificate, sign)


def test_one_direction_alone_is_answered_alone():
    net = mixed()
    assert certify.monotone(net, 0, 1, box=[(-1, 1)] * 4).trends[0].answer == "rising"
    found = certify.monotone(net, 0, "falling", box=[(-1, 1)] * 4).trends[0]
    assert (found.answer, found.rises) == ("not falling", None)
    rows = np.random.default_rng(0).normal(size=(9, 4))
    assert certify.monotone(net, 1, np.int64(-1), data=rows).trends[0].answer == "falling"


def test_without_time_it_is_unknown_with_bounds_and_advice():
    answer = certify.monotone(hidden_rise(), 0, 1, box=BOX[:2], seconds=1e-9).trends[0].rises
    assert answer.verdict == "unknown"
    assert answer.bounds[0] < 0 < answer.bounds[1]
    assert "more seconds" in answer.advice


def test_a_stop_by_the_user_keeps_what_is_known(monkeypatch):
    def interrupted(self, seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(_monotone.Search, "run", interrupted)
    found = certify.monotone(hidden_rise(), box=BOX[:2]).trends
    assert found[0].rises.verdict == "unknown"
    assert found[0].falls.verdict == "counterexample"


@pytest.mark.parametrize(
    ("more", "error", "words"),
    [
        ({"feature": "agee"}, SettingError, "There is no feature 'agee'"),
        ({"feature": 7}, SettingError, "no feature 7: they are numbered from 0 to 2"),
        ({"direction": "rizing"}, SettingError, "did you mean 'rising'"),
        ({"direction": 2}, SettingError, "no direction 2"),
        ({"direction": True}, SettingError, "no direction True"),
        ({"output": 3}, SettingError, "outputs 0 to 0"),
        ({"seconds": 0}, SettingError, "seconds must be above 0"),
        ({"seconds": "soon"}, SettingError, "seconds must be above 0"),
        ({"box": [(0, 1)]}, CertifyError, "3 inputs; the box has 1 sides"),
        ({"box": [(1, 0), (0, 1), (0, 1)]}, CertifyError, "The box is empty"),
        ({"box": [(np.nan, 0), (0, 1), (0, 1)]}, CertifyError, "finite numbers"),
        ({"box": {"agee": (0, 1)}}, SettingError, "no input 'agee'"),
        ({"box": {"x[0]": (0, 1)}}, CertifyError, r"Nothing says where x\[1\], x\[2\] lie"),
        ({"box": [(0.5, 0.5)] * 3}, CertifyError, "none changes in the box"),
        ({"box": [(0.5, 0.5), (0, 1), (0, 1)], "feature": 0}, CertifyError, "is 0.5 everywhere in the box"),
        ({"box": None}, CertifyError, "Nothing says where"),
        ({"box": None, "data": np.zeros((0, 3))}, CertifyError, "are to be some"),
        ({"box": None, "data": np.zeros((4, 2))}, CertifyError, "3 inputs; the box has 2 sides"),
    ],
)
def test_a_question_that_cannot_be_asked_is_named(more, error, words):
    with pytest.raises(error, match=words):
        certify.monotone(mlp([3, 4, 1]), **{"box": BOX} | more)


def test_huge_numbers_raise_no_warning_and_are_not_refuted_by_infinity():
    net = Sequential([Dense(jnp.float32([[1e30, 1], [1, 1e30]]), None), Activation("relu"),
                      Dense(jnp.float32([[1e30], [1]]), None)])  # fmt: skip
    assert [trend.answer for trend in certify.monotone(net, box=BOX[:2]).trends] == ["rising", "rising"]


@pytest.fixture(scope="module")
def run():
    rng = np.random.default_rng(0)
    age, city = rng.uniform(20, 60, 80), rng.choice(["Rome", "Oslo"], 80)
    rows = {"age": age, "city": city, "one": np.ones(80), "paid": age + 5 * (city == "Rome")}
    return pl.fit([4], polars.DataFrame(rows), target="paid", monotone={"age": 1}, epochs=3, progress=False)


def test_a_run_is_asked_over_its_rows_with_categories_held_fixed(run):
    found = certify.monotone(run)
    assert [(trend.feature, trend.answer) for trend in found.trends] == [("age", "rising")]
    low, high = dict(zip(found.names, found.box, strict=True))["age"]
    assert (low, high) == pytest.approx((20, 60), abs=2)
    assert "city: held fixed" in found.notes[0]
    assert found.output == "paid"
    assert certify.recheck(found.trends[0].rises, run.net).holds
    narrow = certify.monotone(run, "age", "falling", box={"age": (30, 40)}).trends[0]
    assert narrow.answer == "not falling"
    assert 30 - 1e-4 <= min(narrow.rise.ends) < max(narrow.rise.ends) <= 40 + 1e-4
    for name, words in (("city", "no order"), ("one", "does not see"), ("agee", "did you mean 'age'")):
        with pytest.raises(SettingError, match=words):
            certify.monotone(run, name)


def test_a_proof_that_was_changed_is_refused():
    net = monotone_mlp([2, 5, 1], [1, 0], key=0)
    answer = certify.monotone(net, 0, 1, box=BOX[:2]).trends[0].rises
    wrong = monotone_mlp([2, 5, 1], [-1, 0], key=0)
    assert not certify.recheck(answer, wrong).holds
    about = dataclasses.replace(answer.proof, about=answer.proof.about | {"feature": 1})
    turned = dataclasses.replace(answer.proof, about=answer.proof.about | {"sign": -1})
    fewer = dataclasses.replace(answer.proof, about=answer.proof.about | {"trees": 0})
    for proof in (about, turned, fewer):
        assert not certify.recheck(dataclasses.replace(answer, proof=proof), net).holds
