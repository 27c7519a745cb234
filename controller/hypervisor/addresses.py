"""Which addresses has a guest? Those of DHCP leases and of the ARP table, checked before they are passed on."""

import re
from ipaddress import ip_address
from typing import Literal

import libvirt

from controller.hypervisor.errors import is_code
from controller.hypervisor.observe import our_domain
from controller.hypervisor.port import GuestAddress

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_NOT_NOW = (
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_NO_NETWORK,
    libvirt.VIR_ERR_NO_SUPPORT,
)
_SOURCES: tuple[tuple[int, Literal["lease", "arp"]], ...] = (
    (libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE, "lease"),
    (libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP, "arp"),
)


def host_addresses(connection: libvirt.virConnect, uuid: str) -> list[GuestAddress]:
    """Leases first, then what only ARP knows; none when the domain is off. Blocks."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        return []
    found = [address for number, source in _SOURCES for address in _from(domain, number, source)]
    return list({(address.mac, address.ip): address for address in reversed(found)}.values())[::-1]


def guest_address(
    ip: str, mac: str, source: Literal["agent", "lease", "arp"], interface: str = ""
) -> GuestAddress | None:
    """The address when both parts make sense and others could reach it; else None."""
    try:
        parsed = ip_address(ip)
    except ValueError:
        return None
    mac = mac.lower()
    if parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast or not _MAC.fullmatch(mac):
        return None
    return GuestAddress(str(parsed), mac, source, interface)


def _from(domain: libvirt.virDomain, number: int, source: Literal["lease", "arp"]) -> list[GuestAddress]:
    try:
        interfaces = domain.interfaceAddresses(number)
    except libvirt.libvirtError as error:
        if is_code(error, *_NOT_NOW):
            return []
        raise
    found = [
        guest_address(str(address["addr"]), str(told["hwaddr"]), source, "")
        for told in interfaces.values()
        for address in told["addrs"] or []
    ]
    return [address for address in found if address is not None]
