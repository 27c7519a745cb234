"""Where are metrics and health served? On a port of their own, in plain HTTP, to whoever reaches it."""

import asyncio
import logging
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from controller.settings import Bind
from controller.telemetry.health import Health

log = logging.getLogger(__name__)
RETRY_S = 5.0
SHUTDOWN_S = 1.0


@dataclass
class TelemetryServer:
    """`/metrics`, `/healthz` and `/readyz`."""

    bind: Bind
    registry: CollectorRegistry
    health: Health
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    """The one that it listens on."""

    async def run(self) -> None:
        """Serve until cancelled. A port that somebody else has is tried again: no VM depends on it."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/healthz", self._alive),
                web.get("/livez", self._alive),
                web.get("/readyz", self._ready),
            ]
        )
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        try:
            await self._listen(runner)
            await asyncio.Event().wait()  # for ever: until cancelled
        finally:
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        said = ""
        while True:
            try:
                await web.TCPSite(runner, self.bind.host, self.bind.port).start()
            except OSError as error:
                if str(error) != said:
                    log.warning("no metrics on %s yet: %s (another port: --metrics-bind)", self.bind, error)
                said = str(error)
                await asyncio.sleep(RETRY_S)
            else:
                self.port = runner.addresses[0][1]
                self.ready.set()
                return

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encoder(self.registry), headers={"Content-Type": content_type})

    async def _alive(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    async def _ready(self, request: web.Request) -> web.StreamResponse:
        is_ready, words = await self.health.report()
        return web.Response(text=words, status=200 if is_ready else 503)
