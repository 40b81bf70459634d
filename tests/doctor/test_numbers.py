"""The numbers that findings give to their pictures are those that were measured."""

import numpy as np
import pytest

import pellucid as pl
from pellucid.doctor import Patient, Program
from pellucid.doctor._look import look
from pellucid.doctor._numbers import answers_of, few, rates_of, right_answers, scores_of
from pellucid.doctor._telling import silent, telling
from pellucid.layers import Activation, Dense, Sequential
from pellucid.losses import loss
from pellucid.train import Settings, outputs

X = np.random.default_rng(0).normal(size=(96, 2)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)


@pytest.fixture(scope="module")
def patient():
    net = Sequential([*pl.mlp([2, 4, 1], key=0).layers, Activation("sigmoid")])
    settings = Settings(loss("squared_error"), "sgd", 1e-4, epochs=2, watch_every=0)
    found = Patient(Program(net, settings, X, Y), seconds=60)
    found.trial("rate × 100")
    found.trial("suited output")
    return found


def test_a_margin_is_the_logit_of_the_right_answer(patient):
    found = answers_of(patient)
    p = outputs(patient.ended, X)[:, 0].astype(float)
    assert found["pair"] == ["sigmoid", "squared_error"]
    np.testing.assert_allclose(found["margins"], np.where(Y > 0, 1, -1) * np.log(p / (1 - p)), atol=1e-4)


def test_the_right_answer_of_several_outputs_is_that_of_the_rows_class():
    z = np.array([[0.2, 0.8], [0.6, 0.4], [0.9, 0.1]])
    np.testing.assert_array_equal(right_answers(z, np.array([1, 1, 0])), [0.8, 0.4, 0.9])
    np.testing.assert_array_equal(right_answers(z, np.eye(2)[[1, 1, 0]]), [0.8, 0.4, 0.9])
    assert right_answers(z, np.zeros((3, 4))) is None


def test_scores_are_of_the_changes_that_were_tried_beside_the_training_as_it_is(patient):
    found = scores_of(patient, ("suited output", "rate × 100", "wider"))
    names = list(found["reached"])
    assert names[0] == "a constant answer"
    assert names[1].startswith("as it is")
    assert names[2:] == ["rate × 100", "suited output"]
    assert found["reached"]["a constant answer"] == max(np.mean(Y > 0), np.mean(Y == 0))
    assert found["metric"] == "accuracy"
    assert scores_of(patient, ("wider",)) == {}


def test_rates_are_the_program_s_own_and_those_tried(patient):
    assert [rate for rate, _ in rates_of(patient)["rates"]] == pytest.approx([1e-2, 1e-4])


def test_the_unit_of_the_margins_is_the_one_furthest_below_its_kink():
    bias = np.array([0, -30, -3], np.float32)
    net = Sequential(
        [Dense(np.eye(2, 3, dtype=np.float32), bias), Activation("relu"), Dense(np.ones((3, 1), np.float32), None)]
    )
    (relu,) = look(net, loss("squared_error"), X, Y[:, None]).curves
    np.testing.assert_allclose(relu.margins, X[:, 1] - 30, rtol=1e-6)
    assert len(relu.z) == 200
    assert relu.z == tuple(sorted(relu.z))


def test_few_are_at_most_two_hundred_with_both_ends():
    kept = few(np.arange(1000))
    assert len(kept) == 200
    assert (kept[0], kept[-1]) == (0, 999)
    assert few(np.zeros((2, 2))) == [0.0] * 4


def test_lines_are_told_where_asked(capsys):
    telling(True)("wider: accuracy 0.9")
    telling(False)("nothing")
    assert capsys.readouterr().err == "wider: accuracy 0.9\n"
    assert telling(None) is silent  # pytest is no terminal
