"""What is looked at to tell why: the VM, what is being done to it, and its node."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from hypersdk.model.base import Condition, condition
from hypersdk.model.virtualmachine import ConditionType, VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation


@dataclass(frozen=True)
class Facts:
    """Everything that the API has about one VM."""

    vm: VirtualMachine
    now: datetime
    operations: Sequence[VMOperation] = ()
    """The operations of this VM, in any order."""
    node: VMNode | None = None
    """The VMNode that it is placed on."""
    nodes_known: bool = True
    """Whether the nodes could be read at all: without the right to, a missing node says nothing."""

    @property
    def ready(self) -> Condition | None:
        """The VM's Ready condition."""
        return condition(self.vm.status.conditions, ConditionType.READY)

    @property
    def reason(self) -> str:
        """The reason of Ready; empty when there is none."""
        return (self.ready.reason or "") if self.ready else ""

    def failing(self, kind: str) -> Condition | None:
        """The condition of that type where it says False."""
        found = condition(self.vm.status.conditions, kind)
        return found if found is not None and found.status == "False" else None

    def holding(self, kind: str) -> Condition | None:
        """The condition of that type where it says True."""
        found = condition(self.vm.status.conditions, kind)
        return found if found is not None and found.status == "True" else None

    @property
    def current(self) -> VMOperation | None:
        """The operation that goes on, or waits."""
        return next((op for op in self.operations if not op.phase.is_over), None)

    @property
    def last(self) -> VMOperation | None:
        """The operation that ended last."""
        ended = [op for op in self.operations if op.phase.is_over and op.status.completion_time]
        return max(ended, key=lambda op: op.status.completion_time or self.now, default=None)
