"""A web server on loopback that does what a test has it do: whole, in parts, slow, changed, cut, elsewhere."""

import asyncio
import hashlib
import ipaddress
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from controller.node.images.addresses import AddressRules
from controller.node.images.web import Patience, Web
from tests.loopback import serving

LOOPBACK = AddressRules(allowed=(ipaddress.ip_network("127.0.0.1/32"),))


@dataclass
class WebServer:
    """Serves one body below every path, and counts."""

    body: bytes = b""
    status: int = 200
    ranges: bool = True
    tagged: bool = True
    forgetful: bool = False
    """Does not mind If-Range, as some object stores do not."""
    authorization: str = ""
    """Of the last request."""
    cut_at: int | None = None
    """The connection ends there, of the whole body."""
    location: str = ""
    """Of a redirect that every path but `/there` answers with."""
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    """Set unless a test wants the second half to wait."""
    asked: list[str] = field(default_factory=list)
    """The Range of each request, empty for none."""
    sent: int = 0
    """Bodies that were sent, whole or in part."""
    origin: str = ""

    def __post_init__(self) -> None:
        self.hold.set()

    @property
    def url(self) -> str:
        """The image's."""
        return f"{self.origin}/demo.img"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.headers.get("Range", ""))
        self.authorization = request.headers.get("Authorization", "")
        if self.location and request.path != "/there":
            return web.Response(status=302, headers={"Location": self.location})
        if request.headers.get("If-None-Match") == self._tag and self.status == 200:
            return web.Response(status=304)
        start, response = self._start(request), web.StreamResponse(status=self.status)
        if start:
            response.set_status(206)
            response.headers["Content-Range"] = f"bytes {start}-{len(self.body) - 1}/{len(self.body)}"
        if self.tagged:
            response.headers["ETag"] = self._tag
        response.content_length = len(self.body) - start
        await response.prepare(request)
        await self._send(response, start)
        return response

    @property
    def _tag(self) -> str:
        return f'"{hashlib.md5(self.body).hexdigest()}"'

    def _start(self, request: web.Request) -> int:
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        same = self.forgetful or request.headers.get("If-Range") == self._tag
        return int(wanted[1]) if wanted and same and self.ranges else 0

    async def _send(self, response: web.StreamResponse, start: int) -> None:
        self.sent += 1
        half = max(start, len(self.body) // 2)
        await response.write(self.body[start:half])
        await self.hold.wait()
        if self.cut_at is None:
            await response.write(self.body[half:])
            return
        await response.write(self.body[half : self.cut_at])
        assert response._req is not None
        assert response._req.transport is not None
        response._req.transport.close()


@asynccontextmanager
async def served() -> AsyncIterator[WebServer]:
    """A server on a port of its own."""
    made = WebServer()
    async with serving(made.serve) as made.origin:
        yield made


def local_web(patience: Patience | None = None) -> Web:
    """Fetches from this server, and from none beside it."""
    return Web(LOOPBACK, patience or Patience())
