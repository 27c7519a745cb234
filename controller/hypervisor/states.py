"""What state is a domain in, and why? libvirt's numbers as words."""

import libvirt

from controller.hypervisor.port import DomainState

_STATES = {
    libvirt.VIR_DOMAIN_NOSTATE: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_RUNNING: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_BLOCKED: DomainState.RUNNING,
    libvirt.VIR_DOMAIN_PAUSED: DomainState.PAUSED,
    libvirt.VIR_DOMAIN_SHUTDOWN: DomainState.SHUTDOWN,
    libvirt.VIR_DOMAIN_SHUTOFF: DomainState.SHUTOFF,
    libvirt.VIR_DOMAIN_CRASHED: DomainState.CRASHED,
    libvirt.VIR_DOMAIN_PMSUSPENDED: DomainState.PAUSED,
}

_REASONS = {
    libvirt.VIR_DOMAIN_RUNNING: (
        *("unknown", "booted", "migrated", "restored", "from-snapshot", "unpaused", "migration-canceled"),
        *("save-canceled", "wakeup", "crashed", "postcopy", "postcopy-failed"),
    ),
    libvirt.VIR_DOMAIN_PAUSED: (
        *("unknown", "user", "migration", "save", "dump", "ioerror", "watchdog", "from-snapshot", "shutting-down"),
        *("snapshot", "crashed", "starting-up", "postcopy", "postcopy-failed"),
    ),
    libvirt.VIR_DOMAIN_SHUTDOWN: ("unknown", "user"),
    libvirt.VIR_DOMAIN_SHUTOFF: (
        *("unknown", "shutdown", "destroyed", "crashed", "migrated", "saved", "failed", "from-snapshot", "daemon"),
    ),
    libvirt.VIR_DOMAIN_CRASHED: ("unknown", "panicked"),
    libvirt.VIR_DOMAIN_PMSUSPENDED: ("pmsuspended",),
}
"""In the order of libvirt's numbers."""


def state_words(state: int, reason: int) -> tuple[DomainState, str]:
    """virDomainGetState's two numbers; `unknown` for a reason that is newer than this."""
    words = _REASONS.get(state, ())
    return _STATES.get(state, DomainState.RUNNING), words[reason] if 0 <= reason < len(words) else "unknown"
