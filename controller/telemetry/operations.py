"""How do the VMOperations of this node end, and how long do they take? Seen in the cache, as everybody sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.telemetry.figures import OPERATION_TIME, OPERATIONS
from hypersdk.kube.cache import Cache, Key
from hypersdk.model.vmoperation import VMOperation


@dataclass
class OperationCount:
    """Counts the ends of operations whose beginning was seen here: those of earlier controllers are theirs."""

    cache: Cache[VMOperation]
    is_mine: Callable[[Key], bool]
    """Whether a VM is this node's."""
    _open: set[Key] = field(default_factory=set)

    def changed(self, keys: frozenset[Key]) -> None:
        """Some operations are not what they were."""
        for key in keys:
            op = self.cache.get(*key)
            if op is None:
                self._open.discard(key)
            elif not op.phase.is_over:
                self._open.add(key)
            elif key in self._open:
                self._open.discard(key)
                self._count(op, key)

    def _count(self, op: VMOperation, key: Key) -> None:
        if not self.is_mine(op.machine):
            return
        operation = str(op.spec.operation)
        OPERATIONS.labels(operation, str(op.phase)).inc()
        began, ended = op.status.start_time, op.status.completion_time
        if began is not None and ended is not None:
            OPERATION_TIME.labels(operation).observe(max((ended - began).total_seconds(), 0.0))
