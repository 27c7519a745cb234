"""How do two VMs share what was on a disk at one moment? That file is frozen, and a layer of each stands on it.

The source goes on in a new layer whose name follows from the operation, so that whoever comes after a death sees
whether the moment was taken. The frozen file keeps its name and its place, whatever becomes of the source.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from controller.domain.layers import layer_path
from controller.hypervisor.layer_port import Copying, Taken
from controller.hypervisor.port import ObservedDomain, PluggedDisk
from controller.node.cloning.copying import CONSISTENCY, OFF, finish
from controller.node.cloning.pairs import Pair, check_seen
from controller.node.errands import Progress, unbroken
from controller.node.images.collect import backing_file
from controller.node.places import NodePlaces
from controller.node.qemu_img import make_overlay, virtual_size
from controller.node.sharing import stood_on
from hypersdk.errors import Terminal, Transient

TAG = "c-"
"""How the tags of these layers begin; snapshots leave layers with such tags alone."""
DEEPEST = 64
"""Each layer costs every read of what is below it, and libvirt refuses more than 200."""
_TAKEN_OF_UID = 12


class Layering(Protocol):
    """What of `controller.hypervisor.layer_port.LayerHost` is needed for it."""

    async def take(self, uuid: str, layers: Mapping[str, str], *, quiesce: bool = False) -> Taken: ...

    async def put(self, uuid: str, files: Mapping[str, str]) -> None: ...

    async def commit(self, uuid: str, dev: str, top: str, base: str) -> None: ...

    async def merging(self, uuid: str, dev: str) -> Copying | None: ...

    async def pivot(self, uuid: str, dev: str) -> None: ...

    async def thaw(self, uuid: str) -> None: ...

    async def settled(self, uuid: str) -> None: ...


class Files(Protocol):
    """What of `controller.node.snapshots.files.LayerFiles` is needed for it."""

    async def over(self, path: str, backing: str) -> None: ...

    async def commit(self, top: str, into: str) -> None: ...

    async def remove(self, paths: Iterable[str]) -> None: ...


class Overlay(Protocol):
    """Makes a layer over a file that nobody writes to any more."""

    async def __call__(self, path: Path, backing: Path) -> None: ...


async def overlay(path: Path, backing: Path) -> None:
    """The same by qemu-img."""
    size = await asyncio.to_thread(virtual_size, backing)
    if size is None:
        raise Terminal("ForeignDisk", f"{backing.name} is no qcow2 file: a linked clone cannot stand on it")
    await make_overlay(path, backing, "qcow2", size)


@dataclass
class Linking:
    """Makes clones that stand on their source's files."""

    places: NodePlaces
    layers: Layering
    files: Files
    overlay: Overlay = overlay

    async def link(
        self, op: str, target: str, there: ObservedDomain, found: Sequence[Pair], progress: Progress
    ) -> None:
        """Take the moment unless it is taken, and make the clone's layers; `op` and `target` are uids."""
        discs, disks = [pair for pair in found if pair.is_disc], hard_disks(there)
        frozen = await self._freeze(op, there, disks, progress)
        await asyncio.to_thread(check_seen, [pair for pair in found if pair.dev not in frozen])
        made = [pair for pair in found if not pair.is_disc and pair.dev in frozen]
        for pair in made:
            await self.overlay(pair.fresh(target), frozen[pair.dev])
        await unbroken(asyncio.to_thread(finish, target, made, discs))

    async def to_kept(self, target: str, found: Sequence[Pair], how: str, progress: Progress) -> None:
        """Make the clone's layers over files that are frozen already, those of a snapshot."""
        made = [pair for pair in found if not pair.is_disc]
        for pair in made:
            await self.overlay(pair.fresh(target), pair.source)
        progress.found[CONSISTENCY] = how
        await unbroken(asyncio.to_thread(finish, target, made, [pair for pair in found if pair.is_disc]))

    async def undo(self, op: str, there: ObservedDomain | None) -> str:
        """Let the source write to the frozen files again, the clone being gone; what goes on, or nothing when done."""
        if there is None:
            return ""
        if there.is_active and there.agent_connected:
            # By a controller that has died since, perhaps before it let the guest go.
            await self.layers.thaw(there.uuid)
        ours = {dev: disk for dev, disk in hard_disks(there).items() if disk.layer == layer(disk, op)}
        if not ours:
            await self._sweep(op, there)
            return ""
        frozen = {dev: await asyncio.to_thread(backing_file, Path(disk.layer)) for dev, disk in ours.items()}
        for dev, disk in ours.items():
            if frozen[dev] is None:
                raise Transient(f"{Path(disk.layer).name} stands on nothing: look at it by hyperctl k8s vm disk chain")
        if there.is_active:
            return await self._merge(there.uuid, ours, {dev: str(path) for dev, path in frozen.items()})
        for dev, disk in ours.items():
            await self.files.commit(disk.layer, str(frozen[dev]))
        await self.layers.put(there.uuid, {dev: str(path) for dev, path in frozen.items()})
        await self.files.remove([disk.layer for disk in ours.values()])
        return ""

    async def _freeze(
        self, op: str, there: ObservedDomain, disks: dict[str, PluggedDisk], progress: Progress
    ) -> dict[str, Path]:
        wanted = {dev: layer(disk, op) for dev, disk in disks.items()}
        if any(disk.layer == wanted[dev] for dev, disk in disks.items()):
            if there.is_active:
                # Taken by a controller that has died since, perhaps before it let the guest go.
                await self.layers.thaw(there.uuid)
            below = {dev: await asyncio.to_thread(backing_file, Path(disk.layer)) for dev, disk in disks.items()}
            return {dev: path for dev, path in below.items() if path is not None}
        written = {dev: Path(disk.layer or disk.path) for dev, disk in disks.items()}
        await asyncio.to_thread(_check_depth, list(written.values()))
        await self._sweep(op, there)
        if there.is_active:
            taken = await unbroken(self.layers.take(there.uuid, wanted, quiesce=there.agent_connected))
            how = "crash-consistent: the guest agent does not answer" if not there.agent_connected else ""
            how = how or (f"crash-consistent: {taken.why_not}" if taken.why_not else "filesystem-frozen")
            progress.found[CONSISTENCY] = how
        else:
            for dev, path in wanted.items():
                await self.files.over(path, str(written[dev]))
            await unbroken(self.layers.put(there.uuid, wanted))
            progress.found[CONSISTENCY] = OFF
        return written

    async def _merge(self, uuid: str, ours: dict[str, PluggedDisk], frozen: dict[str, str]) -> str:
        for dev, disk in ours.items():
            state = await self.layers.merging(uuid, dev)
            if state is None:
                await self.layers.commit(uuid, dev, disk.layer, frozen[dev])
            elif state.is_ready:
                await self.layers.pivot(uuid, dev)
        return "the source's disks are being put back together"

    async def _sweep(self, op: str, there: ObservedDomain) -> None:
        """Remove layers that were made and never written to."""
        used = {disk.layer for disk in there.hardware.disks}
        left = [layer(disk, op) for disk in hard_disks(there).values() if layer(disk, op) not in used]
        stood = await asyncio.to_thread(stood_on, self.places)
        await self.files.remove([path for path in left if Path(path).name not in stood])


def layer(disk: PluggedDisk, op: str) -> str:
    """The layer that the source goes on in."""
    return layer_path(disk.path, TAG + op.replace("-", "")[:_TAKEN_OF_UID])


def hard_disks(there: ObservedDomain) -> dict[str, PluggedDisk]:
    """The domain's hard disks by device; Terminal for one that is no file of the VM's own."""
    found = {disk.dev: disk for disk in there.hardware.disks if disk.device == "disk"}
    for disk in found.values():
        if not Path(disk.path).name.startswith(f"{there.uuid}-") or not disk.path.endswith(".qcow2"):
            raise Terminal(
                "ForeignDisk", f"disk {disk.name} is {disk.path or 'no file'}, which is not the controller's"
            )
    return found


def _check_depth(written: Sequence[Path]) -> None:
    for path in written:
        depth, below = 1, backing_file(path)
        while below is not None and depth <= DEEPEST:
            depth, below = depth + 1, backing_file(below)
        if depth > DEEPEST:
            words = f"{path.name} stands on {DEEPEST} layers already: make a clone that is not linked instead"
            raise Terminal("ChainTooDeep", words)
