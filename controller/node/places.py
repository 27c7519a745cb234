"""Where on the host the files of one VM lie: paths are made of the uid and of checked names alone."""

import re
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hypersdk.errors import Terminal

_DISK_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
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

    @property
    def images(self) -> Path:
        """Imported images, shared by VMs, never written to."""
        return self.state / "images"

    def disks(self, uid: str, storage_class: str = "standard") -> Path:
        """The folder of one VM's disks; Terminal for a storageClass that the node does not have."""
        root = self.classes.get(storage_class, self.state / "disks" if storage_class == "standard" else None)
        if root is None:
            known = ", ".join(sorted({"standard", *self.classes}))
            raise Terminal("StorageClassNotFound", f"this node has no storageClass {storage_class!r}; it has: {known}")
        return root / checked_uid(uid)

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

    def definition(self, uid: str) -> Path:
        """The DesiredDomain that was defined last."""
        return self.state / "definitions" / f"{checked_uid(uid)}.json"

    def folders(self, uid: str) -> list[Path]:
        """Every folder that belongs to this VM alone."""
        roots = {self.state / "disks", *self.classes.values()}
        disks = sorted(root / checked_uid(uid) for root in roots)
        return [*disks, self.seed(uid).parent, self.console_log(uid).parent]

    def make(self) -> None:
        """Make the node's own folders."""
        for name in ("images", "disks", "seeds", "consoles", "definitions"):
            make_folder(self.state / name)
        for folder in self.classes.values():
            make_folder(folder)

    def remove(self, uid: str) -> None:
        """Remove everything that carries this uid; no error for what is gone already."""
        for folder in self.folders(uid):
            if folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder)
        for kept in (self.definition(uid), self.definition(uid).with_suffix(".tmp")):
            kept.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder that QEMU's user can reach files in."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(TRAVERSABLE)
