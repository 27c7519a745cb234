"""Goes back to a snapshot: new layers over its frozen files, its memory taken up again where it has one.

What the VM wrote to until then is kept until the effect was seen, so that a return which fails or is cancelled leaves
the disks as they were. A guest that was running is cut all the same: it is started anew then.
"""

from dataclasses import dataclass
from pathlib import Path

from controller.domain.layers import base_of
from controller.hypervisor.layer_port import LayerHost
from controller.hypervisor.port import DomainState, Hypervisor, ObservedDomain, PluggedDisk, Power
from controller.node.objects import Objects
from controller.node.operations.work import Ended, Going, Job
from controller.node.places import NodePlaces
from controller.node.snapshots.chain import chain, unneeded
from controller.node.snapshots.files import LayerFiles
from controller.node.snapshots.names import RESTORE, layers_of, nvram_of, tag_of, taken_disks, written
from controller.node.snapshots.status import files_of
from controller.node.snapshots.store import SnapshotStore
from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmsnapshot import VMSnapshot

BEFORE, STAGE = "before", "stage"
"""In `status.result`: what the VM wrote to and was like; how far the return is."""
CUT, RESUME, DONE = "cut", "resume", "done"


@dataclass
class RestoreWork:
    """The operation `restore`."""

    hypervisor: Hypervisor
    layers: LayerHost
    files: LayerFiles
    places: NodePlaces
    store: SnapshotStore
    vms: Objects[VirtualMachine]
    lets_plan: bool = False

    async def step(self, job: Job) -> Going | Ended:
        """Check, cut, put the layers in place, start."""
        if job.observed is None:
            raise Transient("waits until the VM has a domain on its node")
        disks = taken_disks(job.observed, job.vm.metadata.uid)
        stage = job.notes.get(STAGE)
        if stage == DONE:
            return await self._finish(disks, job)
        snapshot = await self._snapshot(job)
        if stage is None:
            return await self._check(snapshot, disks, job)
        if stage == CUT:
            return await self._return(snapshot, job.observed, disks, job)
        return await self._resume(snapshot, job.observed, job)

    async def undo(self, job: Job) -> Going | Ended | None:
        """Let the VM write to what it wrote to before; a return that has been seen to be done is done."""
        before, uid = Before.of(job.notes), job.vm.metadata.uid
        if before is None or job.observed is None:
            return None
        disks = taken_disks(job.observed, uid)
        if job.notes.get(STAGE) == DONE:
            return await self._finish(disks, job)
        ours = layers_of(disks, tag_of(RESTORE, job.uid))
        if any(written(disk) == ours[dev] for dev, disk in disks.items()):
            if job.observed.is_active:
                await self._off(job)
                return Going(0, "going back to the disks as they were", again_in_s=0.0)
            await self._variables(nvram_of(_first(disks), uid, tag_of(RESTORE, job.uid)), job)
            await self.layers.put(uid, before.files)
        if job.vm.metadata.deletion_timestamp is None:
            await self._change(before.spec, job)
        await self._remove(ours, disks, job)
        return None

    async def _check(self, snapshot: VMSnapshot, disks: dict[str, PluggedDisk], job: Job) -> Going:
        if (await self.layers.files(job.vm.metadata.uid)).has_snapshots:
            words = "the domain has snapshots that were made by virsh: remove them by virsh first"
            raise Terminal("ForeignSnapshot", words)
        frozen = _frozen(snapshot, disks)
        tree = await self.files.tree()
        if missing := sorted(path for path in files_of(snapshot) if path.endswith(".qcow2") and path not in tree):
            raise Terminal("FilesMissing", f"{', '.join(missing)} of snapshot {snapshot.metadata.name} is not there")
        for disk in disks.values():
            if disk.dev in frozen and base_of(list(chain(tree, frozen[disk.dev]))[-1]) != disk.path:
                raise Terminal("BrokenChain", f"{frozen[disk.dev]} does not stand on {disk.path}")
        has_memory = await self._memory(snapshot) is not None
        if has_memory and set(frozen) != set(disks):
            more = ", ".join(sorted(disks[dev].name for dev in set(disks) - set(frozen)))
            words = f"the memory was saved without the disks {more}: take them out of the spec first, or restore"
            raise Terminal("DisksChanged", f"{words} a snapshot without memory")
        spec = job.vm.spec
        before = Before(
            {dev: written(disk) for dev, disk in disks.items()},
            {"running": spec.running, "cpus": spec.cpus, "memory": spec.memory} if has_memory else {},
        )
        return Going(10, "going back", {BEFORE: before.note(), STAGE: CUT}, again_in_s=0.0)

    async def _return(
        self, snapshot: VMSnapshot, observed: ObservedDomain, disks: dict[str, PluggedDisk], job: Job
    ) -> Going:
        uid, frozen = job.vm.metadata.uid, _frozen(snapshot, disks)
        ours = {dev: layer for dev, layer in layers_of(disks, tag_of(RESTORE, job.uid)).items() if dev in frozen}
        is_put = all(written(disks[dev]) == layer for dev, layer in ours.items())
        if observed.is_active and is_put:
            return Going(70, "the memory is taken up", {STAGE: RESUME}, again_in_s=0.0)
        if observed.is_active:
            await self._off(job)
            return Going(30, "the VM is off", again_in_s=0.0)
        if not is_put:
            # Kept for the case that the return comes to nothing; not once ours are in their place.
            variables = (await self.layers.files(uid)).nvram
            if variables:
                await self.files.copy(variables, nvram_of(_first(disks), uid, tag_of(RESTORE, job.uid)))
        for dev, layer in ours.items():
            # Made anew by each attempt: a memory that was taken up for a moment may have been written for.
            await self.files.over(layer, frozen[dev])
        await self._variables(_part(snapshot, ".fd"), job)
        await self.layers.put(uid, ours)
        memory = await self._memory(snapshot)
        if memory is None:
            return Going(90, "the disks are back", {STAGE: DONE}, again_in_s=0.0)
        state = snapshot.status.vm_state
        if state is not None:
            await self._change({"running": True, "cpus": state.cpus, "memory": state.memory}, job)
        await self.files.copy(_part(snapshot, ".json"), str(self.places.definition(uid)))
        await self.layers.take_up(uid, memory, ours)
        return Going(70, "the memory is taken up", {STAGE: RESUME}, again_in_s=0.0)

    async def _resume(self, snapshot: VMSnapshot, observed: ObservedDomain, job: Job) -> Going:
        uid, state = job.vm.metadata.uid, snapshot.status.vm_state
        ran = state is None or state.running is not False
        if observed.is_active:
            await self.hypervisor.set_power(uid, Power.ON if ran else Power.PAUSED)
            if ran and observed.state is DomainState.PAUSED:
                await self.hypervisor.resume(uid)
        return Going(90, "the guest goes on", {STAGE: DONE}, again_in_s=0.0)

    async def _off(self, job: Job) -> None:
        # Written first: whoever finds it off knows that it is started anew where it is to run.
        await self.hypervisor.set_power(job.vm.metadata.uid, Power.OFF)
        await self.hypervisor.destroy(job.vm.metadata.uid)

    async def _change(self, wanted: JsonObject, job: Job) -> None:
        now: JsonObject = {
            "running": job.vm.spec.running,
            "cpus": job.vm.spec.cpus,
            "memory": job.vm.spec.memory,
        }
        changed: JsonObject = {
            field: value for field, value in wanted.items() if value is not None and now[field] != value
        }
        if changed:
            await self.vms.write(job.vm, {"spec": changed})

    async def _variables(self, copy: str, job: Job) -> None:
        """The firmware's variables as they were, where there is a copy of them."""
        target = (await self.layers.files(job.vm.metadata.uid)).nvram
        if copy and target:
            await self.files.copy(copy, target)

    async def _memory(self, snapshot: VMSnapshot) -> str | None:
        path = _part(snapshot, ".save")
        if not path:
            return None
        if path not in await self.files.allocated([path]):
            raise Terminal("FilesMissing", f"{path}, the memory of snapshot {snapshot.metadata.name}, is not there")
        return path

    async def _snapshot(self, job: Job) -> VMSnapshot:
        name = _wanted(job)
        found = await self.store.fresh(job.op.key[0], name)
        if found is None:
            raise Terminal("SnapshotNotFound", f"there is no VMSnapshot {name} in {job.op.key[0]}")
        if found.machine != job.vm.key or found.status.vm_uid not in {None, job.vm.metadata.uid}:
            raise Terminal("OtherMachine", f"VMSnapshot {name} is of another VM than {job.vm.metadata.name}")
        if found.status.phase not in {"Ready", "Expired"} or not found.status.ready_to_restore:
            words = f"VMSnapshot {name} is {found.status.phase or 'Pending'}: only a Ready one can be gone back to"
            raise Terminal("SnapshotNotReady", words)
        return found

    async def _finish(self, disks: dict[str, PluggedDisk], job: Job) -> Ended:
        await self._sweep(disks, job)
        name = _wanted(job)
        # Whoever deletes it now takes nothing of this back.
        snapshot = await self.store.fresh(job.op.key[0], name)
        words = _words(name, snapshot is not None and snapshot.status.consistency == "Memory", job)
        return Ended(words, {BEFORE: None, STAGE: None})

    async def _sweep(self, disks: dict[str, PluggedDisk], job: Job) -> None:
        """Remove the layers that neither the VM nor a snapshot of it needs now."""
        uid, tree = job.vm.metadata.uid, await self.files.tree()
        tips = [written(disk) for disk in disks.values()]
        gone = unneeded(tree, uid, tips, await self.store.points(job.vm))
        await self.files.remove([*gone, nvram_of(_first(disks), uid, tag_of(RESTORE, job.uid))])

    async def _remove(self, ours: dict[str, str], disks: dict[str, PluggedDisk], job: Job) -> None:
        variables = nvram_of(_first(disks), job.vm.metadata.uid, tag_of(RESTORE, job.uid))
        await self.files.remove([*ours.values(), variables])


