"""Which disks a VM has, and where each of them lies: pure, from the spec alone."""

from dataclasses import dataclass
from pathlib import Path

from controller.domain.desired import DiskFile
from controller.node.places import NodePlaces, checked_disk_name
from hypersdk.errors import Terminal
from hypersdk.model.quantity import to_bytes
from hypersdk.model.virtualmachine import Disk, VirtualMachine

ROOT = "root"
SEED = "seed"


@dataclass(frozen=True)
class PlannedDisk:
    """One disk that the node makes for the VM."""

    file: DiskFile
    size_bytes: int
    """At least this large; 0 for as large as its image."""
    from_image: bool = False

    @property
    def path(self) -> Path:
        """The disk's file."""
        return Path(self.file.path)


def planned_disks(vm: VirtualMachine, places: NodePlaces) -> tuple[PlannedDisk, ...]:
    """The VM's disks in order: the first one is made from the image when there is one. Terminal for a bad spec."""
    wanted = vm.spec.disks or []
    _check(wanted)
    uid = vm.metadata.uid
    if not has_image(vm):
        return tuple(_blank(disk, uid, places) for disk in wanted)
    if not wanted:
        return (_root(uid, places, 0),)
    first, *rest = wanted
    root = _root(uid, places, to_bytes(first.size), first)
    return (root, *(_blank(disk, uid, places) for disk in rest))


def domain_disks(vm: VirtualMachine, places: NodePlaces) -> tuple[DiskFile, ...]:
    """What the domain gets: the planned disks, and the seed."""
    seed = DiskFile(SEED, str(places.seed(vm.metadata.uid)), "raw", device="cdrom", read_only=True)
    return (*(disk.file for disk in planned_disks(vm, places)), seed)


def has_image(vm: VirtualMachine) -> bool:
    """Whether the root disk comes from an image."""
    image = vm.spec.image
    return image is not None and bool(image.source or image.template_ref)


def _root(uid: str, places: NodePlaces, size_bytes: int, disk: Disk | None = None) -> PlannedDisk:
    folder = places.disks(uid, disk.storage_class if disk else "standard")
    name, order = (disk.name, disk.boot_order) if disk else (ROOT, None)
    return PlannedDisk(DiskFile(name, str(folder / "root.qcow2"), "qcow2", boot_order=order), size_bytes, True)


def _blank(disk: Disk, uid: str, places: NodePlaces) -> PlannedDisk:
    path = places.disks(uid, disk.storage_class) / f"disk-{disk.name}.qcow2"
    return PlannedDisk(DiskFile(disk.name, str(path), "qcow2", boot_order=disk.boot_order), to_bytes(disk.size))


def _check(disks: list[Disk]) -> None:
    names = [checked_disk_name(disk.name) for disk in disks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Terminal("DuplicateDiskName", f"two disks are named {', '.join(twice)}: give each its own name")
    for disk in disks:
        if disk.source is not None and disk.source.wire():
            raise Terminal("DiskSourceUnsupported", f"disk {disk.name}: a source of its own is not supported yet")
        if disk.type != "disk":
            raise Terminal("DiskTypeUnsupported", f"disk {disk.name}: type {disk.type} is not supported yet")
        if to_bytes(disk.size) == 0:
            raise Terminal("InvalidDiskSize", f"disk {disk.name}: a size of {disk.size} holds nothing")
