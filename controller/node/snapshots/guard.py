"""May a VM be defined or started over its files as they are? Only where it is certain what it last wrote to. The rule
is pure.

A domain that is started over a file that another layer stands on spoils that layer; one over a file that is not the
last one loses what was written since. So whatever is not as snapshots leave it is refused, with the file named.
"""

import contextlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from controller.domain.desired import DiskFile
from controller.domain.layers import base_of
from controller.hypervisor.port import Hardware, ObservedDomain, PluggedDisk
from controller.node.finding import NotYet
from controller.node.layout import NOTHING, planned_disks
from controller.node.places import NodePlaces
from controller.node.snapshots.chain import Tree, children
from controller.node.snapshots.files import LayerFiles
from controller.node.snapshots.names import written
from controller.node.snapshots.status import files_of
from hypersdk.errors import Terminal
from hypersdk.kube.cache import Cache, Health
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmsnapshot import VMSnapshot

MISSING, BROKEN, FOREIGN, UNSURE = "LayerMissing", "BrokenChain", "ForeignLayer", "UncertainLayer"
_OURS = re.compile(r"-(root|disk-[^/]+)\.qcow2$")


def foreign(disks: Iterable[DiskFile], there: Hardware) -> str:
    """Why a disk's file is none of the controller's; empty when all are."""
    names = {disk.name: disk for disk in there.disks if disk.device == "disk"}
    for disk in disks:
        found = names.get(disk.name)
        is_strange = found is not None and found.path and Path(found.path).name != Path(disk.path).name
        if found is not None and is_strange and not _OURS.search(found.path):
            words = f"disk {disk.name} is written to {found.path}, which the controller has not made"
            return f"{words}: merge it by virsh blockcommit --active --pivot, and go on"
    return ""


def uppermost(disk: DiskFile, there: PluggedDisk | None, family: Tree, frozen: frozenset[str]) -> str:
    """The file that the disk is written to; Terminal when that is not certain, or what it stands on is not whole."""
    if there is not None:
        tip = written(there)
        _check(tip, disk.path, family)
        if stands := [path for path in children(family, tip) if path in family]:
            words = f"disk {disk.name}: the domain is defined over {tip}, on which {stands[0]} stands"
            raise Terminal(UNSURE, f"{words}: define it over the layer that was written to last")
        return tip
    if disk.path not in family and not family:
        return disk.path
    leaves = [path for path in family if not children(family, path) and path not in frozen]
    if len(leaves) != 1:
        known = ", ".join(sorted(leaves or family))
        words = f"disk {disk.name}: there is no domain, and which layer was written to last is not certain ({known})"
        raise Terminal(UNSURE, f"{words}: define the domain over the right one, with the VM's UUID and metadata")
    _check(leaves[0], disk.path, family)
    return leaves[0]


def _check(tip: str, base: str, family: Tree) -> None:
    """Whether all that it stands on is there, down to the base."""
    at, seen = tip, set[str]()
    while at != base:
        if at not in family:
            if base_of(at) == base or not seen:
                raise Terminal(MISSING, f"{at} is missing; what was written since the snapshot below it is in there")
            raise Terminal(BROKEN, f"{sorted(seen)[-1]} stands on {at or 'nothing'}, and not on a layer of {base}")
        if at in seen:
            raise Terminal(BROKEN, f"{at} stands on itself")
        seen.add(at)
        at = family[at].backing
    if base not in family and seen:
        raise Terminal(MISSING, f"{base} is missing, on which {tip} stands")


@dataclass
class Guard:
    """Looks before a VM that is off is defined or started."""

    places: NodePlaces
    files: LayerFiles
    cache: Cache[VMSnapshot]

    async def there(self, vm: VirtualMachine, observed: ObservedDomain | None) -> Hardware:
        """The domain as it is, or as it was: with the layers that its disks are written to."""
        disks = [disk.file for disk in planned_disks(vm, self.places) if disk.file.device == "disk"]
        hardware = observed.hardware if observed is not None else NOTHING
        if words := foreign(disks, hardware):
            raise Terminal(FOREIGN, words)
        if observed is not None and not self._has_snapshots(vm) and not any(one.layer for one in hardware.disks):
            return hardware
        every = await self.files.tree(vm.metadata.uid)
        plugged = {one.path: one for one in hardware.disks}
        for disk in disks:
            family = {path: file for path, file in every.items() if base_of(path) == disk.path}
            try:
                tip = uppermost(disk, plugged.get(disk.path), family, self._frozen(vm))
            except Terminal as error:
                if error.reason == UNSURE and self.cache.health is not Health.LIVE:
                    raise NotYet("SnapshotsUnknown", f"{error}; its snapshots are not known yet", 2.0) from error
                raise
            layer = "" if tip == disk.path else tip
            plugged[disk.path] = replace(
                plugged.get(disk.path) or PluggedDisk(disk.path, "", name=disk.name), layer=layer
            )
        return replace(hardware, disks=tuple(plugged.values()))

    async def written(self, vm: VirtualMachine, observed: ObservedDomain | None) -> dict[str, str]:
        """The file that each disk was written to last, by the disk's own; those of which that is certain."""
        try:
            disks = [disk.file for disk in planned_disks(vm, self.places) if disk.file.device == "disk"]
        except (NotYet, Terminal):
            return {}  # every end of its layers is kept then
        every, found = await self.files.tree(vm.metadata.uid), dict[str, str]()
        plugged = {one.path: one for one in observed.hardware.disks} if observed is not None else {}
        for disk in disks:
            family = {path: file for path, file in every.items() if base_of(path) == disk.path}
            with contextlib.suppress(Terminal):
                found[disk.path] = uppermost(disk, plugged.get(disk.path), family, self._frozen(vm))
        return found

    def refusal(self, vm: VirtualMachine, observed: ObservedDomain) -> str:
        """Why a running domain must not be changed; empty when it may."""
        try:
            disks = [disk.file for disk in planned_disks(vm, self.places) if disk.file.device == "disk"]
        except (NotYet, Terminal):
            return ""  # told by whoever needs the disks
        return foreign(disks, observed.hardware)

    async def running(self, vm: VirtualMachine, observed: ObservedDomain) -> Hardware | None:
        """The layers of disks that a running domain is given again; Terminal when it must not be changed."""
        if words := self.refusal(vm, observed):
            raise Terminal(FOREIGN, words)
        try:
            wanted = {disk.file.path for disk in planned_disks(vm, self.places) if disk.file.device == "disk"}
        except (NotYet, Terminal):
            return None  # told by whoever needs the disks
        if wanted <= {one.path for one in observed.hardware.disks} or not self._has_snapshots(vm):
            return None
        return await self.there(vm, observed)

    def _has_snapshots(self, vm: VirtualMachine) -> bool:
        return self.cache.health is not Health.LIVE or any(one.machine == vm.key for one in self.cache)

    def _frozen(self, vm: VirtualMachine) -> frozenset[str]:
        return frozenset(path for one in self.cache if one.machine == vm.key for path in files_of(one))
