"""What each network of a VM is attached to on this host."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from controller.domain.desired import DesiredDomain, Interface
from controller.hypervisor.port import Hypervisor
from controller.node.finding import Finding
from hypersdk.errors import Terminal, Transient
from hypersdk.model.virtualmachine import Network, VirtualMachine

DEFAULT = Network(name="default")
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


def interfaces(vm: VirtualMachine, pod: Attachment, bridges: tuple[str, ...]) -> tuple[Interface, ...]:
    """One interface for each network; Terminal for a network that this host cannot have.

    `bridges` are those that `multus` networks may name.
    """
    networks = wanted_networks(vm)
    names = [network.name for network in networks]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Terminal("DuplicateNetworkName", f"two networks are named {', '.join(twice)}: give each its own name")
    made = tuple(_interface(vm.metadata.uid, network, pod, bridges) for network in networks)
    macs = [interface.mac for interface in made]
    if len(set(macs)) < len(macs):
        raise Terminal("DuplicateMAC", "two networks have the same macAddress: give each its own, or none")
    return made


def stable_mac(uid: str, network: str) -> str:
    """The MAC of a VM's interface, for ever the same, in the range that libvirt gives to QEMU (52:54:00)."""
    digest = hashlib.sha256(f"{uid}\0{network}".encode()).digest()
    return "52:54:00:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def unasked(network: str) -> HostNetworks:
    """For VMs that are not on the pod network."""
    return HostNetworks(Attachment("network", network), Finding("True", "NetworkReady", "on host bridges"))


def as_defined(running: DesiredDomain | None, network: str) -> HostNetworks:
    """The networks as a running domain has them: what pod-network meant when it was started."""
    pods = [i for i in running.interfaces if i.kind != "bridge"] if running else []
    attachment = Attachment(pods[0].kind, pods[0].source) if pods else Attachment("network", network)
    if running is not None and not pods:
        return unasked(network)
    words = f"on libvirt network {attachment.source}" if attachment.source else USER_MODE
    return HostNetworks(
        attachment, Finding("True", "UserMode" if pods and not attachment.source else "NetworkReady", words)
    )


async def host_networks(hypervisor: Hypervisor, network: str) -> HostNetworks:
    """Bring the pod network up; user mode stands in where the host cannot have it."""
    try:
        there = await hypervisor.ensure_network(network)
    except (Transient, Terminal) as error:
        words = f"{USER_MODE}; network {network} cannot be started: {error}"
        return HostNetworks(Attachment("user"), Finding("True", "UserMode", words))
    finding = Finding("True", "NetworkReady", f"on libvirt network {there.name}")
    return HostNetworks(Attachment("network", there.name), finding)


def _interface(uid: str, network: Network, pod: Attachment, bridges: tuple[str, ...]) -> Interface:
    mac = (network.mac_address or stable_mac(uid, network.name)).lower()
    if int(mac[:2], 16) & 1:
        raise Terminal("InvalidMAC", f"network {network.name}: {mac} is a multicast address")
    attachment = _attachment(network, pod, bridges)
    return Interface(network.name, attachment.kind, mac, attachment.source)


def _attachment(network: Network, pod: Attachment, bridges: tuple[str, ...]) -> Attachment:
    name = network.multus_network_name or network.name
    match network.type:
        case "pod-network":
            return pod
        case "bridge":
            return Attachment("bridge", _checked_bridge(network, name))
        case "multus":
            # `namespace/name` is how Multus refers to a definition of another namespace.
            plain = name.rpartition("/")[2]
            if plain not in bridges:
                known = ", ".join(bridges) or "none"
                words = f"network {network.name}: no bridge stands for {name!r} on this node (--bridge: {known})"
                raise Terminal("NetworkNotFound", words)
            return Attachment("bridge", _checked_bridge(network, plain))


def _checked_bridge(network: Network, name: str) -> str:
    if _BRIDGE.fullmatch(name):
        return name
    raise Terminal("InvalidBridgeName", f"network {network.name}: {name!r} cannot be the name of a bridge")
