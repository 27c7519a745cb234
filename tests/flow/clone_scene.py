"""A world with clones in it: a QEMU that copies, layers, and files that say what they stand on."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from controller.hypervisor.backup_port import BackupBegun, BackupState, DiskCopy
from controller.hypervisor.layer_port import Copying as Merging
from controller.hypervisor.layer_port import DomainFiles, Taken
from controller.node.cloning.copying import Copying
from controller.node.cloning.linking import Linking
from controller.node.cloning.work import CloneWork
from controller.node.controller import NodeController
from controller.node.machine_state import MachineStates
from controller.node.objects import Objects
from controller.node.places import NodePlaces
from hypersdk.errors import Transient
from hypersdk.kube.cache import Cache
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import VMOperation
from tests.flow.world import NODE, World

CONTENT = "what the guest has written"
VARIABLES = "boot entries"


def write(path: Path, content: str | bytes) -> None:
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def exists(path: str) -> bool:
    return Path(path).exists()


def remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def qcow2(backing: str) -> bytes:
    """As much of a header as says what the file stands on."""
    name = backing.encode()
    return b"QFI\xfb" + struct.pack(">IQI", 3, 64, len(name)) + bytes(44) + name


@dataclass
class Qemu:
    """Copies in the background, also while no controller is there; takes some looks for it."""

    world: World
    looks: int = 3
    jobs: dict[str, list[str]] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    error: str = ""
    held: set[str] = field(default_factory=set)
    """Guests whose file systems somebody held and has not let go."""
    outlives: bool = False
    """Whether libvirt goes on with a call whose client has died, as it does once it has begun with it."""
    late: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Layers that libvirt is still to make for a controller that died as it asked for them."""

    async def begin(
        self, uuid: str, copies: Sequence[DiskCopy], *, checkpoint: str = "", since: str = "", quiesce: bool = True
    ) -> BackupBegun:
        self.world.hypervisor.before_change("backup")
        if uuid in self.jobs:
            raise Transient("a backup goes on already")
        self.jobs[uuid] = [copy.target for copy in copies]
        for target in self.jobs[uuid]:
            write(Path(target), "half")
        self.held.discard(uuid)
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

    async def thaw(self, uuid: str) -> None:
        self.held.discard(uuid)

    async def checkpoints(self, uuid: str) -> list[str]:
        return []

    async def drop_checkpoint(self, uuid: str, name: str) -> None: ...

    async def close(self) -> None: ...


@dataclass
class Layers:
    """Moves the fake's domains onto layers; a file's first line says what it stands on."""

    world: World
    qemu: Qemu

    def _put(self, uuid: str, files: Mapping[str, str]) -> None:
        domain = self.world.hypervisor.domains_by_uuid[uuid]
        there = domain.observed.hardware if domain.observed.is_active else domain.defined_hardware
        disks = tuple(
            replace(disk, layer="" if files[disk.dev] == disk.path else files[disk.dev]) if disk.dev in files else disk
            for disk in there.disks
        )
        domain.defined_hardware = replace(there, disks=disks)
        domain.observed = replace(domain.observed, hardware=domain.defined_hardware)

    async def files(self, uuid: str) -> DomainFiles:
        """Where libvirt would have the firmware's variables."""
        return DomainFiles(str(self.world.state / f"{uuid}_VARS.fd"))

    async def take(self, uuid: str, layers: Mapping[str, str], *, quiesce: bool = False) -> Taken:
        try:
            self.world.hypervisor.before_change("take")
        except asyncio.CancelledError:
            if self.qemu.outlives:
                self.qemu.late[uuid] = layers
            raise
        return self._take(uuid, layers)

    async def settled(self, uuid: str) -> None:
        if layers := self.qemu.late.pop(uuid, None):
            self._take(uuid, layers)

    def _take(self, uuid: str, layers: Mapping[str, str]) -> Taken:
        there = self.world.hypervisor.the(uuid).hardware.disks
        for disk in there:
            if disk.dev in layers:
                assert not exists(layers[disk.dev])
                write(Path(layers[disk.dev]), qcow2(disk.layer or disk.path))
        self._put(uuid, layers)
        self.qemu.held.discard(uuid)
        return Taken(0.01)

    async def thaw(self, uuid: str) -> None:
        self.qemu.held.discard(uuid)

    async def put(self, uuid: str, files: Mapping[str, str]) -> None:
        self.world.hypervisor.before_change("put")
        self._put(uuid, files)

    async def commit(self, uuid: str, dev: str, top: str, base: str) -> None:
        self.world.hypervisor.before_change("commit")

    async def merging(self, uuid: str, dev: str) -> Merging | None:
        return Merging(1, 1, is_ready=True)

    async def pivot(self, uuid: str, dev: str) -> None:
        self.world.hypervisor.before_change("pivot")
        disk = next(disk for disk in self.world.hypervisor.the(uuid).hardware.disks if disk.dev == dev)
        self._put(uuid, {dev: disk.path})


