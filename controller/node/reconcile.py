"""One pass over one VM: read everything fresh, decide, act, look again, say what is."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.hypervisor.port import DomainState, Hypervisor, ObservedDomain
from controller.node.apply import Applier, StartFailed, Subject
from controller.node.host import Host
from controller.node.intent import Intent, Run, Wanted
from controller.node.live import LiveChange
from controller.node.memory import Memories
from controller.node.objects import Objects
from controller.node.operations.conduct import Conductor
from controller.node.operations.deletion import is_deletion
from controller.node.operations.labour import Labour, Stepped
from controller.node.operations.obstacle import Obstacle
from controller.node.operations.outcome import pending
from controller.node.operations.power import as_intent
from controller.node.operations.work import Job, is_work
from controller.node.plan import is_winding_down, plan, run_of
from controller.node.prepare import Preparation, Prepared
from controller.node.removal import Removal
from controller.node.schedule import next_look, sooner
from controller.node.situation import State
from controller.node.status import being_filled, stopping_since
from controller.node.steps import AttachConsole, Resume
from controller.node.telling import Teller
from controller.runtime.together import together
from controller.runtime.worker import Done, Later, Outcome
from controller.settings import Settings
from controller.telemetry.context import about_operation
from hypersdk.errors import Terminal, Transient
from hypersdk.kube.cache import Health, Key
from hypersdk.model.marks import is_filled
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationPhase, VMOperation

log = logging.getLogger(__name__)
FINALIZERS_S = 10.0
HELD_UP_S = 5.0
"""Whatever is waited for wakes the VM when it is over; this is for what cannot."""
ROUNDS = 4
"""Plans in one pass: a restart by force takes two, and nothing needs more."""
STEPS = 4
"""Of an operation's work in one pass; between passes a cancel is heard, and what else goes on for the VM."""


