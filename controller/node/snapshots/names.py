"""What are the files of a snapshot called, and which of a domain's disks does it take? Pure.

All of them begin with the VM's uid and lie beside its disks, so that whoever removes the VM removes them too.
"""

from pathlib import Path

from controller.domain.layers import layer_path
from controller.hypervisor.port import ObservedDomain, PluggedDisk
from hypersdk.errors import Terminal

SNAPSHOT, RESTORE = "s-", "r-"
"""How the tags of their layers begin; layers with other tags are somebody else's."""
_TAKEN_OF_UID = 12


def tag_of(kind: str, uid: str) -> str:
    """The tag of the layers that a snapshot, or a return to one, puts over the disks."""
    return kind + uid.replace("-", "")[:_TAKEN_OF_UID]


def is_ours(path: str) -> bool:
    """Whether the file is a layer that snapshots have put there."""
    tag = Path(path).name.rpartition("@")[2]
    return Path(path).name.count("@") == 1 and tag.endswith(".qcow2") and tag.startswith((SNAPSHOT, RESTORE))


def written(disk: PluggedDisk) -> str:
    """The file that the domain writes to."""
    return disk.layer or disk.path


def taken_disks(observed: ObservedDomain, uid: str) -> dict[str, PluggedDisk]:
    """The domain's hard disks by device; Terminal for one that is no file of the VM's own."""
    found = {disk.dev: disk for disk in observed.hardware.disks if disk.device == "disk"}
    for disk in found.values():
        if not Path(disk.path).name.startswith(f"{uid}-") or not disk.path.endswith(".qcow2"):
            words = f"disk {disk.name} is written to {disk.path or 'no file'}, which the controller has not made"
            raise Terminal("ForeignLayer", f"{words}: merge it by virsh blockcommit, or remove the snapshot by virsh")
    if not found:
        raise Terminal("NoDisks", "the VM has no disk that a snapshot could be taken of")
    return found


def layers_of(disks: dict[str, PluggedDisk], tag: str) -> dict[str, str]:
    """The layer of that tag over each disk, by device."""
    return {dev: layer_path(disk.path, tag) for dev, disk in disks.items()}


def beside(base: str, uid: str, what: str, tag: str, ending: str) -> str:
    """A file of the snapshot that is no disk: its memory, its firmware's variables."""
    return str(Path(base).with_name(f"{uid}-{what}@{tag}.{ending}"))


def memory_of(base: str, uid: str, tag: str) -> str:
    """The file of the saved memory."""
    return beside(base, uid, "memory", tag, "save")


def nvram_of(base: str, uid: str, tag: str) -> str:
    """The file of the firmware's variables."""
    return beside(base, uid, "nvram", tag, "fd")


def started_of(base: str, uid: str, tag: str) -> str:
    """The file of what the guest had been started with."""
    return beside(base, uid, "started", tag, "json")
