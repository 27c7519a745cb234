"""What is left of a damaged database? Every object that can still be read, in a new file; the old one is kept."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apiserver.document import Unreadable, decode
from apiserver.storage.database import Database, Row, StorageError
from apiserver.storage.stored import Key

_MARGIN = 1_000_000
"""Versions go on far above the highest one found: nobody was told a later one, and every watcher lists again."""
_ROWS_AT_MOST = 5_000_000


@dataclass(frozen=True)
class Recovered:
    """What came of it."""

    objects: int
    damaged: Path
    """Where the old file is now."""


def recover(path: Path, now: datetime) -> Recovered:
    """Put the readable objects of the database into a new one under its name."""
    if not path.exists():
        raise StorageError(f"there is no database {path}")
    damaged = path.with_name(f"{path.name}.damaged-{now:%Y%m%d-%H%M%S}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(damaged.with_name(damaged.name + suffix))
    found = dict(_readable(damaged))
    highest = max((version for version, _ in found.values()), default=1) + _MARGIN
    _write(path, found, highest)
    return Recovered(len(found), damaged)


def _write(path: Path, found: dict[Key, tuple[int, bytes]], highest: int) -> None:
    fresh = Database(path)
    fresh.start()
    problems: list[Exception] = []

    def done(error: Exception | None) -> None:
        if error is not None:
            problems.append(error)

    for key, (_, body) in found.items():
        fresh.submit(Row(key, highest, body, done))
    fresh.close()
    if problems:
        raise problems[0]


def _readable(path: Path) -> Iterator[tuple[Key, tuple[int, bytes]]]:
    """The newest readable state of each object, whatever else is broken."""
    connection = sqlite3.connect(path)
    try:
        newest: dict[Key, tuple[int, bytes]] = {}
        for key, version, body in _rows(connection):
            if key not in newest or newest[key][0] < version:
                newest[key] = (version, body)
        yield from newest.items()
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection) -> Iterator[tuple[Key, int, bytes]]:
    """Row by row, since one broken page ends a scan but not a search for the next row."""
    columns = "resource, namespace, name, version, body"
    for rowid in range(1, _last_row(connection) + 1):
        try:
            row = connection.execute(f"SELECT {columns} FROM objects NOT INDEXED WHERE rowid=?", (rowid,)).fetchone()
            if row is not None and isinstance(decode(row[4]).value, dict):
                yield Key(str(row[0]), str(row[1]), str(row[2])), int(row[3]), bytes(row[4])
        except (sqlite3.Error, Unreadable, TypeError, ValueError):
            continue  # this one is lost


def _last_row(connection: sqlite3.Connection) -> int:
    """The highest row there may be; the number of writes is one bound, when the tree itself cannot be walked."""
    asked: tuple[Callable[[], int], ...] = (
        lambda: int(connection.execute("SELECT max(rowid) FROM objects NOT INDEXED").fetchone()[0] or 0),
        lambda: int(connection.execute("SELECT max(version) FROM resources").fetchone()[0] or 0),
    )
    for ask in asked:
        try:
            return min(ask(), _ROWS_AT_MOST)
        except sqlite3.Error:
            continue
    return _ROWS_AT_MOST
