"""Which addresses has a guest? Those of DHCP leases and of the ARP table, checked before they are passed on."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import libvirt

from controller.domain.parse import parse_domain
from controller.hypervisor.errors import is_code
from controller.hypervisor.observe import lookup
from controller.hypervisor.readings import GuestAddress

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_NO_LEASES = (
    libvirt.VIR_ERR_OPERATION_INVALID,
    libvirt.VIR_ERR_OPERATION_UNSUPPORTED,
    libvirt.VIR_ERR_NO_NETWORK,
    libvirt.VIR_ERR_NO_SUPPORT,
)
_ARP = Path("/proc/net/arp")
_ARP_COMPLETE = 0x2


def host_addresses(connection: libvirt.virConnect, uuid: str) -> list[GuestAddress]:
    """Leases first, then what only ARP knows; none when the domain is off. Blocks."""
    domain = lookup(connection, uuid)
    if domain is None or domain.ID() < 0:
        return []
    running = parse_domain(domain.XMLDesc())
    if running.owner is None:
        return []
    macs = running.macs
    # Read from the kernel: libvirt 9.0 calls newer kernels' answer to the same question malformed.
    known = [*_leases(domain), *(entry for entry in read_arp(_ARP.read_text()) if entry.mac in macs)]
    return list({address.ip: address for address in reversed(known)}.values())[::-1]


def read_arp(text: str) -> Iterator[GuestAddress]:
    """The entries in the text of /proc/net/arp that an answer came for."""
    for line in text.splitlines()[1:]:
        ip, _, flags, mac, *_ = line.split()
        address = guest_address(ip, mac, "arp")
        if address is not None and int(flags, 16) & _ARP_COMPLETE:
            yield address


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


def _leases(domain: libvirt.virDomain) -> list[GuestAddress]:
    try:
        interfaces = domain.interfaceAddresses(libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)
    except libvirt.libvirtError as error:
        if is_code(error, *_NO_LEASES):
            return []
        raise
    found = [
        guest_address(str(address["addr"]), str(told["hwaddr"]), "lease")
        for told in interfaces.values()
        for address in told["addrs"] or []
    ]
    return [address for address in found if address is not None]
