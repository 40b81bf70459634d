"""Runs on disk: a folder for each, and one index that can always be rebuilt from the folders."""

from __future__ import annotations

import os
import platform
import re
import secrets
import shutil
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import StoreError, unknown
from ..records import plain
from ._files import from_json, reading, to_json, write_text, writing
from ._index import (
    COLUMNS,
    TEXTS,
    Database,
    Index,
    Row,
    drop,
    get_epochs,
    get_row,
    newest,
    newest_ids,
    put_epochs,
    put_row,
)

PACKAGES = ("pellucid", "jax", "jaxlib", "numpy", "optax", "equinox", "scikit-learn")
FIXED = ("id", "created")
Rows = list[Row]  # inside the class, `list` is its method


class RunStore:
    """Runs in a folder: each in `ROOT/ID/`, and `ROOT/index.sqlite`, which knows them all.

    Several processes may share it. A run's folder holds run.json and history.jsonl (a line for each epoch) beside its
    model.safetensors, snapshots.safetensors, checkpoint.safetensors and report.html. Its columns are id, created, name,
    status, task, loss, fingerprint (of the data), seed, settings, environment, metrics and findings, written as records
    are: what is not finite becomes None.

    What is removed while a run is being written is put back at its next write, and nothing is lost: the folder from the
    index, the index from the folders, and both from the memory of the process that writes. A damaged index is moved
    aside and rebuilt, and a warning says so. A killed process loses nothing; a power cut may lose the last epochs.

    Raises: StoreError where the disk refuses, or there is no such run.
    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     runs = RunStore(folder)
        ...     run = runs.create("diabetes", {"task": "regression", "seed": 7})
        ...     runs.add_epoch(run, 1, {"loss": 0.5})
        ...     runs.update(run, status="done", metrics={"r2": 0.48})
        ...     last = runs.get("last")
        ...     last["name"], last["seed"], last["metrics"], runs.history(run)
        ('diabetes', 7, {'r2': 0.48}, [{'epoch': 1, 'loss': 0.5}])
    """

    def __init__(self, root: str | os.PathLike[str] = "runs"):
        self.root = Path(root).absolute()
        self._index = Index(self.root / "index.sqlite", self._fill)
        self._written: dict[str, tuple[Row, dict[int, Row]]] = {}

    def create(self, name: str, about: Mapping[str, Any] | None = None) -> str:
        """A new run with the columns `about` gives; its id, such as `20260131-142501-diabetes-a1b2` (UTC).

        Raises: SettingError where there is no such column.
        """
        now = datetime.now(UTC)
        given = _columns({"status": "running", "environment": environment(), **(about or {}), "name": name})
        slug = re.sub(r"\W+", "-", name.lower())[:40].strip("-_") or "run"
        id = self._new_folder(f"{now:%Y%m%d-%H%M%S}-{slug}-{secrets.token_hex(2)}")
        row = dict.fromkeys(COLUMNS) | {"id": id, "created": now.isoformat(timespec="microseconds")} | given
        self._index.do(lambda db: self._write(db, row))
        self._written[id] = row, {}
        return id

    def folder(self, id: str) -> Path:
        """The folder of a run, put back where it was removed."""
        self._index.do(lambda db: self._present(db, id))
        return self._place(id)

    def update(self, id: str, **columns: Any) -> None:
        """Set columns of a run.

        Raises: SettingError where there is no such column.
        """
        changes = _columns(columns)
        row = self._index.do(lambda db: self._write(db, self._present(db, id) | changes))
        self._written[id] = row, self._written.get(id, (row, {}))[1]

    def add_epoch(self, id: str, epoch: int, values: Mapping[str, Any]) -> None:
        """Add the numbers of one epoch; an epoch that is there already, as after a resume, is replaced."""
        epochs = {int(epoch): plain(dict(values))}

        def work(db: Database) -> Row:
            row = self._present(db, id)
            with writing(self._place(id) / "history.jsonl"):
                _append(self._place(id) / "history.jsonl", _lines(epochs))
            put_epochs(db, id, epochs)
            return row

        row = self._index.do(work)
        self._written.setdefault(id, (row, {}))[1].update(epochs)

    def history(self, id: str) -> Rows:
        """The epochs of a run in order, each `{"epoch": n, ...}`."""
        epochs = self._index.look(lambda db: self._known(db, id) and get_epochs(db, id))
        return [{"epoch": epoch} | values for epoch, values in epochs.items()]

    def list(self, limit: int | None = None) -> Rows:
        """The runs, the newest first."""
        return self._index.look(lambda db: newest(db, -1 if limit is None else limit))

    def get(self, id: str) -> Row:
        """The columns of the run of that id, of the only one that begins so, or of the "last" one."""

        def work(db: Database) -> Row:
            ids = newest_ids(db)
            found = ids[:1] if id == "last" else [known for known in ids if known.startswith(id)]
            if len(found) > 1 and id not in found:
                raise StoreError(f"{len(found)} runs begin with {id!r}: {', '.join(found[:5])}. Give more of the name.")
            return self._known(db, found[0] if len(found) == 1 else id)

        return self._index.look(work)

    def remove(self, id: str) -> None:
        """Delete a run, its folder with all that is in it included. One that a process still writes comes back."""

        def work(db: Database) -> None:
            self._known(db, id)
            drop(db, id)
            if self._place(id).exists():
                with writing(self._place(id)):
                    shutil.rmtree(self._place(id))

        self._index.look(work)
        self._written.pop(id, None)

    def rebuild(self) -> int:
        """Make the index anew from the folders; how many runs they hold.

        One whose run.json cannot be read is left out, and a warning says so.
        """

        def work(db: Database) -> int:
            db.execute("DELETE FROM runs")
            db.execute("DELETE FROM history")
            return self._fill(db)

        return self._index.do(work)

    def _new_folder(self, wanted: str) -> str:
        id, n = wanted, 1
        with writing(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            while True:
                try:
                    self._place(id).mkdir()
                    return id
                except FileExistsError:
                    n += 1
                    id = f"{wanted}-{n}"

    def _place(self, id: str) -> Path:
        if not re.fullmatch(r"\w[\w.-]*", id):
            raise StoreError(f"{id!r} cannot be the id of a run.")
        return self.root / id

    def _known(self, db: Database, id: str) -> Row:
        row = get_row(db, id)
        if row is None:
            ids = newest_ids(db)
            if not ids:
                raise StoreError(f"There is no run {id!r}: {self.root} is empty.")
            near = [known for known in ids if id in known] or get_close_matches(id, ids, 3) or ids
            raise StoreError(str(unknown("run", id, near[:5])))
        return row

    def _present(self, db: Database, id: str) -> Row:
        """The row of a run that is about to be written; what was removed of it is put back first."""
        folder = self._place(id)
        whole = (folder / "run.json").is_file()
        if get_row(db, id) is None:
            if whole:
                self._read(db, folder)
            elif id in self._written:
                row, epochs = self._written[id]
                put_row(db, row)
                put_epochs(db, id, epochs)
        row = self._known(db, id)
        if not whole:
            write_text(folder / "history.jsonl", _lines(get_epochs(db, id)))
            self._write(db, row)
        return row

    def _write(self, db: Database, row: Row) -> Row:
        put_row(db, row)
        write_text(self._place(row["id"]) / "run.json", to_json(row, indent=1) + "\n")
        return row

    def _read(self, db: Database, folder: Path) -> None:
        """Read a folder into the index. The folder's name is the run's id."""
        file, history = folder / "run.json", folder / "history.jsonl"
        with reading(file):
            self._place(folder.name)
            row = from_json(file.read_text("utf-8"))
            if not isinstance(row, dict) or not all(isinstance(row.get(name), str) for name in ("name", "created")):
                raise StoreError("it is not the record of a run")
        with reading(history):
            lines = history.read_text("utf-8", errors="replace").splitlines() if history.exists() else []
        put_row(db, {name: _value(name, row.get(name)) for name in COLUMNS} | {"id": folder.name})
        put_epochs(db, folder.name, dict(filter(None, map(_epoch, lines))))

    def _fill(self, db: Database) -> int:
        found = 0
        for file in sorted(self.root.glob("*/run.json")):
            try:
                self._read(db, file.parent)
                found += 1
            except StoreError as error:
                warnings.warn(f"{error} The run is left out of the index.", stacklevel=2)
        return found


def environment() -> dict[str, Any]:
    """What a run ran on: Python, the platform, the number of processors and the versions of the packages."""
    found: dict[str, Any] = {"python": platform.python_version(), "platform": platform.platform()}
    found["processors"] = os.cpu_count()
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = None
    return found


def _columns(values: Mapping[str, Any]) -> Row:
    for name in values:
        if name not in COLUMNS or name in FIXED:
            raise unknown("column of a run", name, set(COLUMNS) - set(FIXED))
    return {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: Any) -> Any:
    value = plain(value)
    if value is None or name not in TEXTS:
        return value
    return str(value).encode(errors="backslashreplace").decode()  # a file's name may hold what is no character


def _lines(epochs: Mapping[int, Row]) -> str:
    return "".join(to_json({"epoch": epoch, "values": values}) + "\n" for epoch, values in epochs.items())


def _epoch(line: str) -> tuple[int, Row] | None:
    """The epoch a line tells; None for one that a killed process left in the middle."""
    try:
        found = from_json(line)
    except (StoreError, ValueError):
        return None
    match found:
        case {"epoch": int(epoch), "values": dict(values)} if abs(epoch) < 2**63:
            return epoch, values
    return None


def _append(path: Path, text: str) -> None:
    with open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a killed process stopped here
                text = "\n" + text
        file.write(text.encode())