@dataclass
class VmReconciler:
    """Makes the VMs of this host true."""

    settings: Settings
    hypervisor: Hypervisor
    host: Host
    vms: Objects[VirtualMachine]
    conductor: Conductor
    labour: Labour
    preparation: Preparation
    applier: Applier
    removal: Removal
    teller: Teller
    memories: Memories
    wake: Callable[[Key], None]
    now: Callable[[], datetime]
    chance: Callable[[], float]

    async def __call__(self, key: Key) -> Outcome:
        """One pass."""
        if not self._is_current():
            # What the caches say may be long over: until they are fresh, nothing is touched.
            return Later(2.0)
        vm = self.vms.get(*key)
        if vm is None or vm.status.node_name != self.settings.node:
            return Done()
        subject = Subject(vm, vm.metadata.uid, self.memories.of(vm.metadata.uid), None)
        if vm.metadata.deletion_timestamp is not None:
            return await self._remove(subject)
        subject.vm, operation = await self.conductor.settle(vm)
        if is_filled(vm):
            return await self._wait_for_disks(subject)
        if operation is None:
            return await self._live(subject, await self._observe(subject), None)
        if is_deletion(operation):
            await self.conductor.delete(operation, subject.vm)
            return Done()
        if is_work(operation):
            return await self._work_or_wait(subject, operation)
        try:
            return await self._live(subject, await self._observe(subject), operation)
        except (Transient, Terminal) as error:
            obstacle = Obstacle(_reason(error), str(error), final=isinstance(error, Terminal))
            await self.conductor.hinder(operation, subject.vm, obstacle)
            raise

    async def _remove(self, subject: Subject) -> Outcome:
        subject.vm, operation = await self.conductor.settle(subject.vm)
        if operation is not None and is_work(operation):
            # Undone first: it may still write to what is about to be removed.
            return await self._labour(subject, await self._observe(subject), operation)
        await self.removal.remove(subject)
        # Others may hold the object; a deletion that somebody waits for has its deadline.
        return Later(FINALIZERS_S) if self.conductor.is_waited_for(subject.vm) else Done()

    async def _wait_for_disks(self, subject: Subject) -> Outcome:
        vm = await self.removal.hold(subject.vm)
        await self.vms.write_status(vm, vm.status.wire(), being_filled(vm, self.now()).wire())
        return Later(self.settings.pace.resync)

    def _is_current(self) -> bool:
        caches = (self.vms.cache, self.conductor.operations.cache)
        return all(cache.health is Health.LIVE for cache in caches)

    async def _observe(self, subject: Subject) -> ObservedDomain | None:
        try:
            observed = await self.hypervisor.observe(subject.uid)
        except Transient as error:
            self.host.lost(error)
            await self.teller.say_unknown(subject.vm)
            raise
        self.host.found()
        return observed

    async def _live(self, subject: Subject, observed: ObservedDomain | None, operation: VMOperation | None) -> Outcome:
        memory = subject.memory
        subject.vm = await self.removal.hold(subject.vm)
        if memory.stopping_since is None and observed is not None and observed.pid == subject.vm.status.qemu_pid:
            # Asked by an earlier controller; of another run's end the status says nothing about this one.
            memory.stopping_since = stopping_since(subject.vm)
        if operation is not None:
            operation = await self._begin(subject, operation, observed)
        state = await self._work(subject, observed, operation)
        await self.teller.tell(state)
        if state.operation is not None:
            obstacle = self._obstacle(state)
            subject.vm, state.operation = await self.conductor.judge(
                state.operation, subject.vm, state.observed, obstacle
            )
            if state.operation.phase.is_over:
                # The next one's turn, or the spec's own word.
                self.wake(subject.vm.key)
        look = next_look(state.observed, state.intent, state.prepared, state.operation, subject.vm, self.now())
        asked_in_s = memory.ask_agent_in_s(self.now()) if _could_answer(state.observed) else 0.0
        return sooner(sooner(look, memory.write_in_s), asked_in_s)

    async def _work_or_wait(self, subject: Subject, op: VMOperation) -> Outcome:
        """While it has to wait the VM is as without it: a guest that ends is started again, a spec is followed."""
        if reason := await self.labour.held_up(op, subject.vm):
            observed = await self._observe(subject)
            await self.conductor.write(op, pending(op, reason))
            return sooner(await self._live(subject, observed, None), HELD_UP_S)
        observed, op = await together(self._observe(subject), self.conductor.hold(op))
        return await self._labour(subject, observed, op)

    async def _labour(self, subject: Subject, observed: ObservedDomain | None, op: VMOperation) -> Outcome:
        """One step of work; only where the work allows it the VM is brought to its spec as well."""
        subject.operation = op.metadata.name
        about_operation(op.metadata.name)
        key, is_deleted = subject.vm.key, subject.vm.metadata.deletion_timestamp is not None
        if not is_deleted:
            subject.vm = await self.removal.hold(subject.vm)
        job = self._job(subject, op, observed)
        begun = self.conductor.begin(op, subject.vm, observed, self.labour.opening(job))
        (subject.vm, op), _ = await together(begun, self.labour.meanwhile(job))
        if self.labour.lets_plan(op) and not is_deleted:
            state = await self._work(subject, observed, None)
        else:
            await self._adopt(subject, observed)
            state = State(subject, observed, None, Prepared(), self._intent(subject, None), op.spec.operation)
        stepped = Stepped(op)
        for _ in range(STEPS):
            stepped = await self.labour.go_on(self._job(subject, stepped.op, state.observed))
            vm = self.vms.get(*key)
            if vm is None or vm.status.node_name != self.settings.node:
                return Later(stepped.again_in_s)
            if stepped.domain_stays:
                return Later(stepped.again_in_s)
            # For the status, and for the step that follows at once.
            subject.vm, state.observed = vm, await self._observe(subject)
            if stepped.again_in_s or stepped.op.phase.is_over or self.labour.lets_plan(stepped.op):
                break
        await self.teller.tell(state)
        return Later(stepped.again_in_s)

    def _job(self, subject: Subject, op: VMOperation, observed: ObservedDomain | None) -> Job:
        key = subject.vm.key
        return Job(op, subject.vm, observed, self.now(), lambda: self.wake(key))

    async def _begin(self, subject: Subject, op: VMOperation, observed: ObservedDomain | None) -> VMOperation:
        subject.operation = op.metadata.name
        about_operation(op.metadata.name)
        if op.phase is not OperationPhase.RUNNING:
            # Asked anew: an earlier failure does not hold it back.
            subject.memory.failure = None
            self.preparation.storage.retry(subject.uid)
        subject.vm, op = await self.conductor.begin(op, subject.vm, observed)
        return op

    async def _work(self, subject: Subject, observed: ObservedDomain | None, operation: VMOperation | None) -> State:
        """Plan and act until there is nothing to do, or something to wait for."""
        await self._adopt(subject, observed)
        state = State(subject, observed, operation, Prepared(), self._intent(subject, operation))
        for _ in range(ROUNDS):
            if state.operation is not None:
                state.operation = await self.conductor.see_end(state.operation, state.observed)
            self._settle(state)
            state.prepared = await self._prepare(state)
            subject.desired = state.prepared.desired
            steps = plan(subject.desired, state.observed, state.intent, self.now(), self._due(state))
            if not steps:
                break
            if state.observed is None:
                # A first start takes a while: it is said before.
                await self.teller.tell(state)
            try:
                await self.applier.apply(steps, subject)
            except StartFailed as failed:
                state.observed = await self._observe(subject)
                await self._start_failed(state, failed)
                break
            state.observed = await self._observe(subject)
            if state.operation is not None and state.intent.let_run and Resume(again=True) in steps:
                state.operation = await self.conductor.let_run(state.operation)
                self._settle(state)
            if AttachConsole() in steps and state.observed is not None:
                subject.memory.attached = run_of(state.observed)
        self._settle(state)
        return state

    def _settle(self, state: State) -> None:
        """Forget the request to power off when it is not one any more; what is wanted then."""
        memory, observed = state.subject.memory, state.observed
        intent = self._intent(state.subject, state.operation)
        if not _is_to_end(observed, intent, self.now()):
            memory.not_stopping()
        state.intent = self._intent(state.subject, state.operation)

    async def _prepare(self, state: State) -> Prepared:
        key = state.subject.vm.key
        return await self.preparation.of(state.subject.vm, state.observed, lambda: self.wake(key))

    async def _adopt(self, subject: Subject, observed: ObservedDomain | None) -> None:
        """Read the console of a guest that runs already, once in each of its lives."""
        if observed is None or not observed.is_active or not observed.is_ours:
            return
        if subject.memory.attached != run_of(observed):
            await self.applier.attach(subject)
            subject.memory.attached = run_of(observed)

    def _intent(self, subject: Subject, operation: VMOperation | None) -> Intent:
        memory, pace, vm = subject.memory, self.settings.pace, subject.vm
        intent = Intent(
            Wanted.ON if vm.spec.running else Wanted.OFF,
            stopping_since=memory.stopping_since,
            asked_at=memory.asked_at,
            asks=memory.asks,
            retry_at=memory.retry_at(vm.metadata.generation),
            grace=timedelta(seconds=pace.grace),
            ask_again=timedelta(seconds=pace.ask_again),
        )
        return as_intent(operation, intent) if operation is not None else intent

    async def _start_failed(self, state: State, failed: StartFailed) -> None:
        subject = state.subject
        name = subject.desired.domain_name if subject.desired else subject.vm.metadata.name
        lines = await self.teller.log_tail(name)
        words = "\n".join([f"{failed.what}: {failed.error}", *lines])
        subject.memory.failed(failed.error, words, subject.vm.metadata.generation, self.now(), self.chance())
        await self.applier.tell(subject, "Warning", "StartFailed", words)

    def _due(self, state: State) -> tuple[LiveChange, ...]:
        """The changes of the running guest that have not been refused a short time ago."""
        subject = state.subject
        subject.run = run_of(state.observed) if state.observed is not None else Run()
        return subject.memory.refusals.due(subject.run, state.prepared.live, self.now())

    def _obstacle(self, state: State) -> Obstacle | None:
        if state.intent.wanted is Wanted.OFF:
            return None
        failure = state.subject.memory.failure
        if failure is not None:
            return Obstacle(failure.finding.reason, failure.finding.message)
        return state.prepared.obstacle


def _reason(error: Transient | Terminal) -> str:
    return (isinstance(error, Terminal) and error.reason) or "HypervisorFailed"


def _could_answer(observed: ObservedDomain | None) -> bool:
    """Whether there is a running guest with an agent to ask."""
    return observed is not None and observed.state is DomainState.RUNNING and observed.agent_connected


def _is_to_end(observed: ObservedDomain | None, intent: Intent, now: datetime) -> bool:
    """Whether the guest is to power off, or may still do so after it was asked."""
    if observed is None or not observed.is_active:
        return False
    if intent.wanted is Wanted.ON and run_of(observed) != intent.ending:
        return is_winding_down(observed, intent, now)
    return True
