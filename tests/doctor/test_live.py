from dataclasses import replace

import jax
import numpy as np
import pytest

import pellucid as pl
from pellucid.doctor import LIVE_RULES, Doctor
from pellucid.doctor._revive import revived
from pellucid.errors import SettingError
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
        ("DEAD_RELU", history([1.0, 0.9, 0.8], zero=1.0, saturated=1.0)),
        ("HID_ACT_SAT", history([1.0, 0.9, 0.8], zero=0.0, saturated=0.95)),
        ("UNDERFIT", history([1.0] * 6)),
        ("EPOCHS_HIGH", history(np.geomspace(1, 0.01, 16), [1, 0.8, 0.6, 0.5, *np.linspace(0.6, 2, 12)])),
    ],
)
def test_each_rule_speaks_once_and_says_where(wanted, epochs):
    assert codes(epochs) == [wanted]


def test_a_loss_that_swings_and_one_that_grows():
    swinging = [1.0, 2.0] * 6
    assert "LR_HIGH" in codes(history(swinging))
    assert "LR_HIGH" in codes(history([1.0, 0.1, 0.9, 1.5, 4.0]))


def test_blame_that_vanishes_on_its_way_down_is_found():
    epochs = history([1.0, 0.9])
    epochs[-1].watch["layers[0]"] = LayerWatch(**{**HEALTHY.to_json(), "blame_variance": 1e-20})
    assert codes(epochs) == ["VANISH"]


def test_a_dead_layer_is_told_at_the_first_look_and_not_as_the_blame_that_cannot_pass_it():
    epochs = history([1.0, 1.0], zero=1.0, saturated=1.0)
    epochs[0].watch["layers[0]"] = LayerWatch(**{**HEALTHY.to_json(), "blame_variance": 0.0})
    assert codes(epochs[:1]) == codes(epochs) == ["DEAD_RELU"]
    assert not codes(history([1.0], zero=0.97, saturated=0.97))  # one look at one batch


def test_every_rule_states_its_mechanism_cure_and_source():
    for rule in LIVE_RULES:
        assert rule.look.__doc__
        assert "\n" not in rule.look.__doc__  # a row of a table
        assert all((rule.mechanism, rule.cure, rule.source))


def test_units_that_died_in_a_real_training_are_found_and_named():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    start = pl.mlp([3, 8, 1], key=0)
    dead = Sequential([Dense(start.layers[0].weight, start.layers[0].bias - 50), Activation("relu"), start.layers[2]])
    run = pl.fit(dead, (x, x.sum(1)), epochs=3, batch_size=64, validation=None, watch_every=1, progress=False)
    assert ("DEAD_RELU", "layers[1]") in [(found.code, found.where) for found in run.findings]


def test_training_pauses_for_a_finding_where_that_is_asked():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    run = pl.fit(dead_start(), (x, x.sum(1)), epochs=9, batch_size=64, validation=None, watch_every=1, progress=False,
                 on_finding="pause")  # fmt: skip
    assert run.status == "paused"
    assert len(run.history) < 9
    assert run.findings


def test_dead_units_are_drawn_anew_where_that_is_asked():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    settings = {
        "epochs": 30,
        "learning_rate": 0.05,
        "batch_size": 64,
        "validation": None,
        "watch_every": 1,
        "progress": False,
    }
    plain = pl.fit(dead_start(), (x, x.sum(1)), **settings)
    fixed = pl.fit(dead_start(), (x, x.sum(1)), on_finding="fix", **settings)
    assert any("8 dead units drawn anew" in note for note in fixed.notes)
    assert fixed.history[-1].loss < plain.history[-1].loss


def test_units_that_die_again_are_drawn_anew_with_a_smaller_rate():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    doctor = Doctor()
    (finding,) = doctor.epoch(history([1.0], zero=1.0, saturated=1.0), SETTINGS)
    first, again = (doctor.mend(finding, dead_start(), x, seed) for seed in (0, 1))
    assert (first.rate, again.rate) == (1.0, 0.1)
    assert "once more" in again.words


def test_a_look_is_judged_once():
    looked, since = history([1.0, 1.0], zero=1.0, saturated=1.0)
    assert not Doctor().epoch([looked, replace(since, watch={})], SETTINGS)
    assert Doctor().epoch([looked, since], SETTINGS)


def test_a_step_too_large_is_taken_again_with_a_smaller_rate():
    x = 100 * np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    settings = {
        "epochs": 3,
        "batch_size": 8,
        "validation": None,
        "progress": False,
        "optimizer": "sgd",
        "learning_rate": 1.0,
    }
    plain = pl.fit([8], (x, x.sum(1)), **settings)
    fixed = pl.fit([8], (x, x.sum(1)), on_finding="fix", **settings)
    assert (plain.status, fixed.status) == ("not finite", "finished")
    assert np.isfinite(fixed.history[-1].loss)
    assert fixed.history[-1].learning_rate < 1e-2


def test_on_finding_is_one_of_three():
    with pytest.raises(SettingError, match="on_finding"):
        pl.fit([4], (np.zeros((8, 1)), np.zeros(8)), on_finding="panic")


def test_a_unit_is_revived_where_it_is_dead_and_nowhere_else():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    start = pl.mlp([3, 8, 1], key=0)
    bias = start.layers[0].bias.at[2].set(-50.0)
    net = Sequential([Dense(start.layers[0].weight, bias), *start.layers[1:]])
    new, count = revived(net, x, jax.random.key(1))
    same = np.isclose(new.layers[0].weight, net.layers[0].weight).all(0)
    assert count == 1
    assert same.tolist() == [i != 2 for i in range(8)]
    assert (np.maximum(x @ new.layers[0].weight + new.layers[0].bias, 0) > 0).any(0).all()


def dead_start():
    start = pl.mlp([3, 8, 1], key=0)
    return Sequential([Dense(start.layers[0].weight, start.layers[0].bias - 50), Activation("relu"), start.layers[2]])
