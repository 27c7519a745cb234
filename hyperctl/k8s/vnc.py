"""`vm console --vnc`: the VM's screen on a port of this host, for any VNC viewer, through the API's address."""

import argparse
import asyncio
import os
import secrets
import shutil
import socket
import string
import tempfile
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hyperctl.exits import Exit
from hyperctl.k8s.console import say
from hyperctl.k8s.des import STORED, encrypted
from hyperctl.k8s.rfb import Refused, Viewer, greet
from hyperctl.k8s.session import Session
from hypersdk.background import leaf
from hypersdk.errors import HyperSDKError, Unreachable, UsageError
from hypersdk.kube.streams import Mode, Stream, open_vnc

LOOPBACK: Final = "127.0.0.1"
CHUNK: Final = 64 * 1024
PASSWORD_LENGTH: Final = 8
"""What VNC takes of one."""
PROVES_WITHIN_S: Final = 60.0
"""People type it."""
WRONG_AT_MOST: Final = 10
VIEWERS: Final = ("remote-viewer", "vncviewer")


async def vnc(session: Session, arguments: argparse.Namespace) -> int:
    """Until the user, or the viewer that was opened, ends it."""
    _check(arguments)
    screen = Screen(session, arguments.vm, "watch" if arguments.watch else "write")
    # Whether it can be had at all is told now, and not to a viewer.
    await (await screen.open()).close()
    async with AsyncExitStack() as stack:
        if arguments.socket:
            await stack.enter_async_context(on_socket(screen, Path(arguments.socket)))
            say(f"the screen of {arguments.vm} is at {arguments.socket}, for this user alone, until Ctrl-C")
            return await _for_ever()
        screen.password = _password()
        port = await stack.enter_async_context(on_port(screen, int(arguments.port or 0)))
        say(f"the screen of {arguments.vm} is at {LOOPBACK}:{port}, password {screen.password}, until Ctrl-C")
        if arguments.viewer and (program := _viewer()):
            return await _view(program, arguments.vm, port, screen.password)
        say(f"look at it with: vncviewer {LOOPBACK}::{port} or remote-viewer vnc://{LOOPBACK}:{port}")
        return await _for_ever()


def _check(arguments: argparse.Namespace) -> None:
    port = arguments.port or "0"
    if not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise UsageError(f"-port {port}: a TCP port is between 1 and 65535; left out, a free one is taken")
    if arguments.socket and (arguments.viewer or arguments.port):
        raise UsageError("give -socket alone: -port and -viewer are about a port")


@dataclass
class Screen:
    """A VM's screen, and everybody of this host who looks at it: one stream each, which the node shares out."""

    session: Session
    name: str
    mode: Mode
    password: str = ""
    wrong: int = field(default=0)

    async def open(self) -> Stream:
        """A stream of its own."""
        return await open_vnc(self.session.client, self.session.namespace, self.name, self.mode)

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """One connection of a viewer, whose end is nobody else's."""
        try:
            await self._serve(reader, writer)
        except* (HyperSDKError, TimeoutError, ConnectionError) as errors:
            say(str(leaf(errors)) or "a viewer connected, and gave no password in time")
        finally:
            writer.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        if not self.password:
            async with await self.open() as stream:
                await _carry(Incoming(stream), reader, writer)
            return
        viewer = Viewer(reader, writer)
        await self._prove(viewer)
        async with AsyncExitStack() as stack:
            try:
                incoming = Incoming(await stack.enter_async_context(await self.open()))
                await greet(incoming)
            except HyperSDKError as error:
                viewer.refuse(str(error))
                raise
            viewer.accept()
            await _carry(incoming, reader, writer)

    async def _prove(self, viewer: Viewer) -> None:
        if self.wrong >= WRONG_AT_MOST:
            raise Refused(
                f"{self.wrong} wrong passwords were given: nobody is let in any more; start this command anew"
            )
        # Counted before the answer: who guesses on many connections at once gets no more guesses than on one.
        self.wrong += 1
        async with asyncio.timeout(PROVES_WITHIN_S):
            await viewer.prove(self.password)
        self.wrong -= 1


