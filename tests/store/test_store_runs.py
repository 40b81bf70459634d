"""Runs keep what they are told, whoever removes, damages or shares their files."""

import contextlib
import json
import math
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import datetime

import numpy as np
import pytest

from pellucid.errors import SettingError, StoreError
from pellucid.store import RunStore, _index, environment

ABOUT = {
    "task": "regression",
    "loss": "mse",
    "fingerprint": "a1",
    "seed": 2**63,
    "settings": {"lr": 0.1, "hidden": [8]},
}


@pytest.fixture
def runs(tmp_path):
    return RunStore(tmp_path / "runs")


@pytest.fixture
def run(runs):
    """A run of two epochs."""
    id = runs.create("diabetes", ABOUT)
    runs.add_epoch(id, 1, {"loss": 0.5})
    runs.add_epoch(id, 2, {"loss": 0.25})
    return id


TWO = [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]


def sql(runs, query):
    with contextlib.closing(sqlite3.connect(runs.root / "index.sqlite")) as db:
        return db.execute(query).fetchall()


def test_a_run_comes_back_as_it_was_told(runs, run):
    runs.update(run, status="done", metrics={"r2": np.float32(0.5)}, findings=[{"rule": "dead units"}])
    found = runs.get(run)
    assert {name: found[name] for name in ABOUT} == ABOUT
    assert (found["id"], found["name"], found["status"]) == (run, "diabetes", "done")
    assert found["metrics"] == {"r2": 0.5}
    assert found["findings"] == [{"rule": "dead units"}]
    assert found["environment"] == environment()
    assert datetime.fromisoformat(found["created"]).tzinfo is not None
    assert runs.history(run) == TWO
    assert json.loads((runs.folder(run) / "run.json").read_text()) == found


def test_ids_are_readable_sortable_and_never_taken_twice(runs, monkeypatch):
    assert re.fullmatch(r"\d{8}-\d{6}-iris-flowers-[0-9a-f]{4}", runs.create("Iris / flowers!"))
    assert re.fullmatch(r"\d{8}-\d{6}-run-[0-9a-f]{4}", runs.create("../.."))
    assert "-糖尿病-" in runs.create("糖尿病")
    assert len(runs.create("x" * 500)) < 100
    folder = runs._new_folder("taken")
    assert [folder, runs._new_folder("taken"), runs._new_folder("taken")] == ["taken", "taken-2", "taken-3"]


def test_a_name_that_is_no_text_is_kept_readable(runs):
    id = runs.create("bad\udcff.csv", {"settings": {"file": "bad\udcff.csv"}})
    for _ in range(2):
        assert runs.get(id)["name"] == "bad\\udcff.csv"
        assert runs.get(id)["settings"] == {"file": "bad\udcff.csv"}
        runs.rebuild()


def test_list_begins_with_the_newest(runs):
    ids = [runs.create(name) for name in "abc"]
    assert [row["id"] for row in runs.list()] == ids[::-1]
    assert [row["id"] for row in runs.list(limit=2)] == ids[:0:-1]
    assert runs.get("last")["id"] == ids[-1]


def test_the_beginning_of_an_id_is_enough_where_it_is_the_only_one(runs, run):
    assert runs.get(run[:-1])["id"] == run
    other = runs.create("iris")
    with pytest.raises(StoreError, match=f"2 runs begin with '20': {other}, {run}. Give more of the name"):
        runs.get("20")
    longer = runs._new_folder(run)
    shutil.copy(runs.folder(run) / "run.json", runs.root / longer)
    runs.rebuild()
    assert longer.startswith(run)
    assert runs.get(run)["id"] == run


def test_an_unknown_run_is_named_with_its_nearest(runs, run):
    for ask in [lambda: runs.get("diabetes"), lambda: runs.history("diabetes"), lambda: runs.remove("diabetes")]:
        with pytest.raises(StoreError, match=f"There is no run 'diabetes'.*{run}"):
            ask()
    for write in [lambda: runs.update("no"), lambda: runs.add_epoch("no", 1, {}), lambda: runs.folder("no")]:
        with pytest.raises(StoreError, match="There is no run 'no'"):
            write()
    assert [path.name for path in runs.root.iterdir() if path.is_dir()] == [run]


@pytest.mark.parametrize("id", ["..", ".", "", "a/b", "../x", "/etc", ".hidden"])
def test_an_id_never_leads_out_of_the_folder(runs, run, id):
    with pytest.raises(StoreError):
        runs.folder(id)
    with contextlib.closing(sqlite3.connect(runs.root / "index.sqlite")) as db, db:
        db.execute("UPDATE runs SET id = ?", (id,))
    with pytest.raises(StoreError, match="cannot be the id of a run"):
        runs.remove(id)
    assert (runs.root / run / "run.json").exists()


def test_an_unknown_column_is_named_with_its_nearest(runs, run):
    with pytest.raises(SettingError, match="did you mean 'metrics'"):
        runs.update(run, metric={})
    with pytest.raises(SettingError, match="no column of a run 'id'"):
        runs.create("x", {"id": "y"})
    assert len(runs.list()) == 1


