"""Which disks a VM has, where each of them lies, and what is on it at first: pure, from the spec alone."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from controller.domain.desired import DiskFile
from controller.domain.layers import layered
from controller.hypervisor.port import Hardware
from controller.node.places import STANDARD, NodePlaces, checked_disk_name
from controller.node.taken import taken
from hypersdk.errors import Terminal
from hypersdk.model.quantity import to_bytes
from hypersdk.model.virtualmachine import Checksum, Disk, DiskSource, VirtualMachine

ROOT = "root"
SEED = "seed"
NOTHING = Hardware()


@dataclass(frozen=True)
class Origin:
    """The image that a disk begins with, as the spec names it."""

    word: str
    """A URL or a short name; empty for a template's of which nothing was taken yet."""
    checksum: Checksum | None = None
    secret: str = ""
    """The Secret with the object store's account."""


@dataclass(frozen=True)
class PlannedDisk:
    """One disk that the node makes for the VM."""

    file: DiskFile
    size_bytes: int
    """At least this large; 0 for as large as its image."""
    origin: Origin | None = None
    """None for an empty disk."""
    storage_class: str = STANDARD

    @property
    def is_empty_drive(self) -> bool:
        """A CD-ROM drive with nothing in it."""
        return not self.file.path

    @property
    def path(self) -> Path:
        """The file that it is known by; of a CD-ROM drive the image as it is, under a name of the VM's own."""
        return Path(self.file.path)

    @property
    def written(self) -> Path:
        """The file that the guest writes to: the uppermost layer."""
        return Path(self.file.file)


def planned_disks(vm: VirtualMachine, places: NodePlaces, there: Hardware = NOTHING) -> tuple[PlannedDisk, ...]:
    """The VM's disks in order; the image goes to the first that could hold it. Terminal for a bad spec.

    `there` is the domain as it is, which knows the layers over the disks.
    """
    planned = _of_spec(vm, places)
    files = layered((disk.file for disk in planned), there)
    return tuple(replace(disk, file=file) for disk, file in zip(planned, files, strict=True))


def _of_spec(vm: VirtualMachine, places: NodePlaces) -> tuple[PlannedDisk, ...]:
    wanted = vm.spec.disks or []
    _check(wanted)
    uid = vm.metadata.uid
    if not has_image(vm):
        return tuple(_planned(disk, uid, places) for disk in wanted)
    root = next((disk for disk in wanted if disk.type == "disk" and _origin(disk) is None), None)
    if root is None:
        return (_root(vm, places, None), *(_planned(disk, uid, places) for disk in wanted))
    return tuple(_root(vm, places, disk) if disk is root else _planned(disk, uid, places) for disk in wanted)


def domain_disks(vm: VirtualMachine, places: NodePlaces) -> tuple[DiskFile, ...]:
    """What the domain gets: the planned disks, and the seed."""
    seed = DiskFile(SEED, str(places.seed(vm.metadata.uid)), "raw", device="cdrom", read_only=True)
    return (*(disk.file for disk in planned_disks(vm, places)), seed)


def has_image(vm: VirtualMachine) -> bool:
    """Whether the root disk comes from an image."""
    image = vm.spec.image
    return image is not None and bool(image.source or image.template_ref)


def _root(vm: VirtualMachine, places: NodePlaces, disk: Disk | None) -> PlannedDisk:
    storage_class = disk.storage_class if disk else STANDARD
    path = places.disk(vm.metadata.uid, storage_class, "root.qcow2")
    name, order = (disk.name, disk.boot_order) if disk else (ROOT, None)
    image = vm.spec.image
    origin = Origin("")
    if image is not None:
        secret = image.secret_ref.name if image.secret_ref else None
        part = taken(vm)
        origin = Origin(image.source or "", image.checksum, secret or "")
        if part is not None:
            origin = Origin(part.source, part.checksum, secret or part.secret)
    size = to_bytes(disk.size) if disk else 0
    return PlannedDisk(DiskFile(name, str(path), "qcow2", boot_order=order), size, origin, storage_class)


def _planned(disk: Disk, uid: str, places: NodePlaces) -> PlannedDisk:
    origin = _origin(disk)
    if disk.type == "cdrom":
        disc = str(places.linked(uid, f"disk-{disk.name}-{_tag(origin)}.iso")) if origin else ""
        file = DiskFile(disk.name, disc, "raw", "cdrom", boot_order=disk.boot_order, read_only=True)
        return PlannedDisk(file, 0, origin, disk.storage_class)
    path = places.disk(uid, disk.storage_class, f"disk-{disk.name}.qcow2")
    file = DiskFile(disk.name, str(path), "qcow2", boot_order=disk.boot_order)
    return PlannedDisk(file, to_bytes(disk.size), origin, disk.storage_class)


def _tag(origin: Origin) -> str:
    """Another one for another disc: in a drive, unlike on a disk, it can be changed."""
    return hashlib.sha256(repr(origin).encode()).hexdigest()[:8]


def _origin(disk: Disk) -> Origin | None:
    source = disk.source
    word = _word(disk, source) if source is not None else ""
    if source is None or not word:
        return None
    return Origin(word, source.checksum, (source.secret_ref.name if source.secret_ref else None) or "")


def _word(disk: Disk, source: DiskSource) -> str:
    if source.http and source.s3:
        raise Terminal("InvalidDiskSource", f"disk {disk.name}: a source is either http or s3")
    if source.pvc or source.container_disk:
        kind = "pvc" if source.pvc else "containerDisk"
        words = f"disk {disk.name}: source.{kind} needs a container runtime; put the image on a web server or into S3"
        raise Terminal("DiskSourceUnsupported", words)
    if source.http and "://" in source.http and not source.http.lower().startswith(("http://", "https://")):
        raise Terminal("InvalidDiskSource", f"disk {disk.name}: source.http takes http(s):// or a short name")
    if source.s3 and "://" in source.s3 and not source.s3.lower().startswith("s3://"):
        raise Terminal("InvalidDiskSource", f"disk {disk.name}: source.s3 is like s3://bucket/key")
    if source.s3:
        return source.s3 if "://" in source.s3 else f"s3://{source.s3}"
    return source.http or ""


def _check(disks: list[Disk]) -> None:
    names = [checked_disk_name(disk.name) for disk in disks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Terminal("DuplicateDiskName", f"two disks are named {', '.join(twice)}: give each its own name")
    for disk in disks:
        if disk.type == "disk" and to_bytes(disk.size) == 0:
            raise Terminal("InvalidDiskSize", f"disk {disk.name}: a size of {disk.size} holds nothing")
