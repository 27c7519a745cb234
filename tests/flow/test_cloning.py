"""A clone is whole or not there at all, whenever the controller dies, whoever ends it, whatever goes wrong."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller.hypervisor.backup_port import BackupBegun, BackupState, DiskCopy
from controller.node.cloning.copying import Copying
from controller.node.cloning.work import CloneWork
from controller.node.controller import NodeController
from controller.node.objects import Objects
from controller.node.places import NodePlaces
from hypersdk.errors import Transient
from hypersdk.kube.cache import Cache
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.marks import CLONED_FROM, FILLING
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase, VMOperation
from tests.flow.world import NODE, VMS, World, play

CONTENT = "what the guest has written"


def write(path: Path, text: str) -> None:
    path.write_text(text)


@dataclass
class Qemu:
    """Copies in the background, also while no controller is there; takes some looks for it."""

    world: World
    looks: int = 3
    jobs: dict[str, list[str]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    error: str = ""

    async def begin(
        self, uuid: str, copies: Sequence[DiskCopy], *, checkpoint: str = "", since: str = "", quiesce: bool = True
    ) -> BackupBegun:
        self.world.hypervisor.before_change("backup")
        if uuid in self.jobs:
            raise Transient("a backup goes on already")
        self.jobs[uuid] = [copy.target for copy in copies]
        for target in self.jobs[uuid]:
            write(Path(target), "half")
        return BackupBegun(0.02)

    async def state(self, uuid: str) -> BackupState:
        self.looks -= 1
        if self.looks > 0:
            return BackupState(False, "", 10, 100)
        for target in self.jobs.pop(uuid, []):
            write(Path(target), CONTENT)
        self.looks = 3
        return BackupState(True, self.error, 100, 100)

    async def abort(self, uuid: str) -> None:
        self.jobs.pop(uuid, None)

    async def thaw(self, uuid: str) -> None: ...

    async def checkpoints(self, uuid: str) -> list[str]:
        return []

    async def drop_checkpoint(self, uuid: str, name: str) -> None: ...

    async def close(self) -> None: ...


@dataclass
class Scene:
    """A world with clones in it."""

    world: World
    qemu: Qemu
    places: NodePlaces
    fails: Exception | None = None

    async def convert(self, source: Path, target: Path, tell: Callable[[float], None]) -> None:
        self.world.hypervisor.before_change("convert")
        write(target, "half")
        tell(0.5)
        await self.world.pass_time(1.0)
        if self.fails is not None:
            raise self.fails
        write(target, CONTENT)

    @asynccontextmanager
    async def life(self) -> AsyncIterator[NodeController]:
        """One life of the controller."""
        vms = Objects(self.world.client, VIRTUAL_MACHINES, Cache())
        async with CloneWork(NODE, vms, Copying(self.places, self.qemu, self.convert)) as work:
            self.world.works["clone"] = work
            async with self.world.controller() as controller:
                yield controller

    async def source(self, *, running: bool) -> None:
        """The source, with its disk."""
        await self.world.create(running=running, networks=[{"name": "a", "macAddress": "52:54:00:00:00:01"}])
        (self.places.state / "disks" / f"{self.world.vm().metadata.uid}-root.qcow2").write_text(CONTENT)
        await self.world.until_phase(Phase.RUNNING if running else Phase.STOPPED)

    def files(self) -> dict[str, str]:
        """What the disks of others than the source hold, by the files' names."""
        uid = self.world.vm().metadata.uid
        there = (self.places.state / "disks").iterdir()
        return {path.name: path.read_text() for path in there if not path.name.startswith(uid)}


def scene(world: World) -> Scene:
    places = NodePlaces(world.state)
    places.make()
    return Scene(world, Qemu(world), places)


def spec(**how: Any) -> dict[str, Any]:
    return {"cloneSpec": {"targetName": "twin", **how}}


