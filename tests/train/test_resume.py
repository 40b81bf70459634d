import random
import subprocess
import sys
import time

import jax
import numpy as np
import optax
import pytest

import pellucid as pl
from pellucid.errors import DataError, SettingError, ShapeError, StoreError
from pellucid.layers import Dense, Sequential

# Dropout, a schedule, weights and early stopping: whatever a step depends on must come back.
PROGRAM = """
import sys
import numpy as np
import pellucid as pl
from pellucid.train import _fit

_fit.SECONDS_PER_CALL = 0.004
rng = np.random.default_rng(0)
x = rng.normal(size=(24_003, 3)).astype(np.float32)
y = (x @ [1.0, -2.0, 0.5] + rng.normal(size=len(x)) > 0).astype(np.int32)
root, resume = sys.argv[1], sys.argv[2] == "resume"
pl.fit(
    pl.mlp([3, 8, 2], key=0, dropout=0.2), (x, y, 1 + x[:, 0] ** 2), epochs=5, batch_size=4, schedule="cosine",
    early_stop=5, runs=root, resume="last" if resume else None, checkpoint_seconds=0.0, progress=False,
)
"""


def start(root, how):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(root), how], stderr=subprocess.PIPE)


def finish(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()


def test_a_training_killed_at_random_ends_bit_for_bit_as_one_that_was_not(tmp_path):
    undisturbed = start(tmp_path / "whole", "fresh")
    moments = random.Random(7)
    root, kills, middles = tmp_path / "killed", 0, 0
    process = start(root, "fresh")
    while kills < 4:
        before = max((p.stat().st_mtime_ns for p in root.glob("*/checkpoint.safetensors")), default=0)
        while process.poll() is None:
            now = max((p.stat().st_mtime_ns for p in root.glob("*/checkpoint.safetensors")), default=0)
            if now > before:
                break
            time.sleep(0.002)
        time.sleep(moments.uniform(0.0, 0.3))
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        kills += 1
        middles += middle_of_an_epoch(root)
        process = start(root, "resume")
    finish(process)
    finish(undisturbed)
    assert kills >= 2
    assert middles >= 1
    one, other = pl.open_run("last", root), pl.open_run("last", tmp_path / "whole")
    for a, b in zip(jax.tree.leaves(one.net), jax.tree.leaves(other.net), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one.history, other.history, strict=True):
        assert (a.loss, a.validation_loss, a.watch) == (b.loss, b.validation_loss, b.watch)


def middle_of_an_epoch(root):
    from pellucid.store import read_arrays

    arrays, _ = read_arrays(next(root.glob("*/checkpoint.safetensors")))
    return arrays["state.at"] > 0


@pytest.fixture
def kept(tmp_path):
    x = np.linspace(-1, 1, 44, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    data = (x, (x[:, 0] > 0).astype(np.int32))
    settings = {"runs": tmp_path, "progress": False, "batch_size": 8}
    net = pl.mlp([3, 4, 2], key=0, activation="tanh")
    run = pl.fit(net, data, epochs=2, **settings)
    return net, data, settings, run


def test_a_finished_run_goes_on_for_more_epochs(kept):
    net, data, settings, run = kept
    longer = pl.fit(net, data, epochs=4, resume=run.id, **settings)
    at_once = pl.fit(net, data, epochs=4, **settings)
    assert [e.loss for e in longer.history] == [e.loss for e in at_once.history]
    np.testing.assert_array_equal(longer.net.layers[0].weight, at_once.net.layers[0].weight)
    assert longer.id == run.id


def test_resuming_with_other_settings_data_or_network_is_refused(kept):
    net, data, settings, run = kept
    with pytest.raises(SettingError, match=r"learning_rate=None, not 0\.5"):
        pl.fit(net, data, epochs=4, learning_rate=0.5, resume=run.id, **settings)
    cosine = {**settings, "schedule": "cosine"}
    short = pl.fit(net, data, epochs=2, **cosine)
    with pytest.raises(SettingError, match="epochs=2, not 4"):
        pl.fit(net, data, epochs=4, resume=short.id, **cosine)
    with pytest.raises(SettingError, match="other data"):
        pl.fit(net, (data[0] + 1, data[1]), epochs=4, resume=run.id, **settings)
    with pytest.raises(StoreError, match="another network"):
        pl.fit(pl.mlp([3, 4, 4, 2], key=0), data, epochs=4, resume=run.id, **settings)
    with pytest.raises(StoreError):
        pl.fit(net, data, epochs=4, resume="no-such-run", **settings)


def test_a_run_folder_removed_while_training_is_put_back(kept, tmp_path):
    import shutil

    net, data, settings, _ = kept
    removed = []

    class Remover:
        def start(self, net, data, settings):
            return []

        def epoch(self, history, settings):
            if len(history) == 2:
                for folder in tmp_path.glob("*-*"):
                    shutil.rmtree(folder)
                    removed.append(folder)
            return []

    from pellucid import _api

    original = _api.Doctor
    _api.Doctor = Remover
    try:
        run = pl.fit(net, data, epochs=4, **settings)
    finally:
        _api.Doctor = original
    assert removed
    assert len(pl.open_run(run.id, tmp_path).history) == 4


def test_a_disk_that_refuses_costs_no_training(kept, tmp_path, monkeypatch):
    from pellucid import store
    from pellucid.train import _checkpoint

    def refuse(path, *_, **__):
        raise StoreError(f"{path} cannot be written: the disk is full.")

    net, data, settings, _ = kept
    monkeypatch.setattr(_checkpoint, "write_arrays", refuse)
    monkeypatch.setattr(store, "save", refuse)
    with pytest.warns(RuntimeWarning, match="not kept"):
        run = pl.fit(net, data, epochs=3, **settings)
    assert run.status == "finished"
    assert len(run.history) == 3
    assert "the disk is full" in run.notes[-1]


def test_what_is_refused_before_the_first_step_leaves_no_run_behind(kept, tmp_path):
    _, data, settings, _ = kept
    before = [row["id"] for row in pl.runs(tmp_path)]
    with pytest.raises(ShapeError):
        pl.fit(pl.mlp([5, 2], key=0), data, epochs=3, **settings)
    assert [row["id"] for row in pl.runs(tmp_path)] == before


def test_batches_that_break_off_leave_what_was_learned(kept, tmp_path):
    net, (x, y), settings, _ = kept

    def broken():
        yield x[:16], y[:16]
        yield x[16:32], y[16:32]
        if len(list(tmp_path.glob("*/history.jsonl"))) > 1:  # the second epoch of this run
            raise DataError("the line went dead")

    with pytest.raises(DataError, match="went dead"):
        pl.fit(net, broken, epochs=4, loss="cross_entropy", validation=None, **settings)
    row = pl.runs(tmp_path)[0]
    assert row["status"] == "failed"
    assert (tmp_path / row["id"] / "checkpoint.safetensors").exists()


def test_a_run_with_an_optimizer_of_the_users_own_is_read_back_as_such(kept, tmp_path):
    net, data, settings, _ = kept
    run = pl.fit(net, data, epochs=1, optimizer=optax.sgd(0.1), **settings)
    read = pl.open_run(run.id, tmp_path)
    assert read.settings.to_json() == run.settings.to_json()
    assert read.settings.to_json()["optimizer"] == "an Optax transformation"


def test_a_step_beyond_the_largest_number_goes_back_to_the_weights_before_it():
    x = np.full((8, 1), 1e30, np.float32)
    net = Sequential([Dense(np.zeros((1, 1), np.float32), None)])
    steep = {"optimizer": "sgd", "learning_rate": 1e30, "loss": "absolute_error"}
    run = pl.fit(net, (x, x), epochs=1, batch_size=8, validation=None, progress=False, **steep)
    assert (run.status, run.problem.pass_) == ("not finite", "step")
    assert not run.net.layers[0].weight.any()
