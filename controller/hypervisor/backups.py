"""How are the disks of a running domain read as of one moment? By QEMU's own backup job, through libvirt.

QEMU copies them itself, or shows them to whoever reads them. libvirt names them by device, so it does not matter which
layer a disk is written to now. What the guest writes meanwhile is kept apart by QEMU: all is as of the beginning.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

import libvirt

from controller.hypervisor.backup_port import CHANGED, NO_CHECKPOINT, BackupBegun, BackupState, DiskCopy
from controller.hypervisor.calls import Pool
from controller.hypervisor.errors import is_code
from controller.hypervisor.observe import our_domain, running_domain
from controller.hypervisor.quiesce import freeze, let_go, thaw
from hypersdk.errors import Terminal

_WORKERS = 2
"""An agent that does not answer at once is asked again: its guest stands still until it does."""
_BEGIN_DEADLINE_S = 60.0
_END_WITHIN_S, _LOOK_EVERY_S = 10.0, 0.005
_BROKEN = (libvirt.VIR_ERR_CHECKPOINT_INCONSISTENT, libvirt.VIR_ERR_NO_DOMAIN_CHECKPOINT)


class LibvirtBackups:
    """The backups of one host, as `controller.hypervisor.backup_port.BackupHost` has it."""

    def __init__(self, uri: str) -> None:
        self._work = Pool(uri, _WORKERS, "libvirt-backups")

    async def begin(
        self, uuid: str, copies: Sequence[DiskCopy], *, checkpoint: str = "", since: str = "", quiesce: bool = True
    ) -> BackupBegun:
        """Begin to copy all disks as of one moment."""
        work = partial(begin, uuid=uuid, wish=_Wish(copies, checkpoint, since, quiesce))
        return await self._work.call(work, f"begin a backup of the domain {uuid}", _BEGIN_DEADLINE_S)

    async def show(
        self,
        uuid: str,
        copies: Sequence[DiskCopy],
        socket: str,
        *,
        checkpoint: str = "",
        since: str = "",
        quiesce: bool = True,
    ) -> BackupBegun:
        """Show all disks as of one moment."""
        work = partial(begin, uuid=uuid, wish=_Wish(copies, checkpoint, since, quiesce, socket))
        return await self._work.call(work, f"begin a backup of the domain {uuid}", _BEGIN_DEADLINE_S)

    async def shown(self, uuid: str) -> str:
        """Where they are shown."""
        return await self._work.call(partial(shown, uuid=uuid), f"look at the backup of the domain {uuid}")

    async def state(self, uuid: str) -> BackupState:
        """How far it is."""
        return await self._work.call(partial(state, uuid=uuid), f"look at the backup of the domain {uuid}")

    async def abort(self, uuid: str) -> None:
        """End a backup that goes on."""
        await self._work.call(partial(abort, uuid=uuid), f"end the backup of the domain {uuid}")

    async def thaw(self, uuid: str) -> None:
        """Let the guest's file systems go."""
        await self._work.call(partial(thaw, uuid=uuid), f"thaw the file systems of the domain {uuid}")

    async def checkpoints(self, uuid: str) -> list[str]:
        """The names of the domain's checkpoints."""
        return await self._work.call(partial(checkpoints, uuid=uuid), f"list the checkpoints of the domain {uuid}")

    async def drop_checkpoint(self, uuid: str, name: str) -> None:
        """Forget a checkpoint."""
        work = partial(drop_checkpoint, uuid=uuid, name=name)
        await self._work.call(work, f"forget a checkpoint of the domain {uuid}")

    async def close(self) -> None:
        """Let go of the host."""
        await self._work.close()


@dataclass(frozen=True)
class _Wish:
    """What a backup is to be."""

    copies: Sequence[DiskCopy]
    checkpoint: str
    since: str
    quiesce: bool
    socket: str = ""


def begin(connection: libvirt.virConnect, uuid: str, wish: _Wish) -> BackupBegun:
    """Freeze, begin, thaw: in one call, so that nothing can come between. Blocks, like all here."""
    domain = running_domain(connection, uuid)
    copies, since, quiesce = wish.copies, wish.since, wish.quiesce
    if since and since not in checkpoints(connection, uuid):
        raise Terminal(NO_CHECKPOINT, f"the domain has no checkpoint {since} any more")
    devices = _devices(domain)
    xml, mark = backup_xml(copies, devices, since, wish.socket), checkpoint_xml(copies, devices, wish.checkpoint)
    reuse = libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL if all(copy.is_made for copy in copies) else 0
    why_not = freeze(domain) if quiesce else "it was not asked for"
    frozen_at = time.monotonic()
    try:
        domain.backupBegin(xml, mark, reuse)
    except libvirt.libvirtError as error:
        if since and (is_code(error, *_BROKEN) or "bitmap" in str(error) or "checkpoint" in str(error)):
            raise Terminal(NO_CHECKPOINT, f"{error.get_error_message()}") from error
        raise
    finally:
        if quiesce:
            let_go(domain)
    return BackupBegun(0.0 if why_not else time.monotonic() - frozen_at, why_not)


