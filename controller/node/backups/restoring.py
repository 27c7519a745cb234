"""Restores one backup: the VM's object, which is held, then its disks, then it is let go. Safe to repeat anywhere."""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from controller.hypervisor.backup_port import BackupHost
from controller.hypervisor.port import Hypervisor
from controller.node.backups.chain import Link, read_chain
from controller.node.backups.fetching import Fetching
from controller.node.backups.journal import Scratch, scratch_of
from controller.node.backups.manifest import INVALID
from controller.node.backups.origin import Origin, Origins
from controller.node.backups.state import fetched
from controller.node.backups.target import (
    IN_PLACE,
    RESTORED_BY,
    checked,
    machine_object,
    name_of,
    paired,
    released,
)
from controller.node.convert import convert, settle
from controller.node.errands import unbroken
from controller.node.images.collect import backing_file
from controller.node.layout import NOTHING, planned_disks
from controller.node.machine_state import MachineStates
from controller.node.objects import Objects
from controller.node.places import NodePlaces, checked_uid
from controller.node.qemu_img import qemu_img
from controller.node.room import check_room
from controller.runtime.waiting import within
from controller.settings import Settings
from hypersdk.errors import AlreadyExists, Invalid, NotFound, Terminal, Transient
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES
from hypersdk.model.marks import FILLING
from hypersdk.model.restorejob import RestoreJob, RestoreOptions
from hypersdk.model.virtualmachine import Phase, VirtualMachine

Report = Callable[[Literal["Fetching", "Assembling", "Starting"], int, int], None]
_SWAPPING = "swapping"
_PRIVATE = 0o600
_LOOK_S = 5.0
UP_WITHIN_S = 600.0
REBASE_WITHIN_S = 12 * 3600.0


