"""Streams of one VM under the API server's own address: serial console and live metrics.

Wire form (WebSocket): binary frames are console bytes in both directions; text frames are JSON control messages.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from pydantic import ValidationError

from hypersdk.errors import Unreachable
from hypersdk.kube.client import Client, error_of
from hypersdk.model.base import JsonObject, Model
from hypersdk.model.kinds import SUBRESOURCES
from hypersdk.model.metrics import Metrics, Sample

if TYPE_CHECKING:
    import aiohttp

Mode = Literal["write", "watch"]
SubResource = Literal["console", "metrics", "log", "portforward"]


class ConsoleState(Model):
    """What the node says of a console: sent first, and whenever it changes."""

    type: Literal["state"] = "state"
    connected: bool = False
    """Whether the guest's serial port is open now."""
    writable: bool = False
    """Whether this session may type."""
    writer: str = ""
    """The user who may type; empty when nobody does."""
    watchers: int = 0
    """How many sessions are attached, this one included."""
    history: int = 0
    """In the first state only: how many bytes of earlier output follow, before what the guest writes now."""
    reason: str = ""
    """Why nothing comes, for a person: `VM is stopped`, `silent for 40 s`; empty when all is well."""


def stream_path(namespace: str, name: str, subresource: SubResource) -> str:
    """The URL path of a VM's stream."""
    return f"/apis/{SUBRESOURCES}/namespaces/{namespace}/virtualmachines/{name}/{subresource}"


@dataclass
class Stream:
    """An open WebSocket to one VM's subresource; use it with `async with`."""

    socket: "aiohttp.ClientWebSocketResponse"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def messages(self) -> AsyncIterator[bytes | str]:
        """Bytes and control texts as they come, until the far side closes; Unreachable when it breaks."""
        import aiohttp

        async for message in self.socket:
            if message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}:
                yield message.data
            elif message.type is aiohttp.WSMsgType.ERROR:
                break
        if self.socket.close_code not in {1000, 1001}:
            raise Unreachable(f"the stream broke off (code {self.socket.close_code})")

    async def send(self, data: bytes) -> None:
        """Send raw bytes; Unreachable when the stream is gone."""
        try:
            await self.socket.send_bytes(data)
        except (ConnectionError, RuntimeError) as error:
            raise Unreachable(f"the stream is closed: {error}") from error

    async def control(self, message: JsonObject) -> None:
        """Send a control message; Unreachable when the stream is gone."""
        try:
            await self.socket.send_str(json.dumps(message))
        except (ConnectionError, RuntimeError) as error:
            raise Unreachable(f"the stream is closed: {error}") from error

    async def close(self) -> None:
        """Say goodbye and close."""
        await self.socket.close()


async def open_stream(
    client: Client, namespace: str, name: str, subresource: SubResource, query: list[tuple[str, str]] | None = None
) -> Stream:
    """Open a stream; ApiError when it is refused, Unreachable when nothing answers."""
    import aiohttp

    try:
        return Stream(await client.connection.websocket(stream_path(namespace, name, subresource), query or []))
    except aiohttp.WSServerHandshakeError as error:
        raise await _refusal(client, namespace, name, subresource, query or [], error.status) from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unreachable(f"no stream from {client.connection.host}: {error or type(error).__name__}") from error


async def _refusal(
    client: Client, namespace: str, name: str, subresource: SubResource, query: list[tuple[str, str]], status: int
) -> Exception:
    """The Status behind a refused handshake, which aiohttp does not hand out: ask once more, plainly."""
    path = stream_path(namespace, name, subresource)
    response = await client.connection.request("GET", path, query=query, timeout=10)
    async with response:
        body = await response.read()
    return error_of(status, body if response.status >= 400 else b"")


async def open_console(client: Client, namespace: str, name: str, mode: Mode = "write", history: bool = True) -> Stream:
    """The serial console; history comes first, then what the guest writes. First message: a ConsoleState."""
    query = [("mode", mode), ("history", "1" if history else "0")]
    return await open_stream(client, namespace, name, "console", query)


def console_state(text: str) -> ConsoleState | None:
    """The state in a control text; None when it is something newer than this program knows."""
    try:
        return ConsoleState.model_validate_json(text)
    except ValidationError:
        return None


async def metrics(client: Client, namespace: str, name: str) -> Metrics:
    """The samples that the node still has of this VM."""
    return Metrics.model_validate_json(await client.raw("GET", stream_path(namespace, name, "metrics")))


async def samples(client: Client, namespace: str, name: str) -> AsyncIterator[Sample]:
    """The node's samples of this VM, history first, then each new one; ends when the far side closes."""
    async with await open_stream(client, namespace, name, "metrics") as stream:
        async for message in stream.messages():
            yield Sample.model_validate_json(message)
