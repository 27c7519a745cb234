"""The embedded API beside kube-apiserver with etcd, both full of 10,000 VMs: lists, pages, writes, events, memory."""

import asyncio
import json
import os
import ssl
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
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

VMS, WRITERS, WATCHERS, WRITES = 10_000, 50, 20, 750
TURNS, LOADS = 5, 2
AT_MOST_S = 590
PLACE = VIRTUAL_MACHINES.path("default")
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
MERGE = {"Content-Type": "application/merge-patch+json"}
RATIO = 3.0
Measured = dict[str, float]
Samples = defaultdict[str, list[float]]


READS: Mapping[str, tuple[str, dict[str, str]]] = {
    "full list of 10,000": (PLACE, {}),
    "table of 10,000": (PLACE, TABLE),
    "first page of 500": (f"{PLACE}?limit=500", {}),
}


def run() -> list[Figure]:
    """Each of ours beside kube's, and the ratio that was promised."""
    with tempfile.TemporaryDirectory(prefix="hb") as folder, _servers(Path(folder)) as (ours, kube):
        own, peer = asyncio.run(_measured(ours.api, kube.api))
        own["RSS"], peer["RSS"] = _rss([ours.pid]), _rss(kube.pids)
    figures: list[Figure] = []
    for name, value in own.items():
        unit = "MB" if "RSS" in name else "s"
        figures.append(Figure(f"api: {name}, ours", value, unit))
        figures.append(Figure(f"api: {name}, kube-apiserver with etcd", peer[name], unit))
        promise = 1.0 if "RSS" in name else RATIO
        figures.append(Figure(f"api: {name}, ours to kube's", value / peer[name], "ratio", promise))
    return figures


def _rss(pids: list[int]) -> float:
    return sum(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6


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


async def _measured(ours: Api, kube: Api) -> tuple[Measured, Measured]:
    """The medians of both, turn by turn, so that both see the same machine."""
    samples: tuple[Samples, Samples] = (defaultdict(list), defaultdict(list))
    async with asyncio.timeout(AT_MOST_S), signed_in(ours) as to_ours, signed_in(kube) as to_kube:
        both = list(zip((to_ours, to_kube), samples, strict=True))
        for session, _ in both:
            await fill(session)
        for name, (path, headers) in READS.items():
            for _ in range(TURNS):
                for session, took in both:
                    start = time.perf_counter()
                    await _get(session, path, headers)
                    took[name].append(time.perf_counter() - start)
        for turn in range(LOADS):
            for session, took in both:
                await _load(session, took, "Running" if turn % 2 == 0 else "Stopped")
    own, peer = ({name: median(values) for name, values in took.items()} for took in samples)
    return own, peer


async def _get(session: aiohttp.ClientSession, path: str, headers: dict[str, str]) -> None:
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


async def _load(session: aiohttp.ClientSession, took: Samples, phase: str) -> None:
    """50 writers at once, each waiting for its answer; 20 watchers of everything."""
    async with session.get(f"{PLACE}?limit=1") as response:
        version = (await response.json())["metadata"]["resourceVersion"]
    sent: dict[str, float] = {}
    heard = took["event latency, 20 watchers"]
    watchers = [asyncio.create_task(_watch(session, version, sent, heard)) for _ in range(WATCHERS)]
    numbers = iter(range(WRITES))

    async def writer() -> None:
        for number in numbers:
            name, start = f"vm-{number:05}", time.perf_counter()
            sent[name] = start
            patch = json.dumps({"status": {"phase": phase}})
            async with session.patch(f"{PLACE}/{name}/status", data=patch, headers=MERGE) as response:
                response.raise_for_status()
            took["write latency, 50 writers"].append(time.perf_counter() - start)

    async with asyncio.TaskGroup() as group:
        for _ in range(WRITERS):
            group.create_task(writer())
    await asyncio.gather(*watchers)


async def _watch(session: aiohttp.ClientSession, version: str, sent: dict[str, float], heard: list[float]) -> None:
    """Hear of every write; who is cut off for reading too slowly goes on from where it was."""
    left = WRITES
    while left:
        query = {"watch": "1", "resourceVersion": version}
        async with session.get(PLACE, params=query, timeout=aiohttp.ClientTimeout(total=None)) as response:
            while left and (line := await response.content.readline()):
                heard.append(time.perf_counter() - sent[_after(b'"name":"', line)])
                version = _after(b'"resourceVersion":"', line)
                left -= 1


def _after(marker: bytes, line: bytes) -> str:
    """The text behind a marker in an event, without reading all of it."""
    if line.startswith(b'{"type":"ERROR"') or marker not in line:
        raise SystemExit(f"a watch was told {line[:300]!r}")
    start = line.index(marker) + len(marker)
    return line[start : line.index(b'"', start)].decode()
