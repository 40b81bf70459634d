"""The estimators beside scikit-learn's own, and in its pipelines, searches and files."""

import io

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris, make_classification, make_multilabel_classification, make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import pellucid as pl
from pellucid.errors import DataError, GeometryError, SettingError
from pellucid.sklearn import NetClassifier, NetRegressor
from pellucid.train._epoch import advance

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True, as_frame=True)


@pytest.fixture(scope="module")
def fitted(iris):
    return NetClassifier((8,), learning_rate_init=0.01, max_iter=100, random_state=0).fit(*iris)


def arrays(net):
    return [np.asarray(a) for a in pl.parameters(net).values()]


def rows_for(task):
    """Rows and targets, and what the first call of partial_fit wants to know."""
    if task == "labels":
        x, y = make_multilabel_classification(50, 4, n_classes=3, random_state=0)
        return x / 10, y, {"classes": np.arange(3)}
    if task.endswith("classes"):
        n = 2 if task == "two classes" else 3
        x, y = make_classification(50, 4, n_informative=4, n_redundant=0, n_classes=n, random_state=0)
        return x, y, {"classes": np.arange(n)}
    x, y = make_regression(50, 4, n_targets=3 if task == "numbers" else 1, random_state=0)
    return x, y / 100, {}


@pytest.mark.parametrize("task", ["classes", "two classes", "labels", "a number", "numbers"])
def test_one_step_is_scikit_learns_with_its_penalty_and_weights_of_rows(task):
    x, y, more = rows_for(task)
    same = {"hidden_layer_sizes": (8,), "solver": "sgd", "alpha": 2.0, "learning_rate_init": 0.1, "random_state": 0}
    ours, peer = (NetClassifier, MLPClassifier) if more else (NetRegressor, MLPRegressor)
    ours, peer = ours(**same), peer(**same, momentum=0.0, nesterovs_momentum=False)
    weights = np.random.default_rng(0).uniform(0.1, 3, 50)
    for call in (more, {"sample_weight": weights}):
        ours.partial_fit(x, y, **call), peer.partial_fit(x, y, **call)
    for i, (weight, bias) in enumerate(zip(peer.coefs_, peer.intercepts_, strict=True)):
        np.testing.assert_allclose(arrays(ours.net_)[2 * i], weight, atol=2e-6)
        np.testing.assert_allclose(arrays(ours.net_)[2 * i + 1], bias, atol=2e-6)


@pytest.mark.parametrize("activation", ["relu", "logistic"])
def test_from_the_same_random_state_it_learns_what_scikit_learns_own_learns(activation, iris):
    x, y = StandardScaler().fit_transform(iris[0]), iris[1]
    same = {"hidden_layer_sizes": (16,), "activation": activation, "alpha": 0.0, "learning_rate_init": 0.02}
    for seed in range(2):
        ours = NetClassifier(**same, tol=1e-3, random_state=seed).fit(x, y)
        peer = MLPClassifier(**same, tol=1e-3, random_state=seed).fit(x, y)
        np.testing.assert_allclose(ours.loss_curve_, peer.loss_curve_, rtol=2e-3)
        assert ours.n_iter_ == peer.n_iter_


def test_trainings_that_differ_in_their_numbers_share_one_program(iris):
    x, y = iris[0].to_numpy(), iris[1]
    NetClassifier((5,), alpha=1.0, max_iter=2, random_state=0).fit(x[::2], y[::2])
    programs = advance._cache_size()
    for alpha, rate, rows in ((1e-3, 1e-3, slice(None)), (1e-1, 1e-2, slice(0, 140)), (1e-5, 0.1, slice(0, 129))):
        x_, y_ = (x[::2], y[::2]) if alpha == 1e-3 else (x[rows][::2], y[rows][::2])
        NetClassifier((5,), alpha=alpha, learning_rate_init=rate, max_iter=3, random_state=1).fit(x_, y_)
    assert advance._cache_size() == programs


def test_one_batch_is_learned_from_in_no_order(iris):
    x, y = iris[0].to_numpy(), iris[1].to_numpy()
    order = np.random.default_rng(0).permutation(len(x))
    one, other = NetClassifier(**SMALL).fit(x, y), NetClassifier(**SMALL).fit(x[order], y[order])
    assert all((a == b).all() for a, b in zip(arrays(one.net_), arrays(other.net_), strict=True))


