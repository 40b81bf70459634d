from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import make_moons

import pellucid as pl
from pellucid.doctor import RULES, Finding, Patient, Program, diagnose
from pellucid.doctor._changes import CHANGES, standardised
from pellucid.doctor._diagnosis import beyond_chance, static_findings
from pellucid.doctor._output_rules import loss_against_task
from pellucid.doctor._rows import standard
from pellucid.doctor._rule import Sign
from pellucid.errors import DataError, SettingError
from pellucid.layers import Activation, Dense, Sequential, Softmax
from pellucid.losses import loss, own
from pellucid.train import Settings

X, LABELS = make_moons(240, noise=0.1, random_state=0)
X, Y = X.astype(np.float32), LABELS.astype(np.float32)[:, None]
LINE = np.linspace(-1, 1, 64, dtype=np.float32)[:, None]
NET = pl.mlp([2, 16, 1], key=0)
SMALL = pl.mlp([1, 8, 1], key=0)


def static(net, x=LINE, y=LINE, loss_name="squared_error", **settings):
    """The codes found without training, with their confidence."""
    program = Program(net, Settings(loss(loss_name), **settings), np.asarray(x), np.asarray(y))
    return {finding.code: finding for finding in static_findings(program)}


def test_every_rule_is_complete_and_its_changes_exist():
    for rule in RULES:
        assert all((rule.code, rule.name, rule.mechanism, rule.cure, rule.source))
        assert rule.kind in ("static", "data", "probe")
        assert set(rule.changes) <= set(CHANGES)


def test_softmax_over_one_unit_is_certain():
    found = static(Sequential([*SMALL.layers, Softmax()]))["OUT_SOFTMAX1"]
    assert (found.confidence, found.where, found.explains) == ("certain", "layers[3]", 1.0)


@pytest.mark.parametrize(("curve", "low", "high"), [("relu", 0, np.inf), ("sigmoid", 0, 1), ("tanh", -1, 1)])
def test_the_share_out_of_reach_is_that_of_the_best_clipped_answer(curve, low, high):
    y = np.random.default_rng(1).normal(0.2, 2, (50, 1))
    share = np.square(y - y.clip(low, high)).sum() / np.square(y - y.mean()).sum()
    found = static(Sequential([*SMALL.layers, Activation(curve)]), LINE[:50], y)["OUT_ACT_RANGE"]
    assert found.confidence == "certain"
    assert found.explains == pytest.approx(min(1, share))


def test_targets_within_reach_are_left_in_peace():
    y = np.abs(LINE)
    assert not static(Sequential([*SMALL.layers, Activation("sigmoid")]), LINE, y)


def test_too_few_outputs_for_the_classes():
    found = static(pl.mlp([1, 8, 2], key=0), LINE, np.arange(64) % 3, "cross_entropy_of_probabilities")
    assert found["OUT_UNITS"].confidence == "certain"


def test_probabilities_wanted_and_logits_given():
    found = static(SMALL, LINE, (LINE > 0).astype(float), "binary_cross_entropy_of_probabilities")
    assert found["OUT_ACT_LOSS"].confidence == "certain"
    squashed = Sequential([*SMALL.layers, Activation("sigmoid")])
    assert not static(squashed, LINE, (LINE > 0).astype(float), "binary_cross_entropy_of_probabilities")


def test_classes_loss_on_numbers():
    found = static(
        Sequential([*SMALL.layers, Activation("sigmoid")]), LINE, 3 * LINE, "binary_cross_entropy_of_probabilities"
    )
    assert found["LOSS"].confidence == "certain"


def broadcast(z, y):
    return jnp.square(z - y.reshape(-1)).mean()


def summed(z, y):
    return jnp.square(z - y.reshape(z.shape)).sum()


def turned(z, y):
    return -jnp.square(z - y.reshape(z.shape)).mean()


@pytest.mark.parametrize(("function", "code"), [(broadcast, "LOSS_BROADCAST"), (turned, "LOSS_REDUCTION")])
def test_a_users_own_loss_is_recognized_by_what_it_computes(function, code):
    program = Program(SMALL, Settings(own(function)), LINE, LINE[:, 0])
    assert {f.code for f in static_findings(program) if f.confidence == "certain"} == {code}


def test_what_a_sum_is_to_its_mean():
    patient = Patient(Program(SMALL, Settings(own(summed)), LINE, LINE))
    criterion = patient.criterion
    assert (criterion.row, criterion.reduction) == ("squared_error", "sum")
    assert criterion.times == pytest.approx(6)  # it is compared on six rows


def test_equal_weights_are_seen_and_random_ones_are_not():
    tied = Sequential(
        [Dense(jnp.ones((1, 8)), jnp.zeros(8)), Activation("tanh"), Dense(jnp.ones((8, 1)), jnp.zeros(1))]
    )
    assert static(tied)["INIT_SYMMETRY"].confidence == "certain"
    assert "INIT_SYMMETRY" not in static(SMALL)


