"""How is it at each level, from the object down to the guest? Pure; a level of which nothing is known is left out."""

from collections.abc import Callable
from typing import Final

from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import ConditionType, Phase
from hypersdk.model.vmnode import SILENT_FOR
from hypersdk.why.diagnosis import Level, Link, Verdict
from hypersdk.why.facts import Facts

STOPPING, RESTART_REQUIRED = "Stopping", "RestartRequired"
_ON: Final = frozenset({Phase.RUNNING, Phase.PAUSED, Phase.MIGRATING})
_QEMU_REASONS: Final = frozenset({"GuestCrashed", "StartFailed"})


def chain(facts: Facts) -> tuple[Link, ...]:
    """The links that something is known of, the wish first."""
    levels: tuple[Callable[[Facts], Link | None], ...] = (_object, _operation, _node, _libvirt, _qemu, _guest)
    return tuple(link for level in levels if (link := level(facts)))


def node_trouble(facts: Facts) -> str:
    """What is wrong with the node; empty when nothing is, or when it cannot be told."""
    name, node = facts.vm.status.node_name, facts.node
    if not name or (node is None and not facts.nodes_known):
        return ""
    if node is None:
        return f"node {name} does not exist any more"
    beat, ready = node.status.last_heartbeat_time, condition(node.status.conditions, "Ready")
    if beat is None or facts.now - beat > SILENT_FOR:
        return f"node {name} has not been heard of since {beat:%H:%M:%S} UTC" if beat else f"node {name} is silent"
    if ready is None or ready.status != "True":
        return f"node {name} is not ready" + (f": {ready.message or ready.reason}" if ready else "")
    return ""


def _object(facts: Facts) -> Link:
    vm = facts.vm
    if vm.metadata.deletion_timestamp is not None:
        held = ", ".join(vm.metadata.finalizers or []) or "nothing"
        return Link(Level.OBJECT, Verdict.BUSY, f"being deleted; held by {held}")
    wish = "to run" if vm.spec.running else "to be off"
    drift = facts.holding(RESTART_REQUIRED)
    if drift is not None:
        return Link(Level.OBJECT, Verdict.BAD, f"wanted {wish}; {drift.message or 'a change waits for a restart'}")
    seen = vm.status.observed_generation
    if seen is not None and vm.metadata.generation is not None and seen < vm.metadata.generation:
        return Link(Level.OBJECT, Verdict.BUSY, f"wanted {wish}; the newest change was not looked at yet")
    return Link(Level.OBJECT, Verdict.WELL, f"wanted {wish}")


def _operation(facts: Facts) -> Link | None:
    if (op := facts.current) is not None:
        progress = f" {op.status.progress}%" if op.status.progress else ""
        words = f"{op.spec.operation} is {op.phase}{progress}: {op.status.message or 'nobody took it up yet'}"
        return Link(Level.OPERATION, Verdict.BUSY, words)
    if (op := facts.last) is None:
        return None
    verdict = Verdict.WELL if op.phase == "Succeeded" else Verdict.BAD
    return Link(
        Level.OPERATION, verdict, f"the last {op.spec.operation} {op.phase}: {op.status.message or ''}".rstrip(": ")
    )


def _node(facts: Facts) -> Link | None:
    name = facts.vm.status.node_name
    if not name:
        words = (facts.ready.message or "") if facts.ready and facts.reason == "Unschedulable" else "not placed yet"
        return Link(Level.NODE, Verdict.BAD if facts.reason == "Unschedulable" else Verdict.BUSY, words)
    if trouble := node_trouble(facts):
        return Link(Level.NODE, Verdict.BAD, trouble)
    if facts.node is None:
        return Link(Level.NODE, Verdict.WELL, f"on {name}, of which no more may be read")
    cordoned = ", cordoned" if facts.node.spec.unschedulable else ""
    return Link(Level.NODE, Verdict.WELL, f"{name} is ready{cordoned}")


def _libvirt(facts: Facts) -> Link | None:
    if facts.reason == "HypervisorUnreachable" and facts.ready is not None:
        return Link(Level.LIBVIRT, Verdict.UNKNOWN, facts.ready.message or "libvirt does not answer")
    for kind in (ConditionType.DISK_READY, ConditionType.NETWORK_READY):
        if (found := facts.failing(kind)) is not None:
            verdict = Verdict.BUSY if found.reason in {"Importing", "Preparing"} else Verdict.BAD
            return Link(
                Level.LIBVIRT, verdict, f"{kind}: {_first(found.message) or found.reason}", _rest(found.message)
            )
    if facts.vm.phase in _ON:
        return Link(Level.LIBVIRT, Verdict.WELL, "disks and network are there")
    return None


def _qemu(facts: Facts) -> Link | None:
    vm, message = facts.vm, facts.ready.message if facts.ready else ""
    if facts.reason in _QEMU_REASONS:
        return Link(Level.QEMU, Verdict.BAD, _first(message), _rest(message))
    if vm.phase is Phase.PAUSED:
        return Link(Level.QEMU, Verdict.BAD, f"paused: {_first(message)}", _rest(message))
    if vm.phase in _ON and vm.status.qemu_pid:
        return Link(Level.QEMU, Verdict.WELL, f"runs as pid {vm.status.qemu_pid}")
    return None


def _guest(facts: Facts) -> Link | None:
    vm = facts.vm
    if vm.phase is not Phase.RUNNING:
        return None
    if (stopping := facts.holding(STOPPING)) is not None:
        return Link(Level.GUEST, Verdict.BUSY, stopping.message or "asked to power off")
    for kind in (ConditionType.LIVENESS_PROBE, ConditionType.AGENT_CONNECTED):
        if (found := facts.failing(kind)) is not None:
            return Link(Level.GUEST, Verdict.BAD, found.message or found.reason or kind)
    if not vm.status.ip_addresses:
        return Link(Level.GUEST, Verdict.UNKNOWN, "no address is known of it")
    return Link(Level.GUEST, Verdict.WELL, f"answers at {vm.status.ip_addresses[0]}")


def _first(message: str | None) -> str:
    return (message or "").partition("\n")[0]


def _rest(message: str | None) -> tuple[str, ...]:
    return tuple((message or "").split("\n")[1:])
