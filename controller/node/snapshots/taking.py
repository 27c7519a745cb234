"""Takes a snapshot: every disk of the VM at one moment, with its memory or without.

That it was taken is seen in the domain, which writes to the snapshot's layers from then on; until that is so, what was
begun is removed and begun anew.
"""

from dataclasses import dataclass, field
from functools import partial

from controller.hypervisor.layer_port import Copying, DomainFiles, LayerHost, Taken
from controller.hypervisor.port import DomainState, ObservedDomain, PluggedDisk
from controller.node.errands import Errands
from controller.node.operations.ending import noted as noted_end
from controller.node.operations.work import Ended, Going, Job
from controller.node.places import NodePlaces
from controller.node.snapshots.files import LayerFiles
from controller.node.snapshots.merging import Merger
from controller.node.snapshots.names import (
    SNAPSHOT,
    layers_of,
    memory_of,
    nvram_of,
    started_of,
    tag_of,
    taken_disks,
    written,
)
from controller.node.snapshots.status import CONSISTENT, Kept, failed, moment, ready
from controller.node.snapshots.store import SnapshotStore
from controller.runtime.together import together
from hypersdk.errors import AlreadyExists, Forbidden, Invalid, Terminal, Transient
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VM_SNAPSHOTS
from hypersdk.model.marks import MADE_BY, MADE_FOR, SNAPSHOT_FINALIZER
from hypersdk.model.quantity import human_bytes
from hypersdk.model.vmoperation import SnapshotSpec
from hypersdk.model.vmsnapshot import VMSnapshot, VmState

NAME, BEGUN = "snapshot", "takingBegun"
"""In `status.result`: the object's name; that the domain was asked."""
POLL_S, AT_ONCE_S = 1.0, 0.1
LONGEST_NAME = 200


