"""What does a console say of itself to a person: why nothing comes, what is missing? Pure."""

from dataclasses import dataclass

from controller.hypervisor.port import ConsoleDevice, DomainState, ObservedDomain

SILENT_S = 10.0
"""How long a guest may say nothing before that is worth a word."""

_PAUSED = {
    "ioerror": "VM is paused: its disk had an I/O error (is the pool full?)",
    "starting-up": "VM is starting",
    "migration": "VM is paused while it migrates",
    "save": "VM is paused while its memory is saved",
    "dump": "VM is paused while its memory is dumped",
    "snapshot": "VM is paused while a snapshot is taken",
    "crashed": "VM is paused: its guest crashed",
}
_PORT: dict[ConsoleDevice, tuple[str, str]] = {
    "serial0": ("serial port", "ttyS0"),
    "console1": ("virtio console", "hvc0"),
}
_OFF = {
    DomainState.SHUTOFF: "VM is stopped",
    DomainState.CRASHED: "VM has crashed",
}


@dataclass(frozen=True)
class Facts:
    """What is known of one console."""

    domain: ObservedDomain | None = None
    connected: bool = False
    trouble: str = ""
    """Why the port could not be opened, or libvirt not be asked; empty when all is well."""
    has_spoken: bool = False
    """Whether this boot wrote anything yet."""
    silent_s: float = 0.0
    """How long it has been so, from when the port was opened."""
    phase: str = ""
    """The VM's phase in the API, where there is one."""
    device: ConsoleDevice = "serial0"
    is_known: bool = True
    """Whether the domain was looked at yet."""


def reason(facts: Facts) -> str:
    """Why nothing comes; empty when all is well."""
    domain = facts.domain
    if not facts.is_known:
        return facts.trouble or f"the {_PORT[facts.device][0]} is being opened"
    if domain is None or not domain.is_active:
        return _off(facts)
    if domain.state is DomainState.PAUSED:
        is_fresh = facts.connected and not facts.has_spoken and facts.silent_s < SILENT_S
        return "VM is starting" if is_fresh else _PAUSED.get(domain.reason.replace(" ", "-"), "VM is paused")
    if not facts.connected:
        return facts.trouble or f"the {_PORT[facts.device][0]} is being opened"
    return _silence(facts)


def note(text: str) -> bytes:
    """A line of ours in the middle of a guest's output; the guest's colours end before it."""
    return f"\r\n\x1b[0m[hypersdk: {text}]\r\n".encode()


def _off(facts: Facts) -> str:
    if facts.trouble and facts.domain is None:
        return facts.trouble
    if facts.phase in {"Pending", "Creating"}:
        return f"VM is {facts.phase.lower()}"
    return "VM is stopped" if facts.domain is None else _OFF.get(facts.domain.state, "VM is stopped")


def _silence(facts: Facts) -> str:
    if facts.has_spoken or facts.silent_s < SILENT_S:
        return ""
    port, tty = _PORT[facts.device]
    return (
        f"no output for {_told(facts.silent_s)} s: the guest may not use its {port} "
        f"(Linux: add console={tty} to the kernel's command line)"
    )


def _told(seconds: float) -> int:
    """Coarser the longer it lasts, so that not every second is news: 10, 20, 40, 80…"""
    told = SILENT_S
    while told * 2 <= seconds:
        told *= 2
    return int(told)
