"""`vm console --serial`: the user's terminal on the guest's serial port, raw, until Ctrl-]."""

import argparse
import asyncio
import os
import re
import sys
import termios
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import Final

from hyperctl.exits import Exit
from hyperctl.k8s.session import Session
from hypersdk.background import beside
from hypersdk.errors import Unreachable, UsageError
from hypersdk.kube.streams import ConsoleState, Mode, Stream, console_state, open_console
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.plaintext import plain

LEAVE: Final = b"\x1d"
"""Ctrl-], as telnet and virsh have it."""
LONGEST_RETRY_S: Final = 5.0
QUERIES: Final = re.compile(rb"\x1b\[[>=?]?[0-9;]*[cnq]|\x1b\[\?[0-9;]*\$p|\x1bZ|\x05")
"""What a terminal answers. In old output it was answered long ago: an answer now would be typed into the guest."""
RESTORE: Final = b"\x1b[!p\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[0m\r\n"
"""What a guest may have left switched on in the user's terminal, switched off."""


async def console(session: Session, arguments: argparse.Namespace) -> int:
    """Attach until the user leaves or standard input ends."""
    if arguments.vnc:
        raise UsageError("console --vnc is not in this version; --serial is")
    await session.client.get(VIRTUAL_MACHINES, session.namespace, arguments.vm)
    mode: Mode = "watch" if arguments.watch else "write"
    attached = Attached(session, arguments.vm, mode, take=arguments.take, history=not arguments.no_history)
    with _raw_terminal():
        await attached.run()
    return Exit.OK


@dataclass
class Attached:
    """One attachment that outlives the link: it comes back by itself when the API or the node was away."""

    session: Session
    name: str
    mode: Mode
    take: bool
    history: bool
    _left: asyncio.Event = field(default_factory=asyncio.Event)
    _typed: asyncio.Queue[bytes] = field(default_factory=lambda: asyncio.Queue(64))
    _said: str = ""

    async def run(self) -> None:
        """Until the user leaves."""
        say(f"attached to {self.session.namespace}/{self.name}; Ctrl-] leaves")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._read_keyboard()), group.create_task(self._stay_attached())]
            await self._left.wait()
            for task in tasks:
                task.cancel()

    async def _stay_attached(self) -> None:
        wait = 0.2
        while True:
            try:
                stream = await open_console(
                    self.session.client, self.session.namespace, self.name, self.mode, self.history
                )
                wait, self.history = 0.2, False
                await self._use(stream)
                self._tell("the console was closed; attaching again")
            except Unreachable as error:
                self._tell(f"{error}; trying again")
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_RETRY_S)

    async def _use(self, stream: Stream) -> None:
        async with stream, beside(self._send(stream)):
            if self.take:
                await stream.control({"type": "take"})
            history = 0
            async for message in stream.messages():
                if isinstance(message, bytes):
                    old, new = message[:history], message[history:]
                    history = max(0, history - len(message))
                    await asyncio.to_thread(write_out, QUERIES.sub(b"", old) + new)
                elif state := console_state(message):
                    history += state.history
                    self._state(state)

    async def _send(self, stream: Stream) -> None:
        while True:
            data = await self._typed.get()
            await stream.send(data)

    def _state(self, state: ConsoleState) -> None:
        if state.reason:
            self._tell(state.reason)
        elif self.mode == "write" and not state.writable:
            self._tell(f"{state.writer or 'somebody else'} is typing; you are watching (--take takes over)")
        else:
            self._said = ""

    def _tell(self, words: str) -> None:
        if words != self._said:
            self._said = words
            say(words)

    async def _read_keyboard(self) -> None:
        """Standard input to the guest; Ctrl-] on a terminal, or the end of a pipe, leaves."""
        is_terminal = os.isatty(0)
        async for data in standard_input():
            before, leave, _ = data.partition(LEAVE) if is_terminal else (data, b"", b"")
            if before:
                await self._typed.put(before)
            if leave:
                self._left.set()
                return
        if is_terminal:
            self._left.set()


async def standard_input() -> AsyncIterator[bytes]:
    """Standard input as it comes; regular files cannot be waited for, so every read is in a thread of its own."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[bytes] = asyncio.Queue()
    reader = Thread(target=_pump, args=(loop, chunks), daemon=True)
    reader.start()
    while data := await chunks.get():
        yield data


def _pump(loop: asyncio.AbstractEventLoop, chunks: "asyncio.Queue[bytes]") -> None:
    """Read until the end; a daemon thread, for a blocked read cannot be cancelled."""
    data = b"."
    while data:
        try:
            data = os.read(0, 4096)
        except OSError:
            data = b""
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(chunks.put_nowait, data)


def write_out(data: bytes) -> None:
    """All of it to standard output, however slow that is."""
    while data:
        data = data[os.write(1, data) :]


def say(words: str) -> None:
    """A line for the person, apart from the guest's output."""
    sys.stderr.write(f"\r\n[{plain(words)}]\r\n" if os.isatty(2) else f"{plain(words)}\n")
    sys.stderr.flush()


@contextmanager
def _raw_terminal() -> Iterator[None]:
    """Keys go through one by one and unseen; everything is put back at the end."""
    if not os.isatty(0):
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        if os.isatty(1):
            write_out(RESTORE)