def whole(here: Scene, op: VMOperation) -> None:
    """The clone stands, and nothing else is left of the operation."""
    assert op.phase is OperationPhase.SUCCEEDED, op.status.message
    twin = here.world.vm("twin")
    assert FILLING not in (twin.metadata.annotations or {})
    assert (twin.metadata.annotations or {})[CLONED_FROM] == "web"
    assert twin.status.node_name == NODE
    assert here.files() == {f"{twin.metadata.uid}-root.qcow2": CONTENT}
    assert here.qemu.jobs == {}


def reason(op: VMOperation) -> str:
    found = condition(op.status.conditions, "Succeeded")
    return (found.reason or "") if found else ""


@pytest.mark.parametrize("running", [True, False], ids=["of-running", "of-stopped"])
@pytest.mark.parametrize("number", [None, *range(14)])
def test_clone_is_whole_after_a_death_anywhere(tmp_path: Path, number: int | None, running: bool) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        async with here.life():
            await here.source(running=running)
            op = await world.operate("clone", **spec(startAfterClone=True))
            if number is not None:
                world.die_at(number)
                await world.pass_time(8)
            else:
                await world.done(op)
        world.live_on()
        async with here.life():
            op = await world.done(op)
            whole(here, op)
            await world.until_phase(Phase.RUNNING, "Running", "twin")
            assert world.vm("twin").spec.networks is not None
            assert world.vm("twin").spec.networks[0].mac_address is None  # type: ignore[index]
            assert world.vm().phase is (Phase.RUNNING if running else Phase.STOPPED)

    play(tmp_path, scenario)


@pytest.mark.parametrize("running", [True, False], ids=["of-running", "of-stopped"])
@pytest.mark.parametrize("number", [None, *range(6)])
def test_nothing_is_left_of_a_clone_that_is_cancelled(tmp_path: Path, number: int | None, running: bool) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        here.qemu.looks = 10_000
        here.fails = Transient("the disk is slow to read")
        async with here.life():
            await here.source(running=running)
            op = await world.operate("clone", **spec())
            await world.until(lambda: bool(here.files()))
            cancel: JsonObject = {"metadata": {"annotations": {"hypersdk.io/cancel": "true"}}}
            await world.client.patch(VM_OPERATIONS, "default", op.metadata.name, cancel)
            if number is not None:
                world.die_at(number)
            await world.pass_time(30)
        world.live_on()
        async with here.life():
            assert (await world.done(op)).phase is OperationPhase.CANCELLED
            await world.until(lambda: not world.exists("twin"))
            assert here.files() == {}
            assert here.qemu.jobs == {}

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"targetNamespace": "other"}, "CrossNamespaceReference"),
        ({"snapshotRef": {"name": "s", "namespace": "other"}}, "CrossNamespaceReference"),
        ({"targetName": "web"}, "TargetExists"),
        ({"targetName": "taken"}, "TargetExists"),
    ],
    ids=["namespace", "snapshot", "itself", "taken"],
)
def test_clone_that_cannot_be_is_refused(tmp_path: Path, how: JsonObject, why: str) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        async with here.life():
            await here.source(running=False)
            await world.create("taken", running=False)
            op = await world.done(await world.operate("clone", **spec(**how)))
            assert (op.phase, reason(op)) == (OperationPhase.FAILED, why)
            assert world.exists("taken")
            assert {name for path, name in world.api.objects if path == VMS} == {"web", "taken"}

    play(tmp_path, scenario)


def test_deleted_target_ends_the_operation(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        here = scene(world)
        here.qemu.looks = 10_000
        async with here.life():
            await here.source(running=True)
            op = await world.operate("clone", **spec())
            await world.until(lambda: bool(here.files()))
            await world.delete("twin")
            op = await world.done(op)
            assert (op.phase, reason(op)) == (OperationPhase.FAILED, "TargetGone")
            assert here.files() == {}
            assert here.qemu.jobs == {}

    play(tmp_path, scenario)
