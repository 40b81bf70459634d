"""Claims put to networks and rows of one's own, and what they say where that cannot be done."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import DataError, SettingError
from pellucid.lab import faults, run
from pellucid.lab._given import given
from pellucid.lab._record import at_least, at_most, equal
from pellucid.layers import GRU, Conv2d, Dense, Sequential

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
TWO = (X, (X[:, 0] > 0).astype(int))
THREE = (X, np.arange(60) % 3)
NUMBERS = (X, X @ np.array([[1.0], [-2.0], [0.5], [0.0]], np.float32))
KEY = jax.random.key(0)
SPOTS = np.zeros((80, 6, 6, 1), np.float32)  # two spots beside each other, or one above the other
SPOTS[:, 2, 2] = SPOTS[::2, 2, 3] = SPOTS[1::2, 3, 2] = 1
IMAGES = (SPOTS + 0.05 * RNG.normal(size=SPOTS.shape).astype(np.float32), np.arange(80) % 2)


@pytest.mark.parametrize(
    ("claim", "net", "data"),
    [
        ("C1", pl.mlp([4, 5, 5, 3], key=1), THREE),
        ("C1", None, "iris"),
        ("C1", pl.mlp([4, 5, 1], key=1), None),
        ("C2", pl.mlp([2, 6, 1], key=0), None),
        ("C2", pl.mlp([4, 6, 3], key=0), THREE),
        ("C4", pl.mlp([4, 5, 1], key=0), NUMBERS),
        ("C5", pl.mlp([4] + [120] * 8 + [1], key=0, activation="tanh"), NUMBERS),
        ("C6", pl.mlp([4, 6, 1], key=0), TWO),
        ("C7", None, IMAGES),
        ("C8", pl.mlp([4, 40, 3], key=0, dropout=0.3), X),
        ("C9", Sequential([GRU.create(4, 12, key=KEY, output="last"), Dense.create(12, 3, key=KEY)]), "iris"),
        ("C11", pl.mlp([3, 8, 1], key=0), None),
        ("C11", None, "diabetes"),
    ],
)  # fmt: skip
def test_a_claim_holds_on_a_network_and_rows_of_ones_own(claim, net, data):
    found = run(claim, net=net, data=data)
    assert found.verdict == "holds", [check for check in found.checks if not check.holds]
    assert found.on.startswith("your network" if net is not None else "a network of the lab, on ")


def test_a_network_that_is_not_what_a_claim_says_makes_it_fail():
    tied = jax.tree.map(lambda w: 0 * w + 0.3, pl.mlp([4, 5, 1], key=0))
    found = run("C4", net=tied, data=NUMBERS)
    assert found.verdict == "fails"
    assert "from a random start" in found.shown.what


def test_a_run_brings_its_own_rows():
    trained = pl.fit([6], "iris", epochs=2, progress=False)
    found = run("C1", net=trained)
    assert found.verdict == "holds"
    assert found.on == "your network, on its own rows"


def test_a_pair_of_arrays_and_a_function_are_told_apart():
    put = given(None, (X, NUMBERS[1]))
    assert (put.rows.classes, put.rows.outputs) == (0, 1)
    assert given(None, TWO).rows.classes == 2
    assert given(None, X).rows.y is None
    assert given(None, (jnp.sin, (0, 1))).function == (jnp.sin, (0.0, 1.0))
    assert given(None, "diabetes").rows.x.shape == (442, 10)


PLAIN = pl.mlp([4, 5, 3], key=0)


@pytest.mark.parametrize(
    ("claim", "net", "data", "error", "words"),
    [
        ("C1", pl.mlp([4, 5, 3], key=0, activation="tanh"), X, SettingError, "ReLU units behind a Dense layer"),
        ("C2", PLAIN, None, DataError, "4 inputs: it is looked at in a plane through rows: give data"),
        ("C4", Sequential([Dense.create(4, 1, key=KEY)]), NUMBERS, SettingError, "two Dense layers at least"),
        ("C5", PLAIN, X, SettingError, "needs 4 Dense layers at least and one kind of activation; it has 2, and relu"),
        ("C6", PLAIN, THREE, DataError, "one sigmoid, which tells two classes apart; the rows have 3"),
        ("C6", PLAIN, TWO, SettingError, "a Dense layer at its end, with one output"),
        ("C7", PLAIN, THREE, SettingError, "needs a Conv1d or Conv2d as its first layer"),
        ("C7", Sequential([Conv2d.create(1, 2, 3, key=KEY)]), None, DataError, "give pictures as data"),
        ("C7", None, THREE, DataError, "C7 needs pictures"),
        ("C8", PLAIN, X, SettingError, "is about dropout, and this network has none"),
        ("C9", PLAIN, THREE, SettingError, "needs an LSTM or a GRU"),
        ("C9", None, NUMBERS, DataError, "asks for a class at the end of each sequence"),
        ("C9", Sequential([GRU.create(1, 3, key=KEY)]), (RNG.normal(size=(6, 9, 1)), np.arange(6) % 2), DataError,
         "over 100 steps and more; these sequences have 9"),
        ("C10", PLAIN, X, SettingError, "builds its networks: give it data alone"),
        ("C10", None, NUMBERS, DataError, "one input and one target, got 4 inputs"),
        ("C11", PLAIN, None, SettingError, "Dense layers with one output"),
        ("C11", None, (np.sort(X, 0), np.arange(60.0)), DataError, "as the target rises, and these rows have none"),
        ("C3", None, (jnp.sin, (0, 1)), SettingError, "a function is for C10"),
        ("C4", None, X, DataError, "the rows have no targets"),
        ("C1", 3, X, SettingError, "a network of pellucid layers or a run, got a int"),
        ("C1", None, (X, X[:3]), DataError, "a number for each of the 60 rows"),
        ("C1", None, X[0], DataError, "rows of finite numbers"),
        ("C99", None, None, SettingError, "There is no claim 'C99'"),
    ],
)  # fmt: skip
def test_what_a_claim_cannot_be_put_to_is_said_plainly(claim, net, data, error, words):
    with pytest.raises(error, match=words):
        run(claim, net=net, data=data)


def test_of_several_claims_the_one_that_cannot_be_put_says_so_and_the_others_go_on():
    found = run(["C1", "C8"], net=PLAIN, data=X, progress=False)
    assert [result.verdict for result in found.results] == ["holds", "not put"]
    assert found["c8"].words == "C8 is about dropout, and this network has none."
    assert not found.failed
    assert found.seconds > 0


def test_an_unknown_fault_and_a_fault_in_several_claims_are_refused():
    with pytest.raises(SettingError, match="There is no fault of C8 'scaling': did you mean 'scaling-left-out'"):
        run("C8", fault="scaling")
    with pytest.raises(SettingError, match="name its claim alone"):
        run(["C6", "C8"], fault="factor-kept")
    assert list(faults("c6")) == ["factor-kept", "not-saturated"]
    assert faults("C12") == {}


def test_a_check_holds_by_its_relation_and_a_number_that_is_none_holds_nothing():
    assert equal("a", 1.0, 1.05, 0.1).holds
    assert not equal("a", 1.0, 1.2, 0.1).holds
    assert (at_most("a", 1.0, 0.3).residual, at_most("a", 1.0, 1.5).residual) == (0.0, 0.5)
    assert (at_least("a", 1.0, 1.3).residual, at_least("a", 1.0, 0.5).residual) == (0.0, -0.5)
    for made in (equal("a", 1.0, np.nan, 9.0), at_most("a", 1.0, np.nan), at_least("a", 1.0, np.inf)):
        assert not made.holds
