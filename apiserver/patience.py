"""How long may a client take? A connection that does not finish the headers of a request in time is cut."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

HEADERS_S = 10.0
_END = b"\r\n\r\n"


class Patience(asyncio.Protocol):
    """Stands before the real protocol: runs a clock from the first byte of a request to the end of its headers.

    For the first request, the clock runs from the connection on. What comes while a request is answered is its body.
    """

    def __init__(self, inner: asyncio.Protocol, seconds: float = HEADERS_S) -> None:
        self._inner = inner
        self.seconds = seconds
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tail = b""
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._start()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on, and look for the end of the headers."""
        self._inner.data_received(data)
        if self._answering:
            return
        if self._timer is None:
            self._start()
        seen = self._tail + data
        self._tail = seen[-len(_END) + 1 :]
        if _END in seen:
            self._stop()

    def begin(self) -> None:
        """A request is complete, and is being answered."""
        self._answering = True
        self._stop()

    def end(self) -> None:
        """It is answered: what comes now is the next one."""
        self._answering = False

    def eof_received(self) -> bool | None:
        """The client says no more."""
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop()
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._inner.resume_writing()

    def _start(self) -> None:
        assert self._transport is not None
        self._timer = asyncio.get_running_loop().call_later(self.seconds, self._transport.abort)

    def _stop(self) -> None:
        self._tail = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


@web.middleware
async def unhurried(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Let no clock run while a request is answered."""
    protocol = request.transport.get_protocol() if request.transport is not None else None
    if not isinstance(protocol, Patience):
        return await handler(request)
    protocol.begin()
    try:
        return await handler(request)
    finally:
        protocol.end()
