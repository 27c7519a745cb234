"""What is read of a host and of the guests on it: counters, addresses, networks, pools, cards."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class DomainStats:
    """Counters of one running domain since its start, from getAllDomainStats."""

    cpu_time_ns: int = 0
    vcpus: int = 1
    memory_total_bytes: int = 0
    memory_used_bytes: int = 0
    """From the balloon where the guest tells; else the QEMU process' resident size."""
    disk_read_bytes: int = 0
    disk_write_bytes: int = 0
    network_receive_bytes: int = 0
    network_transmit_bytes: int = 0
    memory_is_guests: bool = False
    """Whether the memory used is the guest's own word; else it is QEMU's resident size."""
    guest_memory_bytes: int = 0
    """What the guest has for its programs, by its own word; 0 where it does not tell."""


@dataclass(frozen=True)
class Pulse:
    """Counters of one running domain as the kernel has them; disk and memory are those of its QEMU process."""

    cpu_time_ns: int = 0
    resident_bytes: int = 0
    disk_read_bytes: int = 0
    disk_write_bytes: int = 0
    network_receive_bytes: int = 0
    network_transmit_bytes: int = 0


@dataclass(frozen=True)
class GuestAddress:
    """One address that some source gave for a MAC."""

    ip: str
    mac: str
    source: Literal["agent", "lease", "arp"]
    interface: str = ""


@dataclass(frozen=True)
class GuestFacts:
    """What the guest agent said; `connected` False when it did not answer in time."""

    connected: bool = False
    version: str = ""
    hostname: str = ""
    addresses: tuple[GuestAddress, ...] = ()


@dataclass(frozen=True)
class HostNetwork:
    """A libvirt network of the host."""

    name: str
    active: bool
    bridge: str = ""


@dataclass(frozen=True)
class HostPool:
    """A storage pool of the host."""

    name: str
    path: str
    """Its folder; empty for a pool that has none."""
    capacity_bytes: int
    available_bytes: int
    kind: str = "dir"
    """libvirt's type of pool: `dir`, `fs`, `netfs`, `logical`…"""
    active: bool = True


@dataclass(frozen=True)
class HostGpu:
    """A GPU of the host, or a mediated device of one."""

    address: str
    """`0000:65:00.0` of a PCI device, the UUID of a mediated one."""
    kind: Literal["pci", "mdev"] = "pci"
    model: str = ""
    """`10de:1eb8`: vendor and device; of a mediated device its type, such as `nvidia-222`."""
    driver: str = ""
    iommu_group: str = ""
    companions: tuple[str, ...] = ()
    """What of the card goes with it, such as its sound."""
    parent: str = ""
    """The PCI device that a mediated one is a part of."""
    trouble: str = ""
    """Why no guest can be given it; empty when one can."""


@dataclass(frozen=True)
class HostFacts:
    """The host as libvirt and the probe see it."""

    hostname: str
    cpus: int
    memory_bytes: int
    architecture: str
    libvirt_version: str
    qemu_version: str
    virt_type: Literal["kvm", "qemu"]
    virt_type_reason: str
    networks: tuple[HostNetwork, ...] = ()
    kvm_works: bool | None = None
    """Whether a guest ran on KVM when it was tried; None when it was not tried."""
    kvm_reason: str = ""
    machine_types: tuple[str, ...] = ()
    memory_available_bytes: int = 0
    """What is not in use now, caches included; 0 when that is not known."""