def test_a_training_stops_where_its_loss_has_not_fallen_by_the_tolerance(iris):
    net = NetClassifier((8,), learning_rate_init=0.1, tol=1e-2, n_iter_no_change=4, random_state=0).fit(*iris)
    best, waited, stopped = np.inf, 0, None
    for epoch, loss in enumerate(net.loss_curve_, 1):
        waited = 0 if loss < best - 1e-2 else waited + 1
        best = min(best, loss)
        stopped = stopped or (epoch if waited == 5 else None)
    assert net.n_iter_ == stopped < 200


def test_early_stopping_holds_rows_out_and_keeps_the_network_that_was_best_on_them(iris):
    settings = {"learning_rate_init": 0.05, "early_stopping": True, "validation_fraction": 0.3, "n_iter_no_change": 5}
    net = NetClassifier((8,), **settings, max_iter=30, random_state=0).fit(*iris)
    losses = [epoch.validation_loss for epoch in net.run_.history]
    assert net.run_.best_epoch == 1 + int(np.argmin(losses))
    assert net.score(*iris) > 0.8


def test_a_warm_start_goes_on_from_the_network_there_is(iris):
    net = NetClassifier(**SMALL, warm_start=True).fit(*iris)
    first = net.loss_curve_
    assert net.fit(*iris).loss_curve_[0] < first[-1] < first[0]
    with pytest.raises(DataError, match="the class 7"):
        net.fit(iris[0], iris[1].replace(2, 7))


def test_partial_fit_is_fit_in_parts_with_the_optimizers_memory(iris):
    x, y = iris[0].to_numpy(), iris[1].to_numpy()
    same = SMALL | {"shuffle": False, "max_iter": 6, "tol": 0}
    parts, whole = NetClassifier(**same), NetClassifier(**same).fit(x, y)
    for _ in range(6):
        parts.partial_fit(x, y, classes=[0, 1, 2])
    np.testing.assert_allclose(parts.loss_curve_, whole.loss_curve_, rtol=1e-4)
    np.testing.assert_allclose(parts.predict_proba(x), whole.predict_proba(x), atol=1e-4)
    copy = joblib_copy(parts)
    one, other = parts.partial_fit(x, y), copy.partial_fit(x, y)
    assert (one.predict_proba(x) == other.predict_proba(x)).all()


def joblib_copy(estimator):
    file = io.BytesIO()
    joblib.dump(estimator, file)
    file.seek(0)
    return joblib.load(file)


def test_a_file_holds_the_network_and_not_the_rows(fitted, iris):
    found = joblib_copy(fitted)
    assert (found.predict_proba(iris[0]) == fitted.predict_proba(iris[0])).all()
    assert found.run_.data is None
    assert found.findings_ == fitted.findings_


def test_its_run_is_kept_with_the_names_of_its_features(fitted, iris, tmp_path):
    found = pl.load(pl.save(tmp_path / "net.safetensors", fitted.run_))
    assert found.preprocess.input_names == tuple(iris[0].columns)
    assert (found.predict(iris[0].to_numpy()) == fitted.predict(iris[0])).all()
    assert found.settings.tolerance == fitted.tol


