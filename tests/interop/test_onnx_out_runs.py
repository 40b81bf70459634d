"""Runs written as ONNX: from raw columns, bytes and sequences to the answers that `predict` gives."""

from dataclasses import replace
from datetime import UTC, datetime

import jax
import numpy as np
import onnx
import polars
import pytest

import pellucid as pl
from onnx_cases import computed
from pellucid.errors import SettingError
from pellucid.interop import to_onnx
from pellucid.interop._onnx_out._answers import LINKS as WRITTEN
from pellucid.layers import Dense, Flatten, Masking, Sequential
from pellucid.losses import LINKS
from pellucid.losses import ROWS as LOSSES

RNG = np.random.default_rng(0)
N = 40


def table():
    """Every kind of column, missing cells in each, more categories than are kept, numbers far from 0."""
    index, rng = np.arange(N), np.random.default_rng(1)
    return polars.DataFrame(
        {
            "year ": 2e9 + rng.normal(size=N),
            "size": [None if i % 9 == 4 else float(i % 5) for i in index],
            "moment": [None if i % 7 == 3 else datetime(2020, 1 + i % 12, 3, i % 24, 30) for i in index],
            "flag": [None if i % 8 == 5 else bool(i % 2) for i in index],
            "town": [None if i % 6 == 5 else ("Rome", "Oslo", "Bern ✓")[i % 3] for i in index],
            "street": [f"s{i % 8}" for i in index],
            "always": ["x"] * N,
            "kind": [("a", "b", "c")[i % 3] for i in index],
        }
    )


def fed(model, frame):
    """The columns of a data frame as the model asks for them."""
    texts = {port.name for port in model.graph.input if port.type.tensor_type.elem_type == onnx.TensorProto.STRING}
    columns = []
    for port in model.graph.input:
        cells = frame[port.name]
        if port.name in texts:
            columns.append(cells.fill_null("").to_numpy().astype(object)[:, None])
        elif cells.dtype == polars.Datetime:
            columns.append(np.array([np.nan if t is None else days(t) for t in cells])[:, None])
        else:
            columns.append(cells.cast(polars.Float64).fill_null(float("nan")).to_numpy()[:, None])
    return columns


def days(moment):
    return moment.replace(tzinfo=UTC).timestamp() / 86_400


@pytest.fixture(scope="module")
def trained():
    return pl.fit([6], table(), target="kind", epochs=1, validation=None, progress=False)


