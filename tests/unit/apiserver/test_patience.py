"""A client that is slow with its first request is cut; one that is not never notices."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apiserver.patience import Patience


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


@asynccontextmanager
async def _connected(seconds: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Patience(Echo(), seconds), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n"], ids=["nothing", "half of the headers"])
async def test_a_slow_client_is_cut(sent: bytes) -> None:
    async with _connected(0.05) as (reader, writer):
        writer.write(sent)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(len(sent) + 1)


async def test_headers_may_come_in_pieces_and_then_there_is_no_hurry() -> None:
    async with _connected(30) as (reader, writer):
        for piece in (b"GET / HTTP/1.1\r", b"\n\r", b"\n"):
            writer.write(piece)
            await reader.readexactly(len(piece))
        writer.write(b"later")
        assert await reader.readexactly(5) == b"later"
