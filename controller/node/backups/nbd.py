"""Reading a disk that somebody exports by NBD: what is on it, and where there is anything. Everything here blocks.

The protocol: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md
"""

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from hypersdk.errors import Transient

ALLOCATION = "base:allocation"
ZERO, DIRTY = 1 << 1, 1 << 0
"""Flags of a stretch: of the context `base:allocation`, and of one that is a bitmap."""
SILENCE_S = 120.0
_GREETING, _OPTION, _ANSWER = b"NBDMAGICIHAVEOPT", b"IHAVEOPT", 0x3E889045565A9
_REQUEST, _SIMPLE, _CHUNK = 0x25609513, 0x67446698, 0x668E33EF
_FIXED = 1
_GO, _STRUCTURED, _SET_CONTEXT = 7, 8, 10
_ACK, _INFO, _CONTEXT = 1, 3, 4
_READ, _BLOCK_STATUS = 0, 7
_DONE, _STATUS_CHUNK = 1, 5
_MOST_ANSWER = 32 << 20
_ASKED = 1 << 30
"""Bytes of the disk that one question is about."""


@dataclass
class Export:
    """One connection to an export."""

    words: str
    """How a message names it."""
    connection: socket.socket
    size: int = 0
    """Of the disk."""

    def __enter__(self) -> "Export":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()

    def read_into(self, at: int, view: memoryview) -> None:
        """Fill the view with what is on the disk from there on. Of a connection that `connected` made."""
        try:
            self.connection.sendall(struct.pack(">IHHQQI", _REQUEST, 0, _READ, 0, at, len(view)))
            magic, error, _ = struct.unpack(">IIQ", self._take(16))
            if magic != _SIMPLE or error:
                raise Transient(f"{self.words} cannot be read at {at}: error {error}")
            self._fill(view)
        except OSError as error:
            raise Transient(f"{self.words} cannot be read: {error}") from error

    def stretches(self) -> Iterator[tuple[int, int, int]]:
        """Start, end and flags of each stretch. Of a connection that `connected` made with a context."""
        at = 0
        while at < self.size:
            asked = min(_ASKED, self.size - at)
            for length, flags in self._status(at, asked):
                # The last one may lead beyond what was asked for.
                yield at, min(at + length, self.size), flags
                at = min(at + length, self.size)

    def _status(self, at: int, length: int) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        try:
            self.connection.sendall(struct.pack(">IHHQQI", _REQUEST, 0, _BLOCK_STATUS, 0, at, length))
            flags = 0
            while not flags & _DONE:
                magic, flags, kind, _, size = struct.unpack(">IHHQI", self._take(20))
                data = self._take(min(size, _MOST_ANSWER))
                if magic != _CHUNK or kind & (1 << 15):
                    raise Transient(f"{self.words} does not tell where there is anything: {kind:#x}")
                if kind == _STATUS_CHUNK:
                    found = [pair for pair in struct.iter_unpack(">II", data[4:]) if pair[0]]
        except OSError as error:
            raise Transient(f"{self.words} cannot be asked where there is anything: {error}") from error
        if not found:
            raise Transient(f"{self.words} does not tell where there is anything")
        return found

    def negotiate(self, name: str, context: str) -> None:
        """Open the export."""
        greeting = self._take(18)
        if not greeting.startswith(_GREETING):
            raise Transient(f"{self.words}: nobody there speaks NBD")
        self.connection.sendall(struct.pack(">I", _FIXED))
        wanted = _text(name)
        if context:
            self._ask(_STRUCTURED, b"")
            contexts = self._ask(_SET_CONTEXT, wanted + struct.pack(">I", 1) + _text(context))
            if _CONTEXT not in [kind for kind, _ in contexts]:
                raise Transient(f"{self.words} has no {context}")
        for kind, data in self._ask(_GO, wanted + struct.pack(">H", 0)):
            if kind == _INFO and data[:2] == b"\0\0":
                (self.size,) = struct.unpack_from(">Q", data, 2)

    def _ask(self, option: int, data: bytes) -> list[tuple[int, bytes]]:
        """The answers up to the last one, an agreement."""
        self.connection.sendall(_OPTION + struct.pack(">II", option, len(data)) + data)
        answers: list[tuple[int, bytes]] = []
        while not answers or answers[-1][0] != _ACK:
            magic, _, kind, size = struct.unpack(">QIII", self._take(20))
            answers.append((kind, self._take(min(size, _MOST_ANSWER))))
            if magic != _ANSWER or kind & (1 << 31):
                raise Transient(f"{self.words} refuses: {answers[-1][1][:200].decode(errors='replace')}")
        return answers

    def _take(self, count: int) -> bytes:
        taken = bytearray(count)
        self._fill(memoryview(taken))
        return bytes(taken)

    def _fill(self, view: memoryview) -> None:
        while view:
            count = self.connection.recv_into(view)
            if not count:
                raise ConnectionResetError("the connection was closed")
            view = view[count:]


def connected(path: Path, name: str, context: str = "") -> Export:
    """A connection to the export of that name, for reading or, with a context, for asking."""
    export = Export(f"export {name or path.name}", socket.socket(socket.AF_UNIX))
    with ExitStack() as closed:
        closed.enter_context(export)
        try:
            export.connection.settimeout(SILENCE_S)
            export.connection.connect(str(path))
            export.negotiate(name, context)
        except OSError as error:
            raise Transient(f"{export.words} cannot be opened: {error}") from error
        closed.pop_all()
    return export


def _text(text: str) -> bytes:
    return struct.pack(">I", len(text.encode())) + text.encode()
