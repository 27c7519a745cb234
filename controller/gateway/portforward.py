"""How do bytes get from a WebSocket to a port of the guest and back?"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence

from aiohttp import WSMsgType, web

from hypersdk.errors import ApiError

CONNECT_WITHIN_S = 5.0
CHUNK = 64 * 1024

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[Sequence[str], int], Awaitable[Pipe]]
Gate = Callable[[bytes], bytes | None]
"""What of a client's bytes goes on; None ends the connection."""


class NoWay(ApiError):
    """503: the guest cannot be reached there."""

    def __init__(self, message: str) -> None:
        super().__init__(message, 503, "ServiceUnavailable")


async def dial_guest(addresses: Sequence[str], port: int) -> Pipe:
    """Connect to the first of a guest's addresses that answers; NoWay when none does."""
    usable = [address for address in addresses if is_guest(address)]
    if not usable:
        raise NoWay("the VM has no IP address that this node can reach; see its status.ipAddresses")
    complaints = []
    for address in usable:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                return await asyncio.open_connection(address, port)
        except TimeoutError:
            complaints.append(f"{address}: no answer in {CONNECT_WITHIN_S:.0f} s")
        except OSError as error:
            complaints.append(f"{address}: {error.strerror or error}")
    raise NoWay(f"port {port} of the guest cannot be reached ({'; '.join(complaints)})")


def is_guest(address: str) -> bool:
    """Whether an address can be a guest's: what an agent reports is hostile, and must not lead to this host itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    inner = getattr(parsed, "ipv4_mapped", None) or parsed
    if inner.is_loopback or inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner.is_reserved:
        return False
    return not _is_own(str(parsed))


def _is_own(address: str) -> bool:
    """Whether it is one of this host's own; connecting a datagram socket sends nothing, and shows the route."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False  # no route; the real connection says so better
        return bool(probe.getsockname()[0] == address)


def _all(data: bytes) -> bytes:
    return data


async def forward(ws: web.WebSocketResponse, pipe: Pipe, carried: list[int], gate: Gate = _all) -> None:
    """Carry bytes both ways until one side ends; the caller closes the pipe. Counts those to and from the client."""
    reader, writer = pipe
    await either(_to_client(reader, ws, carried), _to_guest(ws, writer, carried, gate))
    await ws.close(message=b"the guest closed the connection")


async def either(*ways: Coroutine[None, None, None]) -> None:
    """Run all until one of them ends; the others are cancelled."""
    async with asyncio.TaskGroup() as group:
        tasks = {group.create_task(way) for way in ways}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _to_guest(ws: web.WebSocketResponse, writer: asyncio.StreamWriter, carried: list[int], gate: Gate) -> None:
    try:
        async for message in ws:
            if message.type is WSMsgType.BINARY:
                carried[1] += len(message.data)
                if (passed := gate(message.data)) is None:
                    return
                writer.write(passed)
                await writer.drain()
    except ConnectionError:
        return  # the guest closed it


async def _to_client(reader: asyncio.StreamReader, ws: web.WebSocketResponse, carried: list[int]) -> None:
    try:
        while data := await reader.read(CHUNK):
            carried[0] += len(data)
            await ws.send_bytes(data)
    except ConnectionError:
        return  # either side is gone: the same end