@dataclass
class SnapshotWork:
    """The operation `snapshot`."""

    layers: LayerHost
    files: LayerFiles
    places: NodePlaces
    merger: Merger
    store: SnapshotStore
    node: str
    errands: Errands[Taken] = field(default_factory=Errands)
    first: set[str] = field(default_factory=set)
    """Those that have not been tried yet, by anybody: of them nothing can be left that would have to be looked for."""
    there: dict[str, DomainFiles] = field(default_factory=dict)
    """What files their domains have, once it is known that nobody else has snapshots of them."""
    settled: set[str] = field(default_factory=set)
    """Those of which it is known that no call of an earlier controller goes on in libvirt."""
    lets_plan: bool = False

    async def step(self, job: Job) -> Going | Ended:
        """Make the object, take the snapshot, say what it is like."""
        errand = self.errands.get(job.uid)
        if errand is not None and not errand.is_over:
            return await self._look(job)
        if not (name := _name(job)):
            return Going(5, "choosing a name", {NAME: _chosen(job)}, again_in_s=0.0)
        observed = job.observed
        if observed is None:
            raise Transient("waits until the VM has a domain on its node")
        disks = taken_disks(observed, job.vm.metadata.uid)
        snapshot = await self._object(name, job)
        tag = tag_of(SNAPSHOT, snapshot.metadata.uid)
        wanted = layers_of(disks, tag)
        is_taken = {dev: written(disk) for dev, disk in disks.items()} == wanted
        taken = self.errands.look(job.uid) if errand is not None else None
        if is_taken:
            snapshot = await self._finish(snapshot, disks, taken, job)
            await self.errands.end(job.uid)
            self._forget(job)
            return _ended(snapshot)
        if taken is not None:
            return Going(80, "taken", again_in_s=AT_ONCE_S)
        await self._check(job)
        if BEGUN not in job.notes:
            return Going(10, "taking it", self._begun(name, job, observed), again_in_s=0.0)
        if not observed.is_active:
            return await self._offline(disks, wanted, job)
        return await self._live(snapshot, observed, disks, wanted, job)

    def opening(self, job: Job) -> JsonObject:
        """The name, and what the VM is like."""
        if not (name := _name(job)):
            return {NAME: _chosen(job)}
        return self._begun(name, job, job.observed) if job.observed is not None else {}

    async def meanwhile(self, job: Job) -> None:
        """The object is made; under a name that was chosen, once that is written."""
        if name := _name(job):
            await together(self._object(name, job), self._check(job))

    def _begun(self, name: str, job: Job, observed: ObservedDomain) -> JsonObject:
        self.first.add(job.uid)
        return {NAME: name, BEGUN: _found(job, observed, taken_disks(observed, job.vm.metadata.uid))}

    async def undo(self, job: Job) -> Going | None:
        """Leave nothing of it; where it was taken already, its layers are merged again."""
        uid = job.vm.metadata.uid
        if (errand := self.errands.get(job.uid)) is not None and not errand.is_over:
            await self.layers.abort(uid)
            return Going(0, "breaking off the saving of the memory", again_in_s=POLL_S)
        await self.errands.end(job.uid)
        self.first.discard(job.uid)
        self.there.pop(job.uid, None)
        name = _name(job)
        snapshot = await self.store.fresh(job.op.key[0], name) if name else None
        if snapshot is None or not _is_of(snapshot, job):
            return None
        if BEGUN in job.notes and (going := await self._take_back(snapshot, job)) is not None:
            return going
        self.settled.discard(job.uid)
        reason, words = noted_end(job.op) or ("Cancelled", "it was cancelled")
        await self.store.write(snapshot, failed(snapshot.status, reason, words, job.now))
        return None

    def _forget(self, job: Job) -> None:
        self.first.discard(job.uid)
        self.settled.discard(job.uid)
        self.there.pop(job.uid, None)

    async def _take_back(self, snapshot: VMSnapshot, job: Job) -> Going | None:
        uid, observed = job.vm.metadata.uid, job.observed
        if observed is None:
            return None
        await self.layers.thaw(uid)
        if await self.layers.saving(uid) is not None:
            await self.layers.abort(uid)
            return Going(0, "breaking off the saving of the memory", again_in_s=POLL_S)
        if job.uid not in self.settled and observed.is_active:
            return await self._settle(job)
        disks = taken_disks(observed, uid)
        wanted = layers_of(disks, tag_of(SNAPSHOT, snapshot.metadata.uid))
        if any(written(disk) == wanted[dev] for dev, disk in disks.items()):
            tree = await self.files.tree(uid)
            frozen = [tree[path].backing for path in wanted.values() if path in tree]
            as_if = snapshot.but(status=snapshot.status.but(backing_files=frozen))
            if (going := await self.merger.go(as_if, job)) is not None:
                return going
        await self._remove(snapshot, disks, wanted, job)
        return None

    async def _settle(self, job: Job) -> Going:
        """Its end is waited for: a layer that is removed under such a call is one that the guest writes to after it."""
        await self.layers.settled(job.vm.metadata.uid)
        self.settled.add(job.uid)
        return Going(10, "looking at what is there", again_in_s=0.0)

    async def _object(self, name: str, job: Job) -> VMSnapshot:
        """The object, made where it is not there; Terminal when it is another one's."""
        namespace = job.op.key[0]
        snapshot = self.store.objects.get(namespace, name)
        if snapshot is None and MADE_FOR in (job.op.metadata.annotations or {}):
            snapshot = await self.store.fresh(namespace, name)
            if snapshot is None:
                raise Terminal("SnapshotGone", f"VMSnapshot {name} was deleted before it was taken")
        snapshot = snapshot or await self._create(namespace, name, job)
        if not _is_of(snapshot, job):
            raise Terminal("AlreadyExists", f"there is a VMSnapshot {name} already: choose another name")
        if snapshot.metadata.deletion_timestamp is not None:
            raise Terminal("SnapshotGone", f"VMSnapshot {name} is being deleted")
        return await self.store.hold(snapshot)

    async def _create(self, namespace: str, name: str, job: Job) -> VMSnapshot:
        """The new object, or the one that is there and that the cache has not seen yet."""
        asked = job.op.spec.snapshot_spec or SnapshotSpec()
        meta: JsonObject = {
            "name": name,
            "annotations": {MADE_BY: job.uid},
            "labels": {"vm": job.vm.metadata.name[:63]},
            "finalizers": [SNAPSHOT_FINALIZER],
        }
        spec: JsonObject = {
            "vmRef": {"name": job.vm.metadata.name},
            "includeMemory": asked.include_memory,
            "quiesce": asked.quiesce,
        }
        if asked.description:
            spec["description"] = asked.description
        try:
            return await self.store.objects.client.create(VM_SNAPSHOTS, namespace, {"metadata": meta, "spec": spec})
        except AlreadyExists as error:
            if (there := await self.store.fresh(namespace, name)) is not None:
                return there
            raise Transient(f"VMSnapshot {name} has just been deleted") from error
        except (Invalid, Forbidden) as error:
            raise Terminal("SnapshotRefused", f"the VMSnapshot {name} is refused: {error}") from error

    async def _check(self, job: Job) -> DomainFiles:
        """The domain's files; Terminal when somebody else has snapshots of it."""
        if job.uid not in self.there:
            there = await self.layers.files(job.vm.metadata.uid)
            if there.has_snapshots:
                words = "the domain has snapshots that were made by virsh: remove them by virsh first"
                raise Terminal("ForeignSnapshot", words)
            self.there[job.uid] = there
        return self.there[job.uid]

    async def _offline(self, disks: dict[str, PluggedDisk], wanted: dict[str, str], job: Job) -> Going:
        for dev, layer in wanted.items():
            await self.files.over(layer, written(disks[dev]))
        await self.layers.put(job.vm.metadata.uid, wanted)
        return Going(80, "taken", again_in_s=0.0)

    async def _live(
        self,
        snapshot: VMSnapshot,
        observed: ObservedDomain,
        disks: dict[str, PluggedDisk],
        wanted: dict[str, str],
        job: Job,
    ) -> Going:
        uid, spec = job.vm.metadata.uid, snapshot.spec
        if job.uid not in self.first:
            if job.uid not in self.settled:
                return await self._settle(job)
            if (saving := await self.layers.saving(uid)) is not None:
                return Going(_percent(saving), f"{_words(saving)}, begun by an earlier controller", again_in_s=POLL_S)
            await self.layers.thaw(uid)
            await self._remove(snapshot, disks, wanted, job)
        self.first.discard(job.uid)
        memory = memory_of(_first(disks), uid, tag_of(SNAPSHOT, snapshot.metadata.uid)) if spec.include_memory else ""
        live = observed.state is DomainState.RUNNING
        ask = partial(self.layers.take, uid, wanted, memory=memory, quiesce=spec.quiesce, live=live)
        self.errands.begin(job.uid, lambda _: ask(), job.wake)
        return Going(10, "taking it", again_in_s=POLL_S, domain_stays=True)

    async def _look(self, job: Job) -> Going:
        asked = job.op.spec.snapshot_spec or SnapshotSpec()
        saving = await self.layers.saving(job.vm.metadata.uid) if asked.include_memory else None
        # A memory takes a while: what the domain is like meanwhile is told.
        return Going(_percent(saving), _words(saving), again_in_s=POLL_S, domain_stays=not asked.include_memory)

    async def _finish(
        self, snapshot: VMSnapshot, disks: dict[str, PluggedDisk], taken: Taken | None, job: Job
    ) -> VMSnapshot:
        """Say what it is like, once: how it was taken only the process knows that took it."""
        if snapshot.status.phase == "Ready":
            return snapshot
        uid, base = job.vm.metadata.uid, _first(disks)
        tag = tag_of(SNAPSHOT, snapshot.metadata.uid)
        tree, there = await self.files.tree(uid), await self._check(job)
        memory, nvram, started = (name(base, uid, tag) for name in (memory_of, nvram_of, started_of))
        before = job.notes.get(BEGUN)
        was_active, state = _before(before if isinstance(before, dict) else {})
        if taken is None and was_active:
            # By a controller that has died since, perhaps before it let the guest go.
            await self.layers.thaw(uid)
        if there.nvram and nvram not in await self.files.allocated([nvram]):
            await self.files.copy(there.nvram, nvram)
        frozen = [tree[path].backing for path in layers_of(disks, tag).values()]
        kept = await self.files.allocated([*frozen, memory, nvram])
        if memory in kept:
            await self.files.copy(str(self.places.definition(uid)), started)
            kept |= await self.files.allocated([started])
        seen = moment(taken, was_active=was_active, memory=memory in kept)
        ours = Kept(kept, state, uid, self.node)
        return await self.store.write(snapshot, ready(snapshot.status, seen, ours, job.now))

    async def _remove(
        self, snapshot: VMSnapshot, disks: dict[str, PluggedDisk], wanted: dict[str, str], job: Job
    ) -> None:
        """What an earlier attempt has left, which nothing uses."""
        uid, base, tag = job.vm.metadata.uid, _first(disks), tag_of(SNAPSHOT, snapshot.metadata.uid)
        unused = [layer for dev, layer in wanted.items() if written(disks[dev]) != layer]
        await self.files.remove([*unused, *(name(base, uid, tag) for name in (memory_of, nvram_of, started_of))])


