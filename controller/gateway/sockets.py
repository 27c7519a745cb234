"""Which WebSockets are open, and how are frames brought to and from them?"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import WSCloseCode, web

from hypersdk.errors import ApiError

HEARTBEAT_S = 30.0
LARGEST_FRAME = 1024 * 1024
MOST_OPEN = 1024
"""WebSockets at a time; each costs this process some 100 KiB."""


@dataclass
class Sockets:
    """The open WebSockets of one gateway."""

    most_open: int = MOST_OPEN
    open_by_subresource: dict[str, int] = field(default_factory=dict)
    _open: set[web.WebSocketResponse] = field(default_factory=set)

    def check_room(self, where: str) -> None:
        """ApiError when there are too many."""
        if len(self._open) >= self.most_open:
            raise ApiError(f"{len(self._open)} streams are open on {where}", 429, "TooManyRequests")

    @asynccontextmanager
    async def opened(self, request: web.Request, subresource: str) -> AsyncIterator[web.WebSocketResponse]:
        """A WebSocket for as long as the block runs."""
        ws = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=LARGEST_FRAME, compress=False)
        await ws.prepare(request)
        self._open.add(ws)
        count = self.open_by_subresource
        count[subresource] = count.get(subresource, 0) + 1
        try:
            yield ws
        finally:
            self._open.discard(ws)
            count[subresource] -= 1

    async def close(self) -> None:
        """Let every client go, with a word that this is not an error."""
        for ws in list(self._open):
            await ws.close(code=WSCloseCode.GOING_AWAY, message=b"the node's controller ends")


async def send_all(
    ws: web.WebSocketResponse, frames: AsyncGenerator[bytes | str, None] | AsyncGenerator[str, None]
) -> None:
    """Send every frame; a slow client is waited for here, and by nobody else."""
    try:
        async with aclosing(frames) as each:
            async for frame in each:
                await (ws.send_str(frame) if isinstance(frame, str) else ws.send_bytes(frame))
    except ConnectionError:
        return  # the client is gone


async def until_gone(ws: web.WebSocketResponse) -> None:
    """Until the client closes."""
    async for _ in ws:
        pass  # nothing is expected from there
