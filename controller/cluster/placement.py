"""Which node a VM goes to, or why none: pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from hypersdk.model.base import condition
from hypersdk.model.quantity import human_bytes, to_bytes
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import SILENT_FOR, NodeConditionType, VMNode
from hypersdk.plaintext import plain


@dataclass(frozen=True)
class Room:
    """What is left of a node's allocatable."""

    cpus: int
    memory_bytes: int
    gpus: Mapping[str, int] = field(default_factory=dict)
    """By the name that VMs ask for them by."""


@dataclass(frozen=True)
class Refusal:
    """Why a node does not take the VM."""

    node: str
    why: str


def place(
    vm: VirtualMachine, nodes: Sequence[VMNode], vms: Iterable[VirtualMachine], now: datetime
) -> str | list[Refusal]:
    """The node with the most memory left among those that fit, or every node's refusal.

    One that says it is short of disk or memory is the last choice, and still one: the VM's own conditions tell more.
    """
    placed = list(vms)
    rooms = {node.metadata.name: room(node, placed) for node in nodes}
    refusals = [Refusal(node.metadata.name, why) for node in nodes if (why := refusal(vm, node, rooms, now))]
    fitting = rooms.keys() - {refused.node for refused in refusals}
    if not fitting:
        return refusals
    pressed = {node.metadata.name for node in nodes if is_under_pressure(node)}
    return min(fitting, key=lambda name: (name in pressed, -rooms[name].memory_bytes, name))


def refusal(vm: VirtualMachine, node: VMNode, rooms: dict[str, Room], now: datetime) -> str:
    """Why the node does not take the VM; empty when it does."""
    if node.spec.unschedulable:
        return "it is cordoned (spec.unschedulable)"
    if why := _not_ready(node, now):
        return why
    labels = node.metadata.labels or {}
    missing = [f"{key}={value}" for key, value in (vm.spec.node_selector or {}).items() if labels.get(key) != value]
    if missing:
        return f"it lacks the label {', '.join(missing)}"
    left, memory = rooms[node.metadata.name], to_bytes(vm.spec.memory)
    if vm.spec.cpus > left.cpus:
        return f"{left.cpus} of the {vm.spec.cpus} CPUs are left"
    if memory > left.memory_bytes:
        return f"{human_bytes(left.memory_bytes)} of the {human_bytes(memory)} memory are left"
    for name, count in gpus_of(vm).items():
        if count > (free := left.gpus.get(name, 0)):
            return f"{max(free, 0)} of the {count} GPUs {name} are left"
    return ""


def gpus_of(vm: VirtualMachine) -> Counter[str]:
    """How many GPUs of each name the VM asks for."""
    asked = (vm.spec.devices.gpus if vm.spec.devices else None) or []
    wanted: Counter[str] = Counter()
    for gpu in asked:
        wanted[gpu.name] += gpu.count
    return wanted


def room(node: VMNode, vms: Iterable[VirtualMachine]) -> Room:
    """Allocatable less what the VMs ask for that are placed on the node, running or not: a start must not fail."""
    there = [vm for vm in vms if vm.status.node_name == node.metadata.name]
    offered = node.status.allocatable
    cpus = ((offered.cpus if offered else None) or 0) * (node.status.cpu_allocation_ratio or 1)
    memory = to_bytes(offered.memory) if offered and offered.memory else 0
    gpus = Counter(gpu.name for gpu in node.status.gpus or [] if gpu.name and gpu.available)
    for vm in there:
        gpus.subtract(gpus_of(vm))
    spent = sum(to_bytes(vm.spec.memory) for vm in there)
    return Room(cpus - sum(vm.spec.cpus for vm in there), memory - spent, gpus)


def words(refusals: Sequence[Refusal]) -> str:
    """The refusals in one sentence."""
    if not refusals:
        return "no node runs a controller yet: there is no VMNode"
    return plain("no node takes it: " + "; ".join(f"{refused.node}: {refused.why}" for refused in refusals))


def _not_ready(node: VMNode, now: datetime) -> str:
    ready = condition(node.status.conditions, "Ready")
    if ready is None or ready.status != "True":
        return f"it is not ready ({ready.message or ready.reason})" if ready else "it is not ready"
    beat = node.status.last_heartbeat_time
    if beat is None or now - beat > SILENT_FOR:
        return "its controller has gone silent"
    return ""


def is_under_pressure(node: VMNode) -> bool:
    """Whether the node is short of disk or memory."""
    kinds = (NodeConditionType.DISK_PRESSURE, NodeConditionType.MEMORY_PRESSURE)
    found = [condition(node.status.conditions, kind) for kind in kinds]
    return any(one is not None and one.status == "True" for one in found)
