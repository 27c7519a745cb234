"""The operation `clone`: another VM on the same node, with disks of its own that are whole before it may start.

The clone's object comes first, marked as being filled by this operation: no node makes or starts anything of it. Its
disks are filled under other names. Once all are whole that is noted, and the mark is taken away. Whoever goes on after
a death finds in the notes whether the disks are whole; if they are not, all of them are made anew, for only then are
they of one moment.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from controller.hypervisor.port import Hardware
from controller.node.cloning.copying import CONSISTENCY, Copying
from controller.node.cloning.linking import Linking
from controller.node.cloning.pairs import as_kept, as_then, pairs
from controller.node.cloning.target import asked, clone_object, is_for, released
from controller.node.errands import Errands, Progress
from controller.node.machine_state import MachineState, MachineStates
from controller.node.objects import Objects
from controller.node.operations.work import Ended, Going, Job
from controller.node.snapshots.status import files_of
from hypersdk.errors import AlreadyExists, Invalid, NotFound, Terminal, Transient
from hypersdk.kube.cache import Key
from hypersdk.model.base import JsonObject, condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_SNAPSHOTS
from hypersdk.model.virtualmachine import Phase, VirtualMachine
from hypersdk.model.vmoperation import CloneSpec

TARGET = "cloneUid"
"""In `status.result`: the clone's uid, written down before anything is copied."""
WHOLE = "disksWhole"
LOOK_S = 2.0


