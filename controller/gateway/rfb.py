"""What of a viewer's bytes goes on to QEMU? A writer's all, a watcher's without what the guest would feel. Pure.

The protocol is RFB (RFC 6143, with QEMU's and TigerVNC's additions): a viewer says its version, chooses a kind of
authentication, asks for a shared or a lone connection, and then sends messages whose first byte is their type.
"""

import re
from collections.abc import Callable
from typing import Final

LARGEST: Final = 1 << 20
"""Of one message; more is no viewer's."""
SHARED: Final = b"\x01"
"""For everybody: a viewer that wants the screen for itself would throw all others out."""
_VERSION: Final = re.compile(rb"RFB 003\.(\d{3})\n")
_CHOOSES: Final = 7
"""From RFB 3.7 on the viewer chooses the kind of authentication, before that the server."""
_SEEN: Final = frozenset({0, 2, 3, 150, 248})
"""Pixel format, encodings, requests for updates, and their pace: what it takes to look."""


def _number(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "big")


_SIZES: Final[dict[int, tuple[int, Callable[[bytes], int]]]] = {
    0: (1, lambda _: 20),
    2: (4, lambda head: 4 + 4 * _number(head, 2, 2)),
    3: (1, lambda _: 10),
    4: (1, lambda _: 8),
    5: (1, lambda _: 6),
    # A negative length is that of the extended clipboard.
    6: (8, lambda head: 8 + abs(int.from_bytes(head[4:8], "big", signed=True))),
    150: (1, lambda _: 10),
    248: (9, lambda head: 9 + head[8]),
    250: (1, lambda _: 4),
    251: (7, lambda head: 8 + 16 * head[6]),
    255: (4, lambda head: 12 if head[1] == 0 else 10 if _number(head, 2, 2) == 2 else 4),
}
"""By message type: how many bytes tell its size, and the size that they tell."""


class Gate:
    """Between one viewer and QEMU."""

    def __init__(self, *, may_type: bool) -> None:
        self._may_type = may_type
        self._waiting = b""
        self._next: Callable[[], tuple[int, bytes] | None] = self._version

    def __call__(self, data: bytes) -> bytes | None:
        """What goes on of these bytes now; None when they are no viewer's."""
        self._waiting += data
        passed = b""
        try:
            while (taken := self._next()) is not None:
                size, piece = taken
                self._waiting, passed = self._waiting[size:], passed + piece
        except ValueError:
            return None
        return passed

    def _version(self) -> tuple[int, bytes] | None:
        if len(self._waiting) < 12:
            return None
        said = _VERSION.fullmatch(self._waiting[:12])
        if said is None:
            raise ValueError("not RFB")
        self._next = self._choice if int(said[1]) >= _CHOOSES else self._init
        return 12, self._waiting[:12]

    def _choice(self) -> tuple[int, bytes] | None:
        if not self._waiting:
            return None
        self._next = self._init
        return 1, self._waiting[:1]

    def _init(self) -> tuple[int, bytes] | None:
        if not self._waiting:
            return None
        self._next = self._anything if self._may_type else self._message
        return 1, SHARED

    def _anything(self) -> tuple[int, bytes] | None:
        return (len(self._waiting), self._waiting) if self._waiting else None

    def _message(self) -> tuple[int, bytes] | None:
        if not self._waiting:
            return None
        kind = self._waiting[0]
        if kind not in _SIZES:
            raise ValueError("an unknown message")
        needed, size_of = _SIZES[kind]
        if len(self._waiting) < needed:
            return None
        size = size_of(self._waiting)
        if size > LARGEST:
            raise ValueError("too large a message")
        if len(self._waiting) < size:
            return None
        return size, self._waiting[:size] if kind in _SEEN else b""
