"""The serial console through the API beside `virsh console` on the same domain: a key's echo, and a flood."""

import asyncio
import contextlib
import os
import pty
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.figures import Figure, median, percentile
from benchmarks.node import NAMESPACE, Node
from benchmarks.running import Peer
from hypersdk.kube.streams import Stream, console_state, open_console
from tests.libvirt.bootsector import BELL, BURST, GREETING

KEYS = 200
FLOODS = 5


@dataclass(frozen=True)
class Line:
    """An open console: how to type, and what comes back next."""

    write: Callable[[bytes], Awaitable[None]]
    read: Callable[[], Awaitable[bytes]]

    async def took(self, typed: bytes, count: int) -> float:
        """Seconds from what is typed until so many bytes have come."""
        start, came = time.perf_counter(), 0
        await self.write(typed)
        async with asyncio.timeout(60):
            while came < count:
                came += len(await self.read())
        return time.perf_counter() - start


async def run(node: Node) -> list[Figure]:
    """Both; ours and the peer's turns alternate."""
    await node.create("typed")
    await node.until_running("typed")
    peer = await Peer.like(node, "typed")
    await peer.start(node)
    await peer.until_said(GREETING)
    async with _api(node, "typed") as ours, _virsh(node, peer.name) as theirs:
        echoes = [(await ours.took(b"x", 1), await theirs.took(b"x", 1)) for _ in range(KEYS)]
        floods = [(await ours.took(BELL, BURST), await theirs.took(BELL, BURST)) for _ in range(FLOODS)]
    await peer.remove(node)
    await node.delete("typed")
    own, virsh = ([pair[which] * 1000 for pair in echoes] for which in (0, 1))
    rate, peer_rate = (BURST / 1e6 / median([pair[which] for pair in floods]) for which in (0, 1))
    return [
        Figure("serial: echo of a key through the API, p50", median(own), "ms"),
        Figure("serial: echo of a key through the API, p95", percentile(own, 95), "ms"),
        Figure("serial: echo of a key in virsh console, p50", median(virsh), "ms"),
        Figure("serial: echo of a key in virsh console, p95", percentile(virsh, 95), "ms"),
        Figure("serial: a flood through the API", rate, "MB/s"),
        Figure("serial: a flood in virsh console", peer_rate, "MB/s"),
        Figure("serial: time of a flood, ours to virsh's", peer_rate / rate, "ratio", promise=1.3),
    ]


@asynccontextmanager
async def _api(node: Node, name: str) -> AsyncIterator[Line]:
    """Ours: a WebSocket of the embedded API, which passes it on to the gateway."""
    async with await open_console(node.client, NAMESPACE, name, history=False) as stream:
        line = Line(stream.send, _reader(stream))
        await _until_writable(stream)
        yield line


def _reader(stream: Stream) -> Callable[[], Awaitable[bytes]]:
    messages = stream.messages()

    async def read() -> bytes:
        message = await anext(messages)
        return message if isinstance(message, bytes) else b""

    return read


async def _until_writable(stream: Stream) -> None:
    async for message in stream.messages():
        if isinstance(message, str) and (state := console_state(message)) and state.writable and state.connected:
            return


@asynccontextmanager
async def _virsh(node: Node, name: str) -> AsyncIterator[Line]:
    """The peer: virsh in a pseudo-terminal, after a first key has come back."""
    near, far = pty.openpty()
    words = ("virsh", "--connect", node.libvirt_uri, "console", name)
    process = await asyncio.create_subprocess_exec(*words, stdin=far, stdout=far, stderr=subprocess.STDOUT)
    os.close(far)
    line = _of_terminal(near)
    try:
        await _until_echo(line)
        yield line
    finally:
        process.kill()
        await process.wait()
        asyncio.get_running_loop().remove_reader(near)
        os.close(near)


def _of_terminal(descriptor: int) -> Line:
    came: asyncio.Queue[bytes] = asyncio.Queue()

    def receive() -> None:
        with contextlib.suppress(OSError):  # the far side is closed
            came.put_nowait(os.read(descriptor, 65536))

    async def write(data: bytes) -> None:
        os.write(descriptor, data)

    os.set_blocking(descriptor, False)
    asyncio.get_running_loop().add_reader(descriptor, receive)
    return Line(write, came.get)


async def _until_echo(line: Line) -> None:
    """Past what virsh says and what the guest has said: until a key has come back."""
    said = b""
    async with asyncio.timeout(30):
        while b"Escape character" not in said:
            said += await line.read()
        await line.write(b"~")
        while not said.endswith(b"~"):
            said += await line.read()
