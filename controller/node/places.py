"""Where on the host the files of one VM lie: paths are made of the uid and of checked names alone."""

import re
import shutil
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from controller.node.finding import NotYet
from hypersdk.errors import Terminal

_DISK_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
STANDARD = "standard"
LINKS = "links"
TRAVERSABLE = 0o711
"""QEMU's own user has to get through to the files that libvirt hands it, and need not list them."""


def checked_uid(uid: str) -> str:
    """The uid when it is a UUID in its usual form; Terminal otherwise."""
    try:
        if str(uuid.UUID(uid)) == uid:
            return uid
    except ValueError:
        pass
    raise Terminal("InvalidUID", f"metadata.uid {uid!r} is not a UUID")


def checked_disk_name(name: str) -> str:
    """The disk's name when it can be part of a file name; Terminal otherwise."""
    if _DISK_NAME.fullmatch(name) and ".." not in name:
        return name
    raise Terminal("InvalidDiskName", f"disk name {name!r} must be letters, digits, '-', '.' and '_', at most 63")


@dataclass(frozen=True)
class NodePlaces:
    """The folders of one node."""

    state: Path
    classes: Mapping[str, Path] = field(default_factory=dict)
    """Folders of disks by storageClass, beside `standard`."""
    pools: Mapping[str, str] = field(default_factory=dict)
    """Storage pools of the host by storageClass."""
    found: dict[str, Path] = field(default_factory=dict)
    """The folders of those pools, once libvirt was asked."""

    @property
    def images(self) -> Path:
        """Imported images, shared by VMs, never written to."""
        return self.state / "images"

    @property
    def definitions(self) -> Path:
        """The DesiredDomain of each VM that was started."""
        return self.state / "definitions"

    @property
    def templates(self) -> Path:
        """Images that were made here of VMs' disks, never written to."""
        return self.state / "templates"

    def template(self, uid: str) -> Path:
        """The image of the template with that uid."""
        return self.templates / f"{checked_uid(uid)}-template.qcow2"

    def root(self, storage_class: str) -> Path:
        """The folder of a class's disks; Terminal for a class that the node does not have."""
        if storage_class in self.pools:
            if storage_class not in self.found:
                words = f"storageClass {storage_class!r} is the pool {self.pools[storage_class]}, not looked at yet"
                raise NotYet("PoolUnknown", words, 2.0)
            return self.found[storage_class]
        if storage_class in self.classes:
            return self.classes[storage_class]
        if storage_class == STANDARD:
            return self.state / "disks"
        known = ", ".join(sorted({STANDARD, *self.classes, *self.pools}))
        raise Terminal("StorageClassNotFound", f"this node has no storageClass {storage_class!r}; it has: {known}")

    def disk(self, uid: str, storage_class: str, name: str) -> Path:
        """One disk of a VM: its pool's folder has all disks side by side, for libvirt lists no folders in it."""
        return self.root(storage_class) / f"{checked_uid(uid)}-{name}"

    def roots(self) -> list[Path]:
        """Every folder that disks lie in; NotYet as long as one of them is not known."""
        return sorted({self.root(each) for each in (STANDARD, *self.classes, *self.pools)})

    def linked(self, uid: str, name: str) -> Path:
        """A name of the VM's own for an image; on the images' file system, whatever the class."""
        return self.links / f"{checked_uid(uid)}-{name}"

    @property
    def links(self) -> Path:
        """VMs' own names for images."""
        return self.images / LINKS

    def seed(self, uid: str) -> Path:
        """The NoCloud seed."""
        return self.state / "seeds" / checked_uid(uid) / "seed.iso"

    def console_log(self, uid: str) -> Path:
        """What virtlogd writes of the serial console."""
        return self.state / "consoles" / checked_uid(uid) / "serial.log"

    def virtio_log(self, uid: str) -> Path:
        """What virtlogd writes of the virtio console."""
        return self.console_log(uid).with_name("console1.log")

    def log_of(self, uid: str, device: Literal["serial0", "console1"]) -> str:
        """The log of a console by libvirt's name of it."""
        return str(self.console_log(uid) if device == "serial0" else self.virtio_log(uid))

    def machine(self, uid: str) -> Path:
        """Firmware variables and TPM state that the VM gets at its next start; there only where there are some."""
        return self.state / "machines" / checked_uid(uid)

    def definition(self, uid: str) -> Path:
        """The DesiredDomain that was defined last."""
        return self.definitions / f"{checked_uid(uid)}.json"

    def folders(self, uid: str) -> list[Path]:
        """Every folder that belongs to this VM alone."""
        return [self.seed(uid).parent, self.console_log(uid).parent, self.machine(uid)]

    def files(self, uid: str) -> list[Path]:
        """Every file that belongs to this VM alone, half-made ones too; NotYet as long as a pool is not known."""
        of_disks = [path for root in (*self.roots(), self.links, self.templates) for path in files_of(root, uid)]
        return [*of_disks, self.definition(uid), self.definition(uid).with_suffix(".tmp")]

    def make(self) -> None:
        """Make the node's own folders."""
        for name in ("images", f"images/{LINKS}", "disks", "seeds", "consoles", "definitions", "templates", "machines"):
            make_folder(self.state / name)
        for folder in self.classes.values():
            make_folder(folder)

    @property
    def released_folder(self) -> Path:
        """An empty file for each uid that is gone, and of which others still need something."""
        return self.state / "released"

    def released(self, uid: str) -> Path:
        """That file."""
        return self.released_folder / checked_uid(uid)

    def remove(self, uid: str, stays: Collection[str] = ()) -> None:
        """Remove everything that carries this uid but the files of those names; no error for what is gone already."""
        files = [path for path in self.files(uid) if path.name not in stays]
        for folder in self.folders(uid):
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
        for path in files:
            path.unlink(missing_ok=True)


def files_of(root: Path, uid: str) -> list[Path]:
    """The VM's files in a folder of disks."""
    return [path for pattern in (f"{checked_uid(uid)}-*", f".{uid}-*") for path in sorted(root.glob(pattern))]


def make_folder(folder: Path) -> None:
    """Make a folder that QEMU's user can reach files in."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(TRAVERSABLE)
