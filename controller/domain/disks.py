"""Which disks and CD-ROMs does the domain have? One `<disk>` for each file, and the controller they need."""

import re
from xml.etree.ElementTree import Element

from controller.domain.desired import DiskFile
from controller.domain.elements import PLUGGED, element

_SERIAL = re.compile(r"[A-Za-z0-9_.\-]{1,20}")


def disk_elements(disks: tuple[DiskFile, ...]) -> list[Element]:
    """Hard disks on virtio-blk as vda, vdb…, CD-ROMs on virtio-scsi as sda, sdb… (few guests know q35's AHCI)."""
    orders = boot_orders(disks)
    hard = [disk for disk in disks if disk.device == "disk"]
    removable = [disk for disk in disks if disk.device == "cdrom"]
    return [
        *(hard_disk(disk, target("vd", at), orders.get(disk)) for at, disk in enumerate(hard)),
        *(cdrom(disk, target("sd", at), orders.get(disk)) for at, disk in enumerate(removable)),
        *([element("controller", type="scsi", index=0, model="virtio-scsi")] if removable else []),
    ]


def target(prefix: str, index: int) -> str:
    """The device name of the disk at an index: vda … vdz, vdaa …"""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return prefix + letters


def hard_disk(disk: DiskFile, dev: str, order: int | None = None, *, plugged: bool = False) -> Element:
    """One hard disk; `plugged` marks one that a running domain is given."""
    return element(
        "disk",
        element("driver", name="qemu", type=disk.format, discard="unmap"),
        element("source", file=disk.file),
        element("target", dev=dev, bus="virtio"),
        element("readonly") if disk.read_only else None,
        # What the guest finds below /dev/disk/by-id; virtio has room for 20 characters.
        element("serial", text=disk.name) if _SERIAL.fullmatch(disk.name) else None,
        _boot(order),
        element("alias", name=f"{PLUGGED}{dev}") if plugged else None,
        type="file",
        device="disk",
    )


def cdrom(disk: DiskFile, dev: str, order: int | None = None) -> Element:
    """One CD-ROM drive; empty when the disk has no path."""
    return element(
        "disk",
        element("driver", name="qemu", type=disk.format),
        element("source", file=disk.path) if disk.path else None,
        element("target", dev=dev, bus="scsi"),
        element("readonly"),
        _boot(order),
        type="file",
        device="cdrom",
    )


def _boot(order: int | None) -> Element | None:
    return None if order is None else element("boot", order=order)


def boot_orders(disks: tuple[DiskFile, ...]) -> dict[DiskFile, int]:
    """1, 2, 3… in the order wanted, ties broken by position; the first hard disk when no disk has one."""
    wanted = sorted((disk for disk in disks if disk.boot_order is not None), key=lambda disk: disk.boot_order or 0)
    chosen = wanted or [disk for disk in disks if disk.device == "disk"][:1]
    return {disk: place for place, disk in enumerate(dict.fromkeys(chosen), start=1)}
