"""Sequences of different lengths, from what is given to answers for each row or for each step."""

import jax
import numpy as np
import pytest
from click.testing import CliRunner

from pellucid import _api
from pellucid.cli import main
from pellucid.errors import DataError, SettingError
from pellucid.insight import importance, story
from pellucid.insight._baselines import sequence_numbers, token_counts
from pellucid.insight._importance import keep_padding
from pellucid.layers import RNN, Dense, Masking, Sequential, recurrent_net
from pellucid.train import open_data
from pellucid.train._forms import Form, form_of
from pellucid.train._padding import Ragged, by_lengths, is_ragged, lengths_of, padded, padding_notes

RNG = np.random.default_rng(0)
ROWS = [RNG.normal(size=(n, 2)).astype(np.float32) for n in [6, *RNG.integers(1, 6, 38), 0]]
SIDE = np.array([int(row[:, 0].sum() > 0) for row in ROWS])
STEPS = [(np.cumsum(row[:, 0]) > 0).astype(int) for row in ROWS]


def rnn(output: str) -> Sequential:
    one, two = jax.random.split(jax.random.key(0))
    return Sequential([Masking(), RNN.create(2, 3, key=one, output=output), Dense.create(3, 2, key=two)])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("sequences")
    np.savez(path / "rows.npz", x=np.nan_to_num(padded(ROWS)), y=SIDE, lengths=[len(row) for row in ROWS])
    return path


@pytest.fixture(scope="module")
def kept(files):
    settings = {"epochs": 2, "batch_size": 16, "watch_every": 0, "progress": False}
    return _api.fit(rnn("last"), str(files / "rows.npz"), runs=files / "runs", **settings)


@pytest.fixture(scope="module")
def stepwise():
    return _api.fit(
        rnn("sequence"), (ROWS, STEPS), epochs=2, batch_size=16, watch_every=0, progress=False, loss="cross_entropy"
    )


def test_rows_are_padded_with_nan_at_the_end():
    x = padded(ROWS)
    assert x.shape == (40, 6, 2)
    assert x.dtype == np.float32
    for row, own in zip(x, ROWS, strict=True):
        np.testing.assert_array_equal(row[: len(own)], own)
        assert np.isnan(row[len(own) :]).all()
    assert lengths_of(x).tolist() == [len(row) for row in ROWS]
    np.testing.assert_array_equal(padded(x), x)
    assert padded([[1, 2], [3]], least=4).shape == (2, 4)
    assert is_ragged(np.array([np.ones(2), np.ones(3)], object))
    assert not is_ragged(np.ones((2, 3)))


def test_a_file_with_lengths_holds_the_same_rows_as_a_list(kept):
    data = open_data((ROWS, SIDE), net=rnn("last"))
    assert kept.preprocess.form == data.preprocess.form == Form("sequences", (6, 2))
    assert kept.data.fingerprint == data.fingerprint
    assert "sequences of 0 to 6 steps, padded to 6." in data.notes
    assert "1 of 40 rows have no step: all of them get the same answer." in data.notes


def test_padding_changes_no_answer(kept):
    """Whatever else is in the batch, and however long that is."""
    alone = np.concatenate([kept.output([row]) for row in ROWS[:4]])
    np.testing.assert_allclose(alone, kept.output(ROWS)[:4], rtol=1e-5, atol=1e-6)
    longer = kept.output([*ROWS[:4], np.ones((9, 2))])
    np.testing.assert_allclose(alone, longer[:4], rtol=1e-5, atol=1e-6)
    again = _api.with_data(_api.load(_api.locate(kept.id, _root(kept))))
    np.testing.assert_array_equal(again.predict_proba(ROWS), kept.predict_proba(ROWS))
    assert again.data.fingerprint == kept.fingerprint


def _root(run):
    return run.source["path"].rpartition("/")[0] + "/runs"


