"""Where are the consoles of all the VMs of this host?"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from controller.gateway.console import Console
from controller.gateway.ring import CAPACITY
from controller.gateway.serial_log import SerialLog
from controller.gateway.session import Guest, Session
from controller.hypervisor.port import ConsoleDevice, Hypervisor

_log = logging.getLogger(__name__)
ATTACH_WITHIN_S = 5.0
DEVICES: tuple[ConsoleDevice, ...] = ("serial0", "console1")
KEPT: ConsoleDevice = "serial0"
"""The device that is read from power-on; of the other one virtlogd keeps what is written, until somebody looks."""

Port = tuple[str, ConsoleDevice]


class Consoles:
    """Every console of the host, by the domain's uuid and the device; the only reader of their ports."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        phase_of: Callable[[str], str] = lambda uuid: "",
        clock: Callable[[], float] = time.monotonic,
        log_of: Callable[[str, ConsoleDevice], str] = lambda uuid, device: "",
    ) -> None:
        self._hypervisor = hypervisor
        self._phase_of = phase_of
        """The VM's phase in the API, by uuid; only for words."""
        self._clock = clock
        self._log_of = log_of
        """Where virtlogd writes what comes from a port; empty where that is not known before `attach`."""
        self._consoles: dict[Port, Console] = {}
        self._tasks: dict[Port, asyncio.Task[None]] = {}
        self._kept: set[Port] = set()
        self._group: asyncio.TaskGroup | None = None
        self._running = asyncio.Event()

    async def run(self) -> None:
        """Own the reader of every console, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for port in self._consoles:
                self._start(port)
            self._running.set()
            await asyncio.Event().wait()  # for ever: readers come and go

    async def attach(self, uuid: str, log_path: str) -> None:
        """Read the domain's port from now on; idempotent. Returns once the port is open, or after 5 s without.

        Called before a domain that was started paused is resumed, so that its first byte is not missed; for a running
        domain when the controller adopts it, and as often as the reconciler likes afterwards. A VM's start never
        depends on its console: what goes wrong here is only told to whoever opens it.
        """
        self._kept.add((uuid, KEPT))
        console = self._console((uuid, KEPT))
        try:
            async with asyncio.timeout(ATTACH_WITHIN_S):
                await self._running.wait()
                await console.attach(SerialLog(log_path))
        except TimeoutError:
            _log.warning("the console of VM %s is not open after %.0f s; it is tried on", uuid, ATTACH_WITHIN_S)

    async def detach(self, uuid: str) -> None:
        """Forget the consoles of a VM that was deleted; their sessions end."""
        for device in DEVICES:
            await self._forget((uuid, device))

    def wake(self, uuid: str = "") -> None:
        """A domain event came (without a uuid: for all of them): look again now instead of some seconds later."""
        for (each, _), console in self._consoles.items():
            if uuid in {"", each}:
                console.wake()

    async def history(self, uuid: str, device: ConsoleDevice = KEPT) -> bytes:
        """The output of a console as far as it is kept: by us while we read it, else by virtlogd."""
        if console := self._consoles.get((uuid, device)):
            return console.history
        tail = await asyncio.to_thread(SerialLog(self._log_of(uuid, device)).tail, CAPACITY)
        return tail.data[tail.first_line :]

    def log_path(self, uuid: str, device: ConsoleDevice) -> str:
        """Virtlogd's file of a console."""
        console = self._consoles.get((uuid, device))
        return (console.line.log.path if console else "") or self._log_of(uuid, device)

    @asynccontextmanager
    async def session(
        self, uuid: str, guest: Guest, device: ConsoleDevice = KEPT
    ) -> AsyncIterator[tuple[Console, Session]]:
        """Attach somebody for as long as the block runs, whether the VM runs or not."""
        port = (uuid, device)
        console = self._console(port)
        if port not in self._kept and (log := self._log_of(uuid, device)):
            console.read(SerialLog(log))
        try:
            async with console.session(guest) as session:
                yield console, session
        finally:
            if port not in self._kept and not console.is_watched and self._consoles.get(port) is console:
                await self._forget(port)

    async def _forget(self, port: Port) -> None:
        self._kept.discard(port)
        if console := self._consoles.pop(port, None):
            console.end()
        if task := self._tasks.pop(port, None):
            task.cancel()
            await asyncio.wait({task})

    def _console(self, port: Port) -> Console:
        if port not in self._consoles:
            uuid, device = port
            phase = self._phase_of
            self._consoles[port] = Console(uuid, device, self._hypervisor, lambda: phase(uuid), self._clock)
            if self._running.is_set():
                self._start(port)
        return self._consoles[port]

    def _start(self, port: Port) -> None:
        assert self._group is not None
        self._tasks[port] = self._group.create_task(self._consoles[port].run())
