"""A host whose guests say what a test makes them say, behind the hypervisor's port."""

import asyncio
import socket
from collections.abc import Collection
from dataclasses import replace
from itertools import count
from pathlib import Path

from controller.hypervisor.fake import FakeHypervisor
from controller.hypervisor.port import ConsoleDevice, DomainState, ObservedDomain, SerialConsole
from controller.hypervisor.readings import DomainStats, Pulse
from hypersdk.errors import Transient

UUID = "6f3c0f5e-0000-4000-8000-000000000001"
_pids = count(1000)


class ScriptedPort:
    """One opening of a serial port."""

    def __init__(self, guest: "ScriptedGuest") -> None:
        self._guest = guest
        self._output: asyncio.Queue[bytes] = asyncio.Queue()
        self.is_closed = False

    def feed(self, data: bytes) -> None:
        """What the guest writes; empty ends the stream."""
        self._output.put_nowait(data)

    async def read(self) -> bytes:
        return b"" if self.is_closed else await self._output.get()

    async def write(self, data: bytes) -> None:
        await self._guest.reads.wait()
        self._guest.type(data)

    async def close(self) -> None:
        self.is_closed = True
        if self._guest.port is self:
            self._guest.port = None
            self._guest.let_go.set()


class ScriptedGuest:
    """One guest with a serial port, which QEMU copies to a log file."""

    def __init__(self, log: Path, uuid: str = UUID) -> None:
        self.log = log
        self.domain = ObservedDomain(uuid, "default.vm", DomainState.SHUTOFF, "shutdown", None)
        self.port: ScriptedPort | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.typed = b""
        self.let_go = asyncio.Event()
        """Set when a reader has closed the port."""
        self._typed_news = asyncio.Event()
        self.while_opening = b""
        """What it writes when its port was just opened: into the stream and the log."""

    def power_on(self, state: DomainState = DomainState.RUNNING, *, truncate: bool = True) -> None:
        self.domain = replace(self.domain, state=state, reason="booted", pid=next(_pids))
        if truncate or not self.log.exists():
            self.log.write_bytes(b"")

    def power_off(self) -> None:
        self.domain = replace(self.domain, state=DomainState.SHUTOFF, reason="destroyed", pid=0)
        self.hang_up()

    def hang_up(self) -> None:
        """The port's stream ends, as when libvirtd dies; the guest runs on."""
        if self.port is not None:
            self.port.feed(b"")
            self.port = None

    def say(self, data: bytes) -> None:
        with self.log.open("ab") as file:
            file.write(data)
        if self.port is not None:
            self.port.feed(data)

    def type(self, data: bytes) -> None:
        self.typed += data
        self._typed_news.set()

    async def has_typed(self, wanted: bytes) -> None:
        """Wait until the guest got that."""
        while wanted not in self.typed:
            self._typed_news.clear()
            await self._typed_news.wait()


class ScriptedHost(FakeHypervisor):
    """A fake whose domains are those guests."""

    def __init__(self, *guests: ScriptedGuest) -> None:
        super().__init__(clock=lambda: 0.0)
        self.guests = {guest.domain.uuid: guest for guest in guests}
        self.counters: dict[str, DomainStats] = {}
        self.virtio: ScriptedGuest | None = None
        """What the only guest says on its virtio console."""
        self.kernel: dict[str, Pulse] = {}
        self.counted: list[set[str] | None] = []
        """Of which VMs the counters were asked for, each time; None for all."""
        self.screen = b"\x89PNG\r\n\x1a\n picture"
        self.qemu_log = Path("/nonexistent")
        self.viewers: list[socket.socket] = []
        """QEMU's ends of the connections to its screen."""
        self.opened = 0

    def log_of(self, uuid: str, device: ConsoleDevice) -> str:
        """Where virtlogd would write."""
        guest = self.guests.get(uuid) if device == "serial0" else self.virtio
        return str(guest.log) if guest else ""

    async def observe(self, uuid: str) -> ObservedDomain | None:
        self.ask("observe")
        guest = self.guests.get(uuid)
        return guest.domain if guest else None

    async def open_console(self, uuid: str, device: ConsoleDevice = "serial0") -> SerialConsole:
        self.ask("open_console")
        guest = self.guests.get(uuid) if device == "serial0" else self.virtio
        if guest is None or not guest.domain.is_active:
            raise Transient("the domain is off")
        if guest.port is not None:
            raise Transient("somebody else has the console")
        guest.port = ScriptedPort(guest)
        self.opened += 1
        if guest.while_opening:
            said, guest.while_opening = guest.while_opening, b""
            guest.say(said)
        return guest.port

    async def stats(self, uuids: Collection[str] | None = None) -> dict[str, DomainStats]:
        self.ask("stats")
        self.counted.append(None if uuids is None else set(uuids))
        return {uuid: stats for uuid, stats in self.counters.items() if uuids is None or uuid in uuids}

    async def pulses(self) -> dict[str, Pulse]:
        return dict(self.kernel)

    async def screenshot(self, uuid: str) -> bytes:
        self.ask("screenshot")
        return self.screen

    async def open_graphics(self, uuid: str) -> socket.socket:
        """The far end is the test's: `viewers` has it."""
        self.ask("open_graphics")
        if not self.guests[uuid].domain.is_active:
            raise Transient("the VM is off: there is no screen to look at")
        near, far = socket.socketpair()
        for end in (near, far):
            end.setblocking(False)
        self.viewers.append(far)
        return near

    def log_path(self, name: str) -> str:
        return str(self.qemu_log)
