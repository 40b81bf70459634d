"""Scikit-learn's fitted models opened: what they predict, the networks give, in float64 to the last digits."""

import jax
import numpy as np
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_iris, make_multilabel_classification
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectKBest, VarianceThreshold
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

import pellucid as pl
from pellucid.errors import InteropError
from pellucid.sklearn import NetClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (6, 5), "max_iter": 5, "random_state": 0}
X, Y = load_iris(return_X_y=True, as_frame=True)
SCALERS = [
    StandardScaler(), StandardScaler(with_mean=False), StandardScaler(with_std=False), MinMaxScaler((-1, 2)),
    MaxAbsScaler(), RobustScaler(), RobustScaler(with_centering=False), PCA(3), PCA(3, whiten=True), TruncatedSVD(2),
    SelectKBest(k=2), VarianceThreshold(0.3), FunctionTransformer(), "passthrough", None,
    make_pipeline(MinMaxScaler(), "passthrough", PCA(2)),
    ColumnTransformer([("one", StandardScaler(), slice(*X.columns[[0, 1]])), ("two", MinMaxScaler(), [3])]),
    ColumnTransformer([("one", PCA(1), [0, 2]), ("none", "drop", [3])], remainder="passthrough"),
    ColumnTransformer([("one", make_pipeline(StandardScaler(), PCA(2)), np.array([True, False, True, True]))]),
]  # fmt: skip


def given(model, rows):
    """What the network of a model gives, in float64."""
    with jax.enable_x64(True):
        return np.asarray(pl.from_sklearn(model)(jax.numpy.asarray(np.asarray(rows, float))))


def softmax(z):
    shares = np.exp(z - z.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_a_perceptron_gives_what_it_predicts(activation):
    model = MLPClassifier(activation=activation, **SMALL).fit(X, Y)
    np.testing.assert_allclose(softmax(given(model, X)), model.predict_proba(X), atol=1e-14)
    number = MLPRegressor(activation=activation, **SMALL).fit(X, Y)
    np.testing.assert_allclose(given(number, X)[:, 0], number.predict(X), atol=1e-13)


def test_two_classes_several_labels_and_counts():
    two = MLPClassifier(**SMALL).fit(X, Y > 0)
    np.testing.assert_allclose(1 / (1 + np.exp(-given(two, X)[:, 0])), two.predict_proba(X)[:, 1], atol=1e-14)
    x, y = make_multilabel_classification(50, 4, n_classes=3, random_state=0)
    several = MLPClassifier(**SMALL).fit(x, y)
    np.testing.assert_allclose(1 / (1 + np.exp(-given(several, x))), several.predict_proba(x), atol=1e-14)
    counts = MLPRegressor(loss="poisson", **SMALL).fit(X, Y)
    np.testing.assert_allclose(given(counts, X)[:, 0], counts.predict(X), rtol=1e-13)


@pytest.mark.parametrize("step", SCALERS, ids=lambda step: str(step)[:40].replace("\n", " "))
def test_affine_steps_of_a_pipeline_are_layers(step):
    model = make_pipeline(step, MLPRegressor(**SMALL)).fit(X, Y)
    np.testing.assert_allclose(given(model, X)[:, 0], model.predict(X), rtol=1e-11, atol=1e-11)


def test_a_search_and_a_scaled_target_are_seen_through():
    search = GridSearchCV(make_pipeline(StandardScaler(), MLPRegressor(**SMALL)), {"mlpregressor__alpha": [1]}, cv=2)
    model = TransformedTargetRegressor(search, transformer=StandardScaler()).fit(X, Y)
    np.testing.assert_allclose(given(model, X)[:, 0], model.predict(X), atol=1e-12)


def test_an_estimator_of_ours_is_opened_behind_its_steps():
    model = make_pipeline(StandardScaler(), NetClassifier((6,), max_iter=2, random_state=0)).fit(X, Y)
    np.testing.assert_allclose(softmax(given(model, X)), model.predict_proba(X), atol=1e-12)


def test_everything_works_on_what_was_opened():
    net = pl.from_sklearn(make_pipeline(StandardScaler(), MLPClassifier(**SMALL)).fit(X, Y))
    row = X.to_numpy()[100]
    found = pl.explain(net, row)
    assert found.constant + found.contributions.sum() == pytest.approx(found.value)
    assert pl.blame(net, X.to_numpy(np.float32)[:8], Y.to_numpy()[:8], loss="cross_entropy").loss > 0


def test_all_that_cannot_be_opened_is_listed_at_once():
    steps = [PolynomialFeatures(2), MinMaxScaler(clip=True), FunctionTransformer(np.exp), StandardScaler()]
    with pytest.raises(InteropError) as refused:
        pl.from_sklearn(make_pipeline(*steps, Ridge()).fit(X, Y))
    told = str(refused.value).splitlines()
    assert told[0].startswith("4 parts of the model")
    assert ["polynomialfeatures" in told[1], "clip=True" in told[2], "function" in told[3], "Ridge" in told[4]] == [
        True
    ] * 4


def test_what_is_not_fitted_says_so():
    with pytest.raises(InteropError, match="StandardScaler is not fitted"):
        pl.from_sklearn(make_pipeline(StandardScaler(), MLPClassifier()))
    with pytest.raises(InteropError, match="not fitted"):
        pl.from_sklearn(MLPClassifier())
    with pytest.raises(InteropError, match="a list is no network"):
        pl.from_sklearn([])
