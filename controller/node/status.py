"""The status of a VM, computed from what was observed: pure. Every field that moves has a reason to."""

from datetime import UTC, datetime

from controller.hypervisor.port import DomainState
from controller.node.finding import Finding
from controller.node.guest import addresses, agent_status, printable
from controller.node.phase import phase_of
from controller.node.usage import resources
from controller.node.view import View
from hypersdk.model.base import Condition, condition, with_condition
from hypersdk.model.virtualmachine import ConditionType, LastReset, Phase, VirtualMachine, VirtualMachineStatus, Vnc

STOPPING = "Stopping"
"""True from the first request to power off; its transition time is where the guest's patience is counted from."""
RESTART_REQUIRED = "RestartRequired"
LONGEST_MESSAGE = 2000
PREPARED = frozenset({ConditionType.DISK_READY, ConditionType.NETWORK_READY})
"""What only a pass that prepares the VM can tell."""


def status_of(vm: VirtualMachine, view: View, now: datetime) -> VirtualMachineStatus:
    """The status after a pass that saw `view`."""
    old = vm.status
    phase, ready = phase_of(view)
    active = view.domain if view.domain is not None and view.domain.is_active else None
    seen = (*view.guest.addresses, *view.addresses)
    places = addresses(seen, old.addresses or [], active.macs, now) if active else []
    return old.but(
        phase=phase,
        conditions=_conditions(vm, view, phase, ready, now),
        observed_generation=vm.metadata.generation,
        guest_agent=agent_status(view.guest, old.guest_agent) if view.agent_wanted and active else None,
        addresses=places or None,
        ip_addresses=[place.ip for place in places] or None,
        resources=resources(vm.spec, view.usage if active else None),
        qemu_pid=active.pid if active else None,
        vnc=Vnc(enabled=True) if active and active.has_graphics else None,
        image_progress=old.image_progress if view.working else view.image,
        creation_timestamp=vm.metadata.creation_timestamp,
        last_reset=(view.reset or _of_this_run(old, active.pid)) if active else None,
        start_time=datetime.fromtimestamp(int(active.started_at), UTC) if active and active.started_at else None,
    )


def _of_this_run(old: VirtualMachineStatus, pid: int) -> LastReset | None:
    return old.last_reset if old.qemu_pid == pid else None


def unknown(vm: VirtualMachine, why: str, now: datetime) -> VirtualMachineStatus:
    """The status while nobody can tell: nothing that was known is taken back."""
    ready = Condition(type=ConditionType.READY, status="Unknown", reason="HypervisorUnreachable", message=why)
    return vm.status.but(phase=Phase.UNKNOWN, conditions=with_condition(vm.status.conditions, ready, now))


def being_filled(vm: VirtualMachine, now: datetime) -> VirtualMachineStatus:
    """The status of a VM whose disks somebody else still fills."""
    ready = Condition(type=ConditionType.READY, status="False", reason="Filling", message="its disks are being filled")
    return vm.status.but(phase=Phase.CREATING, conditions=with_condition(vm.status.conditions, ready, now))


def stopping_since(vm: VirtualMachine) -> datetime | None:
    """When the guest was first asked to power off, while that goes on."""
    found = condition(vm.status.conditions, STOPPING)
    return found.last_transition_time if found is not None and found.status == "True" else None


def _conditions(vm: VirtualMachine, view: View, phase: Phase, ready: Finding, now: datetime) -> list[Condition] | None:
    findings = {
        ConditionType.READY: ready,
        ConditionType.AGENT_CONNECTED: _agent(view),
        ConditionType.LIVENESS_PROBE: _liveness(view),
        ConditionType.DISK_READY: view.disks,
        ConditionType.NETWORK_READY: view.network,
    }
    conditions = vm.status.conditions
    if view.working:
        findings = {kind: finding for kind, finding in findings.items() if kind not in PREPARED}
    for kind, finding in findings.items():
        conditions = with_condition(conditions, _condition(kind, finding), now)
    extras = {STOPPING: _stopping(view, now)}
    if not view.working:
        extras[RESTART_REQUIRED] = _restart_required(view)
    for extra_kind, extra in extras.items():
        conditions = _with_or_without(conditions, extra_kind, extra, now)
    return conditions


def _condition(kind: str, finding: Finding) -> Condition:
    message = "\n".join(printable(line, LONGEST_MESSAGE) for line in finding.message.splitlines())
    return Condition(type=kind, status=finding.status, reason=finding.reason, message=message[:LONGEST_MESSAGE])


def _with_or_without(
    conditions: list[Condition] | None, kind: str, finding: Finding | None, now: datetime
) -> list[Condition]:
    if finding is None:
        return [c for c in conditions or [] if c.type != kind]
    return with_condition(conditions, _condition(kind, finding), now)


def _agent(view: View) -> Finding:
    if not view.agent_wanted:
        return Finding("Unknown", "AgentDisabled", "guestAgent.enabled is false")
    if view.domain is None or not view.domain.is_active:
        return Finding("False", "NotRunning", "the VM is off")
    if view.domain.agent_connected:
        return Finding("True", "AgentConnected", "the agent's channel is open in the guest")
    return Finding("False", "AgentNotConnected", "qemu-guest-agent does not run in the guest, or not yet")


def _liveness(view: View) -> Finding:
    if view.domain is None or view.domain.state is not DomainState.RUNNING:
        return Finding("Unknown", "NotRunning", "only a running guest can be asked")
    if view.guest.connected:
        return Finding("True", "AgentAnswers", "the guest agent answers")
    if not view.agent_wanted or not view.domain.agent_connected:
        return Finding("Unknown", "NoAgent", "without a guest agent nobody can tell from outside")
    return Finding("False", "AgentSilent", "the guest agent is connected and does not answer within 2 s")


def _stopping(view: View, now: datetime) -> Finding | None:
    if not view.is_stopping:
        return None
    moment = view.intent.cut_at(now)
    return Finding("True", "GuestAsked", f"the guest was asked to power off; the power is cut at {moment:%H:%M:%S} UTC")


def _restart_required(view: View) -> Finding | None:
    if not view.drift:
        return None
    changed = f"changed since the guest was started: {', '.join(view.drift)}"
    return Finding("True", "SpecChanged", "\n".join([changed, *view.refusals]))
