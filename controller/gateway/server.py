"""How does the API server reach the streams: over which sockets, and who may connect to them?"""

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from controller.gateway.answers import as_status
from controller.gateway.discovery import routes
from controller.gateway.migrations import Migrations
from controller.gateway.streams import Streams

SHUTDOWN_S = 3.0


@dataclass(frozen=True)
class UnixListener:
    """A socket file that only this user can open: for an API server on the same host."""

    path: Path

    def sockets(self) -> tuple[list[socket.socket], None]:
        """The listening socket; a file that an earlier run left there is replaced."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.unlink(missing_ok=True)
        opened = socket.socket(socket.AF_UNIX)
        mask = os.umask(0o177)
        try:
            opened.bind(str(self.path))
        finally:
            os.umask(mask)
        return [opened], None


@dataclass(frozen=True)
class TlsListener:
    """A TLS port for clients with a certificate of the front proxies' or the other gateways' CA, and no others."""

    host: str
    port: int
    certificate: Path
    key: Path
    client_ca: Path
    peer_ca: Path | None = None

    def sockets(self) -> tuple[list[socket.socket], ssl.SSLContext]:
        """The listening sockets and how they speak."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(self.certificate, self.key)
        context.load_verify_locations(self.client_ca)
        if self.peer_ca is not None:
            context.load_verify_locations(self.peer_ca)
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return [_bound(family, address) for family, _, _, _, address in found], context


Listener = UnixListener | TlsListener


class Gateway:
    """Serves a node's streams on its listeners."""

    def __init__(self, streams: Streams, listeners: Sequence[Listener], migrations: Migrations | None = None) -> None:
        self._streams = streams
        self._migrations = migrations
        self._listeners = listeners
        self.ready = asyncio.Event()
        """Set while it listens."""
        self.ports: list[int] = []
        """The TCP ports that it listens on."""

    async def run(self) -> None:
        """Listen and serve, until cancelled; OSError when a socket cannot be had."""
        app = web.Application(middlewares=[as_status])
        app.add_routes([*routes(), *self._streams.routes()])
        if self._migrations is not None:
            app.add_routes(self._migrations.routes())
        app.on_shutdown.append(self._let_go)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S, handler_cancellation=True)
        await runner.setup()
        try:
            for listener in self._listeners:
                await self._listen(runner, listener)
            self.ready.set()
            await asyncio.Event().wait()  # for ever: until cancelled
        finally:
            self.ready.clear()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner, listener: Listener) -> None:
        sockets, context = listener.sockets()
        for opened in sockets:
            await web.SockSite(runner, opened, ssl_context=context).start()
            if opened.family != socket.AF_UNIX:
                self.ports.append(opened.getsockname()[1])

    async def _let_go(self, app: web.Application) -> None:
        await self._streams.close()
        if self._migrations is not None:
            await self._migrations.close()


def _bound(family: int, address: tuple[object, ...]) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    opened.bind(address)
    return opened
