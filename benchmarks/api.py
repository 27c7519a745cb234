"""The embedded API beside kube-apiserver with etcd, both full of 10,000 VMs: lists, pages, writes, events, memory."""

import asyncio
import json
import os
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import psutil

from benchmarks.figures import Figure, median
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.controlplane.api import Api
from tests.controlplane.build import binaries
from tests.controlplane.embedded import EmbeddedServer
from tests.controlplane.server import ControlPlane

VMS, WRITERS, WATCHERS, WRITES = 10_000, 50, 20, 1_500
TURNS = 5
PLACE = VIRTUAL_MACHINES.path("default")
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
MERGE = {"Content-Type": "application/merge-patch+json"}
RATIO = 3.0
Measured = dict[str, float]


def run() -> list[Figure]:
    """Each of ours beside kube's, and the ratio that was promised."""
    with tempfile.TemporaryDirectory(prefix="hb") as folder, _servers(Path(folder)) as (ours, kube):
        own = asyncio.run(_measure(ours.api, [ours.pid]))
        peer = asyncio.run(_measure(kube.api, kube.pids))
    figures: list[Figure] = []
    for name, value in own.items():
        unit = "MB" if "RSS" in name else "s"
        figures.append(Figure(f"api: {name}, ours", value, unit))
        figures.append(Figure(f"api: {name}, kube-apiserver with etcd", peer[name], unit))
        promise = 1.0 if "RSS" in name else RATIO
        figures.append(Figure(f"api: {name}, ours to kube's", value / peer[name], "ratio", promise))
    return figures


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[EmbeddedServer, ControlPlane]]:
    (folder / "ours").mkdir()
    (folder / "kube").mkdir()
    programs = binaries(os.environ)
    ours, kube = EmbeddedServer(folder / "ours", programs), ControlPlane(folder / "kube", programs)
    try:
        ours.start()
        kube.start()
        yield ours, kube
    finally:
        ours.stop()
        kube.stop()


@asynccontextmanager
async def signed_in(api: Api) -> AsyncIterator[aiohttp.ClientSession]:
    """A session with the rights of an administrator."""
    trust = ssl.create_default_context(cafile=str(api.ca))
    connector = aiohttp.TCPConnector(ssl=trust, limit=WRITERS + WATCHERS + 5)
    headers = {"Authorization": f"Bearer {api.token}"}
    async with aiohttp.ClientSession(api.url, connector=connector, headers=headers) as session:
        yield session


async def _measure(api: Api, pids: list[int]) -> Measured:
    async with signed_in(api) as session:
        await fill(session)
        found = {
            "full list of 10,000": await _fastest(lambda: _get(session, PLACE)),
            "table of 10,000": await _fastest(lambda: _get(session, PLACE, TABLE)),
            "first page of 500": await _fastest(lambda: _get(session, f"{PLACE}?limit=500")),
        }
        return found | await _load(session) | {"RSS": sum(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6}


async def _fastest(work: Callable[[], Awaitable[None]]) -> float:
    """The median of a few turns."""
    seconds: list[float] = []
    for _ in range(TURNS):
        start = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


async def _get(session: aiohttp.ClientSession, path: str, headers: dict[str, str] | None = None) -> None:
    async with session.get(path, headers=headers) as response:
        response.raise_for_status()
        async for _ in response.content.iter_any():
            pass


def _machine(number: int) -> JsonObject:
    """A VM of about 2 kB, as people write them."""
    return {
        "apiVersion": VIRTUAL_MACHINES.api_version,
        "kind": VIRTUAL_MACHINES.kind,
        "metadata": {"name": f"vm-{number:05}", "labels": {"app": f"app-{number % 50}", "tier": "web"}},
        "spec": {
            "cpus": 2,
            "memory": "4Gi",
            "image": {"source": "ubuntu:22.04"},
            "disks": [{"name": "root", "size": "20Gi"}, {"name": "data", "size": "100Gi"}],
            "networks": [{"name": "default"}],
            "cloudInit": {"userData": "#cloud-config\n" + "# a comment of some length\n" * 40},
        },
    }


async def fill(session: aiohttp.ClientSession) -> None:
    """Create all the VMs."""
    numbers = iter(range(VMS))

    async def creator() -> None:
        for number in numbers:
            async with session.post(PLACE, json=_machine(number)) as response:
                response.raise_for_status()

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(creator())


async def _load(session: aiohttp.ClientSession) -> Measured:
    """50 writers at once, each waiting for its answer; 20 watchers of everything."""
    async with session.get(f"{PLACE}?limit=1") as response:
        version = (await response.json())["metadata"]["resourceVersion"]
    sent: dict[str, float] = {}
    heard: list[float] = []
    watchers = [asyncio.create_task(_watch(session, version, sent, heard)) for _ in range(WATCHERS)]
    answered: list[float] = []
    numbers = iter(range(WRITES))

    async def writer() -> None:
        for number in numbers:
            name, start = f"vm-{number:05}", time.perf_counter()
            sent[name] = start
            patch = json.dumps({"status": {"phase": "Running"}})
            async with session.patch(f"{PLACE}/{name}/status", data=patch, headers=MERGE) as response:
                response.raise_for_status()
            answered.append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(writer())
    async with asyncio.timeout(60):
        await asyncio.gather(*watchers)
    return {"write latency, 50 writers": median(answered), "event latency, 20 watchers": median(heard)}


async def _watch(session: aiohttp.ClientSession, version: str, sent: dict[str, float], heard: list[float]) -> None:
    query = {"watch": "1", "resourceVersion": version}
    async with session.get(PLACE, params=query, timeout=aiohttp.ClientTimeout(total=None)) as response:
        for _ in range(WRITES):
            line = await response.content.readline()
            marker = line.index(b'"name":"vm-') + 8
            name = line[marker : marker + 8].decode()
            heard.append(time.perf_counter() - sent[name])
