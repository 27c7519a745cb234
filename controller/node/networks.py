"""What each network of a VM is attached to on this host."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from controller.domain.desired import DesiredDomain, Interface
from controller.hypervisor.port import Hypervisor
from controller.node.finding import Finding
from hypersdk.errors import Terminal
from hypersdk.model.base import condition
from hypersdk.model.virtualmachine import ConditionType, Network, VirtualMachine

DEFAULT = Network(name="default")
ON_BRIDGE = "bridge:"
"""How the setting of the pod network says that it is a host bridge."""
USER_MODE = "in QEMU's user mode: the guest reaches out, and is not reached"
_BRIDGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}")


@dataclass(frozen=True)
class Attachment:
    """The far end of one interface."""

    kind: Literal["network", "bridge", "user"]
    source: str = ""


@dataclass(frozen=True)
class HostNetworks:
    """What pod-network means on this host now."""

    pod: Attachment
    finding: Finding


def wanted_networks(vm: VirtualMachine) -> Sequence[Network]:
    """The spec's networks; a VM that names none is on the pod network."""
    return vm.spec.networks or [DEFAULT]


def needs_pod_network(vm: VirtualMachine) -> bool:
    """Whether the VM is on the pod network."""
    return any(network.type == "pod-network" for network in wanted_networks(vm))


