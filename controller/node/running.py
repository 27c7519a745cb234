"""What of a spec's change can a running VM be given now? Its files, sizes and room are looked at before."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from controller.domain.desired import DesiredDomain, Interface
from controller.hypervisor.port import Hardware
from controller.node.finding import Finding, NotYet
from controller.node.layout import NOTHING, PlannedDisk, planned_disks
from controller.node.live import AttachDisk, ChangeMedia, Gap, GrowDisk, LiveChange, gap
from controller.node.networks import mac_of, wanted_networks
from controller.node.places import NodePlaces
from controller.node.qemu_img import virtual_size
from controller.node.room import check_commitment
from controller.node.storage import Storage
from hypersdk.errors import Terminal
from hypersdk.model.quantity import human_bytes
from hypersdk.model.virtualmachine import VirtualMachine

_KINDS: Mapping[str, Literal["network", "bridge", "user"]] = {"network": "network", "bridge": "bridge", "user": "user"}
SHRINK = "ShrinkRefused"
IMPORT_LOOK_S = 5.0


@dataclass(frozen=True)
class Offer:
    """How the guest differs from the spec, and what of it can be changed now."""

    gap: Gap
    changes: tuple[LiveChange, ...]
    disks: Finding | None = None
    """What is wrong with a disk that is wanted."""
    retry_in_s: float | None = None


def as_it_is(vm: VirtualMachine, started: DesiredDomain, hardware: Hardware) -> DesiredDomain:
    """The definition that QEMU was started with, but with the interfaces that the domain has now."""
    names = {mac_of(vm.metadata.uid, network): network.name for network in wanted_networks(vm)}
    names |= {one.mac: one.name for one in started.interfaces}
    there = (one for one in hardware.interfaces if one.mac in names and one.kind in _KINDS)
    seen = tuple(Interface(names[one.mac], _KINDS[one.kind], one.mac, one.source) for one in there)
    return replace(started, interfaces=seen)


def is_on_pod_network(vm: VirtualMachine, now: DesiredDomain) -> bool:
    """Whether the guest has an interface by which it is known what the pod network is to it."""
    pods = {network.name for network in wanted_networks(vm) if network.type == "pod-network"}
    return any(interface.name in pods for interface in now.interfaces)


@dataclass
class RunningVms:
    """Looks after the files of changes that running VMs are given."""

    storage: Storage
    places: NodePlaces
    overcommit: int

    async def offer(
        self,
        vm: VirtualMachine,
        started: DesiredDomain,
        hardware: Hardware,
        wanted: DesiredDomain,
        wake: Callable[[], None],
    ) -> Offer:
        """What can be changed now; a disk that cannot be had holds up the disks alone."""
        planned = planned_disks(vm, self.places, hardware)
        sizes = await asyncio.to_thread(sizes_of, planned)
        difference = gap(started, hardware, wanted, growths(planned, sizes))
        try:
            ready = await self._ready(vm, difference.changes, sizes, wake, hardware)
        except (NotYet, Terminal) as error:
            others = _without(difference.changes, AttachDisk, GrowDisk, ChangeMedia)
            retry_in_s = error.retry_in_s if isinstance(error, NotYet) else None
            return Offer(difference, others, Finding("False", error.reason, str(error)), retry_in_s)
        return Offer(difference, ready, shrunk(planned, sizes))

    async def too_large(self, vm: VirtualMachine, there: Hardware = NOTHING) -> Finding | None:
        """What is said of disks that a VM has larger than it asks for."""
        planned = planned_disks(vm, self.places, there)
        return shrunk(planned, await asyncio.to_thread(sizes_of, planned))

    async def _ready(
        self,
        vm: VirtualMachine,
        changes: tuple[LiveChange, ...],
        sizes: Mapping[str, int],
        wake: Callable[[], None],
        there: Hardware,
    ) -> tuple[LiveChange, ...]:
        growing = [change for change in changes if isinstance(change, GrowDisk)]
        if growing:
            await asyncio.to_thread(self._check_room, growing, sizes)
        if not _are_missing(changes):
            return changes
        if growing:
            # First these: storage would make the files of running disks larger behind QEMU's back.
            return _without(changes, AttachDisk, ChangeMedia)
        if await self.storage.prepare(vm, wake, there) is not None:
            raise NotYet("Importing", "the image of a new disk is being imported", IMPORT_LOOK_S)
        return changes

    def _check_room(self, growing: Iterable[GrowDisk], sizes: Mapping[str, int]) -> None:
        for change in growing:
            more = change.size_bytes - sizes[change.path]
            check_commitment(Path(change.path).parent, more, self.overcommit, f"disk {change.name}")


def sizes_of(planned: Sequence[PlannedDisk]) -> dict[str, int]:
    """How large the guest sees each disk that is there, by path. Blocks."""
    sizes = {disk.file.path: virtual_size(disk.written) for disk in planned if _is_file(disk)}
    return {path: size for path, size in sizes.items() if size is not None}


def growths(planned: Sequence[PlannedDisk], sizes: Mapping[str, int]) -> tuple[GrowDisk, ...]:
    """The disks that are smaller than the spec has them."""
    small = (disk for disk in planned if sizes.get(disk.file.path, disk.size_bytes) < disk.size_bytes)
    return tuple(GrowDisk(disk.file.name, disk.file.path, disk.size_bytes) for disk in small)


def shrunk(planned: Sequence[PlannedDisk], sizes: Mapping[str, int]) -> Finding | None:
    """What is said of disks that are larger than the spec has them; one from an image may be so from the start."""
    large = [disk for disk in planned if disk.origin is None and sizes.get(disk.file.path, 0) > disk.size_bytes > 0]
    if not large:
        return None
    told = (f"{one.file.name} has {human_bytes(sizes[one.file.path])}" for one in large)
    words = f"disk {', '.join(told)}, and the spec asks for less: a disk never gets smaller; ask for its size, or more"
    return Finding("False", SHRINK, words)


def _is_file(disk: PlannedDisk) -> bool:
    return disk.file.device == "disk" and disk.written.exists()


def _are_missing(changes: Iterable[LiveChange]) -> bool:
    disks = [one.disk.path for one in changes if isinstance(one, AttachDisk)]
    discs = [one.disc.path for one in changes if isinstance(one, ChangeMedia) and one.disc.path]
    return not all(Path(path).exists() for path in (*disks, *discs))


def _without(changes: Iterable[LiveChange], *kinds: type) -> tuple[LiveChange, ...]:
    return tuple(change for change in changes if not isinstance(change, kinds))
