"""resize: another number of CPUs and another amount of memory, at once where a running guest can be given them.

The spec is what says the size; a pass over the VM gives the running guest what it can be given of it. This writes the
spec, waits for what came of it, and says what waits for the next start.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from controller.domain.desired import DesiredDomain
from controller.domain.headroom import MEMORY_STEP
from controller.hypervisor.port import Hypervisor, ObservedDomain
from controller.node.definitions import Definitions
from controller.node.desired import LEAST_MEMORY
from controller.node.live import Gap, field_of, gap
from controller.node.objects import Objects
from controller.node.operations.work import Ended, Going, Job
from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject, condition, rfc3339_micro
from hypersdk.model.quantity import human_bytes, to_bytes
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation

BEFORE: Final = "before"
WRITTEN_AT: Final = "writtenAt"
PLUGGED_WITHIN: Final = timedelta(seconds=20)
"""A change that was refused is tried again later by itself; the operation does not wait for that."""
USED_WITHIN: Final = timedelta(seconds=180)
LOOK_S: Final = 1.0


@dataclass(frozen=True)
class Size:
    """CPUs and memory of a VM."""

    cpus: int
    memory: str

    def __str__(self) -> str:
        return f"{self.cpus} CPUs and {self.memory} of memory"

    @property
    def memory_bytes(self) -> int:
        """The memory as a number."""
        return to_bytes(self.memory)

    def wire(self) -> JsonObject:
        """As the spec has it."""
        return {"cpus": self.cpus, "memory": self.memory}


@dataclass(frozen=True)
class Left:
    """What the node has left for VMs."""

    cpus: int
    memory_bytes: int


@dataclass
class Resize:
    """Resizes the VMs of this node."""

    vms: Objects[VirtualMachine]
    hypervisor: Hypervisor
    definitions: Definitions
    left: Callable[[], Awaitable[Left]]
    lets_plan: bool = True

    async def step(self, job: Job) -> Going | Ended:
        """Write the spec; then look at what the guest was given."""
        wanted = _wanted(job.op, job.vm)
        if BEFORE not in job.notes:
            await self._check(job.vm, wanted)
            return Going(10, f"to {wanted}", {BEFORE: _size(job.vm).wire()}, again_in_s=0.0)
        if WRITTEN_AT not in job.notes:
            if _size(job.vm) != wanted:
                await self.vms.write(job.vm, {"spec": wanted.wire()})
            return Going(30, f"the spec says {wanted}", {WRITTEN_AT: rfc3339_micro(job.now)}, again_in_s=0.0)
        if _size(job.vm) != wanted:
            words = f"somebody has written {_size(job.vm)} into the spec meanwhile"
            raise Terminal("SpecChanged", words)
        return await self._seen(job, wanted)

    async def undo(self, job: Job) -> Going | None:
        """The spec as it was; what a running guest was given it keeps until its next start."""
        before = job.notes.get(BEFORE)
        is_there = self.vms.get(*job.vm.key) is not None and job.vm.metadata.deletion_timestamp is None
        if isinstance(before, dict) and is_there and _size(job.vm) == _wanted(job.op, job.vm):
            await self.vms.write(job.vm, {"spec": before})
        return None

    async def _check(self, vm: VirtualMachine, wanted: Size) -> None:
        if wanted.memory_bytes < LEAST_MEMORY:
            raise Terminal("InvalidMemory", f"memory {wanted.memory} is less than 16Mi")
        now, left = _size(vm), await self.left()
        cpus, memory = wanted.cpus - now.cpus, wanted.memory_bytes - now.memory_bytes
        if cpus > max(left.cpus, 0):
            raise Terminal("NodeFull", f"the node has {max(left.cpus, 0)} CPUs left, and {cpus} more are asked for")
        if memory > max(left.memory_bytes, 0):
            has, asked = human_bytes(max(left.memory_bytes, 0)), human_bytes(memory)
            raise Terminal("NodeFull", f"the node has {has} of memory left, and {asked} more are asked for")

    async def _seen(self, job: Job, wanted: Size) -> Going | Ended:
        observed = job.observed
        if observed is None or not observed.is_active:
            return _ended(f"{job.vm.metadata.name} is off and starts with {wanted}", wanted)
        started = self.definitions.running(observed)
        if started is None:
            return _waits(job, wanted, _differing(job.vm, observed, wanted), "what it was started with is not known")
        difference = size_gap(started, observed, wanted)
        if difference.changes and _is_waited_for(job):
            return Going(60, "plugging in", again_in_s=LOOK_S)
        if difference.fields:
            return _waits(job, wanted, difference.fields, why_not(started, observed, wanted) or _refused(job.vm))
        return await self._used(job, observed, wanted)

    async def _used(self, job: Job, observed: ObservedDomain, wanted: Size) -> Going | Ended:
        """It has all; whether the guest uses it is asked where somebody in it can tell."""
        cpus = await self.hypervisor.cpus_in_use(job.vm.metadata.uid)
        if cpus is None and observed.agent_connected and job.now < _written_at(job) + USED_WITHIN:
            # A guest that takes memory in has no ear for a moment.
            return Going(80, "asking the guest whether it uses them", again_in_s=LOOK_S)
        if cpus is None:
            return _ended(f"the VM has {wanted}; no guest agent tells whether the guest uses them", wanted)
        stats = (await self.hypervisor.stats([job.vm.metadata.uid])).get(job.vm.metadata.uid)
        memory = stats.guest_memory_bytes if stats is not None else 0
        guest: JsonObject = {"cpus": cpus}
        if memory:
            guest["memoryBytes"] = memory
        if cpus >= wanted.cpus and (not memory or memory >= _usable(wanted)):
            return _ended(f"the guest has {wanted}, and uses them", wanted, {"guest": guest})
        if job.now < _written_at(job) + USED_WITHIN:
            return Going(80, f"the guest uses {cpus} of {wanted.cpus} CPUs so far", again_in_s=LOOK_S)
        words = f"the VM has {wanted}, and the guest uses {cpus} CPUs"
        words += f" and {human_bytes(memory)}" if memory else ""
        return _ended(f"{words}: bring the others online in it", wanted, {"guest": guest})


def size_gap(started: DesiredDomain, observed: ObservedDomain, wanted: Size) -> Gap:
    """What of the size the running guest lacks, and what of that it can be given."""
    there = observed.hardware
    whole = gap(started, there, replace(started, cpus=wanted.cpus, memory_bytes=wanted.memory_bytes))
    changes = tuple(change for change in whole.changes if field_of(change) in {"cpus", "memory"})
    return Gap(changes, tuple(field for field in whole.waiting if field in {"cpus", "memory"}))


def why_not(started: DesiredDomain, observed: ObservedDomain, wanted: Size) -> str:
    """Why the running guest cannot be given it; empty where it can."""
    reasons, has = [], observed.hardware.cpus
    if wanted.cpus < has:
        reasons.append("no CPU is taken from a running guest")
    elif has < wanted.cpus and wanted.cpus > started.max_cpus:
        reasons.append(f"it was started with room for {max(started.max_cpus, has)} CPUs")
    more = wanted.memory_bytes - started.memory_bytes - observed.hardware.dimm_bytes
    if more < 0:
        reasons.append("no memory is taken from a running guest")
    elif more and wanted.memory_bytes > started.max_memory_bytes:
        most = human_bytes(max(started.max_memory_bytes, started.memory_bytes))
        reasons.append(f"it was started with room for {most} of memory")
    elif more % MEMORY_STEP:
        reasons.append(f"a running guest takes memory in steps of {human_bytes(MEMORY_STEP)}")
    return "; ".join(reasons)


def _wanted(op: VMOperation, vm: VirtualMachine) -> Size:
    asked = op.spec.resize_spec
    if asked is None or (asked.cpus is None and asked.memory is None):
        raise Terminal("InvalidResize", "resizeSpec says neither cpus nor memory")
    return Size(asked.cpus or vm.spec.cpus, asked.memory or vm.spec.memory)


def _size(vm: VirtualMachine) -> Size:
    return Size(vm.spec.cpus, vm.spec.memory)


def _differing(vm: VirtualMachine, observed: ObservedDomain, wanted: Size) -> tuple[str, ...]:
    """The fields of a guest of unknown start that may differ; its memory is never known."""
    return ("memory",) if observed.hardware.cpus == wanted.cpus else ("cpus", "memory")


def _waits(job: Job, wanted: Size, fields: tuple[str, ...], why: str) -> Ended:
    words = f"{' and '.join(fields)} change at the next start (RestartRequired)"
    return _ended(f"{words}: {why}" if why else words, wanted, {"restartRequired": list(fields)})


def _refused(vm: VirtualMachine) -> str:
    """What host or guest said against it, as the VM's own condition has it."""
    found = condition(vm.status.conditions, "RestartRequired")
    return "; ".join((found.message or "").splitlines()[1:]) if found is not None else ""


def _ended(words: str, wanted: Size, result: JsonObject | None = None) -> Ended:
    return Ended(words, wanted.wire() | {"restartRequired": [], WRITTEN_AT: None} | (result or {}))


def _is_waited_for(job: Job) -> bool:
    asked = job.op.spec.resize_spec
    return asked is not None and asked.hotplug and job.now < _written_at(job) + PLUGGED_WITHIN


def _written_at(job: Job) -> datetime:
    moment = job.notes.get(WRITTEN_AT)
    return datetime.fromisoformat(moment) if isinstance(moment, str) else job.now


def _usable(wanted: Size) -> int:
    """What a guest of that size has at least: its kernel keeps some for itself."""
    return wanted.memory_bytes * 3 // 4
