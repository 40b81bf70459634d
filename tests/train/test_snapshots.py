"""The networks of a few epochs: which are kept, that they are the network's own, and where they lie."""

import shutil

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pellucid as pl
from pellucid.errors import StoreError
from pellucid.store import read_arrays, write_arrays
from pellucid.train._snapshots import MOST, with_next

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 2)).astype(np.float32)
DATA = X, (X @ [1.0, -2.0] > 0).astype(np.int32)
FILE = "snapshots.safetensors"
QUIET = {"progress": False, "batch_size": 8, "learning_rate": 0.01}


def net():
    return pl.mlp([2, 4, 2], key=0)


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def epochs_of(run):
    return [snapshot.epoch for snapshot in run.snapshots]


@given(st.integers(0, 3000))
def test_they_are_evenly_spread_from_the_start_and_their_number_is_bounded(last):
    kept = ()
    for epoch in range(last + 1):
        kept = with_next(kept, epoch, None)
        assert len(kept) <= MOST
    epochs = [snapshot.epoch for snapshot in kept]
    every = epochs[1] if last else 1
    assert epochs == list(range(0, last + 1, every))
    assert len(epochs) > min(last, MOST // 2)


def test_each_is_the_network_of_a_training_that_ends_there():
    run = pl.fit(net(), DATA, epochs=3, **QUIET)
    assert epochs_of(run) == [0, 1, 2, 3]
    assert run.snapshots[-1].net is run.net
    for snapshot in run.snapshots:
        assert same(snapshot.net, pl.fit(net(), DATA, epochs=snapshot.epoch, **QUIET).net)


def test_the_last_is_the_best_network_where_training_goes_back_to_it():
    run = pl.fit(net(), DATA, epochs=60, early_stop=2, **QUIET | {"learning_rate": 0.5})
    assert run.status == "stopped early"
    assert run.snapshots[-1].net is run.net
    assert run.snapshots[-1].epoch == run.best_epoch == max(epochs_of(run))


def test_a_training_that_breaks_off_ends_with_its_last_good_network():
    run = pl.fit(net(), DATA, epochs=9, **QUIET | {"optimizer": "sgd", "learning_rate": 1e30})
    assert run.status == "not finite"
    assert run.snapshots[0].epoch == 0
    assert run.snapshots[-1].net is run.net
    assert all(np.isfinite(a).all() for snapshot in run.snapshots for a in jax.tree.leaves(snapshot.net))


def test_one_stopped_within_an_epoch_ends_with_a_network_of_that_epoch(monkeypatch):
    from pellucid.train import _fit

    class Asked(_fit.Interrupt):
        def __enter__(self):
            self.asked = True
            return self

        def __exit__(self, *_):
            return None

    monkeypatch.setattr(_fit, "Interrupt", Asked)
    run = pl.fit(net(), DATA, epochs=9, **QUIET | {"batch_size": 2})
    assert (run.status, len(run.history), epochs_of(run)) == ("interrupted", 0, [0, 1])
    assert not same(run.snapshots[0].net, run.snapshots[1].net)


def test_without_an_epoch_there_is_the_start_and_of_a_large_network_nothing():
    assert epochs_of(pl.fit(net(), DATA, epochs=0, **QUIET)) == [0]
    assert pl.fit(pl.mlp([2, 100, 120, 2], key=0), DATA, epochs=1, **QUIET).snapshots == ()


@pytest.fixture
def kept(tmp_path):
    return pl.fit(net(), DATA, epochs=2, runs=tmp_path, **QUIET)


def test_they_come_back_with_the_run_and_a_folder_without_them_opens(kept, tmp_path):
    read = pl.open_run(kept.id, tmp_path)
    assert epochs_of(read) == [0, 1, 2]
    assert all(same(a.net, b.net) for a, b in zip(read.snapshots, kept.snapshots, strict=True))
    assert "snapshots" not in kept.to_json()
    (tmp_path / kept.id / FILE).unlink()
    assert pl.open_run(kept.id, tmp_path).snapshots == ()


def test_going_on_gives_the_same_as_going_through(kept, tmp_path):
    longer = pl.fit(net(), DATA, epochs=30, runs=tmp_path, resume=kept.id, **QUIET)
    at_once = pl.fit(net(), DATA, epochs=30, **QUIET)
    read = pl.open_run(kept.id, tmp_path)
    assert epochs_of(longer) == epochs_of(at_once) == epochs_of(read) == [*range(0, 31, 2)]
    assert all(same(a.net, b.net) for a, b in zip(longer.snapshots, at_once.snapshots, strict=True))


def test_a_checkpoint_of_before_there_were_any_goes_on_without(kept, tmp_path):
    path = tmp_path / kept.id / "checkpoint.safetensors"
    arrays, about = read_arrays(path)
    del about["checkpoint"]["snapshots"]
    write_arrays(path, {name: a for name, a in arrays.items() if not name.startswith("snapshots")}, about)
    longer = pl.fit(net(), DATA, epochs=3, runs=tmp_path, resume=kept.id, **QUIET)
    assert (len(longer.history), longer.snapshots) == (3, ())
    assert pl.open_run(kept.id, tmp_path).snapshots == ()  # those in the folder lead to another network


def test_those_of_another_run_are_not_taken_for_its_own(kept, tmp_path):
    other = pl.fit(pl.mlp([2, 6, 2], key=0), DATA, epochs=1, runs=tmp_path, **QUIET)
    shutil.copy(tmp_path / kept.id / FILE, tmp_path / other.id / FILE)
    assert pl.open_run(other.id, tmp_path).snapshots == ()


def test_a_damaged_file_is_named(kept, tmp_path):
    path = tmp_path / kept.id / FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(StoreError, match=FILE):
        pl.open_run(kept.id, tmp_path)
    for about in ({}, {"snapshots": {"run": kept.id, "epochs": ["0"]}}):
        write_arrays(path, {}, about)
        with pytest.raises(StoreError, match="remove it, and the run opens without them"):
            pl.open_run(kept.id, tmp_path)
    write_arrays(path, {}, {"snapshots": {"run": kept.id, "epochs": [0]}})
    with pytest.raises(StoreError, match=r"another network"):
        pl.open_run(kept.id, tmp_path)
