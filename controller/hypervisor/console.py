"""How is a guest's console read and written? As a libvirt stream on a connection of its own.

Of its own, because libvirtd stops listening to a whole connection while one guest on it does not take what is typed.
"""

import asyncio
import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import libvirt

from controller.hypervisor.calls import connect, disconnect
from controller.hypervisor.errors import translated
from controller.hypervisor.observe import our_domain
from controller.hypervisor.port import ConsoleDevice
from hypersdk.errors import Transient

READ_BYTES = 65536
ROOM_BYTES = 262144
"""What is kept for a reader that falls behind; no more is taken from libvirt then."""
WRITE_BYTES = 1024
_KEEPALIVE_S = 20
"""Seldom: there are as many of these connections as guests. That libvirtd hangs, the one for events notices first."""
_OPEN_TIMEOUT_S = 15.0
_CLOSE_TIMEOUT_S = 2.0
_NOTHING_NOW = -2
_ENDED = libvirt.VIR_STREAM_EVENT_ERROR | libvirt.VIR_STREAM_EVENT_HANGUP

_log = logging.getLogger(__name__)


class Consoles:
    """Opens consoles, several at a time."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(4, thread_name_prefix="libvirt-consoles")

    async def open(self, uuid: str, device: ConsoleDevice = "serial0") -> "StreamConsole":
        """A console of the domain; one that comes too late is closed again, since nobody else could have it."""
        opening = self._executor.submit(_open, self._uri, uuid, device, self._loop)
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                return await asyncio.wrap_future(opening)
        except libvirt.libvirtError as error:
            raise translated(error, f"open the console of {uuid}") from error
        except (TimeoutError, asyncio.CancelledError) as error:
            opening.add_done_callback(_close_late)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Transient(f"cannot open the console of {uuid}: no answer in {_OPEN_TIMEOUT_S:.0f} s") from error

    def close(self) -> None:
        """Open no more."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _close_late(opening: "Future[StreamConsole]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close_now()


def _open(uri: str, uuid: str, device: ConsoleDevice, loop: asyncio.AbstractEventLoop) -> "StreamConsole":
    """One console of a running domain of ours; Transient when somebody else has it. Blocks."""
    connection = connect(uri, _KEEPALIVE_S)
    try:
        domain = our_domain(connection, uuid)
        if domain is None:
            raise Transient(f"cannot open the console of {uuid}: libvirt has no such domain")
        stream = connection.newStream(libvirt.VIR_STREAM_NONBLOCK)
        domain.openConsole(device, stream, libvirt.VIR_DOMAIN_CONSOLE_SAFE)
    except (libvirt.libvirtError, Transient):
        disconnect(connection)
        raise
    return StreamConsole(connection, stream, loop)


class StreamConsole:
    """One open serial port. libvirt's event thread receives, the loop reads what was received."""

    def __init__(
        self, connection: libvirt.virConnect, stream: libvirt.virStream, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._loop = loop
        self._lock = threading.Lock()
        self._received = bytearray()
        self._is_full = False
        self._is_ended = False
        self._is_closed = False
        self._news = asyncio.Event()
        # Of its own: a write that the guest does not take holds its thread.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="libvirt-console")
        stream.eventAddCallback(libvirt.VIR_STREAM_EVENT_READABLE | _ENDED, self._on_event, None)
        # When libvirtd dies, the connection hears of it and the stream does not.
        connection.registerCloseCallback(self._on_lost, None)

    async def read(self) -> bytes:
        """The next bytes; empty when the domain has gone off or the port was closed."""
        while True:
            self._news.clear()
            if data := self._take():
                return data
            if self._is_ended:
                return b""
            # No deadline: a guest may be silent for days, and the end of the stream is news too.
            await self._news.wait()

    async def write(self, data: bytes) -> None:
        """Type into the guest; waits while the guest does not read. Transient when the port has been closed."""
        for start in range(0, len(data), WRITE_BYTES):
            if self._is_ended:
                raise Transient("the console is closed")
            await self._loop.run_in_executor(self._writer, self._send, data[start : start + WRITE_BYTES])

    async def close(self) -> None:
        """Let go of the port; twice is once."""
        if self._is_closed:
            return
        self._is_closed = True
        self._writer.shutdown(wait=False, cancel_futures=True)
        # A write that the guest does not take is waited for in the thread alone: libvirtd ends it within a minute.
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await asyncio.to_thread(self.close_now)

    def _take(self) -> bytes:
        with self._lock:
            data, self._received = bytes(self._received), bytearray()
            if self._is_full and not self._is_ended:
                self._watch(libvirt.VIR_STREAM_EVENT_READABLE | _ENDED)
            self._is_full = False
        return data

    def _on_event(self, stream: libvirt.virStream, events: int, _opaque: object) -> None:
        """Runs in libvirt's event thread."""
        if events & libvirt.VIR_STREAM_EVENT_READABLE:
            self._receive(stream)
        if events & _ENDED:
            self._is_ended = True
        if self._is_ended:
            self._unwatch()
        self._tell_reader()

    def _on_lost(self, _connection: libvirt.virConnect, _reason: int, _opaque: object) -> None:
        """Runs in libvirt's event thread."""
        self._is_ended = True
        self._tell_reader()

    def _tell_reader(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._news.set)

    def _receive(self, stream: libvirt.virStream) -> None:
        while True:
            try:
                data = stream.recv(READ_BYTES)
            except libvirt.libvirtError as error:
                _log.debug("console stream: %s", error)
                data = b""
            if data == _NOTHING_NOW:
                return
            if not data:
                self._is_ended = True
                return
            if self._keep(data):
                return

    def _keep(self, data: bytes) -> bool:
        """Whether there is no more room; the watch is changed under the lock, so that `_take` cannot come between."""
        with self._lock:
            self._received += data
            self._is_full = len(self._received) >= ROOM_BYTES
            if self._is_full:
                self._watch(_ENDED)
            return self._is_full

    def _send(self, data: bytes) -> None:
        try:
            while data:
                sent = self._stream.send(data)
                data = data[max(sent, 0) :]
        except libvirt.libvirtError as error:
            raise translated(error, "type into the console") from error

    def _watch(self, events: int) -> None:
        with suppress(libvirt.libvirtError):  # the stream has ended meanwhile
            self._stream.eventUpdateCallback(events)

    def _unwatch(self) -> None:
        with suppress(libvirt.libvirtError):
            self._stream.eventRemoveCallback()

    def close_now(self) -> None:
        """Let go of the port; blocks."""
        was_ended, self._is_ended = self._is_ended, True
        self._tell_reader()
        with suppress(libvirt.libvirtError):
            self._connection.unregisterCloseCallback()
        if not was_ended:
            self._unwatch()
            with suppress(libvirt.libvirtError):
                self._stream.abort()
        disconnect(self._connection)
