"""How the host is, as conditions: pure. Kubernetes' names and habits, so that what is known of Nodes holds here."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from controller.hypervisor.readings import HostFacts, HostPool
from hypersdk.model.base import Condition, with_condition
from hypersdk.model.quantity import human_bytes
from hypersdk.model.vmnode import NodeConditionType

GIB = 2**30
MOST_WANTED_FREE = 5 * GIB
"""Of a large file system a tenth is not needed to go on with."""
MOST_MEMORY_WANTED_FREE = GIB


def of_answering(facts: HostFacts, pools: Sequence[HostPool], uri: str) -> list[Condition]:
    """The conditions of a host whose libvirt answers."""
    return [
        _ready(facts, uri),
        _condition(NodeConditionType.LIBVIRT_REACHABLE, True, "LibvirtAnswers", f"{uri} answers"),
        _kvm(facts),
        _disk_pressure(pools),
        _memory_pressure(facts),
    ]


def of_silent(error: str) -> list[Condition]:
    """The conditions of a host whose libvirt does not answer; what only libvirt knows stays as it was."""
    return [
        _condition(NodeConditionType.READY, False, "LibvirtUnreachable", error),
        _condition(NodeConditionType.LIBVIRT_REACHABLE, False, "LibvirtUnreachable", error),
    ]


def merged(old: list[Condition] | None, new: Iterable[Condition], now: datetime) -> list[Condition]:
    """The old ones with the new ones in their places."""
    conditions = list(old or [])
    for condition in new:
        conditions = with_condition(conditions, condition, now)
    return conditions


def kvm_obstacle(facts: HostFacts) -> str:
    """Why no guest can be started: KVM was asked for and does not work; empty when nothing is in the way."""
    if facts.virt_type != "kvm" or facts.kvm_works is not False:
        return ""
    return f"this node is set to run guests with KVM alone (--virt-type kvm), and cannot: {facts.kvm_reason}"


def is_short(pool: HostPool) -> bool:
    """Whether so little is left that new disks should go elsewhere."""
    return pool.active and pool.available_bytes < min(pool.capacity_bytes // 10, MOST_WANTED_FREE)


def folder_pool(name: str, folder: Path, capacity: int, available: int) -> HostPool:
    """A folder that is no pool of libvirt's, judged like one."""
    return HostPool(name, str(folder), capacity, available)


def _ready(facts: HostFacts, uri: str) -> Condition:
    if why := kvm_obstacle(facts):
        return _condition(NodeConditionType.READY, False, "KvmUnusable", why)
    return _condition(NodeConditionType.READY, True, "LibvirtAnswers", f"{uri} answers")


def _kvm(facts: HostFacts) -> Condition:
    if facts.kvm_works is None:
        return Condition(
            type=NodeConditionType.KVM_USABLE, status="Unknown", reason="NotTried", message=facts.virt_type_reason
        )
    reason = "GuestRan" if facts.kvm_works else "KvmUnusable"
    return _condition(NodeConditionType.KVM_USABLE, facts.kvm_works, reason, facts.kvm_reason)


def _disk_pressure(pools: Sequence[HostPool]) -> Condition:
    short = [pool for pool in pools if is_short(pool)]
    if not short:
        return _condition(NodeConditionType.DISK_PRESSURE, False, "EnoughSpace", "every pool has room")
    words = "; ".join(
        f"{pool.name} has {human_bytes(pool.available_bytes)} of {human_bytes(pool.capacity_bytes)} left"
        for pool in short
    )
    return _condition(NodeConditionType.DISK_PRESSURE, True, "LittleSpace", f"free space on the node: {words}")


def _memory_pressure(facts: HostFacts) -> Condition:
    kind, left = NodeConditionType.MEMORY_PRESSURE, facts.memory_available_bytes
    if not left:
        return Condition(type=kind, status="Unknown", reason="NotKnown", message="libvirt does not tell")
    words = f"{human_bytes(left)} of {human_bytes(facts.memory_bytes)} are not in use"
    if left < min(facts.memory_bytes // 20, MOST_MEMORY_WANTED_FREE):
        return _condition(kind, True, "LittleMemory", f"{words}; the kernel may soon end guests")
    # In words that do not change with every page: each new message is a write that somebody watches.
    return _condition(kind, False, "EnoughMemory", "more than a twentieth of the memory is not in use")


def _condition(kind: NodeConditionType, status: bool, reason: str, message: str) -> Condition:
    return Condition(type=kind, status="True" if status else "False", reason=reason, message=message)
