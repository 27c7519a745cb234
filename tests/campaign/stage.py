"""Puts a scene together: a namespace, a controller behind a link that can be cut, watched from outside of it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from controller.hypervisor.libvirt_host import open_host
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from tests.campaign.campaign import Campaign, Tally
from tests.campaign.foreign import Foreigners
from tests.campaign.machine import Expected, Machine
from tests.campaign.outages import Outages, Outcome
from tests.campaign.process import Narrated
from tests.campaign.scene import Scene
from tests.campaign.slowserver import SlowServer
from tests.campaign.truth import Truth
from tests.controlplane.api import Api
from tests.controlplane.proxy import CuttingProxy, port_of, through
from tests.libvirt.conftest import Libvirtd
from tests.libvirt.controllers import bench


@dataclass
class Stage:
    """A scene with one VM that nothing is done to, and with domains of other people."""

    scene: Scene
    link: CuttingProxy
    foreigners: Foreigners
    steady: Machine

    async def campaign(self, kills: int, seed: int, tell: Callable[[str], None]) -> Tally:
        """Kill the controller so many times."""
        return await Campaign(self.scene, self.steady, self.foreigners, kills, seed, tell).run()

    async def outages(self, length_s: float, tell: Callable[[str], None]) -> list[Outcome]:
        """Take everything else away."""
        return await Outages(self.scene, self.link, self.foreigners, self.steady, length_s, tell).run()


@asynccontextmanager
async def staged(api: Api, libvirtd: Libvirtd, folder: Path) -> AsyncIterator[Stage]:
    """The stage; when its end is reached, the steady VM is deleted and nothing may be left but the foreign domains."""
    namespace = f"t-{uuid.uuid4().hex[:10]}"
    await asyncio.to_thread(api.make_namespace, namespace)
    client = Client(await connect(api.endpoint))
    host = await open_host(libvirtd.uri, virt_type="qemu")
    try:
        async with CuttingProxy(port_of(api)) as link, SlowServer() as web:
            by_link = replace(api, kubeconfig=Path(through(api, link.port).kubeconfig))
            controller = Narrated(by_link, libvirtd.uri, folder, namespace)
            async with bench(client, namespace, controller) as here:
                scene = Scene(here, controller, Truth(libvirtd, controller.state), host, web)
                async with _inhabited(scene, folder, link) as stage:
                    yield stage
    finally:
        await host.close()
        await client.close()


@asynccontextmanager
async def _inhabited(scene: Scene, folder: Path, link: CuttingProxy) -> AsyncIterator[Stage]:
    steady = Machine("steady")
    await scene.create(steady, scene.known_file())
    steady.state, steady.boots = Expected.RUNNING, 1
    await scene.settled(steady)
    scene.check(steady)
    names = (scene.truth, scene.bench.namespace, steady.uid, folder)
    foreigners = await asyncio.to_thread(Foreigners.make, *names)
    try:
        yield Stage(scene, link, foreigners, steady)
        await scene.delete(steady)
        steady.state = Expected.ABSENT
        await scene.settled(steady)
        foreigners.assert_untouched()
        left = scene.truth.leftovers(foreigners.names)
        assert not left, f"left behind: {sorted(left)}"
    finally:
        await asyncio.to_thread(foreigners.remove)