@dataclass
class Files:
    """Makes and removes files that say what they stand on."""

    world: World

    async def commit(self, top: str, into: str) -> None:
        self.world.hypervisor.before_change("commit")

    async def over(self, path: str, backing: str) -> None:
        self.world.hypervisor.before_change("over")
        write(Path(path), qcow2(backing))

    async def remove(self, paths: Iterable[str]) -> None:
        self.world.hypervisor.before_change("remove")
        for path in paths:
            remove(path)


@dataclass
class Scene:
    """A world with clones in it."""

    world: World
    qemu: Qemu
    places: NodePlaces
    fails: Exception | None = None

    async def overlay(self, path: Path, backing: Path) -> None:
        self.world.hypervisor.before_change("overlay")
        if self.fails is not None:
            raise self.fails
        write(path, f"over {backing.name}")

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
        linking = Linking(self.places, Layers(self.world, self.qemu), Files(self.world), self.overlay)
        states = self.world.states = MachineStates(self.places, Layers(self.world, self.qemu))
        async with CloneWork(NODE, vms, Copying(self.places, self.qemu, self.convert), linking, states) as work:
            self.world.works["clone"] = work
            async with self.world.controller(vms.cache) as controller:
                yield controller

    async def source(self, *, running: bool) -> None:
        """The source, with its disk."""
        await self.world.create(running=running, networks=[{"name": "a", "macAddress": "52:54:00:00:00:01"}])
        uid = self.world.vm().metadata.uid
        (self.places.state / "disks" / f"{uid}-root.qcow2").write_text(CONTENT)
        (self.world.state / f"{uid}_VARS.fd").write_text(VARIABLES)
        await self.world.until_phase(Phase.RUNNING if running else Phase.STOPPED)

    def die_holding(self, op: VMOperation) -> None:
        """As a controller does that took the moment, or had begun to copy, and died before it let the guest go."""
        observed = self.world.hypervisor.the(self.world.vm().metadata.uid)
        is_begun = bool(self.qemu.jobs) or self.tips() != [""]
        is_whole = (self.world.op(op).status.result or {}).get("disksWhole") or self.world.op(op).phase.is_over
        if observed.is_active and is_begun and not is_whole:
            self.qemu.held.add(observed.uuid)

    def tips(self) -> list[str]:
        """The layers that the source writes to."""
        there = self.world.hypervisor.the(self.world.vm().metadata.uid).hardware.disks
        return [disk.layer for disk in there if disk.device == "disk"]

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


def layer(here: Scene, op: VMOperation) -> str:
    """What the source writes to after a linked clone."""
    tag = op.metadata.uid.replace("-", "")[:12]
    return str(here.places.state / "disks" / f"{here.world.vm().metadata.uid}-root@c-{tag}.qcow2")