@pytest.mark.parametrize(
    ("x", "words"),
    [
        ([[1, 2, np.nan, 3], [4]], r"nan in row 0, step 2 .*: NaN may only stand behind the last step"),
        ([[1, 2], [3, np.inf, 4]], "inf in row 1, step 1"),
        ([np.ones((2, 3)), np.ones((4, 2))], r"shape \(4, 2\) in row 1"),
        ([np.ones((2, 3, 1)), np.ones((4, 3, 1))], r"shape \(2, 3, 1\) in row 0"),
        ([["a", "b"], ["c"]], "no array of numbers"),
        (np.full((2, 3, 1), np.nan), "all of it is padding"),
        (np.zeros((2, 3, 4, 5)), "sequences are"),
        (Ragged([]), "There are no rows"),
    ],
)
def test_what_are_no_sequences_is_refused(x, words):
    with pytest.raises(DataError, match=words):
        padding_notes(padded(x))


@pytest.mark.parametrize(
    ("lengths", "words"),
    [
        ([3, -1], "length -1 in row 1"),
        ([9, 3], "length 9 in row 0"),
        ([1.5, 3], "length 1.5 in row 0"),
        ([1, 2, 3], r"x \(2, 3\) and lengths \(3,\)"),
        (["a", "b"], "lengths of <U1"),
    ],
)
def test_lengths_that_are_none_are_refused(lengths, words):
    with pytest.raises(DataError, match=words):
        by_lengths(np.ones((2, 3)), np.array(lengths), "rows.npz")


def test_a_network_without_masking_refuses_rows_of_different_lengths():
    bare = Sequential([Dense(np.zeros((2, 2)), None)])
    with pytest.raises(SettingError, match=r"need Masking\(\) first"):
        open_data((ROWS, SIDE), net=bare)
    with pytest.raises(DataError, match="holds nan in row 1"):
        open_data((padded(ROWS[:9]), SIDE[:9]), net=bare)
    fixed = open_data((np.ones((9, 4)), SIDE[:9]))
    with pytest.raises(DataError, match="rows of one length"):
        fixed.preprocess.transform([[1, 2], [3]])


def test_large_padding_is_noted(monkeypatch):
    monkeypatch.setattr("pellucid.train._padding.LARGE", 1000)
    notes = padding_notes(padded([np.ones(300), *[np.ones(3)] * 20]))
    assert "padding makes 25.2 GiB of 1.4 GiB of numbers" in notes[-1]


def test_tokens_begin_with_an_embedding_and_stay_whole_numbers():
    tokens = [RNG.integers(0, 9, n) for n in (3, 5, 0, 2, 8)]
    data = open_data((tokens, [0, 1, 0, 1, 1]), validation=None)
    most = int(max(row.max() for row in tokens if len(row)))
    assert data.preprocess.form == Form("sequences", (8,), most + 1)
    net, _ = _api.suited(None, None, data, 0, ["noise"])
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds == ["Masking", "Embedding", "GaussianNoise", "Bidirectional", "Dense"]
    with pytest.raises(DataError, match=rf"holds 99 in row 1, step 2 .* tokens 0 to {most}"):
        data.preprocess.transform([[1], [0, 1, 99]])
    with pytest.raises(DataError, match="holds -1"):
        form_of([[1], [-1, 2]], None)
    with pytest.raises(SettingError, match="Known: noise, shift"):
        recurrent_net(2, 1, key=0, augment=["flip"])
    with pytest.raises(SettingError, match="did you mean 'gru'"):
        recurrent_net(2, 1, key=0, cell="grus")


def test_targets_of_padding_may_be_anything(stepwise):
    x, y = padded(ROWS), np.full((40, 6), -7)
    for row, own in zip(y, STEPS, strict=True):
        row[: len(own)] = own
    first, again = (open_data(data, net=rnn("sequence")) for data in ((ROWS, STEPS), (x, y)))
    assert first.fingerprint == again.fingerprint == stepwise.fingerprint
    assert first.preprocess.target.classes == (0, 1)
    with pytest.raises(DataError, match=r"Row 0 .* has 2 targets and 6 steps"):
        open_data((ROWS, [STEPS[0][:2], *STEPS[1:]]), net=rnn("sequence"))
    with pytest.raises(DataError, match="targets of every step"):
        open_data((ROWS, SIDE), net=rnn("sequence"))


