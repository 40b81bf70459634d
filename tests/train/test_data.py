import numpy as np
import pandas as pd
import polars as pl
import pytest

from pellucid.errors import DataError, SettingError
from pellucid.train._data import Block, open_data
from pellucid.train._files import read_table

RNG = np.random.default_rng(0)
N = 300
FRAME = pl.DataFrame(
    {
        "age": RNG.normal(40, 10, N).round(1),
        "city": RNG.choice(["Rome", "Oslo", "Bonn"], N),
        "member": RNG.random(N) > 0.5,
        "day": pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 10, 26), eager=True),
        "count": RNG.integers(0, 1000, N),
        "kind": RNG.choice(["no", "yes", "None"], N),
        "cost": RNG.normal(100, 30, N).round(2),
    }
).with_columns(pl.when(pl.col("count") < 900).then("age"), pl.when(pl.col("count") > 50).then("city"))
X, Y = RNG.normal(size=(50, 3)), RNG.normal(size=50)


def all_of(data, epoch=0):
    blocks = list(data.blocks(epoch))
    return Block(*(np.concatenate(parts) if parts[0] is not None else None for parts in zip(*blocks, strict=True)))


def same_data(a, b):
    assert a.preprocess == b.preprocess
    for left, right in ((all_of(a), all_of(b)), (a.validation, b.validation)):
        for one, other in zip(left, right, strict=True):
            np.testing.assert_array_equal(one, other)


# Arrays


def test_arrays_are_taken_as_they_are():
    data = open_data((X, Y), validation=None)
    x, y, weights = all_of(data)
    np.testing.assert_array_equal(x, X.astype(np.float32), strict=True)
    np.testing.assert_array_equal(y, Y.astype(np.float32)[:, None], strict=True)
    assert weights is None
    assert data.in_memory
    assert data.n_rows == 50
    assert data.validation is None


def test_images_keep_their_shape():
    data = open_data((np.zeros((20, 4, 5, 3), np.uint8), np.arange(20) % 2))
    assert data.sample.x.shape == (16, 4, 5, 3)
    assert data.preprocess.shape == (4, 5, 3)


@pytest.mark.parametrize(
    ("y", "how", "classes", "numbers"),
    [
        ([0, 1, 2, 1], {}, (0, 1, 2), [0, 1, 2, 1]),
        ([0, 1, 2, 1], {"loss_targets": "labels"}, (0, 1, 2), [0, 1, 2, 1]),
        ([5, 7, 5, 7], {"loss_targets": "labels"}, (5, 7), [0, 1, 0, 1]),
        (["b", "a", "b", "c"], {}, ("a", "b", "c"), [1, 0, 1, 2]),
        ([True, False, True, True], {}, (False, True), [1, 0, 1, 1]),
        ([0.0, 1.0, 1.0, 0.0], {"loss_targets": "binary"}, (0, 1), [0, 1, 1, 0]),
        ([[0], [2], [1], [0]], {"task": "classification"}, (0, 1, 2), [0, 2, 1, 0]),
    ],
)
def test_labels_become_class_numbers(y, how, classes, numbers):
    data = open_data((np.zeros((4, 2)), y), validation=None, **how)
    assert data.preprocess.target.classes == classes
    assert data.preprocess.task == "classification"
    np.testing.assert_array_equal(all_of(data).y, np.array(numbers, np.int32), strict=True)


@pytest.mark.parametrize(
    ("y", "how", "dtype", "shape"),
    [
        ([1, 2, 3, 4], {"loss_targets": "real"}, np.float32, (4, 1)),
        ([0.1, 0.9, 0.2, 0.3], {"loss_targets": "binary"}, np.float32, (4, 1)),
        (np.eye(4, 3) + np.eye(4, 3, -3), {"loss_targets": "labels"}, np.float32, (4, 3)),
        (np.eye(4, 3, dtype=int) + np.eye(4, 3, -3, int), {"loss_targets": "labels"}, np.float32, (4, 3)),
        (np.ones((4, 3), int), {"loss_targets": "labels"}, np.int32, (4, 3)),
        (np.ones((4, 3), bool), {"loss_targets": "binary"}, np.float32, (4, 3)),
        (np.ones((4, 3)), {"loss_targets": "real"}, np.float32, (4, 3)),
    ],
    ids=["real", "soft", "one-hot", "whole one-hot", "labels per step", "many labels", "many numbers"],
)
def test_other_targets_stay_as_they_are(y, how, dtype, shape):
    y = np.asarray(y)
    found = all_of(open_data((np.zeros((4, 2)), y), validation=None, **how)).y
    np.testing.assert_array_equal(found, y.reshape(shape).astype(dtype), strict=True)


