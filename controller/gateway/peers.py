"""How do the controllers of two nodes talk? Through the other's gateway, both with a gateway's certificate."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from controller.gateway.hop import ANSWER_S, CONNECT_S, HOPPED, PeerTls
from hypersdk.errors import HyperSDKError, Terminal, Transient
from hypersdk.kube.cache import Key
from hypersdk.model.base import JsonObject

ROOT: Final = "/peers/v1/migrations"
"""Not below /apis: no API server ever proxies it."""
CHUNK: Final = 256 * 1024
FINAL: Final = 409
"""The status of an answer that stays the same; its reason is the condition's."""


def address(host: str, vm: Key, what: str) -> str:
    """Where a question is asked."""
    return f"https://{host}{ROOT}/{vm[0]}/{vm[1]}/{what}"


@dataclass
class GatewayPeers:
    """The other nodes' controllers; `controller.node.migration.ports.Peers`."""

    node_name: str
    address_of: Callable[[str], Awaitable[str]]
    tls: PeerTls
    _session: aiohttp.ClientSession | None = None

    async def ask(self, node: str, vm: Key, what: str, body: JsonObject) -> JsonObject:
        """One question; Transient when nobody answers, Terminal for a no."""
        url = address(await self._address(node), vm, what)
        try:
            async with self._opened().post(url, json=body, server_hostname=self.tls.name, headers=self._me()) as answer:
                said = await answer.json()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Transient(
                f"the controller of node {node} does not answer: {error or type(error).__name__}"
            ) from error
        if answer.status == FINAL:
            raise Terminal(str(said.get("reason") or "Refused"), f"node {node}: {said.get('message')}")
        if answer.status != 200:
            raise Transient(f"node {node}: {said.get('message')}")
        return dict(said)

    async def carry(
        self, node: str, vm: Key, operation: str, socket: str, ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        """Carry the bytes of one connection to that socket on the other node, until either side ends."""
        query = urlencode({"operation": operation, "socket": socket})
        url = address(await self._address(node), vm, f"stream?{query}")
        try:
            async with self._opened().ws_connect(
                url, server_hostname=self.tls.name, headers=self._me(), max_msg_size=0, compress=0
            ) as ws:
                await carried(ws, *ends)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Transient(f"the stream to node {node} broke: {error or type(error).__name__}") from error

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()

    async def _address(self, node: str) -> str:
        try:
            found = await self.address_of(node)
        except HyperSDKError as error:
            raise Transient(f"the address of node {node} cannot be found out: {error}") from error
        if not found:
            raise Transient(f"node {node} does not say where its gateway is")
        return found

    def _me(self) -> dict[str, str]:
        return {HOPPED: self.node_name}

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self.tls.context(), limit=0)
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=ANSWER_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session


class NoPeers:
    """Where there is but one node."""

    async def ask(self, node: str, vm: Key, what: str, body: JsonObject) -> JsonObject:
        """Nobody."""
        raise Transient(f"this controller has no way to node {node}: see --gateway-tls and --peer-ca")

    async def carry(
        self, node: str, vm: Key, operation: str, socket: str, ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        """Nowhere."""
        raise Transient(f"this controller has no way to node {node}: see --gateway-tls and --peer-ca")

    async def close(self) -> None:
        """Nothing to close."""


WebSocket = aiohttp.ClientWebSocketResponse | web.WebSocketResponse


async def carried(ws: WebSocket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes both ways until one side ends; all that came before is with the other side then."""
    out = asyncio.ensure_future(_send(ws, reader))
    back = asyncio.ensure_future(_receive(ws, writer))
    try:
        await asyncio.wait({out, back}, return_when=asyncio.FIRST_COMPLETED)
        if out.done():
            await ws.close()
    finally:
        for task in (out, back):
            task.cancel()
        await asyncio.wait({out, back})
        writer.close()


async def _send(ws: WebSocket, reader: asyncio.StreamReader) -> None:
    try:
        while data := await reader.read(CHUNK):
            await ws.send_bytes(data)
    except (ConnectionError, aiohttp.ClientError):
        return  # either side is gone: the same end


async def _receive(ws: WebSocket, writer: asyncio.StreamWriter) -> None:
    try:
        async for message in ws:
            if message.type is aiohttp.WSMsgType.BINARY:
                writer.write(message.data)
                await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        await writer.drain()
    except (ConnectionError, aiohttp.ClientError):
        return  # the same
