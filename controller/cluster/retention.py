"""Which finished operations have been kept for long enough: pure."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypersdk.model.vmoperation import VMOperation

KEPT = 20
"""The newest finished operations of each VM stay as its history, whatever their age."""


def expired(
    operations: Iterable[VMOperation], machines: set[tuple[str, str]], ttl: timedelta, now: datetime
) -> list[VMOperation]:
    """Finished operations older than `ttl` that are not among the last of a VM that is still there."""
    by_machine: dict[tuple[str, str], list[VMOperation]] = defaultdict(list)
    for op in operations:
        if op.phase.is_over:
            by_machine[op.machine].append(op)
    old: list[VMOperation] = []
    for machine, finished in by_machine.items():
        newest_first = sorted(finished, key=_end, reverse=True)
        beyond = newest_first[KEPT:] if machine in machines else newest_first
        old += [op for op in beyond if now - _end(op) >= ttl]
    return old


def _end(op: VMOperation) -> datetime:
    return op.status.completion_time or op.metadata.creation_timestamp or datetime.min.replace(tzinfo=UTC)
