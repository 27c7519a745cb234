"""The phase of a VM, and why: pure. What was observed decides, never what is intended."""

from controller.hypervisor.port import DomainState, ObservedDomain, Power
from controller.hypervisor.qemu_log import CUT_BY_LIBVIRT
from controller.node.finding import Finding
from controller.node.intent import Wanted
from controller.node.paused import paused
from controller.node.plan import HAD_RUN, RESTARTED_REASONS, is_half_started
from controller.node.view import View
from hypersdk.model.virtualmachine import Phase


def phase_of(view: View) -> tuple[Phase, Finding]:
    """The phase, and the Ready condition that goes with it."""
    domain = view.domain
    if domain is not None and domain.owner is None:
        words = f"a domain with this UUID exists on {view.node} that is not the controller's ({domain.name})"
        return Phase.FAILED, Finding("False", "ForeignDomain", words)
    if view.working == "migrate":
        runs = domain is not None and domain.state is DomainState.RUNNING
        return Phase.MIGRATING, Finding("True" if runs else "False", "Migrating", "it moves to another node")
    if domain is not None and domain.is_active:
        return _active(view, domain)
    if view.intent.wanted is Wanted.REMOVED:
        return Phase.STOPPED, Finding("False", "Deleting", "the VM is being deleted")
    return _inactive(view, domain)


def _active(view: View, domain: ObservedDomain) -> tuple[Phase, Finding]:
    if is_half_started(domain) and not view.is_stopping:
        return Phase.CREATING, Finding("False", "Starting", "QEMU is there, the guest does not run yet")
    if (
        domain.state is DomainState.PAUSED
        and view.working
        and not (domain.owner and domain.owner.power is Power.PAUSED)
    ):
        return Phase.PAUSED, Finding("False", "HeldByOperation", f"held for a moment: {view.working} goes on")
    if domain.state is DomainState.PAUSED:
        return Phase.PAUSED, paused(domain)
    if view.is_stopping:
        return Phase.RUNNING, Finding("False", "Stopping", "waiting for the guest to power off")
    return Phase.RUNNING, Finding("True", "Running", f"QEMU pid {domain.pid}")


def _inactive(view: View, domain: ObservedDomain | None) -> tuple[Phase, Finding]:
    wanted_on = view.intent.wanted is Wanted.ON
    if view.failure is not None:
        return Phase.FAILED, view.failure
    if domain is not None and (ended := _guests_own_end(view, domain)) is not None:
        return ended
    if view.disks.status == "False" and (wanted_on or domain is None):
        return _preparing(view)
    if domain is None:
        return Phase.CREATING, Finding("False", "Creating", "the domain is not defined yet")
    if wanted_on:
        return Phase.CREATING, Finding("False", "Starting", "about to start")
    return Phase.STOPPED, Finding("False", "Stopped", "the VM is off, as wanted")


def _preparing(view: View) -> tuple[Phase, Finding]:
    if view.image is not None or view.disks.reason == "Preparing":
        return Phase.CREATING, Finding("False", view.disks.reason, view.disks.message)
    return Phase.FAILED, Finding("False", view.disks.reason, view.disks.message)


def _guests_own_end(view: View, domain: ObservedDomain) -> tuple[Phase, Finding] | None:
    """What is said of a domain that went off without having been told to, until somebody starts it."""
    power = domain.owner.power if domain.owner else Power.GUEST_OFF
    if power is Power.GUEST_OFF:
        return Phase.STOPPED, Finding(
            "False", "GuestShutdown", "the guest powered itself off; start it to have it back"
        )
    if power not in HAD_RUN or domain.reason in RESTARTED_REASONS:
        return None
    match domain.reason:
        case "shutdown":
            return Phase.STOPPED, Finding("False", "GuestShutdown", "the guest powered itself off")
        case "destroyed":
            words = "the power was cut from outside of the controller; start it to have it back"
            return Phase.FAILED, Finding("False", "PowerCutOutside", words)
        case "killed":
            said = "QEMU was ended from outside of the controller; start the VM to have it back"
            return Phase.FAILED, Finding("False", "PowerCutOutside", "\n".join([said, *view.log_tail]))
        case "crashed" | "failed" | "panicked":
            return Phase.FAILED, Finding("False", "GuestCrashed", _crash_words(view))
    return Phase.STOPPED, Finding(
        "False", "StoppedOutside", f"it went off by itself; libvirt's reason: {domain.reason}"
    )


def _crash_words(view: View) -> str:
    # libvirt ends the QEMU of a guest that reports a panic; nobody asked a QEMU that died by itself.
    others = [line for line in view.log_tail if not CUT_BY_LIBVIRT.search(line)]
    has_panicked = len(others) < len(view.log_tail)
    said = "the guest crashed: it reported a panic" if has_panicked else "QEMU ended without the guest's power-off"
    return "\n".join([said, *others])