@pytest.fixture(scope="module")
def unseen():
    """Rows with a category, and gaps, that training did not have."""
    frame = table()
    changed = {"town": ["Paris", "Oslo"] * (N // 2), "street": [None, *["new"] * 4, *frame["street"][5:]]}
    return frame.with_columns(**{name: polars.Series(cells) for name, cells in changed.items()})


def test_a_table_goes_in_by_its_columns_and_comes_out_as_the_networks_output(trained, unseen):
    model = to_onnx(trained)
    onnx.checker.check_model(model, full_check=True)
    used = [column.name for column in trained.preprocess.columns if column.kind != "dropped"]
    assert sorted(port.name for port in model.graph.input) == sorted(used)
    assert "standardised" in model.graph.input[0].doc_string
    for frame in (table(), unseen, unseen[:1]):
        (output,) = computed(model, *fed(model, frame))
        np.testing.assert_allclose(output, trained.output(frame), atol=1e-5)


def test_the_answers_are_the_names_and_probabilities(trained, unseen):
    model = to_onnx(trained, answers=True, opset=21)
    onnx.checker.check_model(model, full_check=True)
    prediction, probabilities = computed(model, *fed(model, unseen))
    assert prediction.tolist() == trained.predict(unseen).tolist()
    np.testing.assert_allclose(probabilities, trained.predict_proba(unseen), atol=1e-5)


def test_without_the_preprocessing_the_network_is_fed_itself(trained):
    model = to_onnx(trained, preprocessing=False)
    x = trained.preprocess.transform(table())
    np.testing.assert_allclose(computed(model, x)[0], trained.output(table()), atol=1e-5)
    with pytest.raises(SettingError, match="x is for a network, or for preprocessing=False"):
        to_onnx(trained, x=x)


def test_a_number_is_answered_in_its_own_unit():
    frame = polars.DataFrame({"output": RNG.normal(size=N), "price": 1e4 + 100 * RNG.normal(size=N)})
    run = pl.fit([3], frame, target="price", epochs=1, validation=None, progress=False)
    model = to_onnx(run, answers=True)
    (prediction,) = computed(model, frame["output"].to_numpy()[:, None])
    np.testing.assert_allclose(prediction, run.predict(frame), rtol=1e-5)
    raw = to_onnx(run)  # a column that is called as the output is called keeps its name
    assert [raw.graph.input[0].name, raw.graph.output[0].name] == ["output", "output_1"]


@pytest.mark.parametrize("classes", [["no", "yes"], [False, True], [3, 7]])
def test_two_classes_have_one_output_and_two_probabilities(classes):
    x = RNG.normal(size=(N, 2)).astype(np.float32)
    run = pl.fit(
        [2], (x, np.array(classes)[(x[:, 0] > 0).astype(int)]), loss="bce", epochs=1, validation=None, progress=False
    )
    prediction, probabilities = computed(to_onnx(run, answers=True), x)
    assert prediction.tolist() == run.predict(x).tolist()
    np.testing.assert_allclose(probabilities[:, 1:], run.predict_proba(x), atol=1e-6)


def test_images_go_in_as_bytes():
    x = RNG.integers(0, 256, (20, 6, 6), dtype=np.uint8)
    run = pl.fit([3], (x, np.arange(20) % 3), epochs=1, validation=None, progress=False)
    model = to_onnx(run, answers=True)
    prediction, probabilities = computed(model, x[..., None])
    assert prediction.tolist() == run.predict(x).tolist()
    np.testing.assert_allclose(probabilities, run.predict_proba(x), atol=1e-5)


def test_sequences_go_in_padded_and_are_answered_at_every_step():
    x = [RNG.integers(0, 9, n).tolist() for n in (3, 5, 4, 5, 2, 3, 4, 5, 1, 2, 3, 4)]
    y = [[token % 2 for token in row] for row in x]
    run = pl.fit([3], (x, y), epochs=1, validation=None, progress=False)
    padded = run.preprocess.kept(x)
    model = to_onnx(run, answers=True)
    prediction, probabilities = computed(model, padded)
    np.testing.assert_array_equal(prediction, run.predict(x))
    np.testing.assert_allclose(probabilities[..., 1:], run.predict_proba(x), atol=1e-5)
    np.testing.assert_allclose(computed(to_onnx(run), padded)[0], run.output(x), atol=1e-5)


def test_sequences_are_of_one_length_where_the_network_takes_no_other():
    x = RNG.normal(size=(20, 4, 2)).astype(np.float32)
    net = Sequential([Masking(), Flatten(), Dense.create(8, 2, key=jax.random.key(0))])
    run = pl.fit(net, (x, np.arange(20) % 2), epochs=1, validation=None, progress=False)
    for preprocessing in (True, False):
        model = to_onnx(run, preprocessing=preprocessing)
        assert [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim] == [0, 4, 2]
        np.testing.assert_allclose(computed(model, x)[0], run.output(x), atol=1e-5)


@pytest.fixture(scope="module")
def plain():
    x = RNG.normal(size=(N, 2)).astype(np.float32)
    return pl.fit([2], (x, 40 * x), epochs=1, validation=None, progress=False)


@pytest.mark.parametrize("link", LINKS)
def test_every_link_is_written(plain, link):
    assert WRITTEN.keys() == LINKS.keys()
    loss = next(row for row in LOSSES if row.link == link)
    run = replace(plain, net=Dense(np.array([[30.0, 1.0], [1.0, 30.0]], np.float32), None))
    run = replace(run, settings=replace(plain.settings, loss=loss))
    x = np.array([[0.0, 0.0], [2.0, -1.0], [-0.5, 0.1]], np.float32)
    np.testing.assert_allclose(computed(to_onnx(run, answers=True), x)[0], run.predict(x), rtol=1e-5, atol=1e-6)
