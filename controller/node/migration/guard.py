"""When has a guest left, and may libvirt at the other end let the copy run? What the two say is read on its way.

A guest has left when its libvirt was told that the move is finished: it ends its QEMU then, or leaves it held if it
dies itself, and never lets it run again. The call that moves it returns a fifth of a second later: so long libvirt
waits for QEMU's end.

libvirt refuses post-copy for a guest that is to stay paused at the other end, and without that the two libvirts decide
by themselves, over a wire that may break between question and answer, which copy runs. So the question to finish the
move is made one that leaves the copy paused, unless the guest here is held
for post-copy, after which QEMU and libvirt never let it run again. What cannot be read does not pass.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

HEAD: Final = struct.Struct(">7I")
"""Length, program, version, procedure, type, serial, status: the head of each message of libvirt's RPC."""
LONGEST: Final = 32 << 20
"""VIR_NET_MESSAGE_MAX."""
REMOTE: Final = 0x20008086
PROGRAMS: Final = frozenset({REMOTE, 0x20008087, 0x6B656570})
"""The calls of every host, those of QEMU, and keep-alives."""
FINISH: Final = 306
"""REMOTE_PROC_DOMAIN_MIGRATE_FINISH3_PARAMS."""
OLD_FINISHES: Final = frozenset({63, 109, 217})
CALL: Final = 0
REPLY: Final = 1
OK: Final = 0
PAUSED: Final = 1 << 5
"""VIR_MIGRATE_PAUSED."""
_TAIL: Final = struct.Struct(">2I")
"""What that question ends with: its flags, and whether the move was given up."""


@dataclass
class Guard:
    """Reads along what the libvirt here says to the other one."""

    is_following: Callable[[], Awaitable[bool]]
    """Whether the guest here is held for good, and its memory follows."""
    left: asyncio.Event = field(default_factory=asyncio.Event)
    """Its libvirt was told that it is over there."""
    _asked: asyncio.Event = field(default_factory=asyncio.Event)
    _answers: bytearray = field(default_factory=bytearray)

    def answered(self, data: bytes) -> None:
        """Read along what the libvirt there answers; libvirt here has it already."""
        self._answers += data
        while len(self._answers) >= HEAD.size and not self.left.is_set():
            length, program, _, procedure, kind, _, status = HEAD.unpack_from(self._answers)
            if length < HEAD.size or len(self._answers) < length:
                return
            del self._answers[:length]
            if self._asked.is_set() and (program, procedure, kind, status) == (REMOTE, FINISH, REPLY, OK):
                self.left.set()

    async def pass_on(self, said: asyncio.StreamReader, heard: asyncio.StreamReader) -> None:
        """Hand on message by message, until one that cannot be read or the end."""
        try:
            while (message := await self._next(said)) is not None:
                heard.feed_data(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the end, in the middle of a message
        finally:
            heard.feed_eof()

    async def _next(self, said: asyncio.StreamReader) -> bytes | None:
        head = await said.readexactly(HEAD.size)
        length, program, _, procedure, kind, _, _ = HEAD.unpack(head)
        if program not in PROGRAMS or not HEAD.size <= length <= LONGEST:
            return None
        body = await said.readexactly(length - HEAD.size)
        if program != REMOTE or kind != CALL:
            return head + body
        if procedure in OLD_FINISHES or (procedure == FINISH and len(body) < _TAIL.size):
            return None
        return head + (await self._finish(body) if procedure == FINISH else body)

    async def _finish(self, body: bytes) -> bytes:
        flags, given_up = _TAIL.unpack(body[-_TAIL.size :])
        if given_up:
            return body
        self._asked.set()
        if await self.is_following():
            return body
        return body[: -_TAIL.size] + _TAIL.pack(flags | PAUSED, given_up)


class Answering(asyncio.StreamWriter):
    """The way back to the libvirt here, read along."""

    def __init__(self, writer: asyncio.StreamWriter, guard: Guard) -> None:
        transport = writer.transport
        super().__init__(transport, transport.get_protocol(), None, asyncio.get_running_loop())
        self._guard = guard
        self._is_behind = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Only what is in the socket reaches libvirt, whatever becomes of us: nothing is concluded from the rest."""
        super().write(data)
        self._is_behind = self._is_behind or self.transport.get_write_buffer_size() > 0
        if not self._is_behind:
            self._guard.answered(bytes(data))
