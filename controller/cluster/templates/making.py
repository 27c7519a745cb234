"""How does a template get an image of its own? From the root disk of a VM that is off, or as a snapshot has it.

It is copied with all that it stands on into one file. As long as that takes QEMU's own locks keep everybody from
writing to any of these: a start, or the merge of a snapshot that is deleted, fails and is tried again.

Nothing in the image is changed: the host has no business in a guest's file systems. What has to differ from VM to VM
cloud-init makes anew in each, for each is an instance of its own to it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.cluster.templates.uploading import upload
from controller.domain.layers import base_of
from controller.hypervisor.port import Hypervisor
from controller.node.cloning.copying import Convert
from controller.node.cloning.pairs import content_bytes_of
from controller.node.convert import convert, settle
from controller.node.errands import Errands, Progress, unbroken
from controller.node.finding import Finding, NotYet
from controller.node.images.addresses import AddressRules
from controller.node.images.s3 import Keys
from controller.node.layout import NOTHING, PlannedDisk, planned_disks
from controller.node.places import NodePlaces
from controller.node.qemu_img import virtual_size
from controller.node.room import check_room
from controller.node.sharing import remove_unshared
from controller.node.snapshots.status import files_of
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.model.vmtemplate import VMTemplate

_READ_ONLY = 0o444


@dataclass(frozen=True)
class Origin:
    """What the image is made of."""

    vm: VirtualMachine
    snapshot: VMSnapshot | None = None

    @property
    def name(self) -> str:
        """How people know it."""
        return self.vm.metadata.name if self.snapshot is None else f"the snapshot {self.snapshot.metadata.name}"


@dataclass
class Making:
    """The images that are made on this node."""

    places: NodePlaces
    hypervisor: Hypervisor
    convert: Convert = convert
    rules: AddressRules = field(default_factory=AddressRules)
    """Where an object store may be."""
    errands: Errands[None] = field(default_factory=Errands)
    uploads: Errands[str] = field(default_factory=Errands)

    def made(self, template: VMTemplate) -> Path | None:
        """The image, when it is whole."""
        path = self.places.template(template.metadata.uid)
        return path if path.exists() else None

    async def make(self, template: VMTemplate, origin: Origin, wake: Callable[[], None]) -> Finding | int:
        """Go on making it of the VM's disk; how far it is, or its size once it is whole."""
        uid = template.metadata.uid
        errand = self.errands.get(uid)
        if errand is None and (path := await asyncio.to_thread(self.made, template)) is not None:
            return await asyncio.to_thread(virtual_size, path) or 0
        if errand is None:
            errand = self.errands.begin(uid, await self._copying(uid, origin), wake)
        if not errand.is_over:
            words = errand.progress.words(asyncio.get_running_loop().time())
            return Finding("Unknown", "Copying", f"the disk of {origin.name} is being copied: {words}")
        self.errands.take(uid)
        return await asyncio.to_thread(virtual_size, self.places.template(uid)) or 0

    async def send(self, template: VMTemplate, keys: Keys, wake: Callable[[], None]) -> Finding | str:
        """Go on putting it into the store that the template names; how far it is, or its digest once it is there."""
        uid, url = template.metadata.uid, template.spec.image.upload_to or ""
        errand = self.uploads.get(uid)
        if errand is None:
            path = self.places.template(uid)
            errand = self.uploads.begin(uid, lambda _: upload(path, url, keys, self.rules), wake)
        if not errand.is_over:
            return Finding("Unknown", "Copying", f"the image is on its way to {url}")
        return self.uploads.take(uid)

    async def remove(self, template: VMTemplate) -> None:
        """Remove the image, or leave it to whoever stands on it until they are gone."""
        await self.errands.end(template.metadata.uid)
        await self.uploads.end(template.metadata.uid)
        await asyncio.to_thread(remove_unshared, self.places, template.metadata.uid)

    async def _copying(self, uid: str, origin: Origin) -> Callable[[Progress], Awaitable[None]]:
        vm, kept = origin.vm, origin.snapshot
        observed = await self.hypervisor.observe(vm.metadata.uid)
        if kept is None and observed is not None and observed.is_active:
            words = "stop it, for its disk is copied while nobody writes to it, or take a snapshot and copy that"
            raise NotYet("VMRunning", f"{vm.metadata.name} runs: {words}")
        planned = planned_disks(vm, self.places, observed.hardware if observed is not None else NOTHING)
        root = next((disk for disk in planned if disk.file.device == "disk"), None)
        disk = None if root is None else root.written if kept is None else kept_file(kept, root)
        if disk is None or not await asyncio.to_thread(disk.exists):
            raise NotYet("DiskNotFound", f"{origin.name} has no disk that could be copied yet")
        found = disk
        return lambda progress: self._copy(uid, found, progress)

    async def _copy(self, uid: str, disk: Path, progress: Progress) -> None:
        target = self.places.template(uid)
        # A name that is found again by the template's uid, should nobody come to its end.
        fresh = target.with_name(f".{target.name}.tmp")
        progress.total = await asyncio.to_thread(content_bytes_of, disk)
        await asyncio.to_thread(check_room, target.parent, progress.total, "the template's image")

        def tell(part: float) -> None:
            progress.done = int(progress.total * part)

        await asyncio.to_thread(fresh.unlink, missing_ok=True)
        await self.convert(disk, fresh, tell)
        await asyncio.to_thread(fresh.chmod, _READ_ONLY)
        # Not broken off: whoever ends this removes the image next, and has to find it.
        await unbroken(asyncio.to_thread(fresh.rename, target))
        await asyncio.to_thread(settle, target.parent)


def kept_file(snapshot: VMSnapshot, disk: PlannedDisk) -> Path | None:
    """The file that the snapshot keeps of the disk."""
    kept = {Path(base_of(path)).name: Path(path) for path in files_of(snapshot)}
    return kept.get(disk.path.name)
