"""A host whose guests say what a test makes them say, behind the hypervisor's port."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Literal

from controller.hypervisor.port import (
    DomainEvent,
    DomainState,
    DomainStats,
    GuestAddress,
    GuestFacts,
    HostFacts,
    HostNetwork,
    ObservedDomain,
    Power,
    SerialConsole,
)
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


class ScriptedGuest:
    """One guest with a serial port, which QEMU copies to a log file."""

    def __init__(self, log: Path, uuid: str = UUID) -> None:
        self.log = log
        self.domain = ObservedDomain(uuid, "default.vm", DomainState.SHUTOFF, "shutdown", None)
        self.port: ScriptedPort | None = None
        self.reads = asyncio.Event()
        self.reads.set()
        self.typed = b""
        self._typed_news = asyncio.Event()
        self.while_opening = b""
        """What it writes when its port was just opened: into the stream and the log."""

    def power_on(self, state: DomainState = DomainState.RUNNING, *, truncate: bool = True) -> None:
        self.domain = replace(self.domain, state=state, reason="booted", pid=next(_pids))
        if truncate:
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


class ScriptedHost:
    """The port of one host."""

    def __init__(self, *guests: ScriptedGuest) -> None:
        self.guests = {guest.domain.uuid: guest for guest in guests}
        self.counters: dict[str, DomainStats] = {}
        self.is_reachable = True
        self.opened = 0

    async def observe(self, uuid: str) -> ObservedDomain | None:
        self._reach()
        guest = self.guests.get(uuid)
        return guest.domain if guest else None

    async def open_console(self, uuid: str) -> SerialConsole:
        self._reach()
        guest = self.guests.get(uuid)
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

    async def stats(self) -> dict[str, DomainStats]:
        self._reach()
        return dict(self.counters)

    async def log_tail(self, name: str, lines: int) -> list[str]:
        return [f"{name} line {number}" for number in range(1, 6)][-lines:]

    def _reach(self) -> None:
        if not self.is_reachable:
            raise Transient("libvirt cannot be reached")

    # Not asked by the gateway.

    async def facts(self) -> HostFacts:
        raise NotImplementedError

    async def domains(self) -> list[ObservedDomain]:
        raise NotImplementedError

    async def define(self, xml: str) -> None:
        raise NotImplementedError

    async def set_power(self, uuid: str, power: Power) -> None:
        raise NotImplementedError

    async def start(self, uuid: str) -> None:
        raise NotImplementedError

    async def resume(self, uuid: str) -> None:
        raise NotImplementedError

    async def shutdown(self, uuid: str, mode: Literal["agent", "acpi"]) -> None:
        raise NotImplementedError

    async def destroy(self, uuid: str) -> None:
        raise NotImplementedError

    async def undefine(self, uuid: str) -> None:
        raise NotImplementedError

    async def guest(self, uuid: str) -> GuestFacts:
        raise NotImplementedError

    async def addresses(self, uuid: str) -> list[GuestAddress]:
        raise NotImplementedError

    async def ensure_network(self, name: str) -> HostNetwork:
        raise NotImplementedError

    def events(self) -> AsyncIterator[DomainEvent]:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to let go of."""
