"""Decision regions of estimators: ours are exact, and scikit-learn's own display works too."""

import numpy as np
import pytest
from matplotlib import pyplot as plt
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pellucid.errors import DataError, InteropError
from pellucid.sklearn import DecisionRegionDisplay, NetClassifier, NetRegressor


@pytest.fixture(scope="module")
def moons():
    return make_moons(100, noise=0.2, random_state=0)


@pytest.fixture(scope="module")
def net(moons):
    return NetClassifier((8,), learning_rate_init=0.05, max_iter=50, random_state=0).fit(*moons)


@pytest.mark.parametrize("estimator", ["ours", "a perceptron behind a scaler"])
def test_the_boundary_is_where_the_estimator_changes_its_answer(estimator, moons, net):
    if estimator != "ours":
        settings = {"learning_rate_init": 0.05, "solver": "lbfgs", "max_iter": 300, "random_state": 0}
        net = make_pipeline(StandardScaler(), MLPClassifier((8,), **settings)).fit(*moons)
    display = DecisionRegionDisplay.from_estimator(net, moons[0], eps=0.5)
    lines = [line for line in display.complex_.boundary().lines if len(line) > 1]
    assert lines
    for line in lines:
        a, b = line[:-1], line[1:]
        across = np.stack([a[:, 1] - b[:, 1], b[:, 0] - a[:, 0]], 1)
        across *= 1e-4 / np.linalg.norm(across, axis=1, keepdims=True)
        middle = (a + b) / 2
        long = np.linalg.norm(b - a, axis=1) > 1e-2
        assert (net.predict(middle + across) != net.predict(middle - across))[long].all()
    assert np.abs(net.predict_proba(np.concatenate(lines))[:, 0] - 0.5).max() < 1e-5


def test_every_region_is_of_one_class_by_its_own_map(moons, net):
    display = DecisionRegionDisplay.from_estimator(net, moons[0])
    found = display.complex_
    places = found.centres
    z = np.array([found.map(f).bias + found.centres[f] @ found.map(f).weight for f in range(found.count)])
    assert (net.predict(places) == (z[:, 0] > 0)).all()


def test_scikit_learns_display_draws_what_ours_has(moons, net):
    grid = DecisionBoundaryDisplay.from_estimator(net, moons[0], grid_resolution=20, response_method="predict")
    plt.close(grid.figure_)
    places = np.stack([grid.xx0.ravel(), grid.xx1.ravel()], 1)
    found = DecisionRegionDisplay.from_estimator(net, moons[0]).complex_
    assert (found.values.shape[1], found.flat.n_out) == (1, 1)
    assert ((found.flat(places)[:, 0] > 0) == grid.response.ravel()).all()


def test_it_is_drawn_with_rows_and_without_a_boundary_for_a_regressor(moons, net):
    figure = DecisionRegionDisplay.from_estimator(net, *moons).plot()
    assert figure.axes[0].get_title(loc="left") or figure.axes[0].get_title()
    number = NetRegressor((4,), max_iter=2, random_state=0).fit(moons[0], moons[0][:, 0])
    display = DecisionRegionDisplay.from_estimator(number, moons[0])
    assert display.outputs == ()
    assert display.plot(title="height").axes


def test_what_has_no_regions_of_two_features_is_refused(moons):
    with pytest.raises(DataError, match="two features"):
        DecisionRegionDisplay.from_estimator(None, np.ones((3, 4)))
    with pytest.raises(InteropError, match="a LogisticRegression is no network"):
        DecisionRegionDisplay.from_estimator(LogisticRegression().fit(*moons), moons[0])