def test_signs_for_a_loss_of_signs():
    for y in ([0, 1, 1, 0], [-1, 1, 1, -1], ["n", "y", "y", "n"]):
        found = all_of(open_data((np.zeros((4, 2)), y), validation=None, loss_targets="signs")).y
        np.testing.assert_array_equal(found, np.array([[-1], [1], [1], [-1]], np.float32), strict=True)
    with pytest.raises(DataError, match="3 classes, and this loss is for two"):
        open_data((np.zeros((4, 2)), [0, 1, 2, 0]), loss_targets="signs")


def test_weights_come_with_the_arrays_or_apart():
    weights = np.linspace(0, 1, 50)
    with_them, apart = open_data((X, Y, weights)), open_data((X, Y), weights=weights)
    same_data(with_them, apart)
    row = {tuple(x): w for x, w in zip(X.astype(np.float32).tolist(), weights.astype(np.float32), strict=True)}
    for x, _, w in (all_of(apart), apart.validation):
        assert [row[tuple(v)] for v in x.tolist()] == w.tolist()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((X, Y[:-1]), "50 rows of inputs and 49 of y"),
        ((np.where(np.arange(150).reshape(50, 3) == 31, np.nan, X), Y), "x holds nan in row 10"),
        ((X, np.where(np.arange(50) == 7, np.inf, Y)), "y holds inf in row 7"),
        ((np.full((50, 3), 1e300), Y), "x holds inf in row 0"),
        ((np.full((50, 3), "a"), Y), "x must be an array of numbers"),
        ((X, [None, "a"] * 25), "y is missing in row 0"),
        ((X, 3), "one entry for each row"),
        ((X[:0], Y[:0]), "There are no rows"),
        ((X[:1], Y[:1]), "There is one row"),
        ((X, ["a"] * 50), "always 'a'"),
        ((X, Y, Y[:3]), "50 rows of inputs and 3 of weights"),
        ((X, Y, -np.ones(50)), "weights must be 0 or more"),
        ((X, Y, np.zeros(50)), "not all 0"),
        ((X, Y, np.full(50, np.nan)), "weights holds nan in row 0"),
    ],
)
def test_bad_arrays_are_named(arrays, words):
    with pytest.raises(DataError, match=words):
        open_data(arrays)


# Tables


@pytest.mark.parametrize("form", ["polars", "lazy", "pandas", "pandas objects", "pyarrow", "columns", "rows", "pair"])
def test_every_kind_of_table_gives_the_same(form):
    wanted = open_data(FRAME, "kind")
    rows = FRAME.to_dicts()
    if form == "pair":
        found = open_data((FRAME.drop("kind"), FRAME["kind"]))
        assert all_of(found).x.tolist() == all_of(wanted).x.tolist()
        return
    data = {
        "polars": lambda: FRAME,
        "lazy": lambda: FRAME.lazy(),
        "pandas": lambda: pd.DataFrame(rows).assign(
            day=pd.to_datetime(FRAME["day"].to_list()), city=FRAME["city"].to_list()
        ),
        "pandas objects": lambda: pd.DataFrame(rows, dtype=object),
        "pyarrow": lambda: pytest.importorskip("pyarrow").Table.from_pylist(rows),
        "columns": lambda: FRAME.to_dict(as_series=False),
        "rows": lambda: rows,
    }[form]()
    same_data(open_data(data, "kind"), wanted)


def test_every_kind_of_file_gives_the_same(tmp_path):
    wanted = open_data(FRAME, "cost")
    FRAME.write_csv(tmp_path / "a.csv")
    FRAME.write_csv(tmp_path / "semicolons.csv", separator=";")
    FRAME.write_csv(tmp_path / "a.tsv", separator="\t")
    FRAME.write_parquet(tmp_path / "a.parquet")
    FRAME.write_ndjson(tmp_path / "a.jsonl")
    for path in sorted(tmp_path.iterdir()):
        data = open_data(path, "cost")
        assert data.name == path.name
        same_data(data, wanted)


