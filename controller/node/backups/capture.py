"""How is a consistent copy of all disks of a VM had? Of a running one from QEMU, of one that is off from its files."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controller.hypervisor.backup_port import NO_CHECKPOINT, BackupBegun, BackupHost, DiskCopy
from controller.hypervisor.port import Hypervisor, ObservedDomain
from controller.node.backups.index import Entry
from controller.node.backups.journal import Capture, CopiedFile, Scratch
from controller.node.backups.manifest import Base, Machine
from controller.node.images.collect import backing_file
from controller.node.layout import NOTHING, PlannedDisk, planned_disks
from controller.node.places import NodePlaces
from controller.node.qemu_img import make_blank, qemu_img, virtual_size
from controller.node.room import check_room
from hypersdk.errors import Terminal, Transient
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.25
COPY_WITHIN_S = 12 * 3600.0
MOST_LAYERS = 64
FROZEN, CRASH, OFF = "FileSystemsFrozen", "CrashConsistent", "PoweredOff"
_PREFIX = "hypersdk-"
Tell = Callable[[int, int], None]
"""Told of bytes done and bytes in all."""


@dataclass(frozen=True)
class Wanted:
    """What a copy is to be like."""

    uid: str
    """Of the BackupJob."""
    raw: bool = False
    mark: bool = False
    """Whether a later backup is to know what changed since."""
    since: Entry | None = None
    why_full: str = ""


@dataclass(frozen=True)
class Disk:
    """One disk of the VM."""

    name: str
    dev: str
    """Empty while the VM is off."""
    path: Path


@dataclass
class Capturer:
    """Takes copies."""

    hypervisor: Hypervisor
    host: BackupHost
    places: NodePlaces
    now: Callable[[], datetime]

    async def take(self, vm: VirtualMachine, scratch: Scratch, wanted: Wanted, tell: Tell) -> Capture:
        """The copies, whole and written down; what an earlier controller had begun is thrown away first."""
        uid = vm.metadata.uid
        await self.undo(uid, scratch, wanted.uid)
        await asyncio.to_thread(scratch.make)
        observed = await self.hypervisor.observe(uid)
        if observed is not None and observed.is_active:
            capture = await self._running(vm, observed, scratch, wanted, tell)
        else:
            capture = await self._off(vm, observed, scratch, wanted)
        if wanted.raw:
            capture = await self._as_raw(capture, scratch)
        await asyncio.to_thread(scratch.keep, capture)
        return capture

    async def undo(self, vm_uid: str, scratch: Scratch, uid: str) -> None:
        """Leave nothing of a copy that was begun: not in QEMU, not in the guest, not on disk."""
        there = await asyncio.to_thread(scratch.folder.exists)
        if there:
            await self.host.thaw(vm_uid)
            await self.host.abort(vm_uid)
            await self.host.drop_checkpoint(vm_uid, checkpoint_of(uid))
            await asyncio.to_thread(scratch.remove)

    async def _running(
        self, vm: VirtualMachine, observed: ObservedDomain, scratch: Scratch, wanted: Wanted, tell: Tell
    ) -> Capture:
        uid, disks = vm.metadata.uid, disks_of(vm, observed, self.places)
        await asyncio.to_thread(_check_room, scratch.folder, disks)
        copies = [await self._target(disk, scratch) for disk in disks]
        mark = checkpoint_of(wanted.uid) if wanted.mark else ""
        agent = vm.spec.guest_agent is None or vm.spec.guest_agent.enabled
        quiesce = agent and observed.agent_connected
        since, why_full, begun = wanted.since, wanted.why_full, None
        created = self.now()
        if since is not None:
            try:
                begun = await self.host.begin(
                    uid, copies, checkpoint=mark, since=checkpoint_of(since.uid), quiesce=quiesce
                )
            except Terminal as error:
                if error.reason != NO_CHECKPOINT:
                    raise
                log.info("backup of %s: in full, for %s", vm.metadata.name, error)
                since, why_full = None, str(error)
                await self._forget_marks(uid)
        if begun is None:
            begun = await self.host.begin(uid, copies, checkpoint=mark, quiesce=quiesce)
        await self._copied(uid, tell)
        paths = {disk.name: scratch.folder / f"{disk.name}.qcow2" for disk in disks}
        files = [await asyncio.to_thread(_copied_file, name, path) for name, path in paths.items()]
        return Capture(
            created=created,
            consistency=FROZEN if not begun.why_not else CRASH,
            vm=_machine(vm),
            files=files,
            layers={disk.name: disk.path.name for disk in disks},
            checkpoint=mark,
            base=Base(folder=since.folder, sha256=since.sha256) if since else None,
            base_uid=since.uid if since else "",
            base_job=since.job if since else "",
            why_full=why_full,
            why_not_frozen=_why_not(begun, agent=agent, connected=observed.agent_connected),
            frozen_ms=round(begun.frozen_s * 1000),
        )

    async def _forget_marks(self, uid: str) -> None:
        """None of them tells anything any more: what made one useless did so to all."""
        for name in await self.host.checkpoints(uid):
            if name.startswith(_PREFIX):
                await self.host.drop_checkpoint(uid, name)

    async def _copied(self, uid: str, tell: Tell) -> None:
        async with asyncio.timeout(COPY_WITHIN_S):
            while not (state := await self.host.state(uid)).ended:
                tell(state.done_bytes, state.total_bytes)
                # libvirt tells by an event too; a look is what would follow it anyway, for the figures.
                await asyncio.sleep(LOOK_EVERY_S)
        if state.error:
            raise Transient(f"QEMU did not finish the copy: {state.error}")
        tell(state.total_bytes, state.total_bytes)

    async def _target(self, disk: Disk, scratch: Scratch) -> DiskCopy:
        """An empty file of the disk's size. Nothing lies below it, whatever the backup stands on: the manifest says."""
        path = scratch.folder / f"{disk.name}.qcow2"
        size = await asyncio.to_thread(virtual_size, disk.path)
        if size is None:
            raise Terminal(
                "Unsupported", f"disk {disk.name} is no qcow2 file: it can only be backed up while it is off"
            )
        path.unlink(missing_ok=True)
        await make_blank(path, size)
        return DiskCopy(disk.dev, str(path), is_made=True)

    async def _off(
        self, vm: VirtualMachine, observed: ObservedDomain | None, scratch: Scratch, wanted: Wanted
    ) -> Capture:
        disks = disks_of(vm, observed, self.places)
        await asyncio.to_thread(_check_room, scratch.folder, disks)
        before = await asyncio.to_thread(_stamps, disks)
        created = self.now()
        files = []
        for disk in disks:
            path = scratch.folder / f"{disk.name}.qcow2"
            # Without a lock, which would keep the VM from starting; whether it did is looked at below.
            words = ("convert", "-q", "-U", "-f", "qcow2", "-O", "qcow2", "--", str(disk.path), str(path))
            await qemu_img(*words, timeout_s=COPY_WITHIN_S)
            files.append(await asyncio.to_thread(_copied_file, disk.name, path))
        after = await self.hypervisor.observe(vm.metadata.uid)
        if (after is not None and after.is_active) or await asyncio.to_thread(_stamps, disks) != before:
            raise Transient("the VM was started while its disks were read: they are copied anew, from QEMU")
        why = "the VM is off: only of a running one it is known what changed" if wanted.mark else ""
        return Capture(created=created, consistency=OFF, vm=_machine(vm), files=files, why_full=wanted.why_full or why)

    async def _as_raw(self, capture: Capture, scratch: Scratch) -> Capture:
        files = []
        for file in capture.files:
            path = scratch.folder / f"{file.name}.raw"
            old = scratch.folder / file.file
            words = ("convert", "-q", "-f", "qcow2", "-O", "raw", "--", str(old), str(path))
            await qemu_img(*words, timeout_s=COPY_WITHIN_S)
            await asyncio.to_thread(old.unlink)
            files.append(file.model_copy(update={"file": path.name, "format": "raw", "bytes": path.stat().st_size}))
        return capture.model_copy(update={"files": files})