def state(connection: libvirt.virConnect, uuid: str) -> BackupState:
    """How far the backup is that goes on, or how the last one ended."""
    domain = running_domain(connection, uuid)
    job = domain.jobStats()
    if job.get("type", libvirt.VIR_DOMAIN_JOB_NONE) != libvirt.VIR_DOMAIN_JOB_NONE:
        return BackupState(False, "", int(job.get("disk_processed", 0)), int(job.get("disk_total", 0)))
    flags = libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED | libvirt.VIR_DOMAIN_JOB_STATS_KEEP_COMPLETED
    job = domain.jobStats(flags)
    if job.get("operation") != libvirt.VIR_DOMAIN_JOB_OPERATION_BACKUP:
        return BackupState(True, "QEMU tells of no backup that ended")
    total = int(job.get("disk_total", 0))
    if job.get("success", job.get("type") == libvirt.VIR_DOMAIN_JOB_COMPLETED):
        return BackupState(True, "", total, total)
    return BackupState(True, str(job.get("errmsg") or "QEMU gave the backup up"), 0, total)


def abort(connection: libvirt.virConnect, uuid: str) -> None:
    """End a backup that goes on."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        return
    if under_way(domain) is None:
        return
    with suppress(libvirt.libvirtError):  # it has just ended by itself
        domain.abortJob()
    end = time.monotonic() + _END_WITHIN_S
    # The call only asks for the end, and nobody tells of it to a thread that waits here.
    while under_way(domain) is not None and time.monotonic() < end:
        time.sleep(_LOOK_EVERY_S)


def shown(connection: libvirt.virConnect, uuid: str) -> str:
    """Where the disks are shown."""
    domain = our_domain(connection, uuid)
    found = under_way(domain) if domain is not None and domain.isActive() else None
    server = found.find("server") if found is not None else None
    return server.get("socket", "") if server is not None else ""


def under_way(domain: libvirt.virDomain) -> Element | None:
    """The backup that goes on."""
    try:
        return fromstring(domain.backupGetXMLDesc())
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN_BACKUP, libvirt.VIR_ERR_OPERATION_INVALID):
            return None
        raise


def checkpoints(connection: libvirt.virConnect, uuid: str) -> list[str]:
    """The names of the domain's checkpoints."""
    domain = our_domain(connection, uuid)
    return [one.getName() for one in domain.listAllCheckpoints()] if domain is not None else []


def drop_checkpoint(connection: libvirt.virConnect, uuid: str, name: str) -> None:
    """Forget a checkpoint, and where its bitmaps cannot be removed, the name alone."""
    domain = our_domain(connection, uuid)
    if domain is None or name not in checkpoints(connection, uuid):
        return
    found = domain.checkpointLookupByName(name)
    try:
        found.delete()
    except libvirt.libvirtError:
        # Of a domain that is off, or whose disk was replaced: a bitmap that nothing names does no harm.
        found.delete(libvirt.VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY)


def backup_xml(copies: Sequence[DiskCopy], devices: Sequence[str], since: str, socket: str = "") -> str:
    """What libvirt is asked to copy, and where to; with a socket, what it is to show there."""
    root = Element("domainbackup", mode="pull" if socket else "push")
    if since:
        SubElement(root, "incremental").text = since
    if socket:
        SubElement(root, "server", transport="unix", socket=socket)
    disks, targets = SubElement(root, "disks"), {copy.dev: copy.target for copy in copies}
    for dev in devices:
        if dev not in targets:
            SubElement(disks, "disk", name=dev, backup="no")
            continue
        disk = SubElement(disks, "disk", name=dev, backup="yes", type="file")
        SubElement(disk, "driver", type="qcow2")
        SubElement(disk, "scratch" if socket else "target", file=targets[dev])
        if socket:
            disk.set("exportname", dev)
        if socket and since:
            disk.set("exportbitmap", CHANGED)
    return tostring(root, encoding="unicode")


def checkpoint_xml(copies: Sequence[DiskCopy], devices: Sequence[str], name: str) -> str | None:
    """The mark from which a later backup knows what changed; None for none."""
    if not name:
        return None
    root = Element("domaincheckpoint")
    SubElement(root, "name").text = name
    disks, copied = SubElement(root, "disks"), {copy.dev for copy in copies}
    for dev in devices:
        SubElement(disks, "disk", name=dev, checkpoint="bitmap" if dev in copied else "no")
    return tostring(root, encoding="unicode")


def _devices(domain: libvirt.virDomain) -> list[str]:
    return [target.get("dev", "") for target in fromstring(domain.XMLDesc()).findall("devices/disk/target")]
