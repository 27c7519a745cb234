"""Is libvirt there? The one connection that is kept for events and reads, and comes back by itself when it breaks."""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import libvirt

from controller.hypervisor.calls import Threads, connect, disconnect, name_of
from controller.hypervisor.errors import translated
from controller.hypervisor.events import EventBus, register, unregister
from controller.hypervisor.port import DomainEvent
from hypersdk.errors import HyperSDKError, Transient

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
_THREADS = 4
"""One fewer than the calls that libvirtd serves at a time on one connection."""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Link:
    """Keeps one connection open with its events registered; reads go through it."""

    def __init__(self, uri: str, bus: EventBus) -> None:
        self._uri = uri
        self._bus = bus
        self._loop = asyncio.get_running_loop()
        self._threads = Threads(_THREADS, "libvirt-reads")
        self._session: _Session | None = None
        self._why_not = "it has not answered yet"
        self._tried = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(), name=f"link to {uri}")

    async def tried(self, timeout_s: float) -> None:
        """Wait until the first attempt has come to an end, with or without success, or the time is up."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._tried.wait()

    async def read(self, work: Callable[[libvirt.virConnect], _T], what: str, timeout_s: float = 15.0) -> _T:
        """The result of the work, which must not take long; Transient while there is no connection."""
        if self._keeper.done():
            self._keeper.result()
        if self._session is None:
            raise Transient(f"cannot {what}: no connection to libvirt at {self._uri}: {self._why_not}")
        connection = self._session.connection
        return await self._threads.run(lambda: work(connection), what, timeout_s, name_of(work))

    async def close(self) -> None:
        """Let go."""
        self._keeper.cancel()
        await asyncio.wait([self._keeper])
        self._threads.close()

    async def _keep(self) -> None:
        delay_s = _FIRST_DELAY_S
        before = False
        while True:
            broken = asyncio.Event()
            try:
                # No deadline: a libvirtd that hangs is waited for here, while the reads are refused.
                session = await asyncio.to_thread(self._open, broken)
            except HyperSDKError as error:
                self._failed(str(error))
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))
                delay_s = min(delay_s * 2, _LONGEST_DELAY_S)
            else:
                delay_s = _FIRST_DELAY_S
                await self._hold(session, broken, announce=before)
                before = True

    async def _hold(self, session: "_Session", broken: asyncio.Event, announce: bool) -> None:
        self._session = session
        self._tried.set()
        try:
            if announce:
                _log.info("libvirt at %s is back", self._uri)
                self._bus.publish(DomainEvent(what="reconnected"))
            await broken.wait()
            self._failed("libvirtd has closed the connection")
        finally:
            self._session = None
            await asyncio.shield(asyncio.to_thread(session.close))

    def _open(self, broken: asyncio.Event) -> "_Session":
        def tell() -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(broken.set)

        try:
            return _Session(self._uri, self._bus, tell)
        except libvirt.libvirtError as error:
            raise translated(error, f"connect to libvirt at {self._uri}") from error

    def _failed(self, why: str) -> None:
        if why != self._why_not:
            _log.warning("libvirt at %s: %s", self._uri, why)
        self._why_not = why
        self._tried.set()


class _Session:
    """One connection with its callbacks, from open to close; both block."""

    def __init__(self, uri: str, bus: EventBus, broken: Callable[[], None]) -> None:
        self.connection = connect(uri)
        self._numbers: list[int] = []
        try:
            self.connection.registerCloseCallback(lambda *_: broken(), None)
            self._numbers = register(self.connection, bus)
        except libvirt.libvirtError:
            self.close()
            raise

    def close(self) -> None:
        unregister(self.connection, self._numbers)
        with suppress(libvirt.libvirtError):
            self.connection.unregisterCloseCallback()
        disconnect(self.connection)