class Incoming:
    """What comes over a stream, taken in pieces of a wanted size, or as it comes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._messages = stream.messages()
        self._rest = b""

    async def exactly(self, count: int) -> bytes:
        """So many bytes; Unreachable when it ends before."""
        while len(self._rest) < count:
            if (more := await self._more()) is None:
                raise Unreachable("the screen went away")
            self._rest += more
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    async def send(self, data: bytes) -> None:
        """Say something to the far side."""
        await self._stream.send(data)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The rest, until it ends."""
        if self._rest:
            yield self._rest
        while (more := await self._more()) is not None:
            yield more

    async def _more(self) -> bytes | None:
        async for message in self._messages:
            if isinstance(message, bytes):
                return message
        return None


async def _carry(incoming: Incoming, reader: StreamReader, writer: StreamWriter) -> None:
    """Both ways, until either side ends."""
    async with asyncio.TaskGroup() as group:
        tasks = {group.create_task(_to_viewer(incoming, writer)), group.create_task(_to_screen(incoming, reader))}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _to_viewer(incoming: Incoming, writer: StreamWriter) -> None:
    async for data in incoming.pieces():
        writer.write(data)
        await writer.drain()


async def _to_screen(incoming: Incoming, reader: StreamReader) -> None:
    while data := await reader.read(CHUNK):
        await incoming.send(data)


@asynccontextmanager
async def on_port(screen: Screen, port: int) -> AsyncIterator[int]:
    """Serve it on that port of the loopback, 0 for a free one, until the block ends."""
    try:
        server = await asyncio.start_server(screen.serve, LOOPBACK, port)
    except OSError as error:
        raise HyperSDKError(f"port {port} of {LOOPBACK} cannot be had: {error.strerror}") from error
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def on_socket(screen: Screen, path: Path) -> AsyncIterator[None]:
    """A socket file that only this user can open; there from the beginning with that mode, and gone afterwards."""
    opened = socket.socket(socket.AF_UNIX)
    mask = os.umask(0o177)
    try:
        opened.bind(str(path))
    except OSError as error:
        opened.close()
        raise HyperSDKError(f"{path} cannot be made: {error.strerror}") from error
    finally:
        os.umask(mask)
    try:
        async with await asyncio.start_unix_server(screen.serve, sock=opened):
            yield
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


async def _for_ever() -> int:
    await asyncio.Event().wait()  # for ever: until Ctrl-C
    return Exit.OK


def _password() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(PASSWORD_LENGTH))


def _viewer() -> str:
    """A viewer of this host; said when there is none."""
    found = next((path for name in VIEWERS if (path := shutil.which(name))), "")
    if not found:
        say(f"there is no viewer here: install one of {', '.join(VIEWERS)}")
    return found


async def _view(program: str, name: str, port: int, password: str) -> int:
    """Open the viewer, and end with it; the password goes by a file that only this user can read."""
    with tempfile.TemporaryDirectory(prefix="hyperctl-") as folder:
        words = viewer_line(program, name, port, password, Path(folder))
        process = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.DEVNULL)
        try:
            return Exit.OK if await process.wait() == 0 else Exit.FAILED
        finally:
            if process.returncode is None:
                process.terminate()


def viewer_line(program: str, name: str, port: int, password: str, folder: Path) -> list[str]:
    """The viewer's command line, with the password in a file below the folder."""
    if Path(program).name == "remote-viewer":
        file = folder / "screen.vv"
        lines = ("[virt-viewer]", "type=vnc", f"host={LOOPBACK}", f"port={port}", f"password={password}")
        file.write_text("\n".join((*lines, f"title={name}", "")))
        return [program, str(file)]
    file = folder / "password"
    file.write_bytes(encrypted(STORED, password.encode()))
    return [program, "-passwd", str(file), f"{LOOPBACK}::{port}"]
