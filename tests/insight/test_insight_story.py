import dataclasses

import jax
import numpy as np
import optax
import pytest

from pellucid._api import fit
from pellucid.errors import DataError
from pellucid.insight import neurons, reproduction, story
from pellucid.insight._baselines import Verdict
from pellucid.insight._words import against
from pellucid.layers import Dense, Residual, Sequential
from pellucid.losses import loss
from pellucid.records import plain


@pytest.fixture(scope="module")
def told(regression):
    return story(dataclasses.replace(regression, source=regression.source | {"path": "houses.csv"}))


def test_a_story_is_told_of_the_rows_held_out(told, regression):
    assert told.held_out
    assert told.evaluation.n == len(regression.data.validation.x)
    assert told.training.n == regression.data.n_rows
    assert told.evaluation.metrics == pytest.approx(regression.evaluate().metrics)


def test_its_sentence_says_what_how_well_and_beside_what(told):
    assert told.sentence.startswith("Given 4 columns, the network predicts price and is off by ")
    assert "rows it had never seen" in told.sentence
    assert "linear regression" in told.sentence


def test_it_says_how_to_do_it_again(told, regression):
    assert told.reproduction.python.endswith(
        "pl.fit([6], 'houses.csv', target='price', loss='squared_error', "
        "learning_rate=0.03, epochs=40, batch_size=40, seed=0)"
    )
    assert told.reproduction.command.startswith("pellucid fit houses.csv --hidden 6 --target price")
    assert told.reproduction.fingerprint == regression.data.fingerprint
    assert told.reproduction.environment["pellucid"]


def test_it_is_json_without_the_arrays_of_the_blame(told):
    written = plain(told)
    assert "blame" not in written
    assert written["worst"][0]["values"]
    assert written["summary"]["parameters"] == told.summary.parameters


def test_what_the_doctor_looked_for_is_in_it(told):
    assert "dead units" in told.checked


def test_a_run_without_its_data_is_refused(regression):
    with pytest.raises(DataError, match="without its data"):
        story(dataclasses.replace(regression, data=None))


def test_without_rows_held_out_it_says_so():
    x = np.random.default_rng(0).normal(size=(30, 2))
    run = fit([3], (x, (x[:, 0] > 0).astype(int)), validation=None, epochs=1, progress=False)
    found = story(run)
    assert not found.held_out
    assert "rows it learned from" in found.sentence
    assert found.training is found.evaluation
    assert "validation=0, " in found.reproduction.python


def test_a_network_of_other_layers_is_named_and_not_described(regression):
    key = jax.random.key(0)
    wide = len(regression.preprocess.input_names)
    net = Sequential([Residual(Dense.create(wide, wide, key=key)), Dense.create(wide, 1, key=key)])
    other = dataclasses.replace(regression, net=net)
    assert neurons(other).units[0].path == "layers[0].layer"
    assert "pl.fit(net, table, target='price', " in reproduction(other, other.data).python
    assert reproduction(other, other.data).command is None


def test_what_only_python_can_give_makes_no_command(regression):
    def again(**settings):
        changed = dataclasses.replace(regression.settings, **settings)
        source = regression.source | {"path": "a b.csv", "validation": 0.1}
        return reproduction(dataclasses.replace(regression, settings=changed, source=source), regression.data)

    plain_one = again(clip=1.0)
    assert plain_one.command.startswith("pellucid fit 'a b.csv' --hidden 6 --target price --validation 0.1 --loss ")
    assert "--clip 1.0" in plain_one.command
    own = again(loss=loss("huber", delta=2.0), class_weight=(("a", 2.0),))
    assert "loss=pl.losses.loss('huber', delta=2.0)" in own.python
    assert "class_weight={'a': 2.0}" in own.python
    assert own.command is None
    optax_rule = again(optimizer=optax.sgd(0.1), learning_rate=None)
    assert "optimizer=optimizer" in optax_rule.python
    assert optax_rule.command is None
    assert "shuffle=False" in again(shuffle=False).python
    assert again(shuffle=False).command is None


@pytest.mark.parametrize(
    ("gain", "low", "high", "answer", "words"),
    [
        (0.05, 0.02, 0.08, "better", "It is better than a logistic regression, a simpler model, by 5.0 of 100 rows."),
        (-0.05, -0.08, -0.02, "worse", "use that one, or train longer"),
        (0.01, -0.01, 0.02, "no clear difference", "does as well: the difference of 1.0 of 100 rows is within chance."),
        (
            -0.1,
            -0.3,
            0.1,
            "no clear difference",
            "behind a logistic regression, a simpler model, but 40 rows are too few",
        ),
    ],
)
def test_the_comparison_claims_no_more_than_the_rows_can_tell(gain, low, high, answer, words):
    assert words in against(Verdict("accuracy", "logistic regression", gain, low, high, answer), 40)
