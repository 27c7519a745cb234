"""What are a VM's disks made of? Every file with what it stands on, its size, and who has it open."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from controller.domain.layers import base_of
from controller.hypervisor.port import Hypervisor
from controller.node.finding import NotYet
from controller.node.layout import planned_disks
from controller.node.snapshots.chain import Tree, chain
from controller.node.snapshots.files import LayerFiles
from controller.node.snapshots.guard import Guard
from controller.node.snapshots.names import written
from controller.node.snapshots.openers import openers
from controller.node.snapshots.status import files_of
from hypersdk.errors import NotFound, Terminal
from hypersdk.kube.cache import Cache
from hypersdk.model.diskchain import DiskChain, DiskChains, DiskLayer, Opener
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmsnapshot import VMSnapshot


@dataclass
class Drawing:
    """Draws the disks of this node's VMs."""

    hypervisor: Hypervisor
    files: LayerFiles
    guard: Guard
    vms: Cache[VirtualMachine]
    snapshots: Cache[VMSnapshot]

    async def of(self, uid: str) -> DiskChains:
        """Every disk of the VM with that uid."""
        vm = next((one for one in self.vms if one.metadata.uid == uid), None)
        if vm is None:
            raise NotFound("the VM is gone", 404, "NotFound")
        tree, observed = await self.files.tree(uid), await self.hypervisor.observe(uid)
        plugged = {one.path: one for one in observed.hardware.disks} if observed is not None else {}
        frozen = {one.metadata.name: files_of(one) for one in self.snapshots if one.machine == vm.key}
        paths = {*tree, *(file.backing for file in tree.values())} - {""}
        opened = await asyncio.to_thread(openers, paths)
        chains: list[DiskChain] = []
        for disk in planned_disks(vm, self.guard.places):
            if disk.file.device == "disk":
                there = plugged.get(disk.file.path)
                family = {path: file for path, file in tree.items() if base_of(path) == disk.file.path}
                layers = drawn(family, written(there) if there else "", frozen, opened)
                chains.append(DiskChain(name=disk.file.name, device=there.dev if there else "", layers=layers))
        problem = ""
        if observed is None or not observed.is_active:
            try:
                await self.guard.there(vm, observed)
            except (Terminal, NotYet) as error:
                problem = str(error)
        else:
            problem = self.guard.refusal(vm, observed)
        return DiskChains(disks=chains, problem=problem)


def drawn(
    family: Tree, tip: str, frozen: Mapping[str, frozenset[str]], opened: Mapping[str, list[Opener]]
) -> list[DiskLayer]:
    """The files of one disk, what is below first; the image that the base stands on too."""
    images = sorted({file.backing for file in family.values() if file.backing and file.backing not in family})
    found = [DiskLayer(file=path, opened_by=opened.get(path, [])) for path in images]
    for path, file in family.items():
        below = list(chain(family, path))
        problem = (
            "" if not file.backing or file.backing in family or path == base_of(path) else "stands on none of ours"
        )
        found.append(
            DiskLayer(
                file=path,
                stands_on=file.backing,
                depth=len(below) - 1 + bool(family[below[-1]].backing),
                size_bytes=file.allocated_bytes,
                written=path == tip,
                snapshots=sorted(name for name, files in frozen.items() if path in files),
                opened_by=opened.get(path, []),
                problem=problem,
            )
        )
    return sorted(found, key=lambda layer: (layer.depth, layer.file))