@dataclass
class Restorer:
    """Restores backups onto this node."""

    settings: Settings
    hypervisor: Hypervisor
    host: BackupHost
    places: NodePlaces
    states: MachineStates
    vms: Objects[VirtualMachine]
    origins: Origins

    @property
    def root(self) -> Path:
        """Where files lie until they are disks."""
        return self.places.state / "backups"

    async def restore(self, job: RestoreJob, report: Report) -> VirtualMachine:
        """The VM, whole, and running where that is wanted."""
        checked(job)
        origin = await self.origins.of(job)
        try:
            chain = await read_chain(origin.place, origin.folder, origin.expected)
            vm = await self._target(job, chain[-1])
            if is_for(vm, job):
                await self._fill(job, vm, origin, chain, report)
                vm = await self._let_go(job, vm)
        finally:
            await origin.place.store.close()
        report("Starting", 0, 1)
        return await self._up(job, vm)

    async def finish(self, job: RestoreJob) -> None:
        """Nothing is needed any more."""
        await asyncio.to_thread(self._scratch(job).remove)

    def is_past_return(self, job: RestoreJob) -> bool:
        """Whether disks of a VM have begun to be replaced: from there only on."""
        return (self._scratch(job).folder / _SWAPPING).exists()

    async def undo(self, job: RestoreJob) -> None:
        """Leave nothing of a restore that is not to be: a VM that was made for it goes, one that was there stays.

        Transient until that is so.
        """
        name = job.status.restored_vm_name or name_of(job)
        vm = await self._found(job, name) if name else await self._held(job)
        if vm is not None and is_for(vm, job):
            with contextlib.suppress(NotFound):
                await self._give_back(job, vm)
        await self.finish(job)

    async def _held(self, job: RestoreJob) -> VirtualMachine | None:
        """The VM that is held for it, of which only the manifest may have had the name."""
        vms = await self.vms.client.list(VIRTUAL_MACHINES, job.key[0])
        return next((vm for vm in vms if is_for(vm, job)), None)

    async def _give_back(self, job: RestoreJob, vm: VirtualMachine) -> None:
        if _note(vm, RESTORED_BY) == job.metadata.uid:
            await asyncio.to_thread(self.places.remove, vm.metadata.uid)
            await self.vms.client.delete(VIRTUAL_MACHINES, *vm.key, uid=vm.metadata.uid)
            raise Transient(f"{vm.metadata.name} is being removed")
        else:
            await asyncio.to_thread(self._sweep, vm.metadata.uid)
            await self.vms.write(vm, {"metadata": {"annotations": {FILLING: None, RESTORED_BY: None}}})

    async def _target(self, job: RestoreJob, newest: Link) -> VirtualMachine:
        machine = newest.manifest.vm
        name, options = name_of(job, machine), job.spec.options or RestoreOptions()
        vm = await self._found(job, name)
        if vm is None:
            return await self._made(job, machine_object(job, machine, newest.manifest.job, name))
        if is_for(vm, job) or _is_whole(job, vm):
            return await self._placed(vm)
        if not options.overwrite:
            words = f"there is a VM {name} already: set options.renameVM, or options.overwrite to replace its disks"
            raise Terminal("VMExists", words)
        return await self._taken(job, vm)

    async def _made(self, job: RestoreJob, body: JsonObject) -> VirtualMachine:
        try:
            vm = await self.vms.client.create(VIRTUAL_MACHINES, job.key[0], body, strict=False)
        except AlreadyExists as error:
            raise Transient(str(error)) from error
        except Invalid as error:
            raise Terminal(INVALID, f"the API refuses the VM that the backup is of: {error}") from error
        return await self._placed(vm)

    async def _placed(self, vm: VirtualMachine) -> VirtualMachine:
        if vm.metadata.deletion_timestamp is not None:
            raise Terminal("VMDeleted", f"{vm.metadata.name} was deleted while it was restored")
        if not vm.status.node_name:
            here: JsonObject = {"status": {"nodeName": self.settings.node, "phase": Phase.CREATING.value}}
            vm = await self.vms.write(vm, here, subresource="status")
        if vm.status.node_name != self.settings.node:
            raise Terminal("WrongNode", f"{vm.metadata.name} is on node {vm.status.node_name}")
        return vm

    async def _taken(self, job: RestoreJob, vm: VirtualMachine) -> VirtualMachine:
        """Hold a VM that is there; it has to be off."""
        name = vm.metadata.name
        if vm.status.node_name != self.settings.node:
            raise Terminal("WrongNode", f"{name} is on node {vm.status.node_name}")
        observed = await self.hypervisor.observe(vm.metadata.uid)
        if vm.spec.running or (observed is not None and observed.is_active):
            raise Terminal("VMRunning", f"{name} is to run: stop it first, for its disks are replaced")
        version: JsonObject = {"resourceVersion": vm.metadata.resource_version}
        notes: JsonObject = {FILLING: job.metadata.uid, RESTORED_BY: f"{job.metadata.uid}{IN_PLACE}"}
        held: JsonObject = {"metadata": {**version, "annotations": notes}}
        return await self.vms.write(vm, held)

    async def _fill(
        self, job: RestoreJob, vm: VirtualMachine, origin: Origin, chain: list[Link], report: Report
    ) -> None:
        scratch, uid = self._scratch(job), vm.metadata.uid
        await asyncio.to_thread(scratch.make)
        observed = await self.hypervisor.observe(uid)
        hardware = observed.hardware if observed is not None else NOTHING
        disks = planned_disks(vm, self.places, hardware)
        planned = {one.file.name: one for one in disks if one.file.device == "disk"}
        names = paired([disk.name for disk in chain[-1].manifest.disks], list(planned))
        total = sum(disk.bytes for link in chain for disk in link.manifest.disks if disk.name in names)
        fetching = Fetching(
            origin.place,
            scratch.folder,
            self.settings.limits.virtual_bytes,
            lambda done: report("Fetching", done, total),
        )
        swaps: list[tuple[Path, Path]] = []
        for number, name in enumerate(names):
            whole = await fetching.disk(name, chain)
            written = planned[name].written
            fresh = written.with_name(f".{checked_uid(uid)}-{written.name}.tmp")
            if written != planned[name].path or not await asyncio.to_thread(whole.became, fresh):
                await asyncio.to_thread(check_room, fresh.parent, whole.path.stat().st_blocks * 512, f"disk {name}")
                await convert(whole.path, fresh, _part_of(report, number, len(names)), format=whole.format)
            if written != planned[name].path:
                await _onto(fresh, written)
            await asyncio.to_thread(fresh.chmod, _PRIVATE)
            swaps.append((fresh, written))
        for mark in await self.host.checkpoints(uid):
            await self.host.drop_checkpoint(uid, mark)
        machine = await fetched(origin.place, chain[-1])
        # Not broken off: whoever ends this looks next whether there is a way back.
        await unbroken(asyncio.to_thread(_swap, scratch.folder / _SWAPPING, swaps))
        await self.states.keep(uid, machine)

    async def _let_go(self, job: RestoreJob, vm: VirtualMachine) -> VirtualMachine:
        options = job.spec.options or RestoreOptions()
        return await self.vms.write(vm, released(start=options.power_on_after_restore))

    async def _up(self, job: RestoreJob, vm: VirtualMachine) -> VirtualMachine:
        """Wait until it is seen to be as wanted."""
        options, key = job.spec.options or RestoreOptions(), vm.key
        wanted = Phase.RUNNING if options.power_on_after_restore else Phase.STOPPED
        changed = asyncio.Event()
        stop = self.vms.cache.subscribe(lambda keys: changed.set() if key in keys else None)
        try:
            async with asyncio.timeout(UP_WITHIN_S):
                while vm.phase is not wanted:
                    await within(changed, _LOOK_S)
                    changed.clear()
                    vm = await self.vms.client.get(VIRTUAL_MACHINES, *vm.key)
        except TimeoutError:
            found = condition(vm.status.conditions, "Ready")
            why = f": {found.message or found.reason}" if found else ""
            words = f"its disks are restored, and it is {vm.phase}, not {wanted}{why}"
            raise Terminal("NotStarted", words) from None
        except NotFound as error:
            raise Terminal("VMDeleted", f"{vm.metadata.name} was deleted while it was restored") from error
        finally:
            stop()
        return vm

    async def _found(self, job: RestoreJob, name: str) -> VirtualMachine | None:
        try:
            return await self.vms.client.get(VIRTUAL_MACHINES, job.key[0], name)
        except NotFound:
            return None

    def _scratch(self, job: RestoreJob) -> Scratch:
        return scratch_of(self.root, job.metadata.uid)

    def _sweep(self, uid: str) -> None:
        for path in self.places.files(uid):
            if path.name.startswith("."):
                path.unlink(missing_ok=True)


