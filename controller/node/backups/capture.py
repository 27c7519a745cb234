"""How are all disks of a VM read as of one moment? Of a running one from QEMU, of one that is off from its files."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from controller.hypervisor.backup_port import NO_CHECKPOINT, BackupBegun, BackupHost, DiskCopy
from controller.hypervisor.port import Hypervisor, ObservedDomain
from controller.node.backups.index import Entry
from controller.node.backups.journal import Capture, Scratch, TakenDisk
from controller.node.backups.layout import Qcow2
from controller.node.backups.manifest import Base, Machine
from controller.node.backups.reading import Reading, shown, what_is_on
from controller.node.backups.state import text_of
from controller.node.images.collect import backing_file
from controller.node.layout import NOTHING, PlannedDisk, planned_disks
from controller.node.machine_state import MachineStates
from controller.node.migration.sockets import DISKS, Folder
from controller.node.places import NodePlaces
from controller.node.qemu_img import virtual_size
from controller.node.room import check_room
from hypersdk.errors import Terminal, Transient
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
MOST_LAYERS = 64
FROZEN, CRASH, OFF = "FileSystemsFrozen", "CrashConsistent", "PoweredOff"
_PREFIX = "hypersdk-"


@dataclass(frozen=True)
class Wanted:
    """What is to be taken."""

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
    """Takes moments, and lets their disks be read."""

    hypervisor: Hypervisor
    host: BackupHost
    places: NodePlaces
    states: MachineStates
    sockets: Path
    """The folder in which QEMU's user may listen."""
    now: Callable[[], datetime]

    async def take(self, vm: VirtualMachine, scratch: Scratch, wanted: Wanted) -> Capture:
        """A moment, written down; what an earlier controller had begun is thrown away first."""
        uid = vm.metadata.uid
        await self.undo(uid, scratch, wanted.uid)
        await asyncio.to_thread(scratch.make)
        observed = await self.hypervisor.observe(uid)
        if observed is not None and observed.is_active:
            capture = await self._running(vm, observed, scratch, wanted)
        else:
            capture = await self._off(vm, observed, wanted)
        capture = capture.model_copy(update={"state": text_of(await self.states.capture(uid))})
        await asyncio.to_thread(scratch.keep, capture)
        return capture

    async def is_there(self, capture: Capture) -> bool:
        """Whether the disks of that moment can be read still, and have been all the while."""
        if capture.consistency != OFF:
            return await self.host.shown(capture.vm.uid) == capture.socket
        observed = await self.hypervisor.observe(capture.vm.uid)
        is_active = observed is not None and observed.is_active
        paths = [Path(disk.path) for disk in capture.disks]
        return not is_active and await asyncio.to_thread(_stamps, paths) == capture.stamps

    @contextlib.asynccontextmanager
    async def opened(self, disk: TakenDisk, capture: Capture) -> AsyncIterator[Reading]:
        """One disk of that moment, to be read."""
        reading = Reading(Path(capture.socket), disk.export)
        async with contextlib.AsyncExitStack() as stack:
            if not disk.export:
                # It is gone after a boot, and the moment is not.
                await asyncio.to_thread(_make_private, Path(capture.socket).parent)
                await stack.enter_async_context(shown(Path(disk.path), Path(capture.socket)))
            stack.callback(reading.close)
            yield reading

    async def let_go(self, capture: Capture, uid: str) -> None:
        """Everything is read: the guest need not pay for it any more."""
        if capture.consistency != OFF:
            await self.host.abort(capture.vm.uid)
        await asyncio.to_thread(self._folder(uid).remove)

    async def undo(self, vm_uid: str, scratch: Scratch, uid: str) -> None:
        """Leave nothing of a moment that was taken: not in QEMU, not in the guest, not on disk."""
        there = await asyncio.to_thread(scratch.folder.exists)
        if there:
            await self.host.thaw(vm_uid)
            await self.host.abort(vm_uid)
            await self.host.drop_checkpoint(vm_uid, checkpoint_of(uid))
            await asyncio.to_thread(scratch.remove)
            await asyncio.to_thread(self._folder(uid).remove)

    async def _running(self, vm: VirtualMachine, observed: ObservedDomain, scratch: Scratch, wanted: Wanted) -> Capture:
        disks = disks_of(vm, observed, self.places)
        await asyncio.to_thread(_check_room, scratch.folder, disks)
        copies = [await self._overwritten(disk, scratch) for disk in disks]
        folder = self._folder(wanted.uid)
        await asyncio.to_thread(folder.make, await self.hypervisor.qemu_owner())
        socket = folder.socket(DISKS)
        agent = vm.spec.guest_agent is None or vm.spec.guest_agent.enabled
        created = self.now()
        since, why_full, begun = await self._begun(
            vm, copies, socket, wanted, quiesce=agent and observed.agent_connected
        )
        return Capture(
            created=created,
            consistency=FROZEN if not begun.why_not else CRASH,
            vm=_machine(vm),
            disks=[await asyncio.to_thread(_taken, disk, socket, wanted, changed=bool(since)) for disk in disks],
            socket=str(socket),
            layers={disk.name: disk.path.name for disk in disks},
            checkpoint=checkpoint_of(wanted.uid) if wanted.mark else "",
            base=Base(folder=since.folder, sha256=since.sha256) if since else None,
            base_uid=since.uid if since else "",
            base_job=since.job if since else "",
            why_full=why_full,
            why_not_frozen=_why_not(begun, agent=agent, connected=observed.agent_connected),
            frozen_ms=round(begun.frozen_s * 1000),
        )

    async def _begun(
        self, vm: VirtualMachine, copies: list[DiskCopy], socket: Path, wanted: Wanted, *, quiesce: bool
    ) -> tuple[Entry | None, str, BackupBegun]:
        """What it stands on, else why it is a full one."""
        uid, mark = vm.metadata.uid, checkpoint_of(wanted.uid) if wanted.mark else ""
        why_full = wanted.why_full
        if wanted.since is not None:
            since = checkpoint_of(wanted.since.uid)
            try:
                begun = await self.host.show(uid, copies, str(socket), checkpoint=mark, since=since, quiesce=quiesce)
                return wanted.since, "", begun
            except Terminal as error:
                if error.reason != NO_CHECKPOINT:
                    raise
                log.info("backup of %s: in full, for %s", vm.metadata.name, error)
                why_full = str(error)
                await self._forget_marks(uid)
        return None, why_full, await self.host.show(uid, copies, str(socket), checkpoint=mark, quiesce=quiesce)

    async def _forget_marks(self, uid: str) -> None:
        """None of them tells anything any more: what made one useless did so to all."""
        for name in await self.host.checkpoints(uid):
            if name.startswith(_PREFIX):
                await self.host.drop_checkpoint(uid, name)

    async def _overwritten(self, disk: Disk, scratch: Scratch) -> DiskCopy:
        """An empty file of the disk's size, for what the guest overwrites meanwhile."""
        path = scratch.folder / f"{disk.name}.qcow2"
        size = await asyncio.to_thread(virtual_size, disk.path)
        if size is None:
            raise Terminal(
                "Unsupported", f"disk {disk.name} is no qcow2 file: it can only be backed up while it is off"
            )
        await asyncio.to_thread(_make_blank, path, size)
        return DiskCopy(disk.dev, str(path), is_made=True)

    async def _off(self, vm: VirtualMachine, observed: ObservedDomain | None, wanted: Wanted) -> Capture:
        disks = disks_of(vm, observed, self.places)
        stamps = await asyncio.to_thread(_stamps, [disk.path for disk in disks])
        created, folder = self.now(), self._folder(wanted.uid)
        await asyncio.to_thread(folder.make, (0, 0))
        socket, taken = folder.socket(DISKS), []
        for disk in disks:
            async with shown(disk.path, socket):
                taken.append(await asyncio.to_thread(_taken, disk, socket, wanted, changed=False))
        why = "the VM is off: only of a running one it is known what changed" if wanted.mark else ""
        return Capture(
            created=created,
            consistency=OFF,
            vm=_machine(vm),
            disks=taken,
            socket=str(socket),
            stamps=stamps,
            why_full=wanted.why_full or why,
        )

    def _folder(self, uid: str) -> Folder:
        return Folder(self.sockets, uid)


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


