"""Where are the consoles of all the VMs of this host?"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from controller.gateway.console import Console
from controller.gateway.serial_log import SerialLog
from controller.gateway.session import Session
from controller.hypervisor.port import Hypervisor
from hypersdk.kube.streams import Mode

_log = logging.getLogger(__name__)
ATTACH_WITHIN_S = 5.0


class Consoles:
    """Every serial console of the host, by the domain's uuid; the only reader of their ports."""

    def __init__(
        self,
        hypervisor: Hypervisor,
        phase_of: Callable[[str], str] = lambda uuid: "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hypervisor = hypervisor
        self._phase_of = phase_of
        """The VM's phase in the API, by uuid; only for words."""
        self._clock = clock
        self._consoles: dict[str, Console] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._kept: set[str] = set()
        self._group: asyncio.TaskGroup | None = None
        self._running = asyncio.Event()

    async def run(self) -> None:
        """Own the reader of every console, until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            for uuid in self._consoles:
                self._start(uuid)
            self._running.set()
            await asyncio.Event().wait()  # for ever: readers come and go

    async def attach(self, uuid: str, log_path: str) -> None:
        """Read the domain's port from now on; idempotent. Returns once the port is open, or after 5 s without.

        Called before a domain that was started paused is resumed, so that its first byte is not missed; for a running
        domain when the controller adopts it, and as often as the reconciler likes afterwards. A VM's start never
        depends on its console: what goes wrong here is only told to whoever opens it.
        """
        self._kept.add(uuid)
        console = self._console(uuid)
        try:
            async with asyncio.timeout(ATTACH_WITHIN_S):
                await self._running.wait()
                await console.attach(SerialLog(log_path))
        except TimeoutError:
            _log.warning("the console of VM %s is not open after %.0f s; it is tried on", uuid, ATTACH_WITHIN_S)

    async def detach(self, uuid: str) -> None:
        """Forget the console of a VM that was deleted; its sessions end."""
        self._kept.discard(uuid)
        if console := self._consoles.pop(uuid, None):
            console.end()
        if task := self._tasks.pop(uuid, None):
            task.cancel()
            await asyncio.wait({task})

    def wake(self, uuid: str = "") -> None:
        """A domain event came (without a uuid: for all of them): look again now instead of some seconds later."""
        for each, console in self._consoles.items():
            if uuid in {"", each}:
                console.wake()

    def history(self, uuid: str) -> bytes:
        """The output of a console as far as it is kept."""
        console = self._consoles.get(uuid)
        return console.history if console else b""

    @asynccontextmanager
    async def session(
        self, uuid: str, user: str, mode: Mode, *, history: bool = True
    ) -> AsyncIterator[tuple[Console, Session]]:
        """Attach somebody for as long as the block runs, whether the VM runs or not."""
        console = self._console(uuid)
        try:
            async with console.session(user, mode, history=history) as session:
                yield console, session
        finally:
            if uuid not in self._kept and not console.is_watched and self._consoles.get(uuid) is console:
                await self.detach(uuid)

    def _console(self, uuid: str) -> Console:
        if uuid not in self._consoles:
            self._consoles[uuid] = Console(uuid, self._hypervisor, lambda: self._phase_of(uuid), self._clock)
            if self._running.is_set():
                self._start(uuid)
        return self._consoles[uuid]

    def _start(self, uuid: str) -> None:
        assert self._group is not None
        self._tasks[uuid] = self._group.create_task(self._consoles[uuid].run())
