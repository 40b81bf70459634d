import numpy as np
import pytest

import pellucid as pl
from pellucid.doctor import RULES, Doctor
from pellucid.layers import Activation, Dense, Sequential
from pellucid.losses import loss
from pellucid.train import Epoch, LayerWatch, Settings

SETTINGS = Settings(loss("squared_error"))
HEALTHY = LayerWatch(mean=0.1, variance=1.0, zero=0.4, saturated=0.1, blame_variance=1e-2, gradient_ratio=None)


def history(losses, held=None, **changes):
    watch = dict.fromkeys(("layers[0]", "layers[1]", "layers[2]"), HEALTHY)
    watch["layers[1]"] = LayerWatch(**{**HEALTHY.to_json(), **changes})
    held = held or [None] * len(losses)
    return [Epoch(i, a, b, {}, 0.1, 0.0, watch) for i, (a, b) in enumerate(zip(losses, held, strict=True), 1)]


def codes(epochs):
    doctor = Doctor()
    return [found.code for i in range(len(epochs)) for found in doctor.epoch(epochs[: i + 1], SETTINGS)]


def test_a_healthy_training_is_left_in_peace():
    assert not codes(history(np.geomspace(1, 0.1, 20), list(np.geomspace(1, 0.2, 20))))


@pytest.mark.parametrize(
    ("wanted", "epochs"),
    [
        ("dead units", history([1.0, 0.9, 0.8], zero=1.0, saturated=1.0)),
        ("saturated units", history([1.0, 0.9, 0.8], zero=0.0, saturated=0.95)),
        ("no progress", history([1.0] * 6)),
        ("overfitting", history(np.geomspace(1, 0.01, 16), [1, 0.8, 0.6, 0.5, *np.linspace(0.6, 2, 12)])),
    ],
)
def test_each_rule_speaks_once_and_says_where(wanted, epochs):
    assert codes(epochs) == [wanted]


def test_blame_that_vanishes_on_its_way_down_is_found():
    epochs = history([1.0, 0.9])
    epochs[-1].watch["layers[0]"] = LayerWatch(**{**HEALTHY.to_json(), "blame_variance": 1e-20})
    assert codes(epochs) == ["vanishing blame"]


def test_every_rule_states_its_mechanism_cure_and_source():
    for rule in RULES:
        assert rule.look.__doc__
        assert all((rule.mechanism, rule.cure, rule.source))


def test_units_that_died_in_a_real_training_are_found_and_named():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    start = pl.mlp([3, 8, 1], key=0)
    dead = Sequential([Dense(start.layers[0].weight, start.layers[0].bias - 50), Activation("relu"), start.layers[2]])
    run = pl.fit(dead, (x, x.sum(1)), epochs=3, batch_size=64, validation=None, watch_every=1, progress=False)
    assert ("dead units", "layers[1]") in [(found.code, found.where) for found in run.findings]
