"""A VM with two disks whose layers can be looked into, and what is done to its snapshots."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from controller.domain.layers import base_of
from hypersdk.model.base import JsonObject, condition, rfc3339
from hypersdk.model.kinds import VM_SNAPSHOTS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot
from tests.flow.fake_layers import FakeLayers, snapshotting
from tests.flow.virtual import virtual_now
from tests.flow.world import World

SNAPS = "/apis/hypersdk.io/v1alpha1/namespaces/default/vmsnapshots"
DATA: list[JsonObject] = [{"name": "root", "size": "1Gi"}, {"name": "data", "size": "1Gi"}]


class Lab:
    """A VM, its disks, and what is done to its snapshots."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.layers = FakeLayers(world.hypervisor)

    @asynccontextmanager
    async def controller(self) -> AsyncIterator[None]:
        async with snapshotting(self.world, self.layers):
            yield

    @property
    def uid(self) -> str:
        return self.world.vm().metadata.uid

    async def start(self, **spec: Any) -> None:
        await self.world.create(disks=DATA, **spec)
        await self.world.until_phase(Phase.STOPPED if spec.get("running") is False else Phase.RUNNING)
        self.layers.write(self.uid, "one")
        self.layers.ram[self.uid] = "counted to 1"

    def snapshot(self, name: str) -> VMSnapshot | None:
        doc = self.world.api.objects.get((SNAPS, name))
        return VMSnapshot.model_validate(doc) if doc is not None else None

    def phase(self, name: str) -> str:
        found = self.snapshot(name)
        return (found.status.phase or "") if found else "gone"

    def phases(self) -> dict[str, str]:
        """Of each snapshot that is there."""
        names = [name for path, name in self.world.api.objects if path == SNAPS]
        return {name: self.phase(name) for name in names}

    def why(self, name: str, kind: str = "Ready") -> str:
        found = self.snapshot(name)
        said = condition(found.status.conditions, kind) if found else None
        return (said.reason or "") if said else ""

    async def make(self, name: str, **spec: Any) -> None:
        body: JsonObject = {"metadata": {"name": name}, "spec": {"vmRef": {"name": "web"}, **spec}}
        await self.world.client.create(VM_SNAPSHOTS, "default", body)

    async def take(self, name: str, **spec: Any) -> VMSnapshot:
        await self.make(name, **spec)
        await self.world.until(lambda: self.phase(name) == "Ready", 300)
        found = self.snapshot(name)
        assert found is not None
        return found

    async def delete(self, name: str) -> None:
        await self.world.client.delete(VM_SNAPSHOTS, "default", name)

    async def gone(self, name: str) -> None:
        await self.world.until(lambda: self.snapshot(name) is None, 600)

    async def age(self, name: str, *, days: int) -> None:
        """Let it have been taken that long ago."""
        then: JsonObject = {"status": {"creationTime": rfc3339(virtual_now() - timedelta(days=days))}}
        await self.world.client.patch(VM_SNAPSHOTS, "default", name, then, subresource="status")

    async def restore(self, name: str) -> VMOperation:
        return await self.world.operate("restore", restoreSpec={"snapshotName": name})

    def assert_nothing_left_over(self) -> None:
        """Every file is one that the VM or a snapshot stands on, and what each snapshot names is there."""
        tips = list(self.layers._tips(self.uid).values())
        docs = [VMSnapshot.model_validate(doc) for (path, _), doc in self.world.api.objects.items() if path == SNAPS]
        points = [path for one in docs for path in one.status.backing_files or []]
        needed = {path for tip in [*tips, *points] for path in self.layers._chain(tip)}
        disks = {path for path in self.layers.disks if self.uid in path and path != base_of(path)}
        assert disks <= needed
        assert set(self.layers.parts) <= set(points)
        assert {path for path in points if path.endswith(".qcow2")} <= set(self.layers.disks)
        assert not self.layers.jobs
        assert not self.layers.frozen