def checkpoint_of(uid: str) -> str:
    """The name of the checkpoint that a BackupJob leaves."""
    return f"{_PREFIX}{uid}"


def disks_of(vm: VirtualMachine, observed: ObservedDomain | None, places: NodePlaces) -> list[Disk]:
    """The hard disks of the VM: as libvirt has them, named as in the spec."""
    hardware = observed.hardware if observed is not None else NOTHING
    planned = [disk for disk in planned_disks(vm, places, hardware) if disk.file.device == "disk"]
    if observed is None or not observed.is_active:
        return [Disk(disk.file.name, "", _there(disk)) for disk in planned]
    names = {disk.file.path: disk.file.name for disk in planned}
    disks = [
        Disk(names.get(disk.path) or disk.name, disk.dev, Path(disk.layer or disk.path))
        for disk in hardware.disks
        if disk.device == "disk" and disk.path
    ]
    if not disks:
        raise Terminal("NoDisks", f"{vm.metadata.name} has no disk to back up")
    return disks


def _there(disk: PlannedDisk) -> Path:
    if not disk.written.exists():
        raise Transient(f"disk {disk.file.name} has not been made yet")
    return disk.written


def _machine(vm: VirtualMachine) -> Machine:
    return Machine(name=vm.metadata.name, uid=vm.metadata.uid, labels=vm.metadata.labels or {}, spec=vm.spec.wire())


def _copied_file(name: str, path: Path) -> CopiedFile:
    size = virtual_size(path)
    if size is None:
        raise Transient(f"the copy of disk {name} is no qcow2 file")
    return CopiedFile(name=name, file=path.name, format="qcow2", virtual_bytes=size, bytes=path.stat().st_size)


def _why_not(begun: BackupBegun, *, agent: bool, connected: bool) -> str:
    if begun.why_not and not agent:
        return "spec.guestAgent is not enabled"
    return "no agent answers in the guest" if begun.why_not and not connected else begun.why_not


def _stamps(disks: list[Disk]) -> list[tuple[int, int]]:
    return [(disk.path.stat().st_mtime_ns, disk.path.stat().st_size) for disk in disks]


def _check_room(folder: Path, disks: list[Disk]) -> None:
    check_room(folder, sum(_taken(disk.path) for disk in disks), "a copy of the disks")


def _taken(path: Path) -> int:
    """What a disk with all layers below it takes."""
    total, layer = 0, path
    for _ in range(MOST_LAYERS):
        total += layer.stat().st_blocks * 512
        below = backing_file(layer)
        if below is None:
            break
        layer = below
    return total