def test_rising_weights_cannot_fall():
    rising = jax.tree.map(jnp.abs, SMALL)
    assert static(rising, LINE, -LINE)["EXPRESSIBILITY_MONOTONE"].confidence == "certain"
    assert "EXPRESSIBILITY_MONOTONE" not in static(rising, LINE, LINE)
    assert "EXPRESSIBILITY_MONOTONE" not in static(SMALL, LINE, -LINE)


def test_a_healthy_training_is_left_in_peace():
    found = diagnose(NET, X, Y, loss="bce", learning_rate=0.01, epochs=40, seconds=30)
    assert found.healthy, [str(f) for f in found.findings]
    assert found.reached > 0.9
    assert not found.notes


@pytest.fixture(scope="module")
def unscaled():
    before = X * np.array([1, 500], np.float32)
    x = before.copy()
    found = diagnose(NET, x, Y, loss="bce", learning_rate=0.01, epochs=15, seconds=60)
    return found, x, before


def test_the_cause_comes_first_and_is_measured(unscaled):
    found, x, before = unscaled
    assert found.alarms[0].code == "PREP_X"
    assert "closes" in found.alarms[0].evidence
    assert np.array_equal(x, before)


def test_what_is_prescribed_was_tried_and_is_better(unscaled):
    found = unscaled[0]
    cure = found.prescribe(seconds=60, seeds=2)
    assert "standardise inputs" in cure.changes
    assert np.median(cure.after) > np.median(cure.before)
    assert len(cure.before) == len(cure.after) == 2
    assert "x.mean(0)" in cure.code
    mended = cure.apply()
    assert mended.x.std(0) == pytest.approx([1, 1], abs=1e-3)
    assert found.patient.program.x is unscaled[1] or np.array_equal(found.patient.program.x, unscaled[2])


def test_where_nothing_helps_the_program_is_given_back():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 2)).astype(np.float32), np.tile([0.0, 1.0], 20)[:, None]
    x[::2] = x[1::2]  # the same rows with both answers: nothing can tell them apart
    cure = diagnose(NET, x, y, loss="bce", epochs=5, seconds=5).prescribe(seconds=8, seeds=2)
    assert not cure
    assert cure.after == cure.before
    assert cure.apply().net is NET


def test_without_data_the_network_alone_is_looked_at():
    found = diagnose(Sequential([*SMALL.layers, Softmax()]))
    assert [f.code for f in found.alarms] == ["OUT_SOFTMAX1"]
    assert found.reached is None
    assert "no data" in found.notes[0]
    with pytest.raises(DataError, match="needs rows"):
        found.prescribe()


def test_one_row_no_rows_and_rows_that_do_not_fit():
    assert diagnose(SMALL, LINE[:1], LINE[:1], loss="mse", epochs=2).metric == "R²"
    assert any("no rows" in note for note in diagnose(SMALL, LINE[:0], LINE[:0], loss="mse").notes)
    notes = diagnose(NET, LINE, LINE, loss="mse").notes
    assert any("cannot be run" in note and "layers[0]" in note for note in notes)


def test_weights_that_are_not_finite_are_said():
    broken = jax.tree.map(lambda a: a.at[0].set(jnp.nan), SMALL)
    found = diagnose(broken, LINE, LINE, loss="mse", epochs=2)
    assert any("NaN" in note for note in found.notes)
    assert found.alarms[0].code == "EXPLODE"


def test_a_loss_of_the_users_own_that_raises_is_said_and_not_raised():
    def refusing(z, y):
        raise ValueError("not these")

    found = diagnose(SMALL, LINE, LINE, loss=refusing, epochs=2)
    assert any("could not be tried" in note for note in found.notes)


def test_mistakes_are_told():
    with pytest.raises(DataError, match="y is missing"):
        diagnose(SMALL, LINE)
    with pytest.raises(DataError, match="64 rows and y 3"):
        diagnose(SMALL, LINE, LINE[:3])
    with pytest.raises(SettingError, match="network or a run"):
        diagnose(3, LINE, LINE)
    with pytest.raises(SettingError, match="learning_rate"):
        diagnose(SMALL, LINE, LINE, learning_rate=-1.0)


def test_a_run_is_diagnosed_with_its_own_data():
    run = pl.fit(Sequential([*SMALL.layers, Activation("relu")]), (LINE, LINE), loss="mse", epochs=3, progress=False)
    assert [f.code for f in run.findings] == ["OUT_ACT_RANGE"]  # told before the first step
    found = diagnose(run, seconds=10)
    assert found.alarms[0].code == "OUT_ACT_RANGE"
    assert found.patient.validation is not None


def test_learning_by_heart_is_no_sign_of_too_few_updates():
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    noise = np.random.default_rng(1).normal(size=(200, 1))
    settings = Settings(loss("squared_error"), learning_rate=3e-3, epochs=5)

    def learns(y):
        return Patient(Program(pl.mlp([4, 32, 1], key=0), settings, x, y.astype(np.float32)), seconds=60).learns(25)

    assert learns(x[:, :1] * x[:, 1:2])
    assert not learns(noise)


