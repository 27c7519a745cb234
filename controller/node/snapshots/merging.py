"""Merges the layers of a snapshot that goes: by QEMU while the VM runs, by qemu-img while it is off.

A merge is written down before it begins, so that whoever comes after a death knows what the files mean: from the first
byte written into the frozen file on, only the layer above shows what it did, and it is kept until nothing needs it.
"""

from dataclasses import dataclass, field
from typing import Self

from controller.hypervisor.layer_port import Copying, DomainFiles, LayerHost
from controller.hypervisor.port import ObservedDomain
from controller.node.errands import Errands
from controller.node.operations.work import Ended, Going, Job
from controller.node.snapshots.chain import Held, Merge, Tree, children, unneeded, verdict
from controller.node.snapshots.files import LayerFiles
from controller.node.snapshots.names import taken_disks, written
from controller.node.snapshots.status import files_of
from controller.node.snapshots.store import SnapshotStore
from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import JsonObject
from hypersdk.model.quantity import human_bytes
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmsnapshot import VMSnapshot

MERGING = "merging"
"""In `status.result`: the merge that was begun."""
IN_USE = "LayerInUse"
POLL_S = 0.5
AT_ONCE_S = 0.05


@dataclass(frozen=True)
class Noted:
    """A merge that was written down."""

    merge: Merge
    was_tip: bool = False
    """The VM wrote to the layer when it began."""
    committed: bool = False
    """qemu-img has written everything; what stood on the layer may still do so."""

    @classmethod
    def of(cls, notes: JsonObject) -> Self | None:
        """The one in the notes of an operation."""
        found = notes.get(MERGING)
        if not isinstance(found, dict):
            return None
        kids = found.get("kids")
        merge = Merge(str(found["top"]), str(found["into"]), tuple(map(str, kids if isinstance(kids, list) else [])))
        return cls(merge, bool(found.get("wasTip")), bool(found.get("committed")))

    def note(self) -> JsonObject:
        """What is written down of it."""
        found: JsonObject = {"top": self.merge.top, "into": self.merge.into, "kids": [*self.merge.kids]}
        return {MERGING: found | {"wasTip": self.was_tip, "committed": self.committed}}


@dataclass(frozen=True)
class Sight:
    """The files as one step finds them."""

    tree: Tree
    domain: DomainFiles
    tips: dict[str, str]
    """What the domain writes to, by device."""


