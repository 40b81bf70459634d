import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pellucid as pl
from pellucid.doctor import Patient, Program, diagnose
from pellucid.doctor._axis_rule import AXIS_RULES
from pellucid.doctor._layer_rules import LAYER_RULES, through_time
from pellucid.layers import RNN, BatchNorm, Conv1d, Dense, Dropout, Flatten, Function, PlainDropout, Sequential
from pellucid.losses import loss
from pellucid.train import Settings

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)).astype(np.float32)
Y = np.tanh(X.sum(1, keepdims=True)).astype(np.float32)
FIRST, CURVE, LAST = pl.mlp([4, 16, 1], key=0).layers


def codes(net, x=X, y=Y, epochs=2, trained=None):
    """The codes of this file's rules, with their confidence."""
    patient = Patient(Program(net, Settings(loss("squared_error"), epochs=epochs), x, y), trained, seconds=20)
    return {f.code: f.confidence for rule in LAYER_RULES for f in rule.findings(patient)}


def test_ordinary_layers_are_left_in_peace():
    assert "certain" not in codes(Sequential([FIRST, CURVE, Dropout(0.3), LAST])).values()


def test_dropout_without_scaling_and_at_inference():
    assert codes(Sequential([FIRST, CURVE, PlainDropout(0.5), LAST]))["DROPOUT_SCALING"] == "certain"
    calls = iter(range(1, 10_000))
    noisy = Function(lambda x: x * (1 + next(calls)))  # what a layer gives that draws anew in every call
    assert codes(Sequential([FIRST, noisy, LAST]))["DROPOUT_SCALING"] == "certain"


def test_dropout_on_the_outputs():
    assert codes(Sequential([FIRST, CURVE, LAST, Dropout(0.5)]))["DROPOUT"] in ("likely", "harmless")
    assert "DROPOUT" not in codes(Sequential([FIRST, CURVE, Dropout(0.5), LAST]))


@jax.custom_vjp
def turned(x):
    return jnp.tanh(x)


turned.defvjp(lambda x: (jnp.tanh(x), x), lambda x, dy: (-(1 - jnp.tanh(x) ** 2) * dy,))


def test_a_backward_that_is_not_the_derivative():
    found = diagnose(Sequential([FIRST, Function(turned), LAST]), X, Y, loss="mse", epochs=2)
    wrong = [f for f in found.findings if f.code == "GRAD_SIGN"]
    assert [(f.where, f.confidence) for f in wrong] == [("layers[0]", "certain")]
    assert wrong[0].numbers["ratios"] == pytest.approx([-1, -1], abs=0.05)
    assert "GRAD_SIGN" not in codes(Sequential([FIRST, Function(jnp.tanh), LAST]))


def test_running_statistics_that_are_not_those_of_the_rows():
    net = Sequential([FIRST, BatchNorm.create(16, momentum=1e-6), CURVE, LAST])
    assert codes(net, x=3 * X + 5, epochs=60).get("BN_MODE") == "certain"
    followed = Sequential([FIRST, BatchNorm.create(16, momentum=0.3), CURVE, LAST])
    assert codes(followed, x=3 * X + 5, epochs=60).get("BN_MODE") is None


def test_many_more_weights_than_targets():
    assert codes(pl.mlp([4, 256, 256, 1], key=0))["CAPACITY"] == "possible"
    assert "CAPACITY" not in codes(pl.mlp([4, 8, 1], key=0))


def test_blame_that_dies_on_its_way_through_time():
    x = RNG.normal(size=(60, 24, 2)).astype(np.float32)
    y = np.sign(x[:, 0, :1])  # only the first step tells
    cell = RNN.create(2, 8, key=jax.random.key(0))
    small = jax.tree.map(lambda a: 0.05 * a, cell)
    last = Function(lambda h: h[:, -1])
    net = Sequential([small, last, Dense.create(8, 1, key=jax.random.key(1))])
    patient = Patient(Program(net, Settings(loss("squared_error"), epochs=2), x, y), seconds=20)
    assert patient.stuck
    (sign,) = through_time(patient)
    assert "steps" in sign.evidence
    assert len(sign.numbers["steps"]) == 24


def test_batch_norm_along_another_axis_than_the_units():
    x = RNG.normal(size=(40, 6, 3)).astype(np.float32)
    conv, curve = Conv1d.create(3, 5, 3, key=jax.random.key(0)), CURVE
    exchanged = Function(lambda x: x.swapaxes(1, 2))
    ends = [Flatten(), Dense.create(20, 1, key=jax.random.key(1))]

    def found(*layers):
        patient = Patient(Program(Sequential([conv, *layers, *ends]), Settings(loss("squared_error")), x, Y[:40]))
        return [f.where for rule in AXIS_RULES for f in rule.findings(patient)]

    assert found(curve, exchanged, BatchNorm.create(4)) == ["layers[3]"]
    assert found(BatchNorm.create(5), curve) == []
    assert found(curve, exchanged, Function(lambda x: x.swapaxes(1, 2)), BatchNorm.create(5)) == []
    assert found(Flatten(), BatchNorm.create(20)) == []
