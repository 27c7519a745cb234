"""How does a template get an image of its own? From the root disk of a VM that is off, copied into one file.

Nothing in the image is changed: the host has no business in a guest's file systems. What has to differ from VM to VM
cloud-init makes anew in each, for each is an instance of its own to it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.hypervisor.port import Hypervisor
from controller.node.cloning.copying import Convert
from controller.node.cloning.pairs import content_bytes_of
from controller.node.convert import convert, settle
from controller.node.errands import Errands, Progress
from controller.node.finding import Finding, NotYet
from controller.node.layout import NOTHING, PlannedDisk, planned_disks
from controller.node.places import NodePlaces, checked_uid
from controller.node.qemu_img import virtual_size
from controller.node.room import check_room
from controller.node.sharing import remove_unshared
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmtemplate import VMTemplate

_READ_ONLY = 0o444


@dataclass
class Making:
    """The images that are made on this node."""

    places: NodePlaces
    hypervisor: Hypervisor
    convert: Convert = convert
    errands: Errands[None] = field(default_factory=Errands)

    def made(self, template: VMTemplate) -> Path | None:
        """The image, when it is whole."""
        path = self.places.template(template.metadata.uid)
        return path if path.exists() else None

    async def make(self, template: VMTemplate, vm: VirtualMachine, wake: Callable[[], None]) -> Finding | int:
        """Go on making it of the VM's disk; how far it is, or its size once it is whole."""
        uid = template.metadata.uid
        errand = self.errands.get(uid)
        if errand is None and (path := await asyncio.to_thread(self.made, template)) is not None:
            return await asyncio.to_thread(virtual_size, path) or 0
        if errand is None:
            errand = self.errands.begin(uid, await self._copying(uid, vm), wake)
        if not errand.is_over:
            words = errand.progress.words(asyncio.get_running_loop().time())
            return Finding("Unknown", "Copying", f"the disk of {vm.metadata.name} is being copied: {words}")
        self.errands.take(uid)
        return await asyncio.to_thread(virtual_size, self.places.template(uid)) or 0

    async def remove(self, template: VMTemplate) -> None:
        """Remove the image, or leave it to whoever stands on it until they are gone."""
        await self.errands.end(template.metadata.uid)
        await asyncio.to_thread(remove_unshared, self.places, template.metadata.uid)

    async def _copying(self, uid: str, vm: VirtualMachine) -> Callable[[Progress], Awaitable[None]]:
        observed = await self.hypervisor.observe(vm.metadata.uid)
        if observed is not None and observed.is_active:
            name = vm.metadata.name
            raise NotYet("VMRunning", f"{name} runs: stop it, for its disk is copied while nobody writes to it")
        planned = planned_disks(vm, self.places, observed.hardware if observed is not None else NOTHING)
        root = next((disk for disk in planned if disk.file.device == "disk"), None)
        if root is None or not await asyncio.to_thread(root.written.exists):
            raise NotYet("DiskNotFound", f"{vm.metadata.name} has no disk that could be copied yet")
        disk = root
        return lambda progress: self._copy(uid, disk, progress)

    async def _copy(self, uid: str, disk: PlannedDisk, progress: Progress) -> None:
        target = self.places.template(uid)
        fresh = target.with_name(f".{checked_uid(uid)}.tmp")
        progress.total = await asyncio.to_thread(content_bytes_of, disk.written)
        await asyncio.to_thread(check_room, target.parent, progress.total, "the template's image")

        def tell(part: float) -> None:
            progress.done = int(progress.total * part)

        await asyncio.to_thread(fresh.unlink, missing_ok=True)
        await self.convert(disk.written, fresh, tell)
        await asyncio.to_thread(fresh.chmod, _READ_ONLY)
        await asyncio.to_thread(fresh.rename, target)
        await asyncio.to_thread(settle, target.parent)
