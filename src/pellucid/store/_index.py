"""The SQLite index of the runs: two tables, and a way to work on them that several processes can share."""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from ..errors import StoreError
from ._files import from_json, refused, to_json, writing

T = TypeVar("T")
Row = dict[str, Any]
Database = sqlite3.Connection

VERSION = 1
TEXTS = ("id", "created", "name", "status", "task", "loss", "fingerprint")
COLUMNS = (*TEXTS, "seed", "settings", "environment", "metrics", "findings")
TABLES = f"""
CREATE TABLE runs (id TEXT PRIMARY KEY, {", ".join(f"{name} TEXT" for name in COLUMNS[1:])});
CREATE TABLE history (run_id TEXT, epoch INTEGER, "values" TEXT, PRIMARY KEY (run_id, epoch));
PRAGMA user_version = {VERSION};
"""
CAUSES = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EAGAIN,
}
# Not a database, a broken one, or (as our own statements are sound) one with other tables.
DAMAGE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)


class Unfilled(sqlite3.DatabaseError):
    """A database without the tables of an index."""


class Index:
    """The index file, and `fill(database)`, which writes into an empty one what the folders hold."""

    def __init__(self, path: Path, fill: Callable[[Database], Any]):
        self.path, self.fill = path, fill

    def do(self, work: Callable[[Database], T]) -> T:
        """Work in one transaction, alone among all processes; an index missing or damaged is made anew first.

        Raises: StoreError where the disk refuses.
        """
        with writing(self.path), self._sqlite_errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # The lock is a file of its own: an index in use must not be replaced under another process's WAL.
            with closing(connect(self.path.with_name("index.lock"))) as lock:
                lock.execute("BEGIN EXCLUSIVE")
                if not self.path.exists():
                    self._renew()
                try:
                    return self._transaction(work)
                except sqlite3.DatabaseError as error:
                    if not damaged(error):
                        raise
                    self._set_aside(error)
                self._renew()
                return self._transaction(work)

    def look(self, work: Callable[[Database], T]) -> T:
        """The same, but nothing is made where there is no folder yet."""
        if self.path.parent.is_dir():
            return self.do(work)
        with closing(connect(":memory:")) as db:
            db.executescript(TABLES)
            return work(db)

    def _transaction(self, work: Callable[[Database], T]) -> T:
        # A connection for each piece of work: one kept open would go on writing into a file that was removed.
        with closing(connect(self.path)) as db:  # closed without a commit, nothing has happened
            db.execute("PRAGMA synchronous = OFF")  # after a power cut, the folders are there to rebuild it from
            db.execute("BEGIN IMMEDIATE")
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                raise Unfilled("it has no tables")
            if version > VERSION:
                raise StoreError(f"{self.path} is the index of a newer Pellucid (version {version}): upgrade pellucid.")
            answer = work(db)
            db.execute("COMMIT")
            return answer

    def _renew(self) -> None:
        """Fill a new index and put it in its place, whole."""
        new = self.path.with_name(f".index-{secrets.token_hex(4)}.sqlite")
        try:
            with closing(connect(new)) as db:
                db.execute("PRAGMA journal_mode = WAL")
                db.execute("PRAGMA synchronous = OFF")
                db.executescript(TABLES)
                db.execute("BEGIN")
                self.fill(db)
                db.execute("COMMIT")
            for suffix in ("-wal", "-shm"):  # SQLite would take what an older index left for the new one's
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            os.replace(new, self.path)
        finally:
            new.unlink(missing_ok=True)

    def _set_aside(self, error: sqlite3.Error) -> None:
        aside = self.path.with_name(f"{self.path.name}.damaged-{secrets.token_hex(4)}")
        os.replace(self.path, aside)
        words = f"{self.path} is damaged ({error}): it was moved to {aside.name} and rebuilt from the folders."
        warnings.warn(words, stacklevel=4)

    @contextmanager
    def _sqlite_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise refused(self.path, CAUSES.get(code_of(error)), str(error)) from error


def connect(path: Path | str) -> Database:
    return sqlite3.connect(path, timeout=60, isolation_level=None)


def damaged(error: sqlite3.Error) -> bool:
    return isinstance(error, Unfilled) or code_of(error) in DAMAGE


def code_of(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def get_row(db: Database, id: str) -> Row | None:
    return next(_rows(db, "WHERE id = ?", id), None)


def newest_ids(db: Database) -> list[str]:
    return [id for (id,) in db.execute("SELECT id FROM runs ORDER BY created DESC, id DESC")]


def newest(db: Database, limit: int) -> list[Row]:
    return list(_rows(db, "ORDER BY created DESC, id DESC LIMIT ?", limit))


def _rows(db: Database, which: str, value: Any) -> Iterator[Row]:
    for found in db.execute(f"SELECT {', '.join(COLUMNS)} FROM runs {which}", (value,)):
        row = dict(zip(COLUMNS, found, strict=True))
        yield {k: v if k in TEXTS or v is None else from_json(v) for k, v in row.items()}


def put_row(db: Database, row: Row) -> None:
    values = [row[name] if name in TEXTS or row[name] is None else to_json(row[name]) for name in COLUMNS]
    db.execute(f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * len(COLUMNS))})", values)


def get_epochs(db: Database, id: str) -> dict[int, Row]:
    rows = db.execute('SELECT epoch, "values" FROM history WHERE run_id = ? ORDER BY epoch', (id,))
    return {epoch: from_json(values) for epoch, values in rows}


def put_epochs(db: Database, id: str, epochs: dict[int, Row]) -> None:
    rows = [(id, epoch, to_json(values)) for epoch, values in epochs.items()]
    db.executemany("INSERT OR REPLACE INTO history VALUES (?, ?, ?)", rows)


def drop(db: Database, id: str) -> None:
    db.execute("DELETE FROM runs WHERE id = ?", (id,))
    db.execute("DELETE FROM history WHERE run_id = ?", (id,))
