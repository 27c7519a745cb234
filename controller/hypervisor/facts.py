"""What is this host? Its size, its versions and its networks, from libvirt."""

from typing import Literal
from xml.etree.ElementTree import fromstring

import libvirt

from controller.hypervisor.networks import host_networks
from controller.hypervisor.port import HostFacts

_MIB = 1 << 20


def host_facts(connection: libvirt.virConnect, virt_type: Literal["kvm", "qemu"], reason: str) -> HostFacts:
    """The facts, with the virtualization type that was decided on. Blocks."""
    architecture, memory_mib, cpus, *_ = connection.getInfo()
    return HostFacts(
        hostname=connection.getHostname(),
        cpus=cpus,
        memory_bytes=memory_mib * _MIB,
        architecture=architecture,
        libvirt_version=dotted(connection.getLibVersion()),
        qemu_version=dotted(connection.getVersion()),
        virt_type=virt_type,
        virt_type_reason=reason,
        networks=host_networks(connection),
    )


def offers_kvm(connection: libvirt.virConnect) -> bool:
    """Whether libvirt would run a domain of type kvm. Blocks."""
    capabilities = fromstring(connection.getCapabilities())
    return any(domain.get("type") == "kvm" for domain in capabilities.findall("guest/arch/domain"))


def dotted(version: int) -> str:
    """libvirt's version number, a number of three digits each, as people write it."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
