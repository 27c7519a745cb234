"""How much faster is the virtio console (hvc0) than the serial port, through the API, on one Linux guest?"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from os import environ
from pathlib import Path

from benchmarks.figures import Figure, median
from benchmarks.node import NAMESPACE, Node, image
from hyperctl.guest.image import build
from hypersdk.kube.streams import Stream, Trail, open_console
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.settings import places

NAME = "linux"
FLOODS = 5
SIZES = {"serial0": 2**16, "console1": 2**22}
"""Bytes of one flood: each takes about as long."""
PROMPT = b":~# "
BOOT_WITHIN_S = 180.0
MOST_AT_ONCE = 2**20
"""More than one message of a console has."""


async def run(node: Node) -> list[Figure]:
    """Both consoles in turn."""
    await _boot(node)
    rates: dict[str, list[float]] = {device: [] for device in SIZES}
    lost = 0
    for number in range(FLOODS):
        for device, size in SIZES.items():
            async with _shell(node, device) as shell:
                rate, came = await shell.flood(size, number)
            rates[device].append(rate)
            lost += size - came if device == "console1" else 0
    await node.delete(NAME)
    serial, virtio = (median(rates[device]) / 1e6 for device in SIZES)
    return [
        Figure("serial: Linux writes to hvc0, through the API", virtio, "MB/s"),
        Figure("serial: the same guest writes to ttyS0, through the API", serial, "MB/s"),
        Figure("serial: hvc0's rate to that of ttyS0", virtio / serial, "times"),
        Figure("serial: lost on hvc0", 100 * lost / (FLOODS * SIZES["console1"]), "%"),
    ]


async def _boot(node: Node) -> None:
    demo = await asyncio.to_thread(build, places(environ).cache, print)
    copy = Path(await asyncio.to_thread(shutil.copy, demo, image(node.folder).parent / "demo.qcow2"))
    spec: JsonObject = {"cpus": 1, "memory": "256Mi", "image": {"source": f"file://{copy}"}}
    await node.client.create(VIRTUAL_MACHINES, NAMESPACE, {"metadata": {"name": NAME}, "spec": spec})
    await node.until_running(NAME)


class Shell:
    """A root shell at one console."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._messages = stream.messages()

    async def until(self, words: bytes, within: float = BOOT_WITHIN_S) -> bytes:
        """What comes until those words have."""
        came = bytearray()
        async with asyncio.timeout(within):
            while words not in came[-MOST_AT_ONCE - len(words) :]:
                message = await anext(self._messages)
                came += message if isinstance(message, bytes) else b""
        return bytes(came)

    async def type(self, line: str) -> None:
        """Type a line."""
        await self._stream.send(line.encode() + b"\n")

    async def flood(self, size: int, number: int) -> tuple[float, int]:
        """Bytes a second, and how many came, of so many that the guest writes; earlier ones may be in the history."""
        await self.type(f"head -c {size} /dev/zero | tr '\\000' '%' >/tmp/flood; echo READY$(({number}+0))")
        await self.until(b"READY%d\r" % number)
        start = time.perf_counter()
        await self.type(f"cat /tmp/flood; echo END$(({number}+0))")
        came = (await self.until(b"END%d\r" % number)).count(b"%")
        return came / (time.perf_counter() - start), came


@asynccontextmanager
async def _shell(node: Node, device: str) -> AsyncIterator[Shell]:
    trail = Trail("console1" if device == "console1" else "serial0")
    async with await open_console(node.client, NAMESPACE, NAME, trail=trail) as stream:
        shell = Shell(stream)
        await shell.until(PROMPT)
        yield shell
