"""What is said of a snapshot at each of its turns? Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from controller.hypervisor.layer_port import Taken
from hypersdk.model.base import Condition, with_condition
from hypersdk.model.quantity import human_bytes
from hypersdk.model.vmsnapshot import Consistency, VMSnapshot, VMSnapshotStatus, VmState
from hypersdk.plaintext import plain

READY, CONSISTENT = "Ready", "Consistent"
FAILED = "SnapshotFailed"


@dataclass(frozen=True)
class Moment:
    """What the disks are like, and why."""

    kind: Consistency
    reason: str
    words: str
    frozen_s: float = 0.0


def moment(taken: Taken | None, *, was_active: bool, memory: bool) -> Moment:
    """What the disks are like after that was done; None stands for a controller that died before it could tell."""
    if not was_active:
        return Moment("Offline", "VMOff", "the VM was off: there is no memory, and nothing was being written")
    if memory:
        return Moment("Memory", "MemorySaved", "the memory was saved with the disks, at the same moment")
    if taken is None:
        words = "whether the guest held its file systems is not known: the controller was interrupted meanwhile"
        return Moment("CrashConsistent", "NotSeen", words)
    if taken.why_not:
        words = f"the disks are as after a power cut: the guest's file systems were not held, {plain(taken.why_not)}"
        return Moment("CrashConsistent", "GuestNotFrozen", words)
    words = f"the guest agent had written everything out, and held the file systems for {taken.frozen_s:.3f} s"
    return Moment("FilesystemFrozen", "GuestFrozen", words, taken.frozen_s)


@dataclass(frozen=True)
class Kept:
    """What there is of it."""

    files: Mapping[str, int]
    """Each file with the room that it takes."""
    state: VmState
    vm_uid: str
    node: str


def ready(old: VMSnapshotStatus, seen: Moment, kept: Kept, now: datetime) -> VMSnapshotStatus:
    """It is there, and can be gone back to."""
    size = sum(kept.files.values())
    new = old.but(
        phase="Ready",
        ready_to_restore=True,
        creation_time=old.creation_time or now,
        size_bytes=size,
        size=human_bytes(size),
        backing_files=sorted(kept.files),
        vm_state=kept.state,
        consistency=seen.kind,
        frozen_seconds=round(seen.frozen_s, 3) if seen.frozen_s else None,
        vm_uid=kept.vm_uid,
        node_name=kept.node,
    )
    is_whole = "False" if seen.kind == "CrashConsistent" else "True"
    said = _said(new, CONSISTENT, is_whole, seen.reason, seen.words, now)
    return _said(said, READY, "True", "SnapshotReady", f"{len(kept.files)} files, {human_bytes(size)}", now)


def creating(old: VMSnapshotStatus, words: str, now: datetime) -> VMSnapshotStatus:
    """It is being taken."""
    new = old.but(phase="Creating", ready_to_restore=False)
    return _said(new, READY, "False", "SnapshotCreating", words, now)


def waiting(old: VMSnapshotStatus, reason: str, words: str, now: datetime) -> VMSnapshotStatus:
    """It is not its turn."""
    return _said(old.but(phase="Pending", ready_to_restore=False), READY, "False", reason, words, now)


def with_ready(
    old: VMSnapshotStatus, phase: Literal["Pending", "Expired"], reason: str, words: str, now: datetime
) -> VMSnapshotStatus:
    """It waits for a VM, or has been kept for long enough; one that has can still be gone back to."""
    return _said(old.but(phase=phase), READY, "False", reason, words, now)


def failed(old: VMSnapshotStatus, reason: str, words: str, now: datetime) -> VMSnapshotStatus:
    """There is none, and there will be none."""
    new = old.but(phase="Failed", ready_to_restore=False, size=None, size_bytes=None, backing_files=None)
    return _said(new, READY, "False", reason, words, now)


def deleting(old: VMSnapshotStatus, reason: str, words: str, now: datetime) -> VMSnapshotStatus:
    """Its layers are merged, or cannot be yet."""
    phase = "Expired" if old.phase == "Expired" else "Deleting"
    return _said(old.but(phase=phase, ready_to_restore=False), READY, "False", reason, words, now)


def files_of(snapshot: VMSnapshot) -> frozenset[str]:
    """The files that it needs."""
    return frozenset(snapshot.status.backing_files or [])


def _said(
    status: VMSnapshotStatus, kind: str, verdict: str, reason: str, words: str, now: datetime
) -> VMSnapshotStatus:
    new = Condition.model_validate({"type": kind, "status": verdict, "reason": reason, "message": plain(words)})
    return status.but(conditions=with_condition(status.conditions, new, now))