def _name(job: Job) -> str:
    """The object's name; empty as long as none was asked for or chosen."""
    asked = job.op.spec.snapshot_spec.name if job.op.spec.snapshot_spec else None
    return asked or str(job.notes.get(NAME, ""))


def _chosen(job: Job) -> str:
    return f"{job.vm.metadata.name[:LONGEST_NAME]}-{int(job.now.timestamp() * 1000)}"


def _is_of(snapshot: VMSnapshot, job: Job) -> bool:
    """Whether the operation is the one that is to take it."""
    made_by = (snapshot.metadata.annotations or {}).get(MADE_BY)
    made_for = (job.op.metadata.annotations or {}).get(MADE_FOR)
    is_of_vm = snapshot.machine == job.vm.key
    return is_of_vm and (made_by == job.uid or (made_by is None and made_for == snapshot.metadata.uid))


def _ended(snapshot: VMSnapshot) -> Ended:
    status = snapshot.status
    said = condition(status.conditions, CONSISTENT)
    result: JsonObject = {
        "consistency": status.consistency,
        "sizeBytes": status.size_bytes,
        "frozenSeconds": status.frozen_seconds or 0.0,
        BEGUN: None,
    }
    return Ended(f"snapshot {snapshot.metadata.name}: {(said.message if said else None) or status.consistency}", result)


def _first(disks: dict[str, PluggedDisk]) -> str:
    """The base beside which the other files lie."""
    return disks[min(disks)].path


def _found(job: Job, observed: ObservedDomain, disks: dict[str, PluggedDisk]) -> JsonObject:
    """What the VM is like just before."""
    spec = job.vm.spec
    runs = observed.state is DomainState.RUNNING
    state = VmState(cpus=spec.cpus, memory=spec.memory, disk_count=len(disks), running=runs)
    return {"active": observed.is_active, "state": state.wire()}


def _before(found: JsonObject) -> tuple[bool, VmState]:
    return found.get("active") is not False, VmState.model_validate(found.get("state") or {})


def _percent(saving: Copying | None) -> int:
    if saving is None or not saving.total_bytes:
        return 10
    return 10 + min(60, 60 * saving.done_bytes // saving.total_bytes)


def _words(saving: Copying | None) -> str:
    if saving is None or not saving.total_bytes:
        return "taking it"
    done = f"{human_bytes(saving.done_bytes)} of {human_bytes(saving.total_bytes)}"
    rate = f", {human_bytes(saving.bytes_per_s)}/s" if saving.bytes_per_s else ""
    return f"saving the memory: {done}{rate}"