def test_what_is_not_finite_becomes_none(runs, run):
    runs.add_epoch(run, np.int64(3), {"loss": math.nan, "best": np.float32(np.inf), "grad": np.array([1.0, np.nan])})
    assert runs.history(run)[-1] == {"epoch": 3, "loss": None, "best": None, "grad": [1.0, None]}


def test_an_epoch_told_again_replaces_the_first(runs, run):
    runs.add_epoch(run, 2, {"loss": 0.125})
    wanted = [TWO[0], {"epoch": 2, "loss": 0.125}]
    assert runs.history(run) == wanted
    runs.rebuild()
    assert runs.history(run) == wanted


def test_looking_makes_no_folder(runs):
    assert runs.list() == []
    with pytest.raises(StoreError, match=r"There is no run 'last': .* is empty"):
        runs.get("last")
    assert not runs.root.exists()


def test_remove_deletes_the_folder_and_the_rows(runs, run):
    other = runs.create("kept")
    runs.add_epoch(other, 1, {"loss": 1.0})
    runs.remove(run)
    assert not (runs.root / run).exists()
    assert [row["id"] for row in runs.list()] == [other]
    assert sql(runs, "SELECT run_id FROM history") == [(other,)]
    with pytest.raises(StoreError, match="There is no run"):
        runs.add_epoch(run, 3, {})


def lose_folder(runs, run):
    shutil.rmtree(runs.root / run)


def lose_run_json(runs, run):
    (runs.root / run / "run.json").unlink()


def lose_index(runs, run):
    (runs.root / "index.sqlite").unlink()


def lose_everything(runs, run):
    shutil.rmtree(runs.root)


def lose_row(runs, run):
    RunStore(runs.root).remove(run)


@pytest.mark.parametrize("lose", [lose_folder, lose_run_json, lose_index, lose_everything, lose_row])
def test_what_is_removed_while_running_comes_back_and_nothing_is_lost(runs, run, lose):
    runs.update(run, metrics={"r2": 0.5})
    before = runs.get(run)
    lose(runs, run)
    runs.add_epoch(run, 3, {"loss": 0.125})
    wanted = [*TWO, {"epoch": 3, "loss": 0.125}]
    assert runs.history(run) == wanted
    assert runs.get(run) == before
    again = RunStore(runs.root)
    assert again.rebuild() == 1
    assert again.history(run) == wanted
    assert again.get(run) == before


@pytest.mark.parametrize("lose", [lose_folder, lose_everything])
def test_a_removed_folder_comes_back_for_a_checkpoint(runs, run, lose):
    lose(runs, run)
    assert (runs.folder(run) / "run.json").exists()


def test_the_index_is_rebuilt_from_the_folders(runs, run):
    before = runs.get(run)
    lose_index(runs, run)
    other = RunStore(runs.root)
    assert other.list() == [before]
    assert other.history(run) == TWO


