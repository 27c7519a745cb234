"""Live figures of one VM of the fleet: the controller's own gateway behind the API server, a guest never at rest."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from controller.gateway.access import ReviewedAccess
from controller.gateway.consoles import Consoles
from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway, TlsListener
from controller.gateway.streams import Streams
from controller.gateway.targets import Target
from controller.hypervisor.readings import DomainStats
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from tests.controlplane.api import RealApi
from tests.controlplane.certificates import Authority
from tests.controlplane.gateway import SERVER_NAME, register_gateway
from tests.unit.gateway.loopback import NODE, background
from tests.unit.gateway.scripted import UUID, ScriptedGuest, ScriptedHost

WATCHED: Final = ("default", "vm-00000")
HISTORY_S: Final = 400
"""Seconds that were measured before anybody looks: more than a chart is wide."""
_FULL = DomainStats(vcpus=2, memory_total_bytes=4 << 30, memory_used_bytes=1 << 30, memory_is_guests=True)


class NeverAtRest(ScriptedHost):
    """A host whose guest computes, reads, writes and talks, each second otherwise."""

    async def stats(self, uuids: Collection[str] | None = None) -> dict[str, DomainStats]:
        """The counters, a second later."""
        old = self.counters.get(UUID, _FULL)
        self.counters[UUID] = replace(
            old,
            cpu_time_ns=old.cpu_time_ns + random.randrange(2 * 10**9),
            memory_used_bytes=random.randrange(1 << 30, 4 << 30),
            disk_read_bytes=old.disk_read_bytes + random.randrange(200 << 20),
            disk_write_bytes=old.disk_write_bytes + random.randrange(100 << 20),
            network_receive_bytes=old.network_receive_bytes + random.randrange(10 << 20),
            network_transmit_bytes=old.network_transmit_bytes + random.randrange(10 << 20),
        )
        return await super().stats(uuids)


@dataclass
class _Clock:
    """A clock that can be behind."""

    behind: float

    def monotonic(self) -> float:
        return time.monotonic() - self.behind

    def wall(self) -> float:
        return time.time() - self.behind


@contextmanager
def live_figures(api: RealApi, folder: Path) -> Iterator[None]:
    """While this goes on, the API server has metrics of one VM, a sample a second."""
    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_serve(api, folder, ready, done)), name="gateway")
    thread.start()
    try:
        if not ready.wait(60):
            raise SystemExit("the gateway did not come up")
        yield
    finally:
        done.set()
        thread.join()


async def _serve(api: RealApi, folder: Path, ready: threading.Event, done: threading.Event) -> None:
    async with _gateway(api, folder):
        ready.set()
        await asyncio.to_thread(done.wait)


@asynccontextmanager
async def _gateway(api: RealApi, folder: Path) -> AsyncIterator[None]:
    authority = Authority.create(folder, "gateway-ca")
    serving = authority.issue("gateway", [SERVER_NAME])
    host, clock = NeverAtRest(ScriptedGuest(folder / "serial.log")), _Clock(HISTORY_S)
    sampler = Sampler(host, clock=clock.monotonic, wall=clock.wall)
    await _remember(sampler, clock)
    admin = Client(await connect(api.endpoint))
    consoles = Consoles(host)
    access = ReviewedAccess(admin)
    streams = Streams(NODE, _lookup, host, consoles, sampler, access, frozenset({api.front_proxy_name}))
    listener = TlsListener("127.0.0.1", 0, serving.certificate, serving.key, api.front_proxy_ca)
    gateway = Gateway(streams, [listener])
    async with background(consoles.run, sampler.run, gateway.run):
        await gateway.ready.wait()
        await asyncio.to_thread(register_gateway, api, gateway.ports[0], authority.certificate)
        yield
    await admin.close()


async def _remember(sampler: Sampler, clock: _Clock) -> None:
    """What was measured before."""
    figures = sampler.subscribe(UUID)
    watching = asyncio.ensure_future(anext(figures))
    await asyncio.sleep(0)
    while clock.behind > 0:
        await sampler.tick()
        clock.behind -= 1
    await watching
    await figures.aclose()


def _lookup(namespace: str, name: str) -> Target | None:
    return Target(UUID, NODE) if (namespace, name) == WATCHED else None
