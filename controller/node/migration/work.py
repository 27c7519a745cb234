"""migrate as work: where it goes, the way there, and who owns the VM at each moment.

`status.nodeName` is the owner, and only the owner's copy ever runs. libvirt leaves the copy at the other end paused, so
that nothing but the owner's own controller lets it run:

    nodeName  domain at the source      domain at the target     what happens when anything dies here
    source    runs                      none, or half copied     it runs on at the source; the target's part is removed
    source    off ("migrated")          paused, whole            the source hands over, as soon as it is back
    target    off                       paused, whole            the target lets it run, as soon as it is back
    target    off                       runs                     the source removes what is left of it

The one write that moves the VM from the second line to the third is the hand-over. A libvirtd at the source that comes
back may let its guest run again in the first line only: in the second there is no QEMU left that it could let run.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from controller.hypervisor.port import DomainState, Hypervisor, ObservedDomain, Power
from controller.node.intent import Intent, Wanted
from controller.node.migration import choice
from controller.node.migration.handover import HandOver, named
from controller.node.migration.incoming import Incoming
from controller.node.migration.messages import Arrival
from controller.node.migration.outgoing import Outgoing, Progress, Trip
from controller.node.migration.ports import Peers
from controller.node.migration.sockets import Folder
from controller.node.migration.sweep import Sweep
from controller.node.objects import Objects
from controller.node.operations.work import PLANS, Ended, Going, Job
from controller.node.plan import is_half_started, is_held_for_good, plan
from controller.node.steps import AskShutdown, Destroy, Resume, SetPower
from controller.settings import Settings
from hypersdk.errors import HyperSDKError, Terminal, Transient
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject, rfc3339_micro
from hypersdk.model.kinds import VM_NODES, VM_SNAPSHOTS
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
TARGET, SOURCE, LIVE, ATTEMPTS = "targetNode", "sourceNode", "live", "failedAttempts"
RETRY_AT = "retryAt"
ON_AGAIN = "startsThere"
"""It was powered off for the move, and is to run again."""
MOST_ATTEMPTS = 6
FIRST_RETRY_S, LONGEST_RETRY_S = 2.0, 30.0


class _Broken(Exception):
    """Post-copy has failed: the guest is nowhere whole, and runs nowhere."""


@dataclass
class _Run:
    """One try, as this process has it."""

    progress: Progress
    task: "asyncio.Task[None]"


@dataclass
class Migrate:
    """Moves this node's VMs away, and receives others'."""

    settings: Settings
    client: Client
    vms: Objects[VirtualMachine]
    hypervisor: Hypervisor
    peers: Peers
    outgoing: Outgoing
    incoming: Incoming
    sweep: Sweep
    now: Callable[[], datetime]
    _runs: dict[str, _Run] = field(default_factory=dict)
    _handed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._hand_over = HandOver(self.settings.node, self.client, self.vms, self.peers, self.sweep)

    @property
    def lets_plan(self) -> bool:
        """Two nodes must not both have ideas of the VM's power."""
        return False

    async def step(self, job: Job) -> Going | Ended:
        """The next thing to do, on the node that owns the VM now."""
        target = str(job.notes.get(TARGET) or "")
        if target == self.settings.node:
            return await self._arrive(job)
        if not target:
            return await self._decide(job)
        try:
            return await self._leave(job, target)
        except _Broken:
            raise self._broken(target) from None

    async def _leave(self, job: Job, target: str) -> Going:
        if not job.notes.get(LIVE) and job.observed is not None and job.observed.is_active:
            return await self._power_off(job, job.observed)
        run = self._runs.get(job.uid)
        if run is not None and not run.task.done():
            return Going(run.progress.percent, run.progress.words, {}, 2.0, run.progress.figures or {})
        if run is None:
            retry_at = _moment(job.notes.get(RETRY_AT))
            if retry_at is not None and self.now() < retry_at:
                words = job.op.status.message or "tried again"
                return Going(10, words, {}, (retry_at - self.now()).total_seconds())
            return await self._begin_or_finish(job, target)
        del self._runs[job.uid]
        return await self._ended(job, target, run.task)

    async def undo(self, job: Job) -> Going | None:
        """The VM stays where it is, unless it has left already; the other node's part is removed."""
        target = str(job.notes.get(TARGET) or "")
        if not target:
            return None
        if target == self.settings.node:
            await self.incoming.run(job.vm)
            return None
        await self._stop(job.uid)
        await self.hypervisor.abort_transfer(job.vm.metadata.uid)
        with contextlib.suppress(_Broken):
            if await self._has_left(job, target):
                await self._hand_over.to(job, target)
                return None
        await asyncio.to_thread(Folder(self.settings.migration_folder, job.vm.metadata.uid).remove)
        await asyncio.to_thread(self.outgoing.unmark, job.vm.metadata.uid)
        try:
            await self.peers.ask(target, job.vm.key, "discard", named(job))
        except HyperSDKError as error:
            log.warning("node %s removes its part of %s when it can: %s", target, job.op.metadata.name, error)
        self.sweep.records.forget("outgoing", job.vm.metadata.uid)
        return None

    async def close(self) -> None:
        """Give up what is under way in this process; each VM stays where it is."""
        for uid in list(self._runs):
            await self._stop(uid)

    async def _decide(self, job: Job) -> Going:
        spec = job.op.spec.migrate_spec
        namespace, name = job.vm.key
        nodes = await self.client.list(VM_NODES)
        vms = [self.vms.newest(vm) for vm in self.vms.cache]
        live = job.observed is not None and job.observed.is_active and (spec is None or spec.live)
        choice.movable(job.vm, await self.client.list(VM_SNAPSHOTS, namespace))
        if job.observed is None:
            raise Transient(f"{name} has no domain yet on node {self.settings.node}: it moves once it has one")
        target = choice.target(job.vm, spec.target_node if spec else None, nodes, vms, self.now())
        choice.reachable(nodes, self.settings.node, target)
        was_on = job.observed.is_active and job.vm.spec.running
        notes: JsonObject = {
            SOURCE: self.settings.node,
            TARGET: target,
            LIVE: live,
            ON_AGAIN: (was_on and not live) or None,
        }
        return Going(5, f"moves to node {target}", notes, 0.0)

    async def _power_off(self, job: Job, observed: ObservedDomain) -> Going:
        """Not live: off first. What was asked of the guest is written down, for it outlives this process."""
        pace, notes = self.settings.pace, job.notes
        asked = _moment(notes.get("askedAt"))
        intent = Intent(
            Wanted.OFF,
            force=job.op.spec.force,
            stopping_since=_moment(notes.get("stoppingSince")),
            asked_at=asked,
            asks=int(str(notes.get("asks") or 0)),
            grace=timedelta(seconds=pace.grace),
            ask_again=timedelta(seconds=pace.ask_again),
        )
        told: JsonObject = {}
        uid, now = job.vm.metadata.uid, self.now()
        for step in plan(None, observed, intent, now):
            match step:
                case SetPower():
                    await self.hypervisor.set_power(uid, step.power)
                case Resume():
                    await self.hypervisor.resume(uid)
                case Destroy():
                    await self.hypervisor.destroy(uid)
                case AskShutdown():
                    since = notes.get("stoppingSince") or rfc3339_micro(now)
                    told = {"stoppingSince": since, "askedAt": rfc3339_micro(now), "asks": intent.asks + 1}
                    await self._ask(uid, step)
        return Going(7, "waiting for the guest to power off", told, 2.0)

    async def _ask(self, uid: str, step: AskShutdown) -> None:
        try:
            await self.hypervisor.shutdown(uid, step.mode)
        except (Transient, Terminal) as error:
            log.warning("uid=%s the guest could not be asked to power off by %s: %s", uid, step.mode, error)

    async def _begin_or_finish(self, job: Job, target: str) -> Going:
        """Nothing is under way in this process: an earlier one may have come to an end unheard."""
        if job.notes.get(LIVE):
            if await self._has_left(job, target):
                return await self._over(job, target)
            if job.observed is None or not job.observed.is_active:
                raise Terminal("GuestEnded", "the guest went off before it had moved; it stays on its node")
            await self.hypervisor.abort_transfer(job.vm.metadata.uid)
        assert job.observed is not None
        progress = Progress()
        live = bool(job.notes.get(LIVE))
        trip = Trip(
            job.op, job.vm, job.observed, target, live, progress, job.wake, partial(self._leave_at_once, job, target)
        )
        task = asyncio.create_task(self.outgoing.go(trip), name=f"migrate {job.op.metadata.name}")
        task.add_done_callback(partial(self._gone, job))
        self._runs[job.uid] = _Run(progress, task)
        return Going(10, progress.words, {}, 2.0)

    async def _leave_at_once(self, job: Job, target: str) -> None:
        """Its guest stands still as long as this takes; what fails here is done by the next step."""
        try:
            await self._over(job, target)
            self._handed.add(job.uid)
        except HyperSDKError as error:
            log.info("op=%s is handed over in a moment: %s", job.op.metadata.name, error)

    def _gone(self, job: Job, task: "asyncio.Task[None]") -> None:
        if job.uid in self._handed and not task.cancelled() and task.exception() is None:
            # The other node has the next step.
            self._handed.discard(job.uid)
            self._runs.pop(job.uid, None)
        job.wake()

    def _broken(self, target: str) -> Terminal:
        here = self.settings.node
        words = f"the way to node {target} broke while the guest ran there and its memory followed (post-copy)"
        advice = f"it is held on {here}, runs nowhere, and its disks are whole: restart it by force"
        return Terminal("PostCopyFailed", f"{words}; {advice}")

    async def _ended(self, job: Job, target: str, task: "asyncio.Task[None]") -> Going:
        error = None if task.cancelled() else task.exception()
        if not task.cancelled() and error is None:
            return await self._over(job, target)
        if await self._has_left(job, target):
            return await self._over(job, target)
        if isinstance(error, Terminal):
            raise error
        if error is not None and not isinstance(error, HyperSDKError | OSError):
            raise error
        failed = int(str(job.notes.get(ATTEMPTS) or 0)) + 1
        if failed >= MOST_ATTEMPTS:
            raise Terminal("MigrationFailed", f"tried {failed} times, and it runs on here: {error}")
        wait_s = min(FIRST_RETRY_S * 2 ** (failed - 1), LONGEST_RETRY_S)
        at = rfc3339_micro(self.now() + timedelta(seconds=wait_s))
        return Going(10, f"tried again: {error}", {ATTEMPTS: failed, RETRY_AT: at}, wait_s)

    async def _over(self, job: Job, target: str) -> Going:
        await self.outgoing.say(job.op, job.vm, target)
        await self._hand_over.to(job, target)
        # From here on the operation is the other node's to write.
        return Going(job.op.status.progress or 0, job.op.status.message or "")

    async def _has_left(self, job: Job, target: str) -> bool:
        """Whether it is off here because it is whole there."""
        if not job.notes.get(LIVE):
            return False
        observed = await self.hypervisor.observe(job.vm.metadata.uid)
        is_held = is_held_for_good(observed)
        if observed is not None and observed.is_active and not is_held:
            return False
        answer = await self.peers.ask(target, job.vm.key, "state", named(job))
        there = Arrival.model_validate(answer).state
        if there in {"arrived", "runs"}:
            return True
        if there == "following":
            raise Transient(f"it runs on node {target} already, and the rest of its memory follows")
        if is_held:
            raise _Broken
        if observed is not None and observed.reason == "migrated":
            # Its memory is lost with the other node: from its disks it can still be started.
            await self.hypervisor.set_power(job.vm.metadata.uid, Power.OFF)
        return False

    async def _arrive(self, job: Job) -> Going | Ended:
        """On the new owner: it runs here, and only then the operation has succeeded."""
        await self.incoming.run(job.vm)
        observed = await self.hypervisor.observe(job.vm.metadata.uid)
        if observed is not None and is_half_started(observed) and job.notes.get(LIVE):
            return Going(95, "the guest is let run", {}, 1.0)
        where = f"on node {self.settings.node}"
        if job.notes.get(ON_AGAIN) and job.vm.spec.running and not _runs(observed):
            return Going(95, f"it is {where}, and is started there", {PLANS: True}, 2.0)
        if observed is not None and observed.is_active:
            final: JsonObject = {"memoryRemainingBytes": 0, "diskRemainingBytes": 0, "verdict": "it has moved"}
            return Ended(f"it runs {where} (QEMU pid {observed.pid})", {**final, PLANS: None, ON_AGAIN: None})
        return Ended(f"it is {where}, off", {PLANS: None, ON_AGAIN: None})

    async def _stop(self, uid: str) -> None:
        run = self._runs.pop(uid, None)
        if run is not None:
            run.task.cancel()
            await asyncio.wait({run.task})


def _runs(observed: ObservedDomain | None) -> bool:
    return observed is not None and observed.state is DomainState.RUNNING


def _moment(value: object) -> datetime | None:
    return datetime.fromisoformat(value.replace("Z", "+00:00")) if isinstance(value, str) else None