@dataclass
class Merger:
    """Merges step by step; every step can be repeated."""

    layers: LayerHost
    files: LayerFiles
    store: SnapshotStore
    errands: Errands[None] = field(default_factory=Errands)

    async def obstacle(self, snapshot: VMSnapshot, vm: VirtualMachine, observed: ObservedDomain | None) -> str:
        """Why the snapshot's layers cannot be merged; empty when they can."""
        sight = await self.look(observed, vm.metadata.uid)
        others = await self.store.points(vm, without=snapshot.metadata.name)
        for frozen in sorted(files_of(snapshot)):
            found = verdict(frozen, sight.tree, vm.metadata.uid, sight.tips.values(), others)
            if isinstance(found, Held):
                return found.words
        return ""

    async def go(self, snapshot: VMSnapshot, job: Job) -> Going | None:
        """One step; None once nothing of the snapshot is left on the disks. Terminal when something stands on it."""
        uid = job.vm.metadata.uid
        sight = await self.look(job.observed, uid)
        if (noted := Noted.of(job.notes)) is not None:
            return await self._merge(noted, sight, job)
        others = await self.store.points(job.vm, without=snapshot.metadata.name)
        for frozen in sorted(files_of(snapshot)):
            found = verdict(frozen, sight.tree, uid, sight.tips.values(), others)
            if isinstance(found, Held):
                raise Terminal(IN_USE, found.words)
            if found is not None:
                words = f"merging {human_bytes(sight.tree[found.top].allocated_bytes)} into {found.into}"
                return Going(10, words, Noted(found, found.top in sight.tips.values()).note(), again_in_s=0.0)
        gone = unneeded(sight.tree, uid, sight.tips.values(), others)
        own = [path for path in files_of(snapshot) if path not in sight.tree]
        await self.files.remove([*gone, *own])
        return None

    async def stop(self, job: Job) -> None:
        """Break off what goes on; what was merged already is put in order."""
        await self.errands.end(job.uid)
        if (noted := Noted.of(job.notes)) is None:
            return
        sight = await self.look(job.observed, job.vm.metadata.uid)
        if self._is_merged(noted, sight):
            await self._settle(noted.merge, job)
        elif (dev := _device(noted.merge, sight)) is not None:
            await self.layers.abort(job.vm.metadata.uid, dev)

    async def look(self, observed: ObservedDomain | None, uid: str) -> Sight:
        """The files now."""
        tree, domain = await self.files.tree(), await self.layers.files(uid)
        if observed is None:
            return Sight(tree, domain, {})
        return Sight(tree, domain, {dev: written(disk) for dev, disk in taken_disks(observed, uid).items()})

    async def _merge(self, noted: Noted, sight: Sight, job: Job) -> Going:
        uid, merge = job.vm.metadata.uid, noted.merge
        if self._is_merged(noted, sight):
            await self._settle(merge, job)
            return Going(80, f"merged into {merge.into}", {MERGING: None}, again_in_s=0.0)
        dev = _device(merge, sight)
        if dev is None:
            return await self._offline(noted, sight, job)
        copying, again_in_s = await self.layers.merging(uid, dev), POLL_S
        if copying is None:
            await self.layers.commit(uid, dev, merge.top, merge.into)
            again_in_s = AT_ONCE_S
        elif copying.is_ready:
            await self.layers.pivot(uid, dev)
            again_in_s = 0.0
        return Going(_percent(copying), _words(merge, copying), again_in_s=again_in_s)

    async def _offline(self, noted: Noted, sight: Sight, job: Job) -> Going:
        merge = noted.merge
        if any(merge.into in files for files in (sight.domain.chains or {}).values()):
            raise Transient(f"{merge.into} is open in the VM: looked at again")
        if noted.committed:
            # From here on the layer shows nothing that the file below does not show too.
            for kid in children(sight.tree, merge.top):
                await self.files.rebase(kid, merge.into)
            if files := {dev: merge.into for dev, tip in sight.tips.items() if tip == merge.top}:
                await self.layers.put(job.vm.metadata.uid, files)
            return Going(70, f"merged into {merge.into}", again_in_s=0.0)
        errand = self.errands.get(job.uid)
        if errand is None:
            errand = self.errands.begin(job.uid, lambda _: self.files.commit(merge.top, merge.into), job.wake)
        if not errand.is_over:
            return Going(20, f"merging {merge.top} into {merge.into}")
        self.errands.take(job.uid)
        done = Noted(merge, was_tip=noted.was_tip, committed=True)
        return Going(60, f"merged into {merge.into}", done.note(), again_in_s=0.0)

    def _is_merged(self, noted: Noted, sight: Sight) -> bool:
        """Whether nothing reads the layer any more that had read it, and the file below has all of it."""
        top = noted.merge.top
        if top not in sight.tree:
            return True
        if top in sight.tips.values() or _device(noted.merge, sight) is not None:
            return False
        if noted.merge.kids:
            return not children(sight.tree, top)
        return noted.was_tip or noted.committed

    async def _settle(self, merge: Merge, job: Job) -> None:
        await self.store.move(job.vm, merge.top, merge.into)
        await self.files.remove([merge.top])


def _device(merge: Merge, sight: Sight) -> str | None:
    """The device of a running domain that has the layer open."""
    return next((dev for dev, files in (sight.domain.chains or {}).items() if merge.top in files), None)


def _percent(copying: Copying | None) -> int:
    if copying is None or not copying.total_bytes:
        return 10
    return 10 + 60 * copying.done_bytes // copying.total_bytes


def _words(merge: Merge, copying: Copying | None) -> str:
    if copying is None or not copying.total_bytes:
        return f"merging into {merge.into}"
    return f"merging into {merge.into}: {human_bytes(copying.done_bytes)} of {human_bytes(copying.total_bytes)}"


@dataclass
class MergeWork:
    """The operation that ends a snapshot which is being deleted."""

    merger: Merger
    lets_plan: bool = False

    async def step(self, job: Job) -> Going | Ended:
        """Merge on; the object goes with the last file."""
        name = (job.op.spec.snapshot_spec.name if job.op.spec.snapshot_spec else None) or ""
        snapshot = await self.merger.store.fresh(job.op.key[0], name)
        if snapshot is None:
            return Ended(f"snapshot {name} is gone")
        if snapshot.metadata.deletion_timestamp is None:
            raise Terminal("NotDeleted", f"VMSnapshot {name} is not being deleted: delete it, and it is merged")
        if snapshot.status.vm_uid in {None, job.vm.metadata.uid}:
            going = await self.merger.go(snapshot, job)
            if going is not None:
                return going
        await self.merger.store.release(snapshot)
        return Ended(f"snapshot {name} is merged and gone")

    async def undo(self, job: Job) -> Going | None:
        """Break the merge off; another operation goes on with it."""
        await self.merger.stop(job)
        return None
