"""How does a request get to the node that has its VM? To that node's own gateway, over mutual TLS, and never twice."""

import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from controller.gateway.access import EXTRA_PREFIX, GROUP_HEADER, USER_HEADER, Caller
from controller.gateway.audit import Visit
from controller.gateway.portforward import either
from controller.gateway.query import wants_socket
from controller.gateway.sockets import LARGEST_FRAME, Sockets, send_all
from controller.gateway.targets import Target, elsewhere
from controller.settings import Settings, Tls
from hypersdk.errors import ApiError, HyperSDKError
from hypersdk.kube.client import Client
from hypersdk.model.kinds import VM_NODES
from hypersdk.plaintext import plain

HOPPED: Final = "X-HyperSDK-Hop"
"""The node that a request comes from: such a one is answered here, or not at all."""
REMEMBER_S: Final = 10.0
CONNECT_S: Final = 5.0
ANSWER_S: Final = 60.0
UNAVAILABLE: Final = "ServiceUnavailable"
KEPT_HEADERS: Final = ("Content-Type", "Cache-Control")


@dataclass(frozen=True)
class PeerTls:
    """How gateways know each other."""

    certificate: Path
    key: Path
    authority: Path
    """Has signed the certificates of all gateways."""
    name: str
    """The host name in them."""

    def context(self) -> ssl.SSLContext:
        """For a client that shows its certificate too."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(self.authority)
        context.load_cert_chain(self.certificate, self.key)
        return context


@dataclass
class Addresses:
    """Where the nodes' gateways are, as their VMNodes say."""

    client: Client
    clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, str]] = field(default_factory=dict)

    async def __call__(self, node: str) -> str:
        """`HOST:PORT`; empty when the node does not say."""
        until, address = self._known.get(node, (0.0, ""))
        if until <= self.clock():
            address = (await self.client.get(VM_NODES, "", node)).status.gateway_address or ""
            self._known[node] = (self.clock() + REMEMBER_S, address)
        return address


@dataclass
class Hop:
    """The way to the other gateways."""

    node_name: str
    address_of: Callable[[str], Awaitable[str]]
    tls: PeerTls
    _session: aiohttp.ClientSession | None = None

    async def forward(self, request: web.Request, visit: Visit, target: Target, sockets: Sockets) -> web.StreamResponse:
        """Ask the VM's node in the caller's name, and answer what it answers."""
        what = f"VM {visit.wish.namespace}/{visit.wish.name}"
        if came_from := request.headers.get(HOPPED):
            words = f"node {plain(came_from)} sends this here: {elsewhere(what, target, self.node_name)}"
            raise ApiError(words, 503, UNAVAILABLE)
        address = await self._address(target.node_name)
        if not address:
            raise elsewhere(what, target, self.node_name)
        url = f"https://{address}{request.raw_path}"
        headers = self._headers(visit.caller, visit.peer)
        try:
            if wants_socket(request):
                return await self._socket(request, url, headers, sockets, visit.wish.subresource)
            return await self._plain(request, url, headers)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            words = f"the gateway of node {target.node_name} at {address} does not answer"
            raise ApiError(f"{words}: {error or type(error).__name__}", 503, UNAVAILABLE) from error

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _address(self, node: str) -> str:
        try:
            return await self.address_of(node)
        except HyperSDKError as error:
            raise ApiError(f"the address of node {node} cannot be found out: {error}", 503, UNAVAILABLE) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self.tls.context(), limit=0)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=ANSWER_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session

    def _headers(self, caller: Caller, peer: str) -> CIMultiDict[str]:
        """Who asks, which only a gateway may say to another."""
        headers = CIMultiDict({USER_HEADER: caller.user, HOPPED: self.node_name, "X-Forwarded-For": peer})
        for group in caller.groups:
            headers.add(GROUP_HEADER, group)
        for name, values in caller.extra:
            for value in values:
                headers.add(EXTRA_PREFIX + quote(name, safe=""), value)
        return headers

    async def _plain(self, request: web.Request, url: str, headers: CIMultiDict[str]) -> web.StreamResponse:
        async with self._opened().get(
            url, headers=headers, server_hostname=self.tls.name, allow_redirects=False
        ) as answer:
            kept = {name: answer.headers[name] for name in KEPT_HEADERS if name in answer.headers}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())

    async def _socket(
        self, request: web.Request, url: str, headers: CIMultiDict[str], sockets: Sockets, subresource: str
    ) -> web.StreamResponse:
        try:
            far = await self._opened().ws_connect(
                url, headers=headers, server_hostname=self.tls.name, max_msg_size=LARGEST_FRAME
            )
        except aiohttp.WSServerHandshakeError:
            return await self._plain(request, url, headers)  # which has the words of the refusal
        try:
            async with sockets.opened(request, subresource) as near:
                await either(send_all(near, _frames(far)), _copy(near, far))
                await near.close(code=_close_code(far.close_code))
        finally:
            await far.close()
        return near


def _close_code(code: int | None) -> int:
    """The far side's word for the end; where it ended without one, one that makes a client come back."""
    if code is None or code in {1005, aiohttp.WSCloseCode.ABNORMAL_CLOSURE}:
        return aiohttp.WSCloseCode.INTERNAL_ERROR
    return code


async def _frames(far: aiohttp.ClientWebSocketResponse) -> AsyncGenerator[bytes | str, None]:
    async for message in far:
        if message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}:
            yield message.data


async def _copy(near: web.WebSocketResponse, far: aiohttp.ClientWebSocketResponse) -> None:
    try:
        async for message in near:
            if message.type is aiohttp.WSMsgType.BINARY:
                await far.send_bytes(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                await far.send_str(message.data)
    except ConnectionError:
        return  # the other gateway is gone: the reader sees it too


def trusted_names(tls: Tls | None) -> frozenset[str]:
    """The common names that may speak for callers: the front proxies', and the other gateways'; empty for any."""
    if tls is None or not tls.client_names:
        return frozenset()
    return frozenset([*tls.client_names, tls.peer_name] if tls.peer_ca else tls.client_names)


def peers_of(settings: Settings) -> PeerTls | None:
    """How this node's gateway and the others know each other, where there are others."""
    tls = settings.gateway_tls
    if tls is None or tls.peer_ca is None:
        return None
    return PeerTls(tls.certificate, tls.key, tls.peer_ca, tls.peer_name)


def hop_of(settings: Settings, client: Client) -> Hop | None:
    """The way to other nodes, where there is one."""
    peers = peers_of(settings)
    return Hop(settings.node, Addresses(client), peers) if peers is not None else None
