"""What did virtlogd write of one serial port, over the rotation of its file?"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from controller.gateway.ring import LINE_SEARCH

_log = logging.getLogger(__name__)
TRIES = 3
ROTATED = 3
"""virtlogd keeps as many old files (max_backups)."""


@dataclass(frozen=True)
class Place:
    """A place in one of the log's files; it stays right when the file is renamed, and may lie beyond its end."""

    inode: int
    offset: int


@dataclass(frozen=True)
class Part:
    """One of the log's files: which one, and how long it was."""

    inode: int
    size: int


@dataclass(frozen=True)
class Tail:
    """The last bytes of the log, from the rotated file and the current one together."""

    data: bytes = b""
    current: Part | None = None
    rotated: Part | None = None

    @property
    def end(self) -> Place | None:
        """The place after the last byte; None when there is no log."""
        return Place(self.current.inode, self.current.size) if self.current else None

    @property
    def first_line(self) -> int:
        """Where the first whole line begins in `data`; 0 when nothing is left out before it."""
        whole = sum(part.size for part in (self.current, self.rotated) if part)
        return self.data.find(b"\n", 0, LINE_SEARCH) + 1 if whole > len(self.data) else 0

    def index(self, place: Place | None) -> int | None:
        """Where in `data` a place is, even outside of it; None when its file is gone."""
        if place is None or self.current is None:
            return None
        start_of_current = len(self.data) - self.current.size
        if place.inode == self.current.inode:
            return start_of_current + place.offset
        if self.rotated is not None and place.inode == self.rotated.inode:
            return start_of_current - self.rotated.size + place.offset
        return None


@dataclass(frozen=True)
class Piece:
    """What follows a place of the log."""

    data: bytes
    place: Place
    """The place after it."""
    is_anew: bool = False
    """Whether the log begins anew with it: the file with the place was emptied, or is gone."""


class SerialLog:
    """The log file of one serial port; an empty path is a port without one. Blocking: call it in a thread."""

    def __init__(self, path: str = "") -> None:
        self.path = path

    def end(self) -> Place | None:
        """The place after the last byte that is written now."""
        return self.tail(0).end

    def tail(self, limit: int) -> Tail:
        """The last bytes, at most `limit`; empty when there is no log that can be read."""
        for _ in range(TRIES):
            try:
                return self._read(limit)
            except FileNotFoundError:
                return Tail()
            except _Rotated:
                continue
            except OSError as error:
                _log.warning("the serial log %s cannot be read: %s", self.path, error)
                return Tail()
        return Tail()

    def after(self, place: Place, limit: int) -> Piece:
        """What follows a place, at most `limit` bytes at once and over the rotation; nothing when nothing does."""
        for _ in range(TRIES):
            try:
                return self._after(place, limit)
            except FileNotFoundError:
                continue  # it is being rotated
            except OSError as error:
                _log.warning("the serial log %s cannot be read: %s", self.path, error)
                break
        return Piece(b"", place)

    def _after(self, place: Place, limit: int) -> Piece:
        with Path(self.path).open("rb") as file:
            newer = _part(file)
            if newer.inode == place.inode:
                is_anew = newer.size < place.offset
                return _piece(file, 0 if is_anew else place.offset, limit, is_anew=is_anew)
        for number in range(ROTATED):
            try:
                with Path(f"{self.path}.{number}").open("rb") as file:
                    part = _part(file)
                    if part.inode == place.inode and part.size > place.offset:
                        return _piece(file, place.offset, limit)
            except FileNotFoundError:
                break
            if part.inode == place.inode:
                # At its end, and nobody writes to it any more: on with the one that came after it.
                return self._after(Place(newer.inode, 0), limit)
            newer = part
        with Path(self.path).open("rb") as file:
            return _piece(file, 0, limit, is_anew=True)

    def _read(self, limit: int) -> Tail:
        if not self.path:
            return Tail()
        with Path(self.path).open("rb") as file:
            current = _part(file)
            rotated, older = self._rotated(limit - current.size)
            data = older + _last(file, current.size, limit)
            if Path(self.path).stat().st_ino != current.inode:
                raise _Rotated
        return Tail(data, current, rotated)

    def _rotated(self, limit: int) -> tuple[Part | None, bytes]:
        try:
            with Path(f"{self.path}.0").open("rb") as file:
                part = _part(file)
                return part, _last(file, part.size, limit)
        except FileNotFoundError:
            return None, b""


class _Rotated(Exception):
    """virtlogd changed the files under the reader."""


def _part(file: BinaryIO) -> Part:
    status = os.fstat(file.fileno())
    return Part(status.st_ino, status.st_size)


def _piece(file: BinaryIO, offset: int, limit: int, *, is_anew: bool = False) -> Piece:
    file.seek(offset)
    data = file.read(limit)
    return Piece(data, Place(_part(file).inode, offset + len(data)), is_anew)


def _last(file: BinaryIO, size: int, limit: int) -> bytes:
    wanted = min(max(limit, 0), size)
    file.seek(size - wanted)
    return file.read(wanted)
