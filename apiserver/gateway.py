"""How do streams of a VM reach the controller? Requests on the subresource group are passed to its unix socket."""

import asyncio
import logging
from pathlib import Path

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from apiserver.access import User
from apiserver.refusal import Refusal

log = logging.getLogger(__name__)

GROUP, VERSION = "subresources.hypersdk.io", "v1alpha1"
"""The same as hypersdk.model.kinds.SUBRESOURCES, whose import would load every model."""
PREFIX = f"/apis/{GROUP}/{VERSION}/"
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer"),
        *("transfer-encoding", "upgrade", "host", "authorization", "content-length"),
    }
)
_MAX_MESSAGE = 4 * 2**20
_ANSWER_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=60)
_DISCOVERY_TIMEOUT = aiohttp.ClientTimeout(total=2)


class Gateway:
    """The controller's gateway behind a unix socket; it may come and go."""

    def __init__(self, socket: Path | None) -> None:
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    def _open(self) -> aiohttp.ClientSession:
        if self._socket is None:
            raise _unavailable("this API server was started without --gateway")
        if self._session is None:
            connector = aiohttp.UnixConnector(path=str(self._socket))
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def resources(self) -> bytes | None:
        """The APIResourceList of the group; None while the gateway is down."""
        try:
            async with self._open().get(f"http://gateway{PREFIX.rstrip('/')}", timeout=_DISCOVERY_TIMEOUT) as answer:
                return await answer.read() if answer.status == 200 else None
        except (Refusal, aiohttp.ClientError, OSError, TimeoutError):
            return None

    async def forward(self, request: web.Request, user: User) -> web.StreamResponse:
        """Pass a request on, and its answer back; WebSockets in both directions."""
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._websocket(request, user)
        return await self._plain(request, user)

    async def _plain(self, request: web.Request, user: User) -> web.StreamResponse:
        body = await request.read()
        try:
            async with self._open().request(
                request.method,
                f"http://gateway{request.raw_path}",
                headers=_headers(request, user),
                data=body or None,
                timeout=_ANSWER_TIMEOUT,
                allow_redirects=False,
            ) as answer:
                return await _copy(request, answer)
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise _unavailable(str(error) or type(error).__name__) from error

    async def _websocket(self, request: web.Request, user: User) -> web.StreamResponse:
        asked = [one.strip() for one in request.headers.get("Sec-WebSocket-Protocol", "").split(",") if one.strip()]
        headers = _headers(request, user)
        try:
            far = await self._open().ws_connect(
                f"http://gateway{request.raw_path}", headers=headers, protocols=asked, max_msg_size=_MAX_MESSAGE
            )
        except aiohttp.WSServerHandshakeError as error:
            return await self._refusal(request, user, error)
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise _unavailable(str(error) or type(error).__name__) from error
        near = web.WebSocketResponse(protocols=[far.protocol] if far.protocol else (), max_msg_size=_MAX_MESSAGE)
        try:
            await near.prepare(request)
            await _join(near, far)
        finally:
            await far.close()
        return near

    async def _refusal(
        self, request: web.Request, user: User, error: aiohttp.WSServerHandshakeError
    ) -> web.StreamResponse:
        """The words of a refused handshake: the client library keeps only the code, so the path is asked plainly."""
        headers = _headers(request, user)
        url = f"http://gateway{request.raw_path}"
        async with self._open().get(url, headers=headers, timeout=_DISCOVERY_TIMEOUT) as answer:
            if answer.status >= 400:
                return await _copy(request, answer)
        raise Refusal(error.status, "BadRequest", f"the gateway refused the stream: {error.message}")


def _unavailable(why: str) -> Refusal:
    message = (
        f"streams of virtual machines are not available: the controller's gateway does not answer ({why}). "
        "See 'hyperctl status', and start it with 'hyperctl up'"
    )
    return Refusal(503, "ServiceUnavailable", message)


def _headers(request: web.Request, user: User) -> CIMultiDict[str]:
    """The client's headers without what is between it and us, and with who it is, which only we may say."""
    dropped = ("x-remote-", "x-forwarded-", "sec-websocket-")
    kept = CIMultiDict(
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in _HOP_BY_HOP and not name.lower().startswith(dropped)
    )
    kept["X-Forwarded-For"] = request.remote or ""
    kept["X-Remote-User"] = user.name
    for group in user.groups:
        kept.add("X-Remote-Group", group)
    return kept


async def _copy(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
    response = web.StreamResponse(status=answer.status, headers=headers)
    await response.prepare(request)
    async for chunk in answer.content.iter_any():
        await response.write(chunk)
    await response.write_eof()
    return response


async def _join(near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
    """Pass messages both ways until one side closes; then close the other with the same words."""
    pumps = {asyncio.create_task(_pump(near, far)), asyncio.create_task(_pump(far, near))}
    try:
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pump in pumps:
            pump.cancel()
        for result in await asyncio.gather(*pumps, return_exceptions=True):
            if isinstance(result, Exception):
                log.debug("a stream broke off: %s", result)
    await near.close(code=_close_code(far.close_code))
    await far.close(code=_close_code(near.close_code))


def _close_code(code: int | None) -> int:
    """A code that may be sent in a close frame (1005 and 1006 may not)."""
    if code is None or code in {1005, 1006, 1015}:
        return 1011 if code == 1006 else 1000
    return code


async def _pump(
    source: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
    sink: web.WebSocketResponse | aiohttp.ClientWebSocketResponse,
) -> None:
    async for message in source:
        if message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
        else:
            return
