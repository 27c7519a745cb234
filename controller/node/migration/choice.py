"""Where does a VM move to, and may it? Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from controller.cluster.placement import place, refusal, room, words
from hypersdk.errors import Terminal
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmsnapshot import VMSnapshot


def target(
    vm: VirtualMachine, wanted: str | None, nodes: Sequence[VMNode], vms: Iterable[VirtualMachine], now: datetime
) -> str:
    """The node that was asked for, or the best of the others; Terminal with the reason why there is none."""
    here, others = vm.status.node_name, list(vms)
    if wanted == here:
        raise Terminal("AlreadyThere", f"{vm.metadata.name} is on node {here} already")
    candidates = [node for node in nodes if node.metadata.name != here]
    if wanted is None:
        found = place(vm, candidates, others, now)
        if isinstance(found, str):
            return found
        words_of = words(found) if candidates else f"there is no other node than {here}"
        raise Terminal("Unschedulable", f"{vm.metadata.name} cannot leave {here}: {words_of}")
    node = next((one for one in candidates if one.metadata.name == wanted), None)
    if node is None:
        known = ", ".join(sorted(one.metadata.name for one in candidates)) or "none"
        raise Terminal("NodeNotFound", f"there is no node {wanted}; the others are: {known}")
    if why := refusal(vm, node, {wanted: room(node, others)}, now):
        raise Terminal("NodeRefuses", f"node {wanted} does not take {vm.metadata.name}: {why}")
    return wanted


def reachable(nodes: Sequence[VMNode], here: str, there: str) -> None:
    """Terminal unless both nodes' controllers can talk to each other."""
    addresses = {node.metadata.name: node.status.gateway_address for node in nodes}
    if silent := [name for name in (here, there) if not addresses.get(name)]:
        options = "--gateway-tls, --gateway-advertise and --peer-ca"
        words_of = f"node {', '.join(silent)} has no gateway that other nodes reach"
        raise Terminal("NoWay", f"{words_of}: start its controller with {options}")


def movable(vm: VirtualMachine, snapshots: Iterable[VMSnapshot]) -> None:
    """Terminal for a VM that has something that would not come along."""
    mine = sorted(one.metadata.name for one in snapshots if one.spec.vm_ref.name == vm.metadata.name)
    if mine:
        names = ", ".join(mine[:5]) + (" …" if len(mine) > 5 else "")
        namespace, name = vm.key
        line = f"hyperctl k8s vm snapshot delete {name} -n {namespace} -snapshot {mine[0]}"
        each = f" and so on, {len(mine)} in all" if len(mine) > 1 else ""
        words = f"what snapshots have kept lies on its node and would be lost ({names})"
        raise Terminal("HasSnapshots", f"{words}: delete them first, by `{line}`{each}, or leave it where it is")
    if vm.spec.devices is not None and vm.spec.devices.gpus:
        raise Terminal("HasDevices", "it owns a device of its node (spec.devices): take that away first")
