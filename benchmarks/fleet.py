"""Many VMs at a time: thirty created at once, and what fifty that run quietly cost controller and API."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from benchmarks.figures import Figure, median, percentile
from benchmarks.node import NAMESPACE, Node
from benchmarks.process import Meter, memory
from benchmarks.running import Peer, seconds
from hypersdk.kube.streams import console_state, open_console, samples

CROWD = 30
FLEET = 50
PARALLEL = 4
"""How many starts the controller has under way at a time, and so the peer."""
SETTLE_S = 140.0
"""Guests without an address are looked at more often in their first two and a half minutes."""
QUIET_S = 60.0
WATCHED_S = 30.0
MB = 10**6
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


async def crowd(node: Node) -> list[Figure]:
    """Thirty VMs from the first request until the last one runs, and somebody typing into another one meanwhile."""
    await node.create("typed")
    await node.until_running("typed")
    peers = [await Peer.like(node, "typed") for _ in range(CROWD)]
    theirs = await seconds(_limited(PARALLEL, [peer.start(node) for peer in peers]))
    await _limited(PARALLEL, [peer.remove(node) for peer in peers])
    names = [f"crowd-{number}" for number in range(CROWD)]
    async with _typing(node, "typed") as echoes:
        ours = await seconds(_all_running(node, names))
    await node.delete(*names, "typed")
    return [
        Figure(f"crowd: {CROWD} VMs at once, until all run", ours, "s"),
        Figure(f"crowd: qemu-img create, virsh define, virsh start of {CROWD}, {PARALLEL} at a time", theirs, "s"),
        Figure("crowd: ours to virsh's", ours / theirs, "ratio", promise=1.3),
        Figure("crowd: echo of a key meanwhile, p50", median(echoes) * 1000, "ms"),
        Figure("crowd: echo of a key meanwhile, p95", percentile(echoes, 95) * 1000, "ms", promise=1000),
    ]


async def quiet(node: Node) -> list[Figure]:
    """Fifty VMs that do nothing: the controller's CPU and memory, what the API is asked and told."""
    names = [f"quiet-{number}" for number in range(FLEET)]
    await _all_running(node, names)
    await asyncio.sleep(SETTLE_S)
    requests, cpu = await _measured(node, QUIET_S)
    size = memory(node.controller.running.pid)
    async with _subscriber(node, names[0]):
        _, watched = await _measured(node, WATCHED_S)
    await node.delete(*names)
    writes = [line for line in requests if line.split()[0] in WRITES]
    return [
        Figure(f"quiet: {FLEET} VMs, CPU of the controller", cpu, "% of a core", promise=2),
        Figure(f"quiet: {FLEET} VMs, CPU while somebody follows one's metrics", watched, "% of a core"),
        Figure(f"quiet: {FLEET} VMs, memory of the controller (RSS)", size.resident / MB, "MB", promise=100),
        Figure(f"quiet: {FLEET} VMs, memory of the controller (PSS)", size.proportional / MB, "MB"),
        Figure(f"quiet: {FLEET} VMs, requests to the API", len(requests) / QUIET_S, "a second"),
        Figure(f"quiet: {FLEET} VMs, objects written", len(writes) / QUIET_S, "a second", promise=1),
    ]


async def _all_running(node: Node, names: Sequence[str]) -> None:
    await asyncio.gather(*(node.create(name) for name in names))
    await node.until_running(*names, within=300)


async def _measured(node: Node, duration_s: float) -> tuple[list[str], float]:
    """The requests that came in so long a time, and the controller's CPU in percent of a core."""
    before, meter = len(node.requests), Meter.of(node.controller.running.pid)
    await asyncio.sleep(duration_s)
    return node.requests[before:], meter.percent


@asynccontextmanager
async def _subscriber(node: Node, name: str) -> AsyncIterator[None]:
    """Somebody who follows one VM's metrics, as the console's detail screen does."""

    async def follow() -> None:
        async for _ in samples(node.client, NAMESPACE, name):
            pass

    async with _beside(follow):
        yield


@asynccontextmanager
async def _typing(node: Node, name: str) -> AsyncIterator[list[float]]:
    """Somebody who types a key every 100 ms; the seconds until each came back."""
    echoes: list[float] = []

    async def type_on() -> None:
        async with await open_console(node.client, NAMESPACE, name, history=False) as stream:
            began = 0.0
            async for message in stream.messages():
                if isinstance(message, bytes):
                    echoes.append(time.perf_counter() - began)
                    await asyncio.sleep(0.1)
                elif not (state := console_state(message)) or not state.writable or began:
                    continue
                began = time.perf_counter()
                await stream.send(b"x")

    async with _beside(type_on):
        yield echoes


@asynccontextmanager
async def _beside(work: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _limited(most: int, work: Sequence[Awaitable[None]]) -> None:
    """Do all of it, so many at a time."""
    turns = asyncio.Semaphore(most)

    async def one(awaitable: Awaitable[None]) -> None:
        async with turns:
            await awaitable

    await asyncio.gather(*(one(awaitable) for awaitable in work))
