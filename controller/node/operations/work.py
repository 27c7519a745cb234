"""What is an operation that takes more than a switch of the power: a snapshot, a clone, a move to another node?

It is done by steps that can be repeated. What has to outlive a controller that is killed stands in `status.result`, on
disk or in libvirt before it is needed; a step finds it there and goes on, or begins anew. An operation that is to end
without its effect (cancelled, out of time, failed) is undone first, and only then said to be over.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from controller.hypervisor.port import ObservedDomain
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import OperationName, VMOperation

PLANS = "startsVM"
"""In `status.result`, set: this work has nothing left to do but to see the VM brought to its spec."""
WORK: frozenset[OperationName] = frozenset({"clone", "migrate", "snapshot", "restore", "merge", "resize"})


@dataclass(frozen=True)
class Going:
    """It goes on."""

    percent: int
    words: str
    notes: JsonObject = field(default_factory=dict)
    """Merged into `status.result`, which is written before the next step; a None takes a note away."""
    again_in_s: float = 5.0
    """The next step comes then at the latest; `Job.wake` brings it earlier."""
    figures: JsonObject = field(default_factory=dict)
    """Merged into `status.result` for whoever looks on; like words and percent, they are written now and then."""
    domain_stays: bool = False
    """What is done to the domain has just begun, in the background: a new look at it would only hold that up."""


@dataclass(frozen=True)
class Ended:
    """Its effect was seen."""

    words: str
    result: JsonObject = field(default_factory=dict)
    """Merged into `status.result`."""


@dataclass(frozen=True)
class Job:
    """One operation on one VM as this pass finds it."""

    op: VMOperation
    vm: VirtualMachine
    observed: ObservedDomain | None
    """The domain now; None when there is none on this host."""
    now: datetime
    wake: Callable[[], None]
    """Asks for another pass now; may be called at any time, from the event loop."""

    @property
    def notes(self) -> JsonObject:
        """What earlier steps have written down."""
        return self.op.status.result or {}

    @property
    def uid(self) -> str:
        """The uid of the operation: names what is made for it."""
        return self.op.metadata.uid


class Work(Protocol):
    """One kind of such operations. Both calls raise Transient to be tried again and take seconds at most.

    What takes longer runs as a task of the object's own, which `step` starts or finds, and `undo` ends.
    """

    @property
    def lets_plan(self) -> bool:
        """Whether the VM is brought to its spec meanwhile, as without an operation; else nobody but this touches it.

        `PLANS` in an operation's notes says the same of one operation, from then on.
        """
        ...

    async def step(self, job: Job) -> Going | Ended:
        """Do what is to be done next; Terminal with a reason when it cannot be done, which has it undone."""
        ...

    async def undo(self, job: Job) -> Going | Ended | None:
        """Take back what was begun; None once nothing of it is left. Also for one of which nothing was begun.

        Ended where its effect is there for good: its end came too late, and it has succeeded.
        """
        ...


@runtime_checkable
class Opening(Protocol):
    """What a work may have in addition, so that its first step finds everything there; until an operation has begun."""

    def opening(self, job: Job) -> JsonObject:
        """Notes that are written with the operation's beginning, in one."""
        ...

    async def meanwhile(self, job: Job) -> None:
        """Make ready, while that is written, what harms nobody if the operation never begins.

        What it raises is left to the first step, which meets the same.
        """
        ...


Works = Mapping[str, Work]
"""By the name of the operation."""


def is_work(op: VMOperation) -> bool:
    """Whether it is one of these."""
    return op.spec.operation in WORK