def _make_private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _make_blank(path: Path, size: int) -> None:
    """An empty qcow2 file; qemu-img would take longer to begin than this to end."""
    layout = Qcow2(size, [])
    with path.open("wb") as file:
        for span in layout.spans(0, layout.size):
            file.write(span.content or b"")


def _taken(disk: Disk, socket: Path, wanted: Wanted, *, changed: bool) -> TakenDisk:
    size = virtual_size(disk.path)
    if size is None:
        raise Transient(f"disk {disk.name} is no qcow2 file")
    data, zeros = what_is_on(socket, disk.dev, changed=changed)
    return TakenDisk(
        name=disk.name,
        format="raw" if wanted.raw else "qcow2",
        virtual_bytes=size,
        data=data,
        zeros=zeros,
        path=str(disk.path),
        export=disk.dev,
    )


def _why_not(begun: BackupBegun, *, agent: bool, connected: bool) -> str:
    if begun.why_not and not agent:
        return "spec.guestAgent is not enabled"
    return "no agent answers in the guest" if begun.why_not and not connected else begun.why_not


def _stamps(paths: list[Path]) -> list[tuple[int, int]]:
    return [(found.st_mtime_ns, found.st_size) for found in map(Path.stat, paths)]


def _check_room(folder: Path, disks: list[Disk]) -> None:
    check_room(folder, sum(_size(disk.path) for disk in disks), "what the guest may overwrite meanwhile")


def _size(path: Path) -> int:
    """What a disk with all layers below it takes."""
    total, layer = 0, path
    for _ in range(MOST_LAYERS):
        total += layer.stat().st_blocks * 512
        below = backing_file(layer)
        if below is None:
            break
        layer = below
    return total