@dataclass
class CloneWork:
    """Clones the VMs of one node. Use it with `async with`: what it copies ends with it."""

    node: str
    vms: Objects[VirtualMachine]
    copying: Copying
    linking: Linking
    states: MachineStates
    errands: Errands[None] = field(default_factory=Errands)
    lets_plan: bool = False
    settled: set[str] = field(default_factory=set)
    """Operations of whose source nothing is under way that a controller which has died since asked for."""
    awaited: dict[Key, Callable[[], None]] = field(default_factory=dict)
    """Clones that may be started now, and who is woken when one of them changes."""

    async def __aenter__(self) -> Self:
        self._stack = AsyncExitStack()
        self._stack.callback(self.vms.cache.subscribe(self._changed))
        await self._stack.enter_async_context(self.errands)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def step(self, job: Job) -> Going | Ended:
        """Make the object, fill its disks, let it go, and see it run where that was asked for."""
        name, spec = asked(job.op, job.vm)
        if job.notes.get(WHOLE) is True:
            # Before the look, so that no change comes in between.
            self.awaited[job.vm.key[0], name] = job.wake
        target = await self._target(job, name)
        if TARGET not in job.notes:
            self.settled.add(job.uid)
            return Going(5, f"{name} is made", {TARGET: target.metadata.uid, "clone": name}, again_in_s=0.0)
        if job.notes.get(WHOLE) is True:
            self.settled.discard(job.uid)
            return await self._let_go(job, target, spec)
        if not await self._is_settled(job):
            return Going(5, "looking at what is there", again_in_s=0.0)
        return await self._fill(job, target)

    async def undo(self, job: Job) -> Going | Ended | None:
        """Remove the clone as long as it is not let go; one that stands stays, and its end has come too late."""
        if await self.errands.end(job.uid):
            # What it has done last the next look sees.
            return Going(0, "ending what was begun", again_in_s=0.0)
        target, noted = await self._found(job), job.notes.get(TARGET)
        uid = noted if isinstance(noted, str) else target.metadata.uid if target and is_for(target, job.uid) else ""
        if not uid:
            return None
        if job.notes.get(WHOLE) is True and target is not None and not is_for(target, job.uid):
            if target.metadata.uid != uid or target.metadata.deletion_timestamp is not None:
                return None  # the clone is gone again, whatever has its name now
            done = await self._let_go(job, target, job.op.spec.clone_spec or CloneSpec())
            return done if isinstance(done, Ended) else None  # of its start there is nothing to take back
        if not await self._is_settled(job):
            return Going(0, "looking at what is there", again_in_s=0.0)
        await self.copying.give_up(job.vm.metadata.uid, uid)
        spec = job.op.spec.clone_spec
        if spec is not None and spec.linked_clone and (words := await self.linking.undo(job.uid, job.observed)):
            return Going(0, words, again_in_s=0.2)
        self.settled.discard(job.uid)
        if target is None or target.metadata.uid != uid:
            return None
        if target.metadata.deletion_timestamp is None:
            namespace, name = target.key
            await self.vms.client.delete(VIRTUAL_MACHINES, namespace, name, uid=uid)
        return Going(0, f"{target.metadata.name} is being removed", again_in_s=0.5)

    async def _is_settled(self, job: Job) -> bool:
        """False after the end of such a call was waited for: what was seen of the source before is old."""
        if job.uid in self.settled or job.observed is None or not job.observed.is_active:
            return True
        await self.linking.layers.settled(job.vm.metadata.uid)
        self.settled.add(job.uid)
        return False

    async def _target(self, job: Job, name: str) -> VirtualMachine:
        namespace = job.vm.metadata.namespace or "default"
        target = await self._found(job)
        if target is None:
            if TARGET in job.notes:
                raise Terminal("TargetGone", f"{name} was deleted while it was being made")
            try:
                body = clone_object(job.vm, name, job.uid)
                target = await self.vms.client.create(VIRTUAL_MACHINES, namespace, body, strict=False)
            except AlreadyExists as error:
                raise Transient(f"{name} has just been made by somebody") from error
            except Invalid as error:
                raise Terminal("TargetRefused", f"{name} cannot be made: {error}") from error
        is_ours = is_for(target, job.uid) or target.metadata.uid == job.notes.get(TARGET)
        if not is_ours:
            raise Terminal("TargetExists", f"there is a VM {name} in {namespace} already: give the clone another name")
        if target.metadata.deletion_timestamp is not None:
            raise Terminal("TargetGone", f"{name} was deleted while it was being made")
        if not target.status.node_name:
            placed: JsonObject = {"status": {"nodeName": self.node, "phase": Phase.CREATING.value}}
            target = await self.vms.write(target, placed, subresource="status")
        return target

    async def _found(self, job: Job) -> VirtualMachine | None:
        spec = job.op.spec.clone_spec
        if spec is None or not spec.target_name or spec.target_name == job.vm.metadata.name:
            return None
        try:
            return await self.vms.client.get(VIRTUAL_MACHINES, job.vm.metadata.namespace or "default", spec.target_name)
        except NotFound:
            return None

    async def _fill(self, job: Job, target: VirtualMachine) -> Going:
        errand = self.errands.get(job.uid)
        if errand is None:
            await self.copying.give_up(job.vm.metadata.uid, target.metadata.uid)
            fill, uid = await self._filling(job, target), target.metadata.uid

            async def work(progress: Progress) -> None:
                # Before the disks' moment: older boot entries fit newer disks, and not the other way round.
                state = await self._state(job)
                await fill(progress)
                await self.states.keep(uid, state)

            errand = self.errands.begin(job.uid, work, job.wake)
        if not errand.is_over:
            progress = errand.progress
            told: JsonObject = {"copiedBytes": progress.done, "totalBytes": progress.total}
            words = f"copying the disks: {progress.words(asyncio.get_running_loop().time())}"
            return Going(10 + progress.percent * 80 // 100, words, again_in_s=LOOK_S, figures=told)
        self.errands.take(job.uid)
        progress = errand.progress
        notes: JsonObject = {WHOLE: True, "copiedBytes": progress.total, "totalBytes": progress.total, **progress.found}
        return Going(95, "the disks are whole", notes, again_in_s=0.0)

    async def _filling(self, job: Job, target: VirtualMachine) -> Callable[[Progress], Awaitable[None]]:
        source, uid, there = job.vm.metadata.uid, target.metadata.uid, job.observed
        found = pairs(job.vm, target, self.copying.places, there.hardware if there is not None else Hardware())
        spec = job.op.spec.clone_spec or CloneSpec()
        if spec.snapshot_ref is not None:
            files, how = await self._kept(job, spec.snapshot_ref.name)
            kept = as_kept(found, files)
            if spec.linked_clone:
                return lambda progress: self.linking.to_kept(uid, kept, how, progress)
            return lambda progress: self.copying.of_stopped(uid, kept, progress, how)
        if spec.linked_clone and there is not None:
            return partial(self.linking.link, job.uid, uid, there, found)
        if there is not None and there.is_active:
            quiesce = there.agent_connected
            return lambda progress: self.copying.of_running(source, uid, found, quiesce, progress)
        return lambda progress: self.copying.of_stopped(uid, found, progress)

    async def _state(self, job: Job) -> MachineState:
        """The source's firmware variables and TPM; with a snapshot its variables as they were then."""
        state, spec = await self.states.capture(job.vm.metadata.uid), job.op.spec.clone_spec
        if spec is None or spec.snapshot_ref is None:
            return state
        files, _ = await self._kept(job, spec.snapshot_ref.name)
        return await asyncio.to_thread(as_then, state, files)

    async def _kept(self, job: Job, name: str) -> tuple[frozenset[str], str]:
        """The files of a snapshot of the VM, and what they are like."""
        namespace = job.vm.metadata.namespace or "default"
        try:
            snapshot = await self.vms.client.get(VM_SNAPSHOTS, namespace, name)
        except NotFound as error:
            raise Terminal("SnapshotNotFound", f"there is no snapshot {name} in namespace {namespace}") from error
        status = snapshot.status
        if snapshot.machine != job.vm.key or status.vm_uid not in {None, job.vm.metadata.uid}:
            raise Terminal("SnapshotNotFound", f"{name} is no snapshot of {job.vm.metadata.name}")
        if not status.ready_to_restore or snapshot.metadata.deletion_timestamp is not None:
            raise Terminal("SnapshotNotReady", f"{name} cannot be cloned: it is {status.phase or 'not taken yet'}")
        return files_of(snapshot), f"as in the snapshot {name}, {status.consistency or 'of unknown consistency'}"

    async def _let_go(self, job: Job, target: VirtualMachine, spec: CloneSpec) -> Going | Ended:
        name, result = target.metadata.name, {WHOLE: None}
        if is_for(target, job.uid):
            target = await self.vms.write(target, released(start=spec.start_after_clone))
        consistency = job.notes.get(CONSISTENCY, "")
        if not spec.start_after_clone:
            return Ended(f"{name} is whole ({consistency})", {**result})
        if target.phase is Phase.RUNNING:
            return Ended(f"{name} is whole ({consistency}), and runs", {**result})
        ready = condition(target.status.conditions, "Ready")
        why = f": {ready.message or ready.reason}" if ready is not None and ready.reason != "Filling" else ""
        return Going(97, f"{name} is whole, and is being started{why}", again_in_s=LOOK_S)

    def _changed(self, keys: frozenset[Key]) -> None:
        for key in keys & self.awaited.keys():
            self.awaited.pop(key)()
