"""`vm console`: the user's terminal on the guest's serial port or virtio console, raw, until Ctrl-]."""

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
from hypersdk.kube.streams import ConsoleState, Control, Mode, Stream, Trail, console_state, open_console
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.plaintext import plain

LEAVE: Final = b"\x1d"
"""Ctrl-], as telnet and virsh have it."""
COMMAND: Final = b"\x1e"
"""Ctrl-^, which begins a command about the keyboard; typed twice it goes to the guest once."""
COMMANDS: Final[dict[bytes, Control]] = {b"t": "take", b"y": "give", b"n": "keep"}
HELP: Final = "Ctrl-^ then: t asks for the keyboard, y gives it, n keeps it, Ctrl-^ goes to the guest; Ctrl-] leaves"
LONGEST_RETRY_S: Final = 5.0
QUERIES: Final = re.compile(rb"\x1b\[[>=?]?[0-9;]*[cnq]|\x1b\[\?[0-9;]*\$p|\x1bZ|\x05")
"""What a terminal answers. In old output it was answered long ago: an answer now would be typed into the guest."""
RESTORE: Final = b"\x1b[!p\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[0m\r\n"
"""What a guest may have left switched on in the user's terminal, switched off."""


async def console(session: Session, arguments: argparse.Namespace) -> int:
    """Attach until the user leaves; without a terminal, until it is interrupted."""
    if arguments.vnc:
        from hyperctl.k8s.vnc import vnc  # which says what it does by what is here

        return await vnc(session, arguments)
    if arguments.viewer or arguments.socket or arguments.port:
        raise UsageError("-port, -socket and -viewer go with --vnc")
    await session.client.get(VIRTUAL_MACHINES, session.namespace, arguments.vm)
    mode: Mode = "watch" if arguments.watch else "write"
    trail = Trail("console1" if arguments.virtio else arguments.device)
    attached = Attached(session, arguments.vm, mode, trail, take=arguments.take, history=not arguments.no_history)
    with _raw_terminal():
        await attached.run()
    return Exit.OK


@dataclass
class Keys:
    """Tells what is typed for the guest from what is said to this program; a command may come in two reads."""

    is_command: bool = False

    def take(self, data: bytes) -> tuple[list[bytes | Control | None], bool]:
        """Bytes for the guest and commands in their order (None: not a command), and whether the user leaves."""
        found: list[bytes | Control | None] = []
        for key in (data[at : at + 1] for at in range(len(data))):
            if self.is_command:
                self.is_command = False
                _append(found, key if key == COMMAND else COMMANDS.get(key))
            elif key == LEAVE:
                return found, True
            elif key == COMMAND:
                self.is_command = True
            else:
                _append(found, key)
        return found, False


def _append(found: list[bytes | Control | None], piece: bytes | Control | None) -> None:
    """Add to the end; bytes that follow each other are one piece."""
    if isinstance(piece, bytes) and found and isinstance(last := found[-1], bytes):
        found[-1] = last + piece
    else:
        found.append(piece)


@dataclass
class Attached:
    """One attachment that outlives the link: it comes back by itself when the API or the node was away."""

    session: Session
    name: str
    mode: Mode
    trail: Trail
    take: bool
    history: bool
    _left: asyncio.Event = field(default_factory=asyncio.Event)
    _typed: asyncio.Queue[bytes | Control] = field(default_factory=lambda: asyncio.Queue(64))
    _said: str = ""

    async def run(self) -> None:
        """Until the user leaves."""
        say(f"attached to {self.session.namespace}/{self.name} ({self.trail.device}); Ctrl-] leaves, Ctrl-^ ? helps")
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._read_keyboard()), group.create_task(self._stay_attached())]
            await self._left.wait()
            for task in tasks:
                task.cancel()

    async def _stay_attached(self) -> None:
        """Come back after every break, where the output was left."""
        client, wait = self.session.client, 0.2
        while True:
            try:
                stream = await open_console(
                    client, self.session.namespace, self.name, self.mode, self.history, self.trail
                )
                wait = 0.2
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
                    self.trail.output(message)
                elif state := console_state(message):
                    history += state.history
                    self.trail.state(state)
                    self._state(state)

    async def _send(self, stream: Stream) -> None:
        while True:
            typed = await self._typed.get()
            await (stream.send(typed) if isinstance(typed, bytes) else stream.control({"type": typed}))

    def _state(self, state: ConsoleState) -> None:
        if state.writable:
            self.take = False
        if words := words_of(state, self.mode):
            self._tell(words)
        else:
            self._said = ""

    def _tell(self, words: str) -> None:
        if words != self._said:
            self._said = words
            say(words)

    async def _read_keyboard(self) -> None:
        """Standard input to the guest; Ctrl-] on a terminal leaves. After the end of a pipe answers are still shown."""
        is_terminal, keys = os.isatty(0), Keys()
        async for data in standard_input():
            pieces, leave = keys.take(data) if is_terminal else ([data], False)
            for piece in pieces:
                if piece is None:
                    say(HELP)
                else:
                    await self._typed.put(piece)
            if leave:
                self._left.set()
                return
        if is_terminal:
            self._left.set()


def words_of(state: ConsoleState, mode: Mode) -> str:
    """What a person should know of the console; empty when all is well."""
    if state.asked:
        return (
            f"{state.asker} asks for the keyboard: Ctrl-^ y gives it, Ctrl-^ n keeps it; "
            f"it is given after {state.answer_within} s"
        )
    if state.reason:
        return state.reason
    if mode == "watch" or state.writable:
        return ""
    writer = state.writer or "somebody else"
    if state.refused:
        return f"{writer} keeps the keyboard"
    if state.asker:
        return f"{state.asker} has asked {writer} for the keyboard, who has {state.answer_within} s to keep it"
    return f"{writer} is typing; you are watching (Ctrl-^ t asks for the keyboard)"


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