def test_answers_at_every_step_leave_padding_out(stepwise):
    said = stepwise.predict(ROWS[:5])
    assert [int((~np.isnan(row)).sum()) for row in said] == [len(row) for row in ROWS[:5]]
    found = stepwise.evaluate(ROWS, STEPS)
    assert found.n == sum(map(len, ROWS))
    right = np.concatenate([row[: len(own)] == own for row, own in zip(stepwise.predict(ROWS), STEPS, strict=True)])
    assert found.metrics["accuracy"] == pytest.approx(right.mean())
    z = stepwise.output(ROWS)
    each = [float(stepwise.settings.loss.terms(a[: len(b)], b).sum()) for a, b in zip(z, STEPS, strict=True) if len(b)]
    assert found.loss == pytest.approx(sum(each) / found.n, rel=1e-5)
    with pytest.raises(DataError, match="answers at every step"):
        story(stepwise)
    with pytest.raises(SettingError, match="one class a row"):
        _api.fit(rnn("sequence"), (ROWS, STEPS), loss="cross_entropy", class_weight="balanced", progress=False)


def test_a_file_may_hold_a_target_for_every_step(files):
    """Its x and y are cut to their lengths, though no row is as long as the array."""
    x, y = np.zeros((40, 9, 2)), np.full((40, 9), 99)
    for i, (row, own) in enumerate(zip(ROWS, STEPS, strict=True)):
        x[i, : len(row)], y[i, : len(row)] = row, own
    np.savez(files / "steps.npz", x=x, y=y, lengths=[len(row) for row in ROWS])
    data = open_data(files / "steps.npz")
    assert data.fingerprint == open_data((ROWS, STEPS)).fingerprint
    assert data.preprocess.target.steps


def test_numbers_at_every_step_are_learned_as_they_are():
    data = open_data((ROWS, [row[:, :1] for row in ROWS]), validation=None)
    assert data.preprocess.target.kind == "value"
    net, loss = _api.suited([3], None, data, 0)
    assert (net(data.sample.x[:1]).values.shape, loss.name) == ((1, 6, 1), "squared_error")


def test_a_simple_model_sees_a_sequence_without_its_order():
    x = padded([[[1.0], [5.0], [3.0]], [[2.0]], np.zeros((0, 1))])
    mean, deviation, first, last, least, most, length = sequence_numbers(x).T
    np.testing.assert_allclose(mean, [3, 2, 0])
    np.testing.assert_allclose(deviation, [np.std([1, 5, 3]), 0, 0])
    assert (first.tolist(), last.tolist(), length.tolist()) == ([1, 2, 0], [3, 2, 0], [3, 1, 0])
    assert (most.tolist(), least.tolist()) == ([1, 2, 0], [5, 2, 0])
    np.testing.assert_allclose(np.expm1(token_counts(padded([[0, 2, 2], [1]]), 3)), [[1, 0, 2], [0, 1, 0]])


def test_shuffled_sequences_keep_their_lengths():
    flat = padded([[1, 2, 3], [4], [5, 6]])
    shuffled = flat.copy()
    keep_padding(shuffled, flat, [0, 1, 2], np.array([2, 0, 1]))
    assert np.nan_to_num(shuffled, nan=-1).tolist() == [[5, 6, 3], [1, -1, -1], [4, 2, -1]]


def test_the_commands_and_the_story_take_sequences(kept, files):
    def answer(*words):
        said = CliRunner().invoke(main, [*map(str, words), "--runs", str(files / "runs")])
        assert said.exit_code in (0, 1), said.output
        return said.output

    assert len(answer("predict", kept.id, files / "rows.npz").splitlines()) == 41
    assert "classification on 40 rows" in answer("evaluate", kept.id, files / "rows.npz")
    said = answer("blame", kept.id, "--row", 0)
    assert "residual" in said
    assert float(said.rpartition("residual ")[2].strip(").\n")) < 1e-6
    assert "1 × 6 × 2" in answer("summary", kept.id)
    found = importance(kept, repeats=2)
    assert found.names == ("x[:, 0]", "x[:, 1]")
    assert np.isfinite(found.drop).all()
