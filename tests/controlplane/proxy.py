"""Proxies on loopback before an API server that fail on demand, as bad networks and busy servers do."""

import asyncio
import ssl
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import aiohttp
import yaml
from aiohttp import web

from hypersdk.kube.endpoint import Endpoint
from tests.controlplane.api import Api


class CuttingProxy:
    """Passes bytes between its port and `target` until it is told to cut; use it with `async with`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.accepted = 0
        """How many connections came through."""
        self.refusing = False
        """While it is True, every new connection is cut at once."""
        self.allowance: int | None = None
        """So many bytes more come from the server; then its connections are cut, wherever they are."""
        self.flowing = asyncio.Event()
        """While it is clear, connections stay open and nothing passes."""
        self.flowing.set()

    @property
    def port(self) -> int:
        """Where to connect."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """Break every open connection in the middle of whatever it is doing."""
        for writer in tuple(self._open):
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self.accepted += 1
        both = {writer, far_writer}
        self._open |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_on(reader, far_writer, both))
                group.create_task(self._pass_on(far_reader, writer, both, is_answer=True))
        finally:
            self._open -= both

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        both: set[asyncio.StreamWriter],
        *,
        is_answer: bool = False,
    ) -> None:
        try:
            while data := await reader.read(65536):
                await self.flowing.wait()
                writer.write(self._allowed(data) if is_answer else data)
                await writer.drain()
                if is_answer and self.allowance == 0:
                    self.allowance = None
                    for one in both:
                        one.transport.abort()
        except OSError:
            pass  # cut: the other side learns it by the close
        finally:
            writer.close()

    def _allowed(self, data: bytes) -> bytes:
        """The part of an answer that may still pass."""
        if self.allowance is None:
            return data
        passed = data[: self.allowance]
        self.allowance -= len(passed)
        return passed


class RefusingFront:
    """An HTTP front before an API server, which answers the next requests itself; use it with `async with`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._runner: web.AppRunner | None = None
        self._upstream: aiohttp.ClientSession | None = None
        self._open: set[asyncio.Transport] = set()
        self.refusals: list[int] = []
        """The HTTP codes of the next answers."""

    @property
    def port(self) -> int:
        """Where to connect, without TLS."""
        assert self._runner is not None
        return int(self._runner.addresses[0][1])

    async def __aenter__(self) -> Self:
        trust = ssl.create_default_context(cafile=str(self._api.ca))
        self._upstream = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust), auto_decompress=False)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        assert self._upstream is not None
        await self._runner.cleanup()
        await self._upstream.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        assert self._upstream is not None
        if self.refusals:
            return web.Response(status=self.refusals.pop(0), headers={"Retry-After": "1"}, text="not now")
        sent = {"Authorization": f"Bearer {self._api.token}"}  # client-go sends none where there is no TLS
        sent |= {name: value for name, value in request.headers.items() if name != "Host"}
        async with self._upstream.request(
            request.method, self._api.url + request.path_qs, headers=sent, data=await request.read()
        ) as far:
            kept = {name: far.headers[name] for name in ("Content-Type", "Content-Encoding") if name in far.headers}
            near = web.StreamResponse(status=far.status, headers=kept)
            await near.prepare(request)
            assert request.transport is not None
            transport = request.transport
            self._open.add(transport)
            try:
                async for chunk in far.content.iter_any():
                    await near.write(chunk)
            except OSError:
                pass  # cut: the client learns it by the close
            finally:
                self._open.discard(transport)
        return near

    def cut(self) -> None:
        """Break every answer that is under way."""
        for transport in tuple(self._open):
            transport.abort()


def through(api: Api, port: int, scheme: str = "https") -> Endpoint:
    """How to reach that API by way of a proxy's port."""
    config = yaml.safe_load(api.kubeconfig.read_text())
    for cluster in config["clusters"]:
        cluster["cluster"]["server"] = f"{scheme}://127.0.0.1:{port}"
    detour: Path = api.folder / f"kubeconfig-by-{port}"
    detour.touch(mode=0o600)
    detour.write_text(yaml.safe_dump(config))
    return Endpoint(str(detour))


def port_of(api: Api) -> int:
    """Where the API server itself listens."""
    port = urlsplit(api.url).port
    assert port is not None
    return port
