"""A watcher that does not read is cut off: it costs the server little, and the others nothing."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from hypersdk.model.base import JsonObject
from tests.api.builders import at
from tests.api.http import Http, Stream, http
from tests.controlplane.api import Server
from tests.controlplane.embedded import EmbeddedServer

CHANGES = {"embedded": 300, "kube": 100}
"""By server: its memory tells more the more there is to keep."""
BULK = "x" * 450_000
ALLOWED_GROWTH = 180 * 2**20
"""The window of changes is 32 MiB, in two forms; all changes in two forms are 260 MiB, before any watcher's own."""
MERGE = "application/merge-patch+json"


async def _heard(stream: Stream, last: int) -> list[int]:
    """The numbers of all changes that come, up to the last one or the end of the stream."""
    seen: list[int] = []
    try:
        while last not in seen[-1:]:
            seen.append(int(str(at(await stream.event(), "object", "data", "n"))))
    except (aiohttp.ClientError, OSError, EOFError):
        pass  # cut off
    return seen


async def _write(request: Http, path: str, changes: int) -> None:
    for number in range(1, changes + 1):
        data: JsonObject = {"n": str(number), "bulk": BULK}
        answer = await request("PATCH", path, body={"data": data}, Content_Type=MERGE)
        assert answer.code == 200, answer.body


def _resident(server: EmbeddedServer) -> int:
    """Bytes of memory that the process has."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


async def test_a_watcher_that_does_not_read_is_cut_off(any_server: Server, namespace: str) -> None:
    path, changes = f"/api/v1/namespaces/{namespace}/configmaps", CHANGES[any_server.api.name]
    before = _resident(any_server) if isinstance(any_server, EmbeddedServer) else 0
    async with http(any_server.api) as request, AsyncExitStack() as streams:
        made = await request("POST", path, body={"metadata": {"name": "a"}, "data": {"n": "0"}})
        version = str(made.at("metadata", "resourceVersion"))
        idle = [await streams.enter_async_context(request.watch(path, resourceVersion=version)) for _ in range(3)]
        reading = await streams.enter_async_context(request.watch(path, resourceVersion=version))
        async with asyncio.TaskGroup() as group:
            attentive = group.create_task(_heard(reading, changes))
            group.create_task(_write(request, f"{path}/a", changes))
        assert attentive.result() == list(range(1, changes + 1))
        if isinstance(any_server, EmbeddedServer):
            assert _resident(any_server) - before < ALLOWED_GROWTH
        for stream in idle:
            heard = await _heard(stream, changes)
            assert heard == attentive.result()[: len(heard)], "what did come is whole and in order"
            assert len(heard) < changes, "it was waited for"
