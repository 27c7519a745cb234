"""How are objects kept on disk? In one SQLite file, written by one thread that commits what waits as one group."""

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from apiserver.storage.stored import Key

FORMAT = 1
WAY_BACK = "Start once with --recover: it makes a new database of everything that is still readable"
_GROUP = 512
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    version INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
);
CREATE TABLE IF NOT EXISTS resources (resource TEXT PRIMARY KEY, version INTEGER NOT NULL);
"""


class StorageError(Exception):
    """The database cannot be opened or written; the message is for a person."""


@dataclass(frozen=True)
class Row:
    """One write: the new JSON of an object, or None to delete it."""

    key: Key
    version: int
    body: bytes | None
    done: Callable[[Exception | None], None]
    """Called by the writing thread when the row is safe on disk, or when it could not be written."""


class Database:
    """The file. Reading is done before `start`; afterwards only the thread touches it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_for_ever, name="sqlite")
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._prepare()
        except sqlite3.Error as error:
            way_back = f". {WAY_BACK}" if type(error) is sqlite3.DatabaseError else ""
            raise StorageError(f"cannot open the database {path}: {error}{way_back}") from error

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found not in {0, FORMAT}:
            raise StorageError(f"{self._path} has format {found}, and this program knows {FORMAT}: use a newer one")
        self._connection.executescript(f"{_SCHEMA}PRAGMA user_version={FORMAT};")

    def objects(self) -> Iterator[tuple[Key, int, bytes]]:
        """Every object."""
        try:
            rows = self._connection.execute("SELECT resource, namespace, name, version, body FROM objects")
            for resource, namespace, name, version, body in rows:
                yield Key(resource, namespace, name), version, body
        except sqlite3.Error as error:
            raise StorageError(f"cannot read the database {self._path}: {error}. {WAY_BACK}") from error

    def versions(self) -> dict[str, int]:
        """The version of the newest write to each resource."""
        try:
            return dict(self._connection.execute("SELECT resource, version FROM resources").fetchall())
        except sqlite3.Error as error:
            raise StorageError(f"cannot read the database {self._path}: {error}. {WAY_BACK}") from error

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def submit(self, row: Row) -> None:
        """Queue a write; rows reach the disk in the order in which they were submitted."""
        self._rows.put(row)

    def close(self) -> None:
        """Write what is queued and close the file."""
        if self._thread.is_alive():
            self._rows.put(None)
            self._thread.join()
        self._connection.close()

    def _write_for_ever(self) -> None:
        last = False
        while not last:
            group, last = self._next_group()
            error = self._write(group) if group else None
            for row in group:
                row.done(error)

    def _next_group(self) -> tuple[list[Row], bool]:
        """The first waiting row and all that came since; whether the end was asked for."""
        group: list[Row] = []
        row = self._rows.get()
        while row is not None:
            group.append(row)
            if len(group) == _GROUP or self._rows.empty():
                return group, False
            row = self._rows.get()
        return group, True

    def _write(self, group: list[Row]) -> Exception | None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._put(group)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return StorageError(f"cannot write {self._path}: {error}")
        return None

    def _put(self, group: list[Row]) -> None:
        for row in group:
            if row.body is None:
                self._connection.execute("DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", row.key)
            else:
                self._connection.execute(
                    "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", (*row.key, row.version, row.body)
                )
        newest = {row.key.resource: row.version for row in group}
        self._connection.executemany("INSERT OR REPLACE INTO resources VALUES (?, ?)", newest.items())
