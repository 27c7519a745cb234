"""A web server on loopback that gives images away slowly, so that there is time to be killed in."""

import asyncio
from typing import Self

from aiohttp import web

_PIECES = 24
_PAUSE_S = 0.025


class SlowServer:
    """Use it with `async with`."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}
        app = web.Application()
        app.router.add_get("/{name}", self._answer)
        self._runner = web.AppRunner(app)

    def serve(self, name: str, body: bytes) -> str:
        """Have that body under that name; its URL."""
        self._bodies[name] = body
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/{name}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = self._bodies[request.match_info["name"]]
        begin = request.http_range.start or 0
        whole = web.StreamResponse(status=206 if begin else 200)
        whole.content_length = len(body) - begin
        whole.headers["Accept-Ranges"] = "bytes"
        whole.headers["ETag"] = f'"{hash(body)}"'
        if begin:
            whole.headers["Content-Range"] = f"bytes {begin}-{len(body) - 1}/{len(body)}"
        await whole.prepare(request)
        size = -(-len(body) // _PIECES)
        for at in range(begin, len(body), size):
            await whole.write(body[at : at + size])
            # The slowness is what it is for.
            await asyncio.sleep(_PAUSE_S)
        return whole
