"""A client that is slow with the headers of a request is cut; one that is not never notices."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from apiserver.patience import Patience, unhurried

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
AGES = 30.0
"""Long enough on any machine."""
AT_ONCE = 0.05


class Client:
    """One connection to a server that answers with the body that it got."""

    def __init__(self, reader: asyncio.StreamReader, send: Callable[[bytes], None], patience: Patience) -> None:
        self._reader = reader
        self.send = send
        self.patience = patience
        self.begun = asyncio.Event()
        """A request is being answered."""

    async def answer(self) -> bytes:
        """The body of the next answer."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return await self._reader.readexactly(4)

    async def is_cut(self) -> bool:
        """Whether the server ends the connection without a word."""
        try:
            return await self._reader.read(1) == b""
        except ConnectionResetError:
            return True


@asynccontextmanager
async def _connected(seconds: float) -> AsyncIterator[Client]:
    loop = asyncio.get_running_loop()
    made: asyncio.Future[Patience] = loop.create_future()

    def accepted() -> Patience:
        assert answering is not None
        made.set_result(Patience(answering(), seconds))
        return made.result()

    async def echo(request: web.Request) -> web.Response:
        client.begun.set()
        return web.Response(body=await request.read())

    app = web.Application(middlewares=[unhurried])
    app.router.add_post("/", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    answering = runner.server
    server = await loop.create_server(accepted, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    client = Client(reader, writer.write, await made)
    try:
        yield client
    finally:
        writer.close()
        server.close()
        await runner.cleanup()


HEADS = pytest.mark.parametrize(
    "sent", [b"G", b"POST / HTTP/1.1\r\nHost: a\r\n"], ids=["a byte", "half of the headers"]
)


@HEADS
async def test_a_slow_first_request_is_cut(sent: bytes) -> None:
    async with _connected(AT_ONCE) as client:
        client.send(sent)
        assert await client.is_cut()


async def test_a_client_that_says_nothing_is_cut() -> None:
    async with _connected(AT_ONCE) as client:
        assert await client.is_cut()


@HEADS
async def test_a_slow_second_request_is_cut(sent: bytes) -> None:
    async with _connected(AGES) as client:
        client.send(REQUEST + b"body")
        assert await client.answer() == b"body"
        client.patience.seconds = AT_ONCE
        client.send(sent)
        assert await client.is_cut()


async def test_headers_may_come_in_pieces_and_the_body_has_a_time_of_its_own() -> None:
    async with _connected(AGES) as client:
        for turn in (b"one.", b"two."):
            for piece in (REQUEST[:10], REQUEST[10:-3], REQUEST[-3:-1], REQUEST[-1:], turn[:2], turn[2:]):
                client.send(piece)
                await asyncio.sleep(0)
            assert await client.answer() == turn


async def test_a_body_is_not_timed_as_headers_are() -> None:
    async with _connected(AGES) as client:
        client.send(REQUEST)
        await client.begun.wait()
        client.patience.seconds = 0
        client.send(b"bo")
        client.send(b"dy")
        assert await client.answer() == b"body"
