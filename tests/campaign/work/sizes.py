"""Sizes: more CPUs, more memory, a larger disk, all while the guest runs."""

import asyncio

from hypersdk.kube.cache import Cache
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.quantity import to_bytes
from tests.campaign.work import layers
from tests.campaign.work.guest import Guest
from tests.campaign.work.shop import WITHIN_S
from tests.campaign.work.trial import Look, OperationTrial, Trial

CPUS, MOST_CPUS = 4, 12
MEMORY_MI, STEP_MI, MOST_MI = 1024, 128, 2048


class Resizing(OperationTrial):
    """Of CPUs and memory."""

    title = "resize of CPUs and memory"
    operation = "resize"

    def new_guest(self) -> Guest:
        size: JsonObject = {"cpus": CPUS, "memory": f"{MEMORY_MI}Mi"}
        return Guest(self.shop, self.shop.name("resized"), spec=size)

    async def prepare(self) -> None:
        if self.is_there and (self.cpus >= MOST_CPUS or self.memory_mi >= MOST_MI):
            await self.renew()
        await super().prepare()
        await self.guest.write()

    async def equip(self) -> None:
        self.cpus, self.memory_mi = CPUS, MEMORY_MI

    def wanted(self) -> JsonObject:
        self.before = self.cpus, self.memory_mi
        if self.rng.random() < 0.7:
            self.cpus += 1
        if self.rng.random() < 0.7 or self.cpus == self.before[0]:
            self.memory_mi += STEP_MI
        return {"resizeSpec": {"cpus": self.cpus, "memory": f"{self.memory_mi}Mi", "hotplug": True}}

    async def verify(self, look: Look) -> None:
        spec = self.shop.bench.vm(self.guest.name).spec
        cpus, memory = await self.shop.node(self.guest.name)[1].sizes(self.guest.uid)
        has, wanted = (cpus, memory >> 10), (self.cpus, self.memory_mi)
        if look.is_done:
            assert has == wanted, f"the guest has {has}, not {wanted}: {look.words}"
        else:
            # What it has been given it keeps until its next start.
            assert all(old <= now <= new for old, now, new in zip(self.before, has, wanted, strict=True))
            wanted = self.before
        assert (spec.cpus, to_bytes(spec.memory) >> 20) == wanted, f"the spec says {spec.cpus}, {spec.memory}"
        await self.guest.assert_untouched()
        await self.guest.assert_whole()
        if not look.is_done:
            await self.renew()


class Growing(Trial):
    """Of a disk: a change of the spec, which is over when the guest sees it."""

    title = "grow of a disk"
    can_be_cancelled = False
    size_mi = 8

    @property
    def cache(self) -> Cache[Resource]:
        return self.shop.bench.vms  # type: ignore[return-value]

    async def prepare(self) -> None:
        await super().prepare()
        await self.guest.write()

    async def equip(self) -> None:
        self.size_mi = 8

    async def ask(self) -> None:
        self.size_mi += 1
        disks: JsonObject = {"name": "data", "size": f"{self.size_mi}Mi"}
        spec: JsonObject = {"spec": {"disks": [{"name": "root", "size": "10Mi"}, disks]}}
        await self.shop.bench.client.patch(VIRTUAL_MACHINES, self.shop.bench.namespace, self.guest.name, spec)

    async def look(self) -> Look:
        bytes_there = await self.shop.node(self.guest.name)[1].capacity(self.guest.uid, "vdb")
        is_done = bytes_there == self.size_mi << 20
        return Look(is_done, "the guest has not seen it yet", is_done)

    def version(self) -> str:
        return self.shop.bench.vm(self.guest.name).metadata.resource_version or ""

    def seems_over(self) -> bool:
        return False

    async def settle(self) -> Look:
        async with asyncio.timeout(WITHIN_S):
            while not (look := await self.look()).is_over:
                # Asking libvirt is pause enough.
                pass
        return look

    async def verify(self, look: Look) -> None:
        assert await layers.size((await self.guest.tips())[1]) == self.size_mi << 20
        await self.guest.assert_untouched()
        await self.guest.assert_whole()