def test_npz_files_hold_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", x=X, y=Y, weights=np.ones(50))
    same_data(open_data(tmp_path / "a.npz"), open_data((X, Y, np.ones(50))))
    np.savez(tmp_path / "b.npz", x=X)
    np.savez(tmp_path / "c.npz", x=np.array([{}, {}]), y=Y[:2])
    (tmp_path / "d.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:200])
    for name, words in (("b", "needs the arrays x and y"), ("c", "allow_pickle"), ("d", "cannot be read")):
        with pytest.raises(DataError, match=words):
            open_data(tmp_path / f"{name}.npz")


def test_rows_without_a_target_are_left_out_and_counted():
    frame = FRAME.with_columns(cost=pl.when(pl.col("count") > 500).then("cost"))
    data = open_data(frame, "cost", validation=0.25)
    gone = frame["cost"].null_count()
    assert data.n_rows + len(data.validation.x) == N - gone
    assert f"rows left out because their cost is missing: {gone}." in data.notes
    assert (frame["cost"][data.train_index].to_numpy() == data.train_rows["cost"].to_numpy()).all()


def test_raw_rows_stand_beside_the_blocks():
    data = open_data(FRAME, "kind")
    np.testing.assert_array_equal(data.preprocess.transform(data.train_rows), all_of(data).x)
    np.testing.assert_array_equal(data.preprocess.transform(data.validation_rows), data.validation.x)
    np.testing.assert_array_equal(np.sort(np.concatenate([data.train_index, data.validation_index])), np.arange(N))
    assert FRAME[data.validation_index].equals(data.validation_rows)


def test_the_preprocessing_is_fitted_to_the_training_rows_only():
    data = open_data(FRAME, "kind")
    assert data.preprocess.columns[0].mean == pytest.approx(data.train_rows["age"].mean())
    assert data.preprocess.columns[0].rows == data.n_rows


def test_categories_of_whole_numbers_stay_categories():
    frame = pd.DataFrame({"a": pd.Categorical([1, 2, 1, 3] * 5), "y": np.arange(20.0)})
    assert open_data(frame, "y").preprocess.columns[0].categories == ("1", "2", "3")


def test_weights_may_be_a_column_and_are_then_no_input():
    data = open_data(FRAME, "kind", weights="cost", validation=None)
    np.testing.assert_array_equal(all_of(data).weights, FRAME["cost"].to_numpy().astype(np.float32))
    assert "cost" not in data.preprocess.input_columns
    with pytest.raises(DataError, match="did you mean 'cost'"):
        open_data(FRAME, "kind", weights="coast")


def test_columns_left_out_are_noted():
    data = open_data(FRAME.with_columns(id=pl.format("a{}", pl.int_range(N)), one=1), "kind")
    assert any("'id' is left out: every value is different" in note for note in data.notes)
    assert any("'one' is left out: constant" in note for note in data.notes)


def test_a_fitted_preprocess_is_used_as_it_is():
    first = open_data(FRAME, "kind")
    data = open_data(FRAME.select(reversed(FRAME.columns)), preprocess=first.preprocess, validation=None)
    assert data.preprocess is first.preprocess
    np.testing.assert_array_equal(all_of(data).x[first.train_index], all_of(first).x)
    one = open_data(FRAME[:1], preprocess=first.preprocess, validation=None)
    assert one.n_rows == 1
    with pytest.raises(DataError, match="trained on a table"):
        open_data((X, Y), preprocess=first.preprocess)
    with pytest.raises(DataError, match="trained on arrays"):
        open_data(FRAME, preprocess=open_data((X, Y)).preprocess)


def test_text_among_numbers_in_a_file_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "\n".join(f"{i if i != 40 else 'oops'},{i % 3}" for i in range(100)))
    for whole in (10**9, 0):
        with pytest.raises(DataError, match=r"'a', row 40 .*'oops' is not a number"):
            open_data(path, "b", read_whole=whole)


