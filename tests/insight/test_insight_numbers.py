"""The numbers of a story, each against scikit-learn or worked out by hand."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import calibration_curve
from sklearn.dummy import DummyClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, r2_score

from pellucid.insight import Baseline, baselines, calibration, importance, neurons, verdict, worst_rows
from pellucid.insight._importance import patches
from pellucid.insight._judged import judged, learned
from pellucid.insight._places import places_of
from pellucid.train import Evaluation


def blocks(run):
    return learned(run.data).block, judged(run.data).block


def evaluated(truth, prediction, score=None, classes=()):
    task = "classification" if classes else "regression"
    arrays = (np.array(truth), np.array(prediction), None if score is None else np.array(score))
    return Evaluation(task, len(truth), 0.0, {}, *arrays, classes)


class Predictor(BaseEstimator):
    """A run as scikit-learn sees a fitted model."""

    def __init__(self, run=None):
        self.run = run

    def fit(self, x, y):
        return self

    def predict(self, x):
        z = np.asarray(self.run.net(np.asarray(x, np.float32)))
        return self.run.preprocess.names(self.run.settings.loss.predict(z))


def test_logistic_regression_scores_as_scikit_learns_own(classification):
    learn, judge = blocks(classification)
    found = baselines(classification.data)
    model = LogisticRegression(max_iter=500).fit(learn.x, learn.y)
    own = found["logistic regression"].metrics
    assert own["accuracy"] == accuracy_score(judge.y, model.predict(judge.x))
    assert own["log_loss"] == pytest.approx(log_loss(judge.y, model.predict_proba(judge.x)))
    dummy = DummyClassifier(strategy="most_frequent").fit(learn.x, learn.y)
    assert found["most frequent class"].metrics["accuracy"] == dummy.score(judge.x, judge.y)


def test_linear_regression_is_scored_in_the_targets_own_units(regression):
    learn, judge = blocks(regression)
    found = baselines(regression.data)
    names = regression.preprocess.names
    model = LinearRegression().fit(learn.x, names(learn.y))
    own = found["linear regression"].metrics
    assert own["r2"] == pytest.approx(r2_score(names(judge.y), model.predict(judge.x)), abs=1e-4)
    assert own["mae"] == pytest.approx(mean_absolute_error(names(judge.y), model.predict(judge.x)), rel=1e-3)
    assert found["mean"].metrics["mae"] == pytest.approx(
        mean_absolute_error(names(judge.y), np.full(len(judge.y), names(learn.y).mean())), rel=1e-4
    )


def test_permutation_importance_agrees_with_scikit_learn(regression):
    found = importance(regression, repeats=10)
    assert found.names == ("age", "noise", "garden", "city")
    judge = judged(regression.data).block
    theirs = permutation_importance(
        Predictor(regression), judge.x, regression.preprocess.names(judge.y), scoring="r2", n_repeats=10, random_state=0
    )
    for column in ("age", "noise"):
        place = regression.preprocess.input_names.index(column)
        ours = found.drop[found.names.index(column)]
        assert ours == pytest.approx(theirs.importances_mean[place], abs=0.15)
    assert [found.names[i] for i in found.order[:2]] == ["age", "city"]


def test_a_column_of_several_inputs_is_shuffled_as_one(regression):
    assert len(regression.preprocess.input_names) > len(importance(regression, repeats=1).names)


def test_patches_of_an_image_hold_every_input_once():
    found = patches((28, 20, 3))
    assert len(found) == 64
    assert sorted(place for patch in found.values() for place in patch) == list(range(28 * 20 * 3))


def test_names_of_pixels_are_places_and_other_names_are_not():
    assert places_of(["pixel_0_1", "pixel_1_0"]) == ((0, 1), (1, 0))
    assert places_of(["x[0, 1]", "x[2, 0]"]) == ((0, 1), (2, 0))
    assert places_of(["a_0_1", "b_1_0"]) is None
    assert places_of(["year_2020_1", "year_2020_1"]) is None


def test_neurons_in_own_units_give_the_networks_pre_activation(regression):
    """Σ weight · raw + bias, with all terms of a neuron that has no more than are kept, is z on the raw rows."""
    held = regression.data.validation_rows
    dense = regression.net.layers[0]
    z = np.asarray(dense(regression.preprocess.transform(held)))
    found = neurons(regression, most=6)
    assert len(found.units) == found.total == 6
    columns = {"age": held["age"].to_numpy(), "noise": held["noise"].to_numpy()}
    own, bias = regression.preprocess.original_units(dense.weight, dense.bias)
    for unit in found.units:
        assert unit.bias == pytest.approx(bias[unit.index])
        assert unit.margins.positive == pytest.approx((z[:, unit.index] > 0).mean())
        by_name = {term.name: term for term in unit.terms}
        for name in by_name.keys() & columns.keys():
            place = regression.preprocess.input_names.index(name)
            assert by_name[name].weight == pytest.approx(own[place, unit.index])
            assert by_name[name].unit == f"per unit of {name}"


def test_a_neurons_effect_is_the_spread_of_its_activation_times_its_outgoing_weights(regression):
    first, _, last = regression.net.layers
    active = np.maximum(np.asarray(first(judged(regression.data).block.x)), 0)
    wanted = active.std(0) * np.linalg.norm(np.asarray(last.weight), axis=1)
    found = neurons(regression, most=6)
    assert [unit.effect for unit in found.units] == pytest.approx(np.sort(wanted)[::-1], rel=1e-4)


def test_calibration_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=500)
    truth = np.where(rng.uniform(size=500) < p**2, "yes", "no")
    score = np.stack([1 - p, p], 1)
    found = calibration(evaluated(truth, np.where(p > 0.5, "yes", "no"), score, ("no", "yes")))
    observed, stated = calibration_curve(truth == "yes", p, n_bins=10)
    assert found.observed == pytest.approx(observed)
    assert found.stated == pytest.approx(stated)
    assert found.error == pytest.approx((found.count / 500 * np.abs(observed - stated)).sum())
    assert found.of == "the probability of yes"


def test_numbers_have_no_calibration():
    assert calibration(evaluated([1.0], [2.0])) is None


def test_worst_rows_are_the_largest_errors_with_their_raw_cells(regression):
    rows = judged(regression.data)
    found = worst_rows(regression.evaluate(), rows, ("city", "age"), most=3)
    result = regression.evaluate()
    error = np.abs(result.prediction - result.truth)
    assert [row.size for row in found] == pytest.approx(np.sort(error)[::-1][:3])
    place = int(error.argmax())
    assert found[0].row == regression.data.validation_index[place]
    assert found[0].values == dict(regression.data.validation_rows[["city", "age"]].row(place, named=True))


def test_rows_answered_rightly_are_no_worst_rows(classification):
    found = worst_rows(classification.evaluate(), judged(classification.data))
    assert found
    assert all(row.truth != row.prediction for row in found)
    assert [row.size for row in found] == sorted((row.size for row in found), reverse=True)


@pytest.mark.parametrize(("right", "answer"), [(190, "better"), (10, "worse"), (101, "no clear difference")])
def test_a_verdict_is_given_only_where_the_rows_can_tell(right, answer):
    truth = np.zeros(200, int)
    own, other = np.arange(200) >= right, np.roll(np.arange(200) >= 100, 50)
    found = verdict(evaluated(truth, own.astype(int), classes=(0, 1)), Baseline("b", 200, {}, "", other.astype(int)))
    assert found.answer == answer
    assert found.gain == pytest.approx(right / 200 - 0.5)
    assert found.low < found.gain < found.high


def test_a_gain_in_r2_is_the_difference_of_the_two_r2():
    rng = np.random.default_rng(0)
    truth = rng.normal(size=100)
    own, other = truth + 0.1 * rng.normal(size=100), truth + rng.normal(size=100)
    found = verdict(evaluated(truth, own), Baseline("b", 100, {}, "", other))
    assert found.gain == pytest.approx(r2_score(truth, own) - r2_score(truth, other))