def interfaces(
    vm: VirtualMachine, pod: Attachment, bridges: tuple[str, ...], attached: Mapping[str, str]
) -> tuple[Interface, ...]:
    """One interface for each network; Terminal for a network that this host cannot have.

    `bridges` are those of the host that VMs may be put on, `attached` those of NetworkAttachmentDefinitions.
    """
    networks = wanted_networks(vm)
    names = [network.name for network in networks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Terminal("DuplicateNetworkName", f"two networks are named {', '.join(twice)}: give each its own name")
    for network in networks:
        _check_definition(vm, network, bridges, attached)
    made = tuple(_interface(vm.metadata.uid, _resolved(network, attached), pod, bridges) for network in networks)
    macs = [interface.mac for interface in made]
    if len(set(macs)) < len(macs):
        raise Terminal("DuplicateMAC", "two networks have the same macAddress: give each its own, or none")
    return made


def stable_mac(uid: str, network: str) -> str:
    """The MAC of a VM's interface, for ever the same: locally administered, and 40 bits of its own.

    libvirt's range 52:54:00 has 24, of which two in a fleet of some thousand VMs would be alike.
    """
    digest = hashlib.sha256(f"{uid}\0{network}".encode()).digest()
    return "52:" + ":".join(f"{byte:02x}" for byte in digest[:5])


def mac_of(uid: str, network: Network) -> str:
    """The MAC of one of a VM's networks: the spec's own, else the stable one."""
    return (network.mac_address or stable_mac(uid, network.name)).lower()


def pod_attachment(setting: str) -> Attachment:
    """What the node is told that its pod network is: a libvirt network, or `bridge:` and a host bridge."""
    if setting.startswith(ON_BRIDGE):
        return Attachment("bridge", setting.removeprefix(ON_BRIDGE))
    return Attachment("network", setting)


def unasked(setting: str) -> HostNetworks:
    """For VMs that are not on the pod network."""
    return HostNetworks(pod_attachment(setting), Finding("True", "NetworkReady", "on host bridges"))


def as_defined(vm: VirtualMachine, running: DesiredDomain | None, setting: str) -> HostNetworks:
    """The networks as a running domain has them: what pod-network meant when it was started."""
    pods = {network.name for network in wanted_networks(vm) if network.type == "pod-network"}
    there = next((one for one in running.interfaces if one.name in pods), None) if running else None
    if there is not None and there.kind == "user":
        return HostNetworks(Attachment("user"), Finding("True", "UserMode", _said(vm) or USER_MODE))
    if there is not None:
        return _ready(Attachment(there.kind, there.source))
    return unasked(setting) if running is not None else _ready(pod_attachment(setting))


async def host_networks(hypervisor: Hypervisor, setting: str) -> HostNetworks:
    """Bring the pod network up; user mode stands in where the host cannot have it."""
    wanted = pod_attachment(setting)
    if wanted.kind == "bridge":
        if await hypervisor.has_bridge(wanted.source):
            return _ready(wanted)
        return _user_mode(f"the host has no bridge {wanted.source}")
    try:
        there = await hypervisor.ensure_network(wanted.source)
    except Terminal as error:
        return _user_mode(f"network {wanted.source} cannot be started: {error}")
    return _ready(Attachment("network", there.name))


def _ready(pod: Attachment) -> HostNetworks:
    what = "host bridge" if pod.kind == "bridge" else "libvirt network"
    return HostNetworks(pod, Finding("True", "NetworkReady", f"on {what} {pod.source}"))


def _said(vm: VirtualMachine) -> str:
    """Why it is in user mode, as it was said when the guest was started."""
    found = condition(vm.status.conditions, ConditionType.NETWORK_READY)
    return (found.message or "") if found is not None and found.reason == "UserMode" else ""


def _user_mode(why: str) -> HostNetworks:
    return HostNetworks(Attachment("user"), Finding("True", "UserMode", f"{USER_MODE}; {why}"))


def _interface(uid: str, network: Network, pod: Attachment, bridges: tuple[str, ...]) -> Interface:
    mac = mac_of(uid, network)
    if int(mac[:2], 16) & 1:
        raise Terminal("InvalidMAC", f"network {network.name}: {mac} is a multicast address")
    attachment = _attachment(network, pod, bridges)
    return Interface(network.name, attachment.kind, mac, attachment.source)


def _check_definition(
    vm: VirtualMachine, network: Network, bridges: tuple[str, ...], attached: Mapping[str, str]
) -> None:
    """Terminal for a `multus` network that is neither a definition nor a bridge for VMs."""
    reference = network.multus_network_name or network.name
    name = reference.rpartition("/")[2]
    if network.type != "multus" or reference in attached or name in bridges or not _BRIDGE.fullmatch(name):
        return
    there = f"there is no NetworkAttachmentDefinition {name} in namespace {vm.metadata.namespace}"
    words = (
        f"{there}, and VMs of this node may not be put on a bridge {name}; they may on: {', '.join(bridges) or 'none'}"
    )
    raise Terminal("NetworkNotFound", f"network {network.name}: {words}")


def _resolved(network: Network, attached: Mapping[str, str]) -> Network:
    """The network with the bridge that its NetworkAttachmentDefinition names, where there is one."""
    bridge = attached.get(network.multus_network_name or "") if network.type == "multus" else None
    return network.but(multus_network_name=bridge) if bridge is not None else network


def _attachment(network: Network, pod: Attachment, bridges: tuple[str, ...]) -> Attachment:
    name = network.multus_network_name or network.name
    match network.type:
        case "pod-network":
            return pod
        case "bridge":
            return Attachment("bridge", _allowed_bridge(network, name, bridges))
        case "multus":
            # `namespace/name` is how Multus refers to a definition of another namespace.
            return Attachment("bridge", _allowed_bridge(network, name.rpartition("/")[2], bridges))


def _allowed_bridge(network: Network, name: str, bridges: tuple[str, ...]) -> str:
    if not _BRIDGE.fullmatch(name):
        raise Terminal("InvalidBridgeName", f"network {network.name}: {name!r} cannot be the name of a bridge")
    if name not in bridges:
        # A bridge is the way into whatever hangs on it: which of them VMs get is the node's owner's to say.
        known = ", ".join(bridges) or "none"
        words = f"network {network.name}: VMs of this node may not be put on a bridge {name}; they may on: {known}"
        raise Terminal("NetworkNotFound", words)
    return name