def test_it_works_in_a_pipeline_of_columns_and_in_a_search(iris):
    x = iris[0].assign(colour=np.array(["red", "green"])[iris[1] // 2])
    columns = ColumnTransformer([("numbers", StandardScaler(), x.columns[:4]), ("colour", OneHotEncoder(), ["colour"])])
    model = make_pipeline(columns, NetClassifier(**SMALL | {"learning_rate_init": 0.02}))
    search = GridSearchCV(model, {"netclassifier__alpha": [1e-4, 1e-2]}, cv=2).fit(x, iris[1])
    assert search.best_score_ > 0.8
    assert cross_val_score(search.best_estimator_, x, iris[1], cv=2).min() > 0.8
    assert NetClassifier(**SMALL).fit(*iris).feature_names_in_.tolist() == iris[0].columns.tolist()


def test_weights_of_classes_multiply_those_of_rows(iris):
    x, y = iris[0].to_numpy(), iris[1].to_numpy()
    by_class = NetClassifier(**SMALL, class_weight={0: 1, 1: 2, 2: 5}).fit(x, y)
    by_row = NetClassifier(**SMALL).fit(x, y, sample_weight=np.array([1, 2, 5])[y])
    assert (by_class.predict_proba(x) == by_row.predict_proba(x)).all()


def test_rows_with_several_labels_and_several_numbers():
    x, y = make_multilabel_classification(80, 6, n_classes=3, random_state=0)
    net = NetClassifier((16,), learning_rate_init=0.02, random_state=0).fit(x, y)
    assert net.predict(x).shape == net.predict_proba(x).shape == (80, 3)
    assert (net.predict(x) == (net.predict_proba(x) > 0.5)).all()
    assert (net.predict(x) == y).mean() > 0.85
    x, y = make_regression(80, 6, n_targets=2, random_state=0)
    several = NetRegressor((16,), learning_rate_init=0.03, random_state=0).fit(x, y / 100)
    assert several.predict(x).shape == (80, 2)
    assert several.score(x, y / 100) > 0.9


def test_losses_of_ours_are_losses_of_a_regressor():
    x = np.linspace(0, 1, 60)[:, None]
    y = np.random.default_rng(0).poisson(np.exp(2 * x[:, 0]))
    net = NetRegressor((8,), loss="poisson", learning_rate_init=0.02, tol=0, n_iter_no_change=200, random_state=0).fit(
        x, y
    )
    assert (net.predict(x) > 0).all()
    assert abs(net.predict(x).mean() - y.mean()) < 0.2


def test_an_answer_is_explained_by_the_names_of_its_features(fitted, iris):
    row = iris[0].iloc[[100]]
    found = fitted.explain(row)
    assert found.names == tuple(iris[0].columns)
    assert found.output_name == "2"
    assert found.constant + found.contributions.sum() == pytest.approx(found.value)
    p = fitted.predict_proba(row)[0]
    margin = fitted.explain(row, "2").value - fitted.explain(row, "1").value
    assert margin == pytest.approx(np.log(p[2] / p[1]), rel=1e-5)
    with pytest.raises(GeometryError, match="tanh"):
        NetClassifier(**SMALL | {"activation": "tanh"}).fit(*iris).explain(row)


def test_the_doctor_says_what_it_found(iris):
    net = NetRegressor((8,), learning_rate_init=50.0, max_iter=130, tol=0, n_iter_no_change=130, random_state=0)
    net.fit(iris[0], iris[1])
    assert "DEAD_RELU" in {finding.code for finding in net.findings_}
    assert "dead units" in net._repr_mimebundle_()["text/html"]


def test_a_page_shows_the_settings_and_the_training(fitted):
    before, after = (estimator._repr_mimebundle_()["text/html"] for estimator in (clone(fitted), fitted))
    assert "learning_rate_init" in before
    assert 'class="pellucid"' in after
    assert 'class="pellucid"' not in before


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"activation": "rellu"}, "did you mean 'relu'"),
        ({"solver": "adamm"}, "did you mean 'adam'"),
        ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes"),
        ({"batch_size": "some"}, "batch_size"),
        ({"alpha": -1.0}, "weight_decay"),
        ({"tol": -1.0}, "tolerance"),
    ],
)
def test_bad_settings_are_refused(settings, words, iris):
    with pytest.raises(SettingError, match=words):
        NetClassifier(**settings).fit(*iris)


def test_what_partial_fit_cannot_do_is_refused(iris):
    with pytest.raises(DataError, match="classes must be given"):
        NetClassifier().partial_fit(*iris)
    with pytest.raises(SettingError, match="early_stopping=False"):
        NetClassifier(early_stopping=True).partial_fit(*iris, classes=[0, 1, 2])
    with pytest.raises(SettingError, match="another solver"):
        NetClassifier(solver="lbfgs").partial_fit(*iris, classes=[0, 1, 2])
    with pytest.raises(SettingError, match="table of weights"):
        NetClassifier(class_weight="balanced").partial_fit(*iris, classes=[0, 1, 2])
    with pytest.raises(DataError, match="the class 2"):
        NetClassifier(**SMALL).partial_fit(*iris, classes=[0, 1])
