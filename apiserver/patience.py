"""How long may a client take? A connection that does not finish its first request's headers in time is cut."""

import asyncio

HEADERS_S = 10.0
_END = b"\r\n\r\n"


class Patience(asyncio.Protocol):
    """Stands before the real protocol until the first request has come, and then leaves its place to it."""

    def __init__(self, inner: asyncio.Protocol, seconds: float = HEADERS_S) -> None:
        self._inner = inner
        self._seconds = seconds
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(self._seconds, transport.abort)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass the bytes on, and step aside when the headers are complete."""
        self._inner.data_received(data)
        seen = self._tail + data
        self._tail = seen[-len(_END) :]
        if _END in seen and self._transport is not None:
            self._stop()
            self._transport.set_protocol(self._inner)

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

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
