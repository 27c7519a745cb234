"""Which images may go? Those that no disk on this node stands on, once nobody has asked for them for a while."""

import errno
import logging
import os
import shutil
import stat
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from controller.node.desired import from_json
from controller.node.images.library import Library
from controller.node.room import reserve

log = logging.getLogger(__name__)
_MAGIC = b"QFI\xfb"
_LONGEST_NAME = 1023
"""QEMU, docs/interop/qcow2: the backing file's name is no longer."""


@dataclass(frozen=True)
class Collector:
    """What may go, and how soon."""

    roots: Sequence[Path]
    """Folders with disks, of VMs that are there and of VMs whose disks were kept."""
    grace_s: float = 6 * 3600.0
    """How long an image stays that nothing stands on: the next VM of it starts at once."""
    partial_s: float = 24 * 3600.0
    """How long the half of an image stays that nobody waits for."""

    definitions: Path | None = None
    """The folder of the VMs' kept definitions, which name disks that have to be seen."""

    def collect(self, library: Library, pinned: set[Path], busy: set[str]) -> list[Path]:
        """Remove them; what was removed. Blocks, and is called while nobody looks for an image.

        OSError, and nothing is removed, when disks cannot be seen: a folder that is not mounted is not empty.
        """
        removed = [path for path in library.partials() if self._is_left(library, path, busy)]
        for path in removed:
            path.unlink(missing_ok=True)
        for path, used in self._unused(library, pinned):
            if time.time() - used > self.grace_s or is_short(library.folder):
                library.remove(path)
                log.info("image %s is removed: no disk on this node stands on it", path.name)
                removed.append(path)
        return removed

    def _is_left(self, library: Library, path: Path, busy: set[str]) -> bool:
        return path.stem not in busy and library.touched_before(path, self.partial_s)

    def _unused(self, library: Library, pinned: set[Path]) -> list[tuple[Path, float]]:
        """Oldest first; a name of a file that is linked elsewhere is in use there."""
        if self.definitions is not None:
            check_seen(self.definitions)
        needed = {path.name for path in backing_files(self.roots)} | {path.name for path in pinned}
        free = [(path, used) for path, used in library.images() if path.name not in needed and _links(path) == 1]
        return sorted(free, key=lambda each: each[1])


def backing_files(roots: Sequence[Path]) -> set[Path]:
    """What the qcow2 files below the folders stand on, by their own headers."""
    walks = (os.walk(root, onerror=_refuse) for root in roots)
    files = (Path(folder, name) for walk in walks for folder, _, names in walk for name in names)
    return {backing for path in files if (backing := backing_file(path)) is not None}


def backing_file(path: Path) -> Path | None:
    """What one file stands on; None when it is no qcow2 file, or stands alone."""
    try:
        with FileIO(path, opener=_open_plain) as file:
            head = file.read(20)
            if len(head) < 20 or not head.startswith(_MAGIC):
                return None
            offset, length = struct.unpack_from(">QI", head, 8)
            if not offset or not 0 < length <= _LONGEST_NAME:
                return None
            file.seek(offset)
            return path.parent / os.fsdecode(file.read(length))
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link or a socket
            return None
        raise


def check_seen(definitions: Path) -> None:
    """FileNotFoundError when a disk of a VM that was started is not there."""
    for kept in sorted(definitions.glob("*.json")):
        desired = from_json(kept.read_text())
        for disk in desired.disks if desired is not None else ():
            if disk.device == "disk":  # a disc may have been changed since
                Path(disk.path).lstat()


def is_short(folder: Path) -> bool:
    """Whether the file system has less free than should stay so."""
    usage = shutil.disk_usage(folder)
    return usage.free < 2 * reserve(usage.total)


def _open_plain(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _refuse(error: OSError) -> None:
    raise error


def _links(path: Path) -> int:
    try:
        facts = path.lstat()
    except OSError:
        return 0
    return facts.st_nlink if stat.S_ISREG(facts.st_mode) else 0
