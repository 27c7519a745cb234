"""How does a viewer on this host show that it may look, and how is QEMU greeted for it? The beginnings of RFB.

Any user of the host can connect to a port of its loopback, so a viewer is asked for a password (RFC 6143 §7.1, 7.2).
"""

import hmac
import os
import re
import struct
from asyncio import IncompleteReadError, StreamReader, StreamWriter
from typing import Final, Protocol

from hyperctl.k8s.des import hidden
from hypersdk.errors import HyperSDKError, Unreachable

VERSION: Final = b"RFB 003.008\n"
_SAID: Final = re.compile(rb"RFB 003\.(\d{3})\n")
_NONE, _PASSWORD = 1, 2


class Refused(HyperSDKError):
    """The viewer may not look, or is none."""


class Source(Protocol):
    """Bytes of the far side, as they come."""

    async def exactly(self, count: int) -> bytes:
        """So many of them; Unreachable when it ends before."""
        ...

    async def send(self, data: bytes) -> None:
        """Say something to it."""
        ...


class Viewer:
    """A viewer that has connected, until it may see something."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._minor = 0

    async def prove(self, password: str) -> None:
        """Refused unless it knows the password; it is not told that it does before `accept`."""
        try:
            self._writer.write(VERSION)
            said = _SAID.fullmatch(await self._reader.readexactly(len(VERSION)))
            if said is None:
                raise Refused("what connected is no VNC viewer")
            self._minor = int(said[1])
            await self._choose()
            challenge = os.urandom(16)
            self._writer.write(challenge)
            answer = await self._reader.readexactly(16)
        except (IncompleteReadError, ConnectionError) as error:
            raise Refused("the viewer went away before it gave a password") from error
        if not hmac.compare_digest(answer, hidden(password, challenge)):
            self.refuse("wrong password")
            raise Refused("a viewer gave a wrong password")

    def accept(self) -> None:
        """Say that it may look."""
        self._writer.write(struct.pack(">I", 0))

    def refuse(self, words: str) -> None:
        """Say that it may not, and why, where the viewer is new enough to be told."""
        self._writer.write(struct.pack(">I", 1))
        if self._minor >= 8:
            reason = words.encode()
            self._writer.write(struct.pack(">I", len(reason)) + reason)

    async def _choose(self) -> None:
        if self._minor < 7:
            self._writer.write(struct.pack(">I", _PASSWORD))
            return
        self._writer.write(bytes((1, _PASSWORD)))
        if await self._reader.readexactly(1) != bytes((_PASSWORD,)):
            raise Refused("the viewer does not give passwords")


async def greet(source: Source) -> None:
    """Go through QEMU's greeting, which wants no password of who comes by the API, up to what the viewer says next."""
    await source.exactly(len(VERSION))
    await source.send(VERSION)
    count = (await source.exactly(1))[0]
    kinds = await source.exactly(count) if count else b""
    if _NONE not in kinds:
        raise Unreachable("QEMU wants a password for this screen: the VM was not made by this controller")
    await source.send(bytes((_NONE,)))
    if await source.exactly(4) != bytes(4):
        raise Unreachable("QEMU does not let anybody look at this screen")