@pytest.mark.parametrize("damage", ["garbage", "torn", "zeros"])
def test_a_damaged_index_is_moved_aside_and_rebuilt_and_says_so(runs, run, damage):
    path = runs.root / "index.sqlite"
    content = bytearray(path.read_bytes())
    if damage == "torn":
        content[1024:] = b"\xab" * (len(content) - 1024)
    else:
        content[:] = (b"not a database. " if damage == "garbage" else b"\0" * 16) * (len(content) // 16)
    path.write_bytes(content)
    with pytest.warns(UserWarning, match="is damaged .* moved to index.sqlite.damaged-.* rebuilt from the folders"):
        assert runs.history(run) == TWO
    (aside,) = runs.root.glob("index.sqlite.damaged-*")
    assert aside.read_bytes() == content
    assert runs.get("last")["id"] == run


def test_a_foreign_database_in_its_place_is_moved_aside(runs, run):
    sql(runs, "DROP TABLE history")
    with pytest.warns(UserWarning, match=r"is damaged \(no such table: history\)"):
        assert runs.history(run) == TWO


def test_a_write_ahead_log_left_by_an_older_index_is_not_taken_for_the_new_ones(runs, run):
    with contextlib.closing(sqlite3.connect(runs.root / "index.sqlite")) as db, db:
        db.execute("DELETE FROM runs")
        db.commit()
        shutil.copy(runs.root / "index.sqlite-wal", runs.root / "wal")
    lose_index(runs, run)
    shutil.move(runs.root / "wal", runs.root / "index.sqlite-wal")
    assert runs.history(run) == TWO


def test_an_index_that_another_process_keeps_is_named(runs, run, monkeypatch):
    monkeypatch.setattr(_index, "connect", lambda path: sqlite3.connect(path, timeout=0, isolation_level=None))
    with contextlib.closing(sqlite3.connect(runs.root / "index.lock", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="another process keeps it to itself; try again"):
            runs.list()
    assert len(runs.list()) == 1


def test_an_index_of_a_newer_version_is_left_alone(runs, run):
    sql(runs, "PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="newer Pellucid"):
        runs.list()
    assert sql(runs, "PRAGMA user_version") == [(2,)]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": 3, "created": "x"}', '{"name": "a", "name": "b"}'])
def test_a_run_json_that_cannot_be_read_is_left_out_and_says_so(runs, run, content):
    bad = runs.root / "bad"
    bad.mkdir()
    (bad / "run.json").write_text(content)
    with pytest.warns(UserWarning, match=r"run.json cannot be read: .* The run is left out"):
        assert runs.rebuild() == 1
    assert runs.history(run) == TWO


def test_a_line_torn_by_a_kill_costs_no_other_line(runs, run):
    history = runs.folder(run) / "history.jsonl"
    odd = b'{"epoch": 1%s, "values": {}}\n[]\n\xff\n\n' % (b"0" * 30)
    history.write_bytes(history.read_bytes() + odd + b'{"epoch": 3, "val')
    runs.add_epoch(run, 4, {"loss": 0.1})
    runs.rebuild()
    assert runs.history(run) == [*TWO, {"epoch": 4, "loss": 0.1}]


def test_a_read_only_folder_is_named(read_only):
    with pytest.raises(StoreError, match=r"could not be written .*choose a folder you may write to"):
        RunStore(read_only / "runs").create("x")
    with pytest.raises(StoreError, match=r"could not be written .*choose a folder you may write to"):
        RunStore(read_only).list()


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "runs").touch()
    with pytest.raises(StoreError, match="something else of that name is in the way"):
        RunStore(tmp_path / "runs").create("x")


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_space(mounted):
    runs = RunStore(mounted("size=512k") / "runs")
    run = runs.create("full")
    for told in TWO:
        runs.add_epoch(run, told["epoch"], {"loss": told["loss"]})
    before = runs.get(run)
    ballast = runs.root / "ballast"
    with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with pytest.raises(StoreError, match=r"could not be written .* full"):
        runs.update(run, settings={"x": "y" * 200_000})
    ballast.unlink()
    runs.add_epoch(run, 3, {"loss": 0.125})
    assert runs.history(run) == [*TWO, {"epoch": 3, "loss": 0.125}]
    assert runs.get(run) == before


def test_environment_tells_the_versions():
    found = environment()
    assert found["python"] == sys.version.split()[0]
    assert found["numpy"] == np.__version__
    assert None not in found.values()


def test_listing_runs_does_not_load_what_networks_need():
    code = "import sys; from pellucid.store import RunStore; RunStore('none').list(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "pellucid.store._runs" in loaded
    assert "pellucid.store._model" not in loaded


WORKER = """
import sys
from pellucid.store import RunStore
runs = RunStore(sys.argv[1])
start, shared = int(sys.argv[2]), sys.argv[3]
own = runs.create("own")
for n in range(start, start + 25):
    runs.add_epoch(own, n, {"loss": n / 2})
    if shared:
        runs.add_epoch(shared, n, {"loss": n / 2})
        runs.update(shared, metrics={"n": n})
print(own)
"""


def workers(root, shared):
    return [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(root), str(100 * n), shared], stdout=subprocess.PIPE, text=True
        )
        for n in range(3)
    ]


@pytest.mark.parametrize("shared", [True, False])
def test_several_processes_lose_no_epoch(runs, shared):
    """Without a shared run, they also race to make the index."""
    common = runs.create("shared") if shared else ""
    epochs = [range(100 * n, 100 * n + 25) for n in range(3)]
    own = []
    for process in workers(runs.root, common):
        with process:
            own.append(process.stdout.read().strip())
        assert process.returncode == 0
    for _ in range(2):  # as the index has it, and then as the folders have it
        for id, wanted in zip(own, epochs, strict=True):
            assert runs.history(id) == [{"epoch": n, "loss": n / 2} for n in wanted]
        if shared:
            assert [row["epoch"] for row in runs.history(common)] == [n for part in epochs for n in part]
        assert runs.rebuild() == 3 + shared
    assert len(set(own)) == 3


KILLED = """
import sys
from pellucid.store import RunStore
runs = RunStore(sys.argv[1])
run = runs.create("killed")
print(run, flush=True)
for n in range(10**9):
    runs.add_epoch(run, n, {"loss": n / 2})
    runs.update(run, metrics={"n": n})
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_killed_process_leaves_every_epoch_it_added_but_perhaps_the_last(runs):
    for wait in (0.05, 0.11, 0.17):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(runs.root)], stdout=subprocess.PIPE, text=True
        ) as process:
            run = process.stdout.readline().strip()
            history = runs.root / run / "history.jsonl"
            while not history.exists() or history.read_bytes().count(b"\n") < 2:
                assert process.poll() is None
                time.sleep(0.01)
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
        kept = runs.history(run)
        assert [row["epoch"] for row in kept] == list(range(len(kept)))
        runs.rebuild()
        assert runs.history(run)[: len(kept)] == kept
        assert runs.get(run)["metrics"]["n"] in (len(kept) - 1, len(kept) - 2)
