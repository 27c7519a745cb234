"""Is there room for what is about to be written, and a reserve for the guests that write beside it?"""

import shutil
from pathlib import Path

from controller.node.finding import NotYet
from controller.node.qemu_img import virtual_size
from hypersdk.model.quantity import human_bytes

NO_ROOM = "InsufficientStorage"
RETRY_S = 30.0
MOST_RESERVE = 2**30
RESERVED_PART = 50
"""A fiftieth of the file system, at most 1 GiB, stays free: a guest whose disk cannot grow is paused."""


def check_room(folder: Path, count: int, what: str) -> None:
    """NotYet when so many bytes more would use the reserve up, or when it is used already."""
    usage = shutil.disk_usage(folder)
    kept = reserve(usage.total)
    if count > usage.free - kept:
        room = f"{human_bytes(usage.free)} are free, of which {human_bytes(kept)} stay so"
        raise NotYet(NO_ROOM, f"{what} needs {human_bytes(count)} in {folder}: {room}; make room there", RETRY_S)


def check_commitment(folder: Path, count: int, overcommit: int, what: str) -> None:
    """NotYet when the disks in the folder, each filled to its size, would be so many times its file system."""
    total = shutil.disk_usage(folder).total
    promised = committed(folder)
    if promised + count > total * overcommit:
        words = f"{human_bytes(promised)} are promised to disks, at most {overcommit} times {human_bytes(total)} may be"
        raise NotYet(NO_ROOM, f"{what} of {human_bytes(count)} in {folder}: {words}", RETRY_S)


def committed(folder: Path) -> int:
    """The sizes of all disks in a folder together."""
    return sum(_size(path) for path in folder.glob("*.qcow2"))


def reserve(total: int) -> int:
    """How much of a file system of that size stays free."""
    return min(MOST_RESERVE, total // RESERVED_PART)


def _size(path: Path) -> int:
    try:
        return virtual_size(path) or 0
    except OSError:
        return 0
