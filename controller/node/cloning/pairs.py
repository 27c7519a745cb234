"""Which of the source's files become which of the clone's? Both follow from the specs; only sizes are looked up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from controller.domain.layers import base_of
from controller.hypervisor.port import Hardware
from controller.node.images.collect import backing_file
from controller.node.layout import NOTHING, planned_disks
from controller.node.machine_state import MachineState
from controller.node.places import NodePlaces, checked_uid
from controller.node.qemu_img import virtual_size
from hypersdk.errors import Transient
from hypersdk.model.virtualmachine import VirtualMachine


@dataclass(frozen=True)
class Pair:
    """One disk of the source and what it becomes."""

    name: str
    source: Path
    """The file with the newest content."""
    target: Path
    dev: str = ""
    """Its device in the source's running domain."""
    is_disc: bool = False
    base: Path = Path()
    """What the source's disk is known by."""

    def fresh(self, uid: str) -> Path:
        """Where it is made, until it is whole."""
        return self.target.with_name(f".{checked_uid(uid)}-{self.target.name}.tmp")


def pairs(source: VirtualMachine, target: VirtualMachine, places: NodePlaces, there: Hardware = NOTHING) -> list[Pair]:
    """Every disk with something in it. `there` is the source's domain, which knows layers and devices."""
    devices = {disk.path: disk.dev for disk in there.disks}
    both = zip(planned_disks(source, places, there), planned_disks(target, places), strict=True)
    return [
        Pair(old.file.name, old.written, new.path, devices.get(old.file.path, ""), old.file.device == "cdrom", old.path)
        for old, new in both
        if not old.is_empty_drive
    ]


def as_kept(found: Sequence[Pair], files: Iterable[str]) -> list[Pair]:
    """The same of a snapshot, which keeps these files; disks that came later are left out."""
    kept = {Path(base_of(path)).name: Path(path) for path in files}
    of_disks = [replace(pair, source=kept[pair.base.name]) for pair in found if pair.base.name in kept]
    return [*of_disks, *(pair for pair in found if pair.is_disc)]


def as_then(now: MachineState, files: Iterable[str]) -> MachineState:
    """The machine's state with the firmware's variables that a snapshot keeps, where it keeps some. Blocks."""
    kept = next((Path(path) for path in files if path.endswith(".fd")), None)
    return now if kept is None else replace(now, nvram=kept.read_bytes())


def check_seen(unseen: Sequence[Pair]) -> None:
    """Transient when one of these disks, which the domain does not have, is there all the same. Blocks."""
    for pair in unseen:
        if not pair.is_disc and pair.source.exists():
            raise Transient(f"disk {pair.name} is not in the domain yet, or not any more: it cannot be copied now")


def content_bytes(found: Sequence[Pair]) -> dict[Path, int]:
    """How much a copy of each will take at most: what its files take, and no more than the disk is large. Blocks."""
    return {pair.source: content_bytes_of(pair.source) for pair in found if not pair.is_disc}


def content_bytes_of(path: Path) -> int:
    """The same of one file. Blocks."""
    largest, taken = virtual_size(path) or path.stat().st_size, 0
    below: Path | None = path
    while below is not None:
        taken += below.stat().st_blocks * 512
        below = backing_file(below)
    return min(taken, largest)
