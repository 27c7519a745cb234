"""What is this host? Its size, its versions and its networks, from libvirt."""

from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, fromstring

import libvirt

from controller.hypervisor.kvm_probe import Probe
from controller.hypervisor.networks import host_networks
from controller.hypervisor.readings import HostFacts

_MIB = 1 << 20
_KIB = 1 << 10
_AVAILABLE = ("free", "buffers", "cached")


@dataclass(frozen=True)
class Capabilities:
    """What libvirt would run here."""

    offers_kvm: bool
    machine_types: tuple[str, ...] = ()
    """The short names, such as `q35`, each with the one that it stands for now."""


@dataclass(frozen=True)
class Choice:
    """What new domains run with, why, and what came of trying KVM; None when it was not tried."""

    virt_type: Literal["kvm", "qemu"]
    reason: str
    kvm: Probe | None = None
    machine_types: tuple[str, ...] = ()


def host_facts(connection: libvirt.virConnect, choice: Choice) -> HostFacts:
    """The facts, with the virtualization type that was decided on. Blocks."""
    architecture, memory_mib, cpus, *_ = connection.getInfo()
    # The sum over NUMA cells misses what was plugged in since the host's boot.
    memory: dict[str, int] = connection.getMemoryStats(libvirt.VIR_NODE_MEMORY_STATS_ALL_CELLS)
    return HostFacts(
        hostname=connection.getHostname(),
        cpus=cpus,
        memory_bytes=max(memory_mib * _MIB, memory.get("total", 0) * _KIB),
        architecture=architecture,
        libvirt_version=dotted(connection.getLibVersion()),
        qemu_version=dotted(connection.getVersion()),
        virt_type=choice.virt_type,
        virt_type_reason=choice.reason,
        networks=host_networks(connection),
        kvm_works=choice.kvm.works if choice.kvm else None,
        kvm_reason=choice.kvm.reason if choice.kvm else "",
        machine_types=choice.machine_types,
        memory_available_bytes=sum(memory.get(part, 0) for part in _AVAILABLE) * _KIB,
    )


def capabilities(connection: libvirt.virConnect) -> Capabilities:
    """What libvirt says that it can run. Blocks."""
    told = fromstring(connection.getCapabilities())
    offers_kvm = any(domain.get("type") == "kvm" for domain in told.findall("guest/arch/domain"))
    native = told.findtext("host/cpu/arch") or ""
    machines = told.findall(f"guest/arch[@name='{native}']/machine")
    return Capabilities(offers_kvm, tuple(sorted({_machine(one) for one in machines if one.get("canonical")})))


def _machine(machine: Element) -> str:
    return f"{machine.text} ({machine.get('canonical')})"


def dotted(version: int) -> str:
    """libvirt's version number, a number of three digits each, as people write it."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