@pytest.mark.parametrize(("others", "chance"), [((0.62, 0.93), 0.93), ((0.62, 0.65, 0.7), 0.0)])
def test_what_another_start_makes_up_for_is_chance(monkeypatch, others, chance):
    patient = Patient(Program(NET, Settings(loss("binary_cross_entropy"), epochs=2), X, Y), seconds=60)
    patient.reached, patient.reference = 0.65, 1.0
    scores, base = iter(others), patient.base
    monkeypatch.setattr(patient, "run", lambda program, steps: replace(base, score=next(scores)))
    assert patient.chance == chance
    row = {"mechanism": "", "cure": "", "where": "x", "epoch": 0, "evidence": "", "numbers": {"rule": "a"}}
    found = [Finding("PREP_X", confidence=sure, **row) for sure in ("certain", "likely", "harmless")]
    kept, notes = beyond_chance(found, patient)
    assert [f.confidence for f in kept] == ["certain", "possible" if chance else "likely", "harmless"]
    assert len(notes) == bool(chance)
    patient.reached = patient.trivial
    assert beyond_chance(found, patient) == (found, [])  # next to nothing was learned


@pytest.mark.parametrize(("mended", "sure"), [(0.823, "possible"), (0.89, "likely")])
def test_a_mismatch_that_costs_little_of_what_there_is_to_learn_is_a_hint(mended, sure):
    """Accuracies: 0.5 for the constant answer, 0.8 reached, 0.9 the best; a sixteenth of what is between is 0.025."""
    net = Sequential([*NET.layers, Activation("sigmoid")])
    patient = Patient(Program(net, Settings(loss("squared_error"), epochs=1), X, Y), seconds=60)
    patient.base = replace(patient.base, score=0.8)
    patient.longer, patient.reached, patient.reference = patient.base, 0.8, 0.9
    patient.tries["suited output",] = replace(patient.base, score=mended)
    [found] = loss_against_task(patient)
    assert found.confidence == sure
    assert found.explains == pytest.approx((mended - 0.8) / 0.1)


def test_numbers_whose_squares_are_infinite_are_scaled_all_the_same():
    huge = X * np.float32(1e30)
    np.testing.assert_allclose(standardised(huge), standardised(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(standard(huge, 0), standard(X, 0), rtol=1e-4, atol=1e-5)


def test_what_the_cure_of_a_finding_brings_by_itself_is_measured_or_not_said():
    patient = Patient(Program(NET, Settings(loss("binary_cross_entropy"), epochs=1), X, Y), seconds=60)
    patient.base = replace(patient.base, score=0.6)
    patient.longer, patient.reached, patient.reference = patient.base, 0.6, 1.0
    assert patient.closed(("adam", "epochs × 5")) is None
    longer = patient.sample.set(epochs=5)
    patient.tries["epochs × 5",] = replace(patient.base, program=longer, score=0.7)
    assert patient.closed(("adam", "epochs × 5")) == pytest.approx(0.25)
    patient.tries["adam",] = replace(patient.base, score=0.9)
    patient.tries["adam", "wider"] = replace(patient.base, score=1.0)
    assert patient.closed(("adam", "epochs × 5")) == pytest.approx(0.75)


def test_what_mends_a_training_that_broke_off_at_once_is_tried_for_all_its_steps():
    made = pl.mlp([2, *[5] * 6, 1], activation="tanh", key=0).layers
    layers = [Activation("exponential") if isinstance(layer, Activation) else layer for layer in made]
    settings = Settings(loss("binary_cross_entropy"), epochs=60, learning_rate=0.01)
    patient = Patient(Program(Sequential(layers), settings, X, Y), seconds=60)
    assert (patient.base.finite, patient.base.steps < 10) == (False, True)
    assert patient.trial("tanh inside").steps == patient.steps == patient.program.steps
    assert patient.trial("tanh inside").score > 0.8


def test_a_picture_shows_the_scores_that_the_evidence_tells():
    patient = Patient(Program(NET, Settings(loss("binary_cross_entropy"), epochs=2), X, Y), seconds=60)
    assert patient.trial("adam at 0.01") is not None
    rule = next(rule for rule in RULES if rule.code == "LR_LOW")
    own = {"the training": 0.5, "a plain network": 0.9}
    said = replace(rule, look=lambda _: [Sign("training", "so", numbers={"reached": own})], changes=("adam at 0.01",))
    assert said.findings(patient)[0].numbers["reached"] == own


def test_weights_that_are_no_numbers_have_no_size():
    first, *rest = NET.layers
    broken = Sequential([Dense(first.weight.at[0, 0].set(jnp.nan), first.bias), *rest])
    told = [f.evidence for f in diagnose(broken, X, Y, loss="binary_cross_entropy", epochs=2, seconds=2).findings]
    assert told
    assert not any("nan" in words.lower().split() for words in told)