@dataclass(frozen=True)
class Before:
    """What is gone back to when the return comes to nothing."""

    files: dict[str, str]
    spec: JsonObject

    @classmethod
    def of(cls, notes: JsonObject) -> "Before | None":
        """What an operation has written down; None when it had not begun."""
        found = notes.get(BEFORE)
        if not isinstance(found, dict):
            return None
        files, spec = found.get("files"), found.get("spec")
        assert isinstance(files, dict)
        assert isinstance(spec, dict)
        return cls({dev: str(path) for dev, path in files.items()}, spec)

    def note(self) -> JsonObject:
        """What is written down."""
        return {"files": {**self.files}, "spec": self.spec}


def _frozen(snapshot: VMSnapshot, disks: dict[str, PluggedDisk]) -> dict[str, str]:
    """The snapshot's file of each disk that it has; Terminal when the VM has one of them no more."""
    paths = [path for path in files_of(snapshot) if path.endswith(".qcow2")]
    bases = {disk.path: dev for dev, disk in disks.items()}
    if lost := sorted(path for path in paths if base_of(path) not in bases):
        words = f"the VM has no disk any more for {', '.join(Path(path).name for path in lost)} of the snapshot"
        raise Terminal("DisksChanged", f"{words}: add the disk to the spec again, under its name")
    if not paths:
        raise Terminal("FilesMissing", f"VMSnapshot {snapshot.metadata.name} names no file")
    return {bases[base_of(path)]: path for path in paths}


def _part(snapshot: VMSnapshot, ending: str) -> str:
    """The snapshot's file that is no disk, by how its name ends."""
    return next((path for path in sorted(files_of(snapshot)) if path.endswith(ending)), "")


def _first(disks: dict[str, PluggedDisk]) -> str:
    """The base beside which the other files lie."""
    return disks[min(disks)].path


def _wanted(job: Job) -> str:
    """The name of the snapshot that is gone back to."""
    return (job.op.spec.restore_spec.snapshot_name if job.op.spec.restore_spec else None) or ""


def _words(name: str, has_memory: bool, job: Job) -> str:
    if has_memory:
        return f"the guest goes on from where it was in {name}"
    then = "the guest is started anew" if job.vm.spec.running else "the VM is off"
    return f"the disks are those of {name}; {then}"
