"""Images: bytes in memory and files in folders, from what is given to what the network sees."""

import shutil

import jax
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pellucid import _api
from pellucid.cli import main
from pellucid.errors import DataError, SettingError
from pellucid.insight import importance, story
from pellucid.layers import Conv2d, Dense, Flatten, GlobalAveragePool, RandomShift, Sequential, convnet
from pellucid.report import page
from pellucid.train import open_data, read_folder, read_images
from pellucid.train._forms import Form, form_of
from pellucid.train._images import unit

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 12, 12)).astype(np.uint8)
KIND = np.array(["dark", "light"])[(np.arange(40) % 2)]
GREY[1::2] //= 4


def conv(n_in: int = 1) -> Sequential:
    layers = [Conv2d.create(n_in, 2, 3, key=jax.random.key(0)), GlobalAveragePool()]
    return Sequential([*layers, Dense.create(2, 1, key=jax.random.key(1))])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes of small images: some larger than most, some grey, a hidden file and a text among them."""
    path = tmp_path_factory.mktemp("photos")
    for name in np.unique(KIND):
        (path / name).mkdir()
    for i, (x, name) in enumerate(zip(GREY, KIND, strict=True)):
        image = Image.fromarray(np.stack([x] * 3, -1) if i % 3 else x)
        (image.resize((20, 16)) if i == 7 else image).save(path / name / f"{i:02}.png")
    (path / "dark" / ".hidden.png").write_bytes(b"")
    (path / "dark" / "notes.txt").write_text("a note")
    return path


@pytest.fixture(scope="module")
def kept(folder, tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    return root, _api.fit(conv(3), str(folder), epochs=2, batch_size=16, watch_every=0, runs=root, progress=False)


def test_bytes_stay_bytes_until_the_network_sees_them_as_fractions():
    data = open_data((GREY, KIND), net=conv())
    block = next(data.blocks(0))
    assert block.x.dtype == data.validation.x.dtype == np.uint8
    assert block.x.shape[1:] == (12, 12, 1) == data.preprocess.shape
    seen = data.preprocess.transform(GREY)
    np.testing.assert_array_equal(seen[..., 0], GREY * np.float32(1 / 255), strict=True)
    np.testing.assert_allclose(seen[..., 0], GREY / 255, rtol=2e-7)
    assert unit(np.array([0, 255], np.uint8)).tolist() == [0, 1]
    np.testing.assert_array_equal(data.preprocess.transform(GREY.astype(int)), seen)


def test_training_and_answers_are_those_of_the_fractions(kept):
    """The same network trained on the fractions themselves, as float32, ends with the same weights."""
    _, run = kept
    learned, held = next(run.data.blocks(0)), run.data.validation
    settings = {"epochs": 2, "batch_size": 16, "watch_every": 0, "progress": False}
    fractions = _api.fit(conv(3), (unit(learned.x), learned.y), validation=(unit(held.x), held.y), **settings)
    for a, b in zip(jax.tree.leaves(run.net), jax.tree.leaves(fractions.net), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(run.output(held.x), fractions.output(unit(held.x)), rtol=1e-5, atol=1e-6)
    assert run.history[-1].metrics == fractions.history[-1].metrics == run.evaluate().metrics


def test_a_run_read_back_takes_the_same_images(kept):
    root, run = kept
    found = _api.open_run(run.id, root)
    assert found.preprocess == run.preprocess
    assert found.preprocess.form == Form("bytes", (12, 12, 3))
    again = _api.with_data(found)
    assert again.data.fingerprint == run.fingerprint
    np.testing.assert_array_equal(found.predict_proba(run.data.validation.x), run.predict_proba(run.data.validation.x))


@pytest.mark.parametrize(
    ("x", "net", "form"),
    [
        (GREY, None, Form("bytes", (12, 12, 1))),
        (GREY, conv(), Form("bytes", (12, 12, 1))),
        (GREY, Sequential([Flatten(), Dense(np.zeros((144, 2)), None)]), Form("bytes", (12, 12))),
        (GREY / 255, conv(), Form("numbers", (12, 12, 1))),
        (GREY[..., None] / 255, None, Form("numbers", (12, 12, 1))),
        (GREY[:, 0], None, Form("numbers", (12,))),
        (GREY / 255, None, Form("sequences", (12, 12))),
        (GREY, Dense(np.zeros((1, 2)), None), Form("bytes", (12, 12))),  # Dense would take any axis: it says nothing
    ],
)
def test_the_network_says_whether_images_need_an_axis_of_channels(x, net, form):
    assert form_of(x, net) == form


def test_a_network_that_suits_is_made_for_images():
    data = open_data((np.repeat(GREY[..., None], 3, -1), KIND))
    net, loss = _api.suited([4, 6], None, data, 0, ["shift", "flip"])
    kinds = [type(layer).__name__ for layer in net.layers]
    assert kinds[:5] == ["RandomShift", "RandomFlip", "Conv2d", "Activation", "MaxPool"]
    assert loss.name == "binary_cross_entropy"
    assert net(unit(data.sample.x[:2])).shape == (2, 1)
    assert [len(_api.sizes_for(None, sized(n))) for n in (8, 28, 32, 64, 224)] == [2, 2, 2, 3, 5]
    wide = convnet((64, 64, 1), 3, key=0, channels=[2], hidden=0)
    assert wide.layers[-1].weight.shape == (2, 3)  # more than 8 × 8 places: their average
    with pytest.raises(SettingError, match="did you mean 'shift'"):
        convnet((8, 8, 1), 2, key=0, augment=["shitf"])
    with pytest.raises(SettingError, match="put RandomShift"):
        _api.suited(conv(), None, data, 0, ["shift"])


def sized(n):
    return open_data((np.zeros((10, n, n), np.uint8), np.arange(10) % 2), validation=None)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.zeros((9, 2, 8, 8, 3), np.uint8), "other shapes need a network of your own"),
        (np.zeros((9, 3, 8, 8), np.uint8), r"channels first: give x\.transpose\(0, 2, 3, 1\)"),
        (np.full((9, 8, 8, 1), "a"), "x must be an array of numbers"),
        ([np.zeros((8, 8, 3)), np.zeros((9, 8, 3))] * 5, r"shape \(8, 8, 3\) in row 0.*one size"),
        (np.zeros((1, 8, 8), np.uint8), "nothing can be learned from one"),
        (np.zeros((0, 8, 8), np.uint8), "There are no rows"),
    ],
)
def test_what_are_no_images_is_refused(x, words):
    with pytest.raises(DataError, match=words):
        open_data((x, np.arange(len(x)) % 2))


def test_other_images_than_those_trained_on_are_refused(kept):
    _, run = kept
    for x, words in ((GREY, r"trained on \(rows, 12, 12, 3\)"), (GREY / 255, "in bytes"), (GREY - 300.0, "in bytes")):
        with pytest.raises(DataError, match=words):
            run.predict(x)


def test_a_folder_gives_a_class_to_every_image(folder):
    found = read_folder(folder)
    assert found.x.shape == (40, 12, 12, 3)
    assert found.x.dtype == np.uint8
    assert [*found.files[:2], found.files[-1]] == ["dark/00.png", "dark/02.png", "light/39.png"]
    np.testing.assert_array_equal(found.x[0], np.stack([GREY[0]] * 3, -1))
    assert found.classes.tolist() == ["dark"] * 20 + ["light"] * 20
    assert found.notes == (
        "1 of 40 images are resized to 12 × 12.",
        "left out, as they are not images in a class: 'notes.txt'.",
    )
    assert read_folder(folder, size=(6, 9)).x.shape == (40, 6, 9, 3)


def test_files_that_cannot_be_read_are_named(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path / "photos")
    damaged = tmp_path / "photos" / "light" / "05.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(DataError, match=r"05\.png cannot be read as an image"):
        read_folder(tmp_path / "photos")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(DataError, match=r"00\.png has more than 100 pixels"):
        read_folder(folder)
    monkeypatch.undo()
    (tmp_path / "empty").mkdir()
    for path, words in ((folder / "dark", "20 images and no folder"), (tmp_path / "empty", "no images")):
        with pytest.raises(DataError, match=words):
            open_data(path)
    with pytest.raises(SettingError, match="size is a number of pixels"):
        open_data(folder, size=0)
    monkeypatch.setattr("pellucid.train._images.MOST_BYTES", 1000)
    with pytest.raises(DataError, match="give a smaller size"):
        read_folder(folder)


def test_files_of_every_mode_are_read_as_they_look(tmp_path):
    deep = (np.arange(64).reshape(8, 8) * 1000).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(GREY[0]).convert("1").save(tmp_path / "bits.png")
    Image.fromarray(np.stack([GREY[0]] * 4, -1)).save(tmp_path / "clear.png")
    turned, exif = Image.fromarray(GREY[0, :8]), Image.Exif()
    exif[0x0112] = 6  # a camera that lay on its side
    turned.save(tmp_path / "turned.jpg", exif=exif)
    np.testing.assert_array_equal(read_images([tmp_path / "deep.png"]).x[0, ..., 0], deep // 257)
    assert set(np.unique(read_images([tmp_path / "bits.png"]).x)) <= {0, 255}
    assert read_images([tmp_path / "clear.png"]).x.shape == (1, 12, 12, 3)
    assert read_images([tmp_path / "turned.jpg"]).x.shape == (1, 12, 8, 1)


def test_a_report_shows_images_as_images(kept):
    _, run = kept
    told = story(run)
    assert told.title == "y from images of 12 × 12 pixels in colour"
    wrong = [row for row in told.worst if row.picture is not None]
    assert len(wrong) == len(told.worst)
    for row in wrong:
        np.testing.assert_array_equal(row.picture, read_folder_row(run, row.row))
        assert row.values == {"file": run.data.validation_rows["file"][position(run, row.row)]}
    found = importance(run, repeats=2)
    assert found.places == tuple(np.ndindex(8, 8))
    assert page(told).count('<img class="thumb"') == len(wrong)


def position(run, row):
    return int(np.flatnonzero(run.data.validation_index == row)[0])


def read_folder_row(run, row):
    return run.data.validation.x[position(run, row)]


def test_the_commands_take_images(kept, folder, tmp_path):
    root, run = kept

    def answer(*words):
        said = CliRunner().invoke(main, [*map(str, words), "--runs", str(root)])
        assert said.exit_code in (0, 1), said.output
        return said.output

    one = answer("predict", run.id, folder / "dark" / "00.png").splitlines()
    assert [line.split(",")[0] for line in one] == ["file", "00.png"]
    assert answer("predict", run.id, folder / "light").count("png") == 20
    assert answer("predict", run.id, folder).splitlines()[1].startswith("dark/00.png,")
    np.savez(tmp_path / "new.npz", x=read_folder(folder).x[:3])
    assert len(answer("predict", run.id, tmp_path / "new.npz").splitlines()) == 4
    assert "classification on 40 rows" in answer("evaluate", run.id, folder)
    assert answer("blame", run.id, "--row", 3).startswith("Row 3, dark/06.png")
    assert "1 × 12 × 12 × 3" in answer("summary", run.id)


def test_a_shift_is_a_crop_of_the_padded_image():
    """And every step from −3 to 3 comes as often as any other."""
    x = RNG.normal(size=(700, 5, 7, 1)).astype(np.float32)
    y, (steps, _) = RandomShift(3).forward(x, key=jax.random.key(1))
    wide = np.pad(x, ((0, 0), (3, 3), (3, 3), (0, 0)))
    crops = [wide[i, 3 - a : 8 - a, 3 - b : 10 - b] for i, (a, b) in enumerate(np.array(steps).T)]
    np.testing.assert_array_equal(y, np.stack(crops))
    known, count = np.unique(steps, return_counts=True)
    assert known.tolist() == [-3, -2, -1, 0, 1, 2, 3]
    assert np.abs(count - 200).max() < 60
