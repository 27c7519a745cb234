"""A TCP proxy on loopback that a test can cut, as a bad network would."""

import asyncio
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml

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
                group.create_task(self._pass_on(reader, far_writer))
                group.create_task(self._pass_on(far_reader, writer))
        finally:
            self._open -= both

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # cut: the other side learns it by the close
        finally:
            writer.close()


def through(api: Api, port: int) -> Endpoint:
    """How to reach that API by way of a proxy's port."""
    config = yaml.safe_load(api.kubeconfig.read_text())
    for cluster in config["clusters"]:
        cluster["cluster"]["server"] = f"https://127.0.0.1:{port}"
    detour: Path = api.folder / f"kubeconfig-by-{port}"
    detour.touch(mode=0o600)
    detour.write_text(yaml.safe_dump(config))
    return Endpoint(str(detour))


def port_of(api: Api) -> int:
    """Where the API server itself listens."""
    port = urlsplit(api.url).port
    assert port is not None
    return port