def is_for(vm: VirtualMachine, job: RestoreJob) -> bool:
    """Whether the restore fills the VM's disks."""
    return _note(vm, FILLING) == job.metadata.uid


def _is_whole(job: RestoreJob, vm: VirtualMachine) -> bool:
    """Whether an earlier try has filled it already: only its start is waited for."""
    return _note(vm, RESTORED_BY).removesuffix(IN_PLACE) == job.metadata.uid and not _note(vm, FILLING)


def _note(vm: VirtualMachine, name: str) -> str:
    return (vm.metadata.annotations or {}).get(name, "")


def _part_of(report: Report, number: int, count: int) -> Callable[[float], None]:
    return lambda part: report("Assembling", round(1000 * (number + part)), 1000 * count)


async def _onto(fresh: Path, layer: Path) -> None:
    """Let a file be a layer in the place of another one: it reads as before, and what lies below stays as it is."""
    below = await asyncio.to_thread(backing_file, layer)
    if below is None:
        raise Transient(f"{layer.name} stands on nothing, or is gone")
    words = ("rebase", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(below), "--", str(fresh))
    await qemu_img(*words, timeout_s=REBASE_WITHIN_S)
    await asyncio.to_thread(settle, fresh)


def _swap(mark: Path, swaps: list[tuple[Path, Path]]) -> None:
    """Put the new disks into the old ones' places; the mark says that there is no way back."""
    mark.touch()
    for fresh, path in swaps:
        os.replace(fresh, path)
