"""How is libvirt called from the loop? In threads, each call with a deadline, errors in the controller's terms."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import libvirt

from controller.hypervisor.errors import translated
from controller.hypervisor.event_thread import ensure_event_thread
from controller.telemetry.figures import LIBVIRT_ERRORS, LIBVIRT_TIME
from hypersdk.errors import Transient

KEEPALIVE_INTERVAL_S = 5
KEEPALIVE_COUNT = 3
"""A libvirtd that says nothing for 20 s is given up, and all calls that wait for it fail."""

FAILURES = (TimeoutError, libvirt.libvirtError, Transient)

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


def connect(uri: str, keepalive_s: int = KEEPALIVE_INTERVAL_S) -> libvirt.virConnect:
    """A new connection that notices when libvirtd hangs; blocks."""
    ensure_event_thread()
    connection = libvirt.open(uri)
    connection.setKeepAlive(keepalive_s, KEEPALIVE_COUNT)
    return connection


def disconnect(connection: libvirt.virConnect) -> None:
    """Close a connection, which may be broken; blocks."""
    try:
        connection.close()
    except libvirt.libvirtError as error:
        _log.debug("closing a connection: %s", error)


def _disconnect_all(connections: Iterable[libvirt.virConnect]) -> None:
    for connection in connections:
        disconnect(connection)


def name_of(work: Callable[[libvirt.virConnect], _T]) -> str:
    """The name of what is called, for the metrics."""
    inner = work.func if isinstance(work, partial) else work
    return str(getattr(inner, "__name__", "other")).strip("_<>")


class Threads:
    """A few threads that wait for libvirt, so that the loop need not."""

    def __init__(self, size: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)

    async def run(self, work: Callable[[], _T], what: str, timeout_s: float, name: str = "other") -> _T:
        """The result of the work. When the deadline passes, the thread waits on alone, until the keepalive ends it."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            # Not wait_for: until Python 3.12 it loses a cancellation that comes together with the result.
            with LIBVIRT_TIME.labels(name).time(), LIBVIRT_ERRORS.labels(name).count_exceptions(FAILURES):
                async with asyncio.timeout(timeout_s):
                    return await future
        except TimeoutError as error:
            raise Transient(f"cannot {what}: libvirt gave no answer within {timeout_s:.0f} s") from error
        except libvirt.libvirtError as error:
            raise translated(error, what) from error

    def close(self) -> None:
        """Take no more work."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class Pool:
    """As many connections as threads, each opened when first needed and again after it broke.

    libvirtd takes five requests at a time of one connection; a guest that starts slowly must not hold up the others.
    """

    def __init__(self, uri: str, size: int, name: str) -> None:
        self._uri = uri
        self._threads = Threads(size, name)
        self._mine = threading.local()
        self._open: set[libvirt.virConnect] = set()

    async def call(self, work: Callable[[libvirt.virConnect], _T], what: str, timeout_s: float = 30.0) -> _T:
        """The result of the work with one of the connections."""
        return await self._threads.run(lambda: work(self._connection()), what, timeout_s, name_of(work))

    async def close(self) -> None:
        """Close every connection; calls under way fail."""
        self._threads.close()
        connections, self._open = self._open, set()
        await asyncio.to_thread(_disconnect_all, connections)

    def _connection(self) -> libvirt.virConnect:
        connection = getattr(self._mine, "connection", None)
        if connection is not None and connection.isAlive():
            return connection
        if connection is not None:
            self._open.discard(connection)
            disconnect(connection)
        self._mine.connection = connect(self._uri)
        self._open.add(self._mine.connection)
        return self._mine.connection
