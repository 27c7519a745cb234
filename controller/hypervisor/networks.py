"""Which networks has the host, and how does it get one? libvirt's, and one with NAT of ours where it is missing."""

from ipaddress import IPv4Network
from xml.etree.ElementTree import tostring

import libvirt

from controller.domain.elements import element
from controller.hypervisor.errors import is_code, translated
from controller.hypervisor.readings import HostNetwork
from controller.hypervisor.subnets import free_subnets, host_routes
from hypersdk.errors import Terminal

_REASON = "NetworkNotStarted"
_TAKEN = "already in use by interface"


def host_networks(connection: libvirt.virConnect) -> tuple[HostNetwork, ...]:
    """Every network that libvirt knows. Blocks, like all here."""
    return tuple(_described(network) for network in connection.listAllNetworks())


def ensure_network(connection: libvirt.virConnect, name: str) -> HostNetwork:
    """The network, running; defined with NAT and DHCP where it is missing, and then left out again if it cannot run."""
    network = _lookup(connection, name)
    if network is None:
        network = _make(connection, name)
    elif not network.isActive():
        _start(network)
    return _described(network)


def network_xml(name: str, subnet: IPv4Network) -> str:
    """A NAT network with DHCP; without STP, whose learning time would cost each guest 3 s of its first lease."""
    addresses = list(subnet.hosts())
    network = element(
        "network",
        element("name", text=name),
        element("forward", mode="nat"),
        element("bridge", stp="off", delay="0"),
        element(
            "ip",
            element("dhcp", element("range", start=str(addresses[1]), end=str(addresses[-1]))),
            address=str(addresses[0]),
            netmask=str(subnet.netmask),
        ),
    )
    return tostring(network, encoding="unicode")


def _make(connection: libvirt.virConnect, name: str) -> libvirt.virNetwork:
    for subnet in free_subnets(host_routes()):
        network = connection.networkDefineXML(network_xml(name, subnet))
        try:
            _start(network)
        except Terminal as error:
            network.undefine()
            if _TAKEN not in str(error):
                raise
        else:
            network.setAutostart(1)
            return network
    raise Terminal(_REASON, f"cannot make the network {name}: every subnet that it could have is in use on this host")


def _start(network: libvirt.virNetwork) -> None:
    try:
        network.create()
    except libvirt.libvirtError as error:
        if network.isActive():  # somebody else was quicker
            return
        raise Terminal(_REASON, str(translated(error, f"start the network {network.name()}"))) from error


def _lookup(connection: libvirt.virConnect, name: str) -> libvirt.virNetwork | None:
    try:
        return connection.networkLookupByName(name)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_NETWORK):
            return None
        raise


def _described(network: libvirt.virNetwork) -> HostNetwork:
    return HostNetwork(network.name(), bool(network.isActive()), _bridge(network))


def _bridge(network: libvirt.virNetwork) -> str:
    try:
        return str(network.bridgeName())
    except libvirt.libvirtError:  # a network without a bridge, such as one of macvtap
        return ""