def test_marks_of_missing_numbers_are_missing(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "\n".join(f"{i if i % 10 else 'NA'},{i % 7 + 0.5 if i % 9 else '?'}" for i in range(100)))
    for whole in (10**9, 0):
        data = open_data(path, "b", read_whole=whole, validation=None)
        assert data.preprocess.columns[0].missing == 8  # two of the ten have no target either
        assert data.n_rows == len(all_of(data).x) == 88


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("a,b\n1,2\n3,4,5\n6,7\n", "b", "line 3 has 3 cells where the first line names 2"),
        ("a,b\n1,2\n3\n6,7\n", "b", "line 3 has 1 cells where the first line names 2"),
        ("", "b", "is empty"),
        ("a,b\n", "b", "There are no rows|fewer than two rows"),
        ("a,b\n1,2\n", "b", "There is one row|fewer than two rows"),
        ("a,b\n1,2\n3,4\n", "c", "There is no column 'c'"),
        ("a,price\n1,2\n3,4\n", "prize", "did you mean 'price'"),
        ("a,b\n1,2\n3,4\n", None, "Which column is to be learned"),
        ("a,b\n1,2\n1,4\n", "b", "No column can be learned from"),
        ("b\n1\n2\n", "b", "the target is the only column"),
        ("a,b\n1,x\n3,x\n", "b", "always 'x'"),
        ("a,b\n1,2\n3,2\n", "b", "always 2"),
        ("a,b\n1,\n3,\n", "b", "There are no rows|fewer than two rows"),
        ("a,*\n1,2\n3,4\n", "a", "rename the column"),
    ],
)
@pytest.mark.parametrize("whole", [10**9, -1], ids=["whole", "streamed"])
def test_bad_tables_are_named(tmp_path, text, target, words, whole):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=words):
        open_data(tmp_path / "a.csv", target, read_whole=whole)


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "people.csv").write_bytes("a,b\nß,2\n".encode("latin-1"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": \n')
    (tmp_path / "a.xlsx").write_bytes(b"")
    for name, words in (
        ("people.cvs", "did you mean 'people.csv'"),
        ("other.txt", "check the folder"),
        ("people.csv", "UTF-8"),
        ("a.parquet", "a.parquet cannot be read"),
        ("a.jsonl", "a.jsonl cannot be read"),
        ("a.xlsx", "save it as one of .csv"),
        ("", "holds no images"),
    ):
        with pytest.raises(DataError, match=words):
            open_data(tmp_path / name, "b")


def test_a_csv_for_prediction_is_read_with_its_kinds(tmp_path):
    FRAME.write_csv(tmp_path / "a.csv")
    frame = read_table(tmp_path / "a.csv")
    assert frame.schema["age"] == pl.Float64
    assert frame.schema["member"] == pl.Boolean
    data = open_data(FRAME, "kind", validation=None)
    np.testing.assert_array_equal(data.preprocess.transform(frame), all_of(data).x)


def test_what_is_no_data_is_refused():
    for data in (3, "no such file", X, (X,)):
        with pytest.raises(DataError):
            open_data(data)


# Rows held out


def test_each_class_gives_its_share_to_the_rows_held_out():
    y = np.repeat([0, 1, 2], [80, 15, 5])
    data = open_data((np.zeros((100, 1)), y), validation=0.2)
    np.testing.assert_array_equal(np.bincount(data.validation.y), [16, 3, 1])
    np.testing.assert_array_equal(np.bincount(all_of(data).y), [64, 12, 4])


def test_the_only_row_of_a_class_is_trained_on():
    for seed in range(20):
        data = open_data((np.zeros((12, 1)), [0] * 6 + [1] * 5 + [2]), seed=seed)
        assert 2 in all_of(data).y


def test_the_seed_decides_the_split():
    first, again, other = (open_data((X, Y), seed=seed) for seed in (1, 1, 2))
    same_data(first, again)
    assert not np.array_equal(first.validation.x, other.validation.x)
    rows = np.concatenate([all_of(first).x, first.validation.x])
    np.testing.assert_array_equal(np.sort(rows, 0), np.sort(X.astype(np.float32), 0))


def test_few_rows_are_all_trained_on_and_it_is_said():
    data = open_data((X[:3], Y[:3]))
    assert data.n_rows == 3
    assert data.validation is None
    assert "3 rows are too few to hold some out" in data.notes[0]


def test_validation_data_may_be_given_in_the_same_form(tmp_path):
    data = open_data((X[:40], Y[:40]), validation=(X[40:], Y[40:]))
    assert data.n_rows == 40
    np.testing.assert_array_equal(data.validation.x, X[40:].astype(np.float32))
    FRAME[250:].write_csv(tmp_path / "later.csv")
    table = open_data(FRAME[:250], "kind", validation=tmp_path / "later.csv")
    assert table.n_rows == 250
    assert table.validation_rows.height == 50
    np.testing.assert_array_equal(table.validation.x, table.preprocess.transform(FRAME[250:]))
    with pytest.raises(DataError, match=r"\(rows, 2\), and the network was trained on \(rows, 3\)"):
        open_data((X[:40], Y[:40]), validation=(X[40:, :2], Y[40:]))


def test_rows_to_validate_on_may_be_of_one_class_and_a_table_apart_from_its_target():
    data = open_data((X[:40], np.arange(40) % 2), validation=(X[40:], np.ones(10, int)))
    np.testing.assert_array_equal(data.validation.y, np.ones(10))
    x, y = FRAME.drop("kind"), FRAME["kind"]
    data = open_data((x[:250], y[:250].alias("a")), validation=(x[250:], y[250:].to_list()))
    assert len(data.validation.y) == 50


def test_impossible_settings_are_named():
    for how in ({"validation": 1.0}, {"validation": -0.1}, {"task": "classify"}):
        with pytest.raises(SettingError):
            open_data((X, Y), **how)
    with pytest.raises(SettingError, match="did you mean 'classification'"):
        open_data((X, Y), task="classificaton")


# Fingerprints and samples


def test_the_fingerprint_is_of_the_content():
    assert open_data((X, Y)).fingerprint == open_data((X.copy(), Y), seed=5).fingerprint
    assert open_data((X, Y)).fingerprint != open_data((X + 1e-3, Y)).fingerprint
    one = open_data(FRAME, "kind").fingerprint
    assert one == open_data(FRAME.clone(), "kind").fingerprint
    assert one != open_data(FRAME.with_columns(age=pl.col("age") + 0.1), "kind").fingerprint
    assert one != open_data(FRAME.with_columns(city=pl.col("city").fill_null("Rome")), "kind").fingerprint
    assert one != open_data(FRAME.rename({"age": "years"}), "kind").fingerprint


def test_the_sample_is_spread_over_the_training_rows():
    x = np.arange(10_000.0)
    sample = open_data((x, x), validation=None).sample
    assert len(sample.x) == 2_000
    assert (sample.x[0], sample.x[-1]) == (0, 9_999)


# Files in blocks


@pytest.mark.parametrize("target", ["kind", "cost", "count"])
@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_a_file_in_blocks_gives_what_it_gives_whole(tmp_path, monkeypatch, target, form):
    monkeypatch.setattr("pellucid.train._files.CELLS", 7 * 40)  # blocks of 40 rows
    path = tmp_path / f"a.{form}"
    getattr(FRAME, {"csv": "write_csv", "parquet": "write_parquet", "jsonl": "write_ndjson"}[form])(path)
    whole, blocks = (open_data(path, target, validation=None, read_whole=size) for size in (10**9, 0))
    assert whole.in_memory
    assert not blocks.in_memory
    assert whole.preprocess == blocks.preprocess
    assert blocks.n_rows == N
    assert len(list(blocks.blocks(0))) > 1
    for one, other in zip(all_of(whole), all_of(blocks), strict=True):
        np.testing.assert_array_equal(one, other)


def test_rows_of_a_file_in_blocks_are_held_out_by_number(tmp_path):
    FRAME.with_columns(n=pl.int_range(N)).write_csv(tmp_path / "a.csv")
    data = open_data(tmp_path / "a.csv", "n", validation=0.3, read_whole=0, block_rows=64, weights="count")
    number = data.preprocess.names
    held, first, second = number(data.validation.y), number(all_of(data).y), number(all_of(data, 1).y)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(np.sort(np.concatenate([held, first])).round(), np.arange(N))
    assert 60 < len(held) < 120
    assert data.n_rows == len(first)
    assert max(len(block.x) for block in data.blocks(0)) <= 64
    np.testing.assert_array_equal(all_of(data).weights, FRAME["count"].to_numpy()[first.round().astype(int)])
    other = open_data(tmp_path / "a.csv", "n", validation=0.3, read_whole=0, seed=1)
    assert set(other.preprocess.names(other.validation.y).round()) != set(held.round())


def test_all_classes_of_a_file_in_blocks_are_known(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.train._stream.FITTED", 50)
    kinds = ["a", "b"] * 150
    kinds[177] = "rare"
    FRAME.with_columns(kind=pl.Series(kinds)).write_csv(tmp_path / "a.csv")
    data = open_data(tmp_path / "a.csv", "kind", validation=None, read_whole=0)
    assert data.preprocess.target.classes == ("a", "b", "rare")
    assert 20 < data.preprocess.columns[0].rows < 90
    assert (all_of(data).y == 2).sum() == 1


def test_weights_of_a_file_in_blocks_are_a_column(tmp_path):
    FRAME.write_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match="from a column"):
        open_data(tmp_path / "a.csv", "kind", read_whole=0, weights=np.ones(N))
    with pytest.raises(DataError, match="did you mean 'cost'"):
        open_data(tmp_path / "a.csv", "kind", read_whole=0, weights="coast")


def test_the_fingerprint_of_a_file_in_blocks_is_of_its_ends(tmp_path):
    FRAME.write_csv(tmp_path / "a.csv")
    one, again = (open_data(tmp_path / "a.csv", "kind", read_whole=0).fingerprint for _ in range(2))
    assert one == again
    FRAME[::-1].write_csv(tmp_path / "a.csv")
    assert open_data(tmp_path / "a.csv", "kind", read_whole=0).fingerprint != one


def test_text_far_into_a_file_is_named_by_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.train._stream.FITTED", 20)
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "\n".join(f"{i if i != 77 else 'oops'},{i / 2}" for i in range(200)))
    data = open_data(path, "b", validation=None, read_whole=0)
    with pytest.raises(DataError, match=r"'a', row 77 .*'oops'"):
        all_of(data)


# Batches


def batches():
    for start in range(0, 50, 20):
        yield X[start : start + 20], Y[start : start + 20]


@pytest.mark.parametrize("data", [batches, lambda: list(batches()), list(batches())], ids=["function", "lists", "list"])
def test_batches_give_the_same_every_epoch(data):
    found = open_data(data)
    for epoch in (0, 1):
        x, y, weights = all_of(found, epoch)
        np.testing.assert_array_equal(x, X.astype(np.float32), strict=True)
        np.testing.assert_array_equal(y, Y.astype(np.float32)[:, None], strict=True)
        assert weights is None
    assert found.n_rows is None
    assert "none are held out" in found.notes[0]
    assert len(found.sample.x) == 50


def test_an_iterator_lasts_one_epoch():
    data = open_data(batches())
    np.testing.assert_array_equal(all_of(data, 0).x, X.astype(np.float32))
    with pytest.raises(DataError, match="give a function that makes the iterator"):
        all_of(data, 1)


def test_batches_are_cut_to_block_rows():
    assert [len(block.x) for block in open_data(batches, block_rows=15).blocks(0)] == [15, 5, 15, 5, 10]


def test_batches_of_labels_keep_their_numbers():
    data = open_data([(X[:20], np.arange(20) % 3), (X[20:40], np.arange(20) % 4)], loss_targets="labels")
    assert data.preprocess.target.classes == (0, 1, 2, 3)
    np.testing.assert_array_equal(
        all_of(data).y, np.r_[np.arange(20) % 3, np.arange(20) % 4].astype(np.int32), strict=True
    )
    assert data.preprocess.names(np.eye(6)[[5]])[0] == 5


def test_batches_with_weights_and_rows_to_validate_on():
    data = open_data([(X[:20], Y[:20], np.ones(20))] * 2, validation=(X[20:], Y[20:]))
    assert all_of(data).weights.shape == (40,)
    np.testing.assert_array_equal(data.validation.x, X[20:].astype(np.float32))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "There are no batches"),
        (lambda: iter(()), "There are no batches"),
        ([X, Y], "Batch 0 is a ndarray: every batch is"),
        ([(X, Y[:3])], "Batch 0 has 50 rows of x and 3 of y"),
        ([(X * np.inf, Y)], "x of batch 0 holds"),
        ([(X, ["a"] * 50)], "whole numbers from 0"),
    ],
)
def test_bad_batches_are_named(data, words):
    with pytest.raises(DataError, match=words):
        all_of(open_data(data))


def test_a_later_batch_of_another_shape_is_refused():
    data = open_data([(X[:40].repeat(50, 0), Y[:40].repeat(50)), (X[:, :2], Y)])
    with pytest.raises(DataError, match=r"\(rows, 2\), and the network was trained on \(rows, 3\)"):
        all_of(data)


def test_a_numbers_scale_comes_from_the_training_rows_alone():
    y = np.arange(100.0)
    data = open_data({"a": np.sin(y), "y": y}, "y", validation=0.2)
    train = y[data.train_index]
    np.testing.assert_allclose(
        [data.preprocess.target.mean, data.preprocess.target.scale], [train.mean(), train.std()], rtol=1e-5
    )
    np.testing.assert_allclose(data.preprocess.names(data.validation.y), y[data.validation_index], rtol=1e-5)
