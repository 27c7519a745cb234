"""The VM's disks as files: made once, whole or not at all, grown while it is off, never shrunk, never made again."""

import asyncio
import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from controller.node.images.library import StoredImage
from controller.node.layout import Origin, PlannedDisk
from controller.node.places import checked_uid, files_of
from controller.node.qemu_img import grow, make_blank, make_overlay, virtual_size
from controller.node.room import check_commitment, check_room
from hypersdk.errors import Terminal

_OVERLAY_BYTES = 2**20
"""What an empty qcow2 file takes, roughly: the rest is taken as the guest writes."""
_PRIVATE = 0o600
"""libvirt hands each file to QEMU's user when the guest starts."""


def missing(planned: Sequence[PlannedDisk]) -> list[PlannedDisk]:
    """The disks that are still to be made."""
    return [disk for disk in planned if not disk.is_empty_drive and not disk.path.exists()]


def sweep(root: Path, uid: str) -> None:
    """Remove what was half made in an earlier life."""
    for path in files_of(root, uid):
        if path.name.startswith("."):
            path.unlink(missing_ok=True)


async def make_disks(
    uid: str, planned: Sequence[PlannedDisk], images: Mapping[Origin, StoredImage], overcommit: int
) -> list[PlannedDisk]:
    """Make each disk that is not there yet; those that were made."""
    made = missing(planned)
    for disk in made:
        image = images[disk.origin] if disk.origin is not None else None
        size = max(disk.size_bytes, image.virtual_bytes if image else 0)
        fresh = disk.path.with_name(f".{checked_uid(uid)}-{disk.path.name}.tmp")
        await asyncio.to_thread(sweep, disk.path.parent, uid)
        try:
            if disk.file.device == "cdrom":
                await asyncio.to_thread(_link, disk, image, fresh)
            else:
                await asyncio.to_thread(_check, disk, size, overcommit)
                await _make(image, fresh, size)
            fresh.rename(disk.path)
        finally:
            fresh.unlink(missing_ok=True)
    return made


def sweep_discs(folder: Path, uid: str, planned: Sequence[PlannedDisk]) -> None:
    """Remove the names of discs that are in none of the VM's drives any more."""
    for path in files_of(folder, uid):
        if path not in {disk.path for disk in planned}:
            path.unlink(missing_ok=True)


async def grow_disks(planned: Sequence[PlannedDisk], overcommit: int) -> list[PlannedDisk]:
    """Make each disk as large as the spec has it by now; those that grew. The guest must be off."""
    grown: list[PlannedDisk] = []
    for disk in planned:
        now = await asyncio.to_thread(_size, disk)
        if now is not None and now < disk.size_bytes:
            await asyncio.to_thread(_check, disk, disk.size_bytes, overcommit, now)
            await grow(disk.written, disk.size_bytes)
            grown.append(disk)
    return grown


async def _make(image: StoredImage | None, path: Path, size: int) -> None:
    if image is None:
        await make_blank(path, size)
    else:
        await make_overlay(path, image.path, image.format, size)
    await asyncio.to_thread(path.chmod, _PRIVATE)


def _check(disk: PlannedDisk, size: int, overcommit: int, before: int = 0) -> None:
    what = f"disk {disk.file.name}"
    check_room(disk.path.parent, _OVERLAY_BYTES, what)
    check_commitment(disk.path.parent, size - before, overcommit, what)


def _link(disk: PlannedDisk, image: StoredImage | None, path: Path) -> None:
    if image is None or image.format != "raw":
        raise Terminal("ImageFormatUnsupported", f"disk {disk.file.name}: a cdrom takes an ISO image, not qcow2")
    try:
        os.link(image.path, path)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EMLINK, errno.EPERM}:
            raise
        check_room(path.parent, image.virtual_bytes, f"disk {disk.file.name}")
        shutil.copyfile(image.path, path)
        path.chmod(0o444)


def _size(disk: PlannedDisk) -> int | None:
    try:
        return virtual_size(disk.written) if disk.file.device == "disk" else None
    except FileNotFoundError:
        return None
