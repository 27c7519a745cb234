"""Why is a guest held, and what helps? Pure."""

from pathlib import PurePath

from controller.hypervisor.port import DiskError, ObservedDomain, Power
from controller.node.finding import Finding

DISK_FULL = "DiskFull"
DISK_ERROR = "DiskError"
_ELSE: dict[str, tuple[str, str]] = {
    "pmsuspended": ("GuestSuspended", "the guest put itself to sleep; resume wakes it"),
    "crashed": ("CrashKept", "the guest crashed, and is kept as it was then; restart it by force"),
    "watchdog": ("WatchdogPaused", "the guest's watchdog ran out; resume or restart it"),
    "migration": ("Migrating", "held for the last moment of its migration"),
    "postcopy": ("Migrating", "it runs on another node already, which fetches its memory from here"),
    "postcopy-failed": ("MigrationFailed", "its migration failed half-way; restart it by force"),
    "save": ("Saving", "held while its memory is saved"),
    "dump": ("Saving", "held while its memory is dumped"),
    "snapshot": ("Saving", "held while a snapshot is made"),
    "shutting-down": ("ShuttingDown", "the guest has powered off, and QEMU is about to end"),
}
"""By virDomainPausedReason."""


def paused(domain: ObservedDomain) -> Finding:
    """What is said of a domain whose CPUs are held."""
    if domain.disk_errors or domain.reason == "ioerror":
        return _disk(domain.disk_errors)
    if domain.reason in _ELSE:
        return Finding("False", *_ELSE[domain.reason])
    if domain.owner is not None and domain.owner.power is Power.PAUSED:
        return Finding("False", "Paused", "paused because it was asked for; resume lets the guest run on")
    words = "paused from outside of the controller, as by virsh suspend; resume lets the guest run on"
    return Finding("False", "PausedOutside", words)


def _disk(errors: tuple[DiskError, ...]) -> Finding:
    if not errors:
        return Finding("False", DISK_ERROR, "one of its disks failed; look at the node's storage, then resume the VM")
    reason = DISK_FULL if all(error.is_full for error in errors) else DISK_ERROR
    return Finding("False", reason, "; ".join(_words(error) for error in errors))


def _words(error: DiskError) -> str:
    if error.is_full:
        folder = PurePath(error.path).parent
        return f"disk {error.disk} cannot grow, {folder} is full: free space there, then resume the VM"
    return f"disk {error.disk} failed ({error.path}): look at the node's storage, then resume the VM"
