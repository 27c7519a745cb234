"""The VM's disks as files: made once, whole or not at all, never shrunk, never made again."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from controller.node.images import StoredImage
from controller.node.layout import PlannedDisk
from controller.node.places import make_folder
from controller.node.qemu_img import make_blank, make_overlay
from hypersdk.errors import Terminal

_HALF_MADE = ".*.tmp"


def missing(planned: Sequence[PlannedDisk]) -> list[PlannedDisk]:
    """The disks that are still to be made."""
    return [disk for disk in planned if not disk.path.exists()]


async def make_disks(planned: Sequence[PlannedDisk], image: StoredImage | None) -> None:
    """Make each disk that is not there yet; a half-made one of an earlier life is swept away first."""
    for disk in missing(planned):
        folder = disk.path.parent
        make_folder(folder)
        for left in folder.glob(_HALF_MADE):
            left.unlink()
        fresh = folder / f".{secrets.token_hex(8)}.tmp"
        try:
            await _make(disk, image, fresh)
            fresh.rename(disk.path)
        finally:
            fresh.unlink(missing_ok=True)


async def _make(disk: PlannedDisk, image: StoredImage | None, path: Path) -> None:
    if not disk.from_image:
        await make_blank(path, disk.size_bytes)
        return
    if image is None:
        raise Terminal("ImageNotFound", f"disk {disk.file.name} needs the image, which the spec does not name")
    await make_overlay(path, image.path, image.format, max(disk.size_bytes, image.virtual_bytes))
