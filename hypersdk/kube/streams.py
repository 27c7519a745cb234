"""Streams of one VM under the API server's own address: its consoles, screen, live metrics and logs.

Wire form (WebSocket): binary frames are console bytes in both directions; text frames are JSON control messages.
A console's are said in docs/decisions/streams.md.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from pydantic import ValidationError

from hypersdk.errors import Unreachable
from hypersdk.kube.causes import cause
from hypersdk.kube.client import Client, error_of
from hypersdk.model.base import JsonObject, Model
from hypersdk.model.kinds import SUBRESOURCES
from hypersdk.model.metrics import Metrics, Sample

if TYPE_CHECKING:
    import aiohttp

    from hypersdk.model.diskchain import DiskChains

Mode = Literal["write", "watch"]
Device = Literal["serial0", "console1"]
"""libvirt's names of a VM's consoles: the UART (ttyS0), and the virtio console (hvc0), which is far faster."""
LogSource = Literal["qemu", "serial0", "console1"]
SubResource = Literal["console", "vnc", "metrics", "log", "portforward", "screenshot", "disks"]
Control = Literal["take", "keep", "give"]
"""`take` asks for the keyboard; who has it answers with `keep` or `give`, or is taken to give after a while."""


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
    """How many bytes of earlier output follow, before what the guest writes now."""
    reason: str = ""
    """Why nothing comes, for a person: `VM is stopped`, `silent for 40 s`; empty when all is well."""
    asker: str = ""
    """The user who asked to type and has no answer yet; empty when nobody does."""
    asked: bool = False
    """Whether it is this session that is to answer, with `keep` or `give`."""
    answer_within: int = 0
    """The seconds that it has for that; afterwards the keyboard is handed over."""
    refused: bool = False
    """Whether this session asked last, and the writer keeps the keyboard."""
    mark: str = ""
    """The place of the next byte that comes: see `Trail`."""


@dataclass
class Trail:
    """How far a console was read, so that the next attachment goes on right there, over any break in between.

    Whoever shows the console gives every state and all output to it, and it to the next `open_console`.
    """

    device: Device = "serial0"
    mark: str = ""
    count: int = 0

    def state(self, state: ConsoleState) -> None:
        """Take a state in."""
        if state.mark:
            self.mark, self.count = state.mark, 0

    def output(self, data: bytes) -> None:
        """Take output in."""
        self.count += len(data)

    @property
    def since(self) -> str:
        """The place in the query; empty when nothing was read yet."""
        return f"{self.mark}+{self.count}" if self.mark else ""


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


async def disk_chains(client: Client, namespace: str, name: str) -> "DiskChains":
    """The files that a VM's disks are made of, as its node finds them."""
    from hypersdk.model.diskchain import DiskChains

    answer = await client.raw("GET", stream_path(namespace, name, "disks"))
    try:
        return DiskChains.model_validate_json(answer)
    except ValidationError as error:
        raise Unreachable(f"the answer of {client.connection.host} is none: {error.error_count()} errors") from error


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
        raise Unreachable(f"no stream from {client.connection.host}: {cause(error)}") from error


async def _refusal(
    client: Client, namespace: str, name: str, subresource: SubResource, query: list[tuple[str, str]], status: int
) -> Exception:
    """The Status behind a refused handshake, which aiohttp does not hand out: ask once more, plainly."""
    path = stream_path(namespace, name, subresource)
    response = await client.connection.request("GET", path, query=query, timeout=10)
    async with response:
        body = await response.read()
    return error_of(status, body if response.status >= 400 else b"")


async def open_console(
    client: Client,
    namespace: str,
    name: str,
    mode: Mode = "write",
    history: bool = True,
    trail: Trail | None = None,
) -> Stream:
    """A console; history comes first, then what the guest writes. First message: a ConsoleState.

    With a trail that has begun, what comes is what was not read yet, instead of the whole history or nothing of it.
    """
    trail = trail or Trail()
    query = [("mode", mode), ("history", "1" if history else "0"), ("device", trail.device)]
    query += [("since", trail.since)] if trail.since else []
    return await open_stream(client, namespace, name, "console", query)


async def open_vnc(client: Client, namespace: str, name: str, mode: Mode = "write") -> Stream:
    """The guest's screen: the bytes of one RFB connection, which begins with QEMU's greeting and asks no password."""
    return await open_stream(client, namespace, name, "vnc", [("mode", mode)])


def console_state(text: str) -> ConsoleState | None:
    """The state in a control text; None when it is something newer than this program knows."""
    try:
        return ConsoleState.model_validate_json(text)
    except ValidationError:
        return None


async def log_text(client: Client, namespace: str, name: str, source: LogSource = "qemu", lines: int = 100) -> str:
    """The last lines of one of a VM's logs, without anything that steers a terminal."""
    query = [("source", source), ("lines", str(lines))]
    return (await client.raw("GET", stream_path(namespace, name, "log"), query=query)).decode(errors="replace")


async def open_log(client: Client, namespace: str, name: str, source: LogSource = "qemu", lines: int = 100) -> Stream:
    """The same as texts, and then what is added."""
    return await open_stream(client, namespace, name, "log", [("source", source), ("lines", str(lines))])


async def screenshot(client: Client, namespace: str, name: str) -> bytes:
    """What is on the VM's screen now, as PNG."""
    return await client.raw("GET", stream_path(namespace, name, "screenshot"))


async def metrics(client: Client, namespace: str, name: str) -> Metrics:
    """The samples that the node still has of this VM."""
    return Metrics.model_validate_json(await client.raw("GET", stream_path(namespace, name, "metrics")))


async def samples(client: Client, namespace: str, name: str) -> AsyncIterator[Sample]:
    """The node's samples of this VM, history first, then each new one; ends when the far side closes."""
    async with await open_stream(client, namespace, name, "metrics") as stream:
        async for message in stream.messages():
            yield Sample.model_validate_json(message)
