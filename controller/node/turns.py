"""Which Events a change of status is worth: pure. What was done is told where it is done, this is what happened."""

from hypersdk.kube.events import EventType
from hypersdk.model.base import Condition, condition
from hypersdk.model.virtualmachine import ConditionType, VirtualMachineStatus

Told = tuple[EventType, str, str]
HAPPENINGS: dict[str, EventType] = {
    "Importing": "Normal",
    "Stopped": "Normal",
    "Paused": "Normal",
    "PausedOutside": "Warning",
    "DiskFull": "Warning",
    "DiskError": "Warning",
    "GuestSuspended": "Warning",
    "WatchdogPaused": "Warning",
    "GuestCrashed": "Warning",
    "PowerCutOutside": "Warning",
    "StoppedOutside": "Warning",
    "ForeignDomain": "Warning",
    "InvalidMemory": "Warning",
    "InvalidFirmware": "Warning",
}


def events_of(old: VirtualMachineStatus, new: VirtualMachineStatus) -> list[Told]:
    """The Events for what is another reason than before."""
    told = [*_of_ready(old, new), *_of_disks(old, new), *_of_problem(ConditionType.NETWORK_READY, old, new)]
    return told


def _of_ready(old: VirtualMachineStatus, new: VirtualMachineStatus) -> list[Told]:
    before, now = _pair(ConditionType.READY, old, new)
    if now is None or now.reason == (before.reason if before else None) or now.reason not in HAPPENINGS:
        return []
    if before is None and now.reason == "Stopped":
        return []
    return [(HAPPENINGS[now.reason], now.reason, now.message or now.reason)]


def _of_disks(old: VirtualMachineStatus, new: VirtualMachineStatus) -> list[Told]:
    before, now = _pair(ConditionType.DISK_READY, old, new)
    if before is not None and before.reason == "Importing" and now is not None and now.status == "True":
        return [("Normal", "Imported", "the image is there, the disks are made")]
    return _of_problem(ConditionType.DISK_READY, old, new)


def _of_problem(kind: ConditionType, old: VirtualMachineStatus, new: VirtualMachineStatus) -> list[Told]:
    before, now = _pair(kind, old, new)
    if now is None or now.status != "False" or now.reason in {"Importing", "Preparing"}:
        return []
    if before is not None and (before.reason, before.message) == (now.reason, now.message):
        return []
    return [("Warning", now.reason or kind, now.message or "")]


def _pair(
    kind: ConditionType, old: VirtualMachineStatus, new: VirtualMachineStatus
) -> tuple[Condition | None, Condition | None]:
    return condition(old.conditions, kind), condition(new.conditions, kind)
