"""Moves between two nodes, either of whose controllers dies: exactly one copy runs, and nothing stays behind."""

import asyncio
from itertools import pairwise

from hypersdk.model.base import JsonObject
from tests.campaign.work.guest import DISKS, Guest
from tests.campaign.work.shop import WITHIN_S
from tests.campaign.work.trial import Look, OperationTrial

SLOW = "200Mbps"
"""18 MiB of disks take most of a second."""


class Moving(OperationTrial):
    """Live, with its disks."""

    title = "live migration with the disks"
    operation = "migrate"
    storage_class = "standard"
    live = True

    def new_guest(self) -> Guest:
        disks = [{**disk, "storageClass": self.storage_class} for disk in DISKS if isinstance(disk, dict)]
        return Guest(self.shop, self.shop.name("moving"), spec={"disks": [*disks]})

    async def prepare(self) -> None:
        await super().prepare()
        await self.guest.write()
        self.source = self.shop.bench.vm(self.guest.name).status.node_name or ""
        (self.target,) = set(self.shop.nodes) - {self.source}

    def wanted(self) -> JsonObject:
        spec: JsonObject = {"targetNode": self.target, "live": self.live}
        if self.rng.random() < 0.5:
            spec["bandwidth"] = SLOW
        # The guest knows nothing of ACPI: only force gets it off.
        return {"migrateSpec": spec, "force": not self.live}

    async def verify(self, look: Look) -> None:
        owner = self.shop.bench.vm(self.guest.name).status.node_name
        assert (owner == self.target) == look.is_done, f"it is on {owner}: {look.words}"
        await self._runs_on(owner or "")
        if self.live:
            said = (await self.guest.counts())[max(self.guest.counted - 1, 0) :]
            assert all(after == before + 1 for before, after in pairwise(said)), said
        await self.guest.assert_whole()

    async def _runs_on(self, owner: str) -> None:
        """There and nowhere else: no domain, no file, no socket at the other end."""
        (other,) = set(self.shop.nodes) - {owner}
        uid, (controller, host) = self.guest.uid, self.shop.nodes[other]
        async with asyncio.timeout(WITHIN_S):
            while list((controller.state / "moves").glob("*/*")) or await host.is_known(uid):
                await self.guest.counts(1)
        assert await self.shop.nodes[owner][1].is_running(uid)
        left = list(controller.state.rglob(f"*{uid}*"))
        assert not left, f"{left} at the end that it has left"


class MovingShared(Moving):
    """Live, on storage that both nodes have."""

    title = "live migration on shared storage"
    storage_class = "shared"


class MovingOff(Moving):
    """Off, moved, on again."""

    title = "migration that is not live"
    live = False
