"""A web server whose answers a test chooses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from tests.loopback import serving


@dataclass
class Site:
    """A web server whose answers a test chooses."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    sent: list[tuple[str, str]] = field(default_factory=list)
    """Path and Range of each request that was answered with an image, or a part of one."""
    origin: str = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One answer; the second half of it when the test lets it go."""
        name = request.match_info["name"]
        wanted = request.headers.get("Range", "")
        if name in self.moved:
            return web.Response(status=302, headers={"Location": self.moved[name]})
        body = self.bodies[name]
        if name.startswith("held") and request.headers.get("If-None-Match") == f'"{name}"':
            return web.Response(status=304, headers={"ETag": f'"{name}"'})
        self.sent.append((name, wanted))
        start = int(wanted.removeprefix("bytes=").rstrip("-") or 0)
        response = web.StreamResponse(status=206 if start else 200, headers={"ETag": f'"{name}"'})
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        if not name.startswith("unknown-length"):
            response.content_length = len(body) - start
        await response.prepare(request)
        half = max(start, len(body) // 2)
        await response.write(body[start:half])
        if name.startswith("held"):
            await self.hold.wait()
        await response.write(body[half:])
        return response


@asynccontextmanager
async def open_site() -> AsyncIterator[Site]:
    """On loopback."""
    made = Site()
    async with serving(made.serve) as made.origin:
        yield made
