"""The domain that a VM should be: everything the XML needs, already decided; no Kubernetes, no I/O."""

from dataclasses import dataclass, field
from typing import Literal

AGENT_CHANNEL = "org.qemu.guest_agent.0"
UNSAID = {"unsaid": True}
"""Marks a field that makes no other domain of it: a snapshot is no change of the spec."""


@dataclass(frozen=True)
class DiskFile:
    """One disk of the domain, a file that is already there; its path is what it is known by."""

    name: str
    path: str
    format: Literal["qcow2", "raw"]
    device: Literal["disk", "cdrom"] = "disk"
    boot_order: int | None = None
    read_only: bool = False
    layer: str = field(default="", metadata=UNSAID)
    """The file that is written to now, where snapshots lie below it; empty for the path itself."""

    @property
    def file(self) -> str:
        """The file that QEMU opens."""
        return self.layer or self.path


@dataclass(frozen=True)
class Interface:
    """One network interface. `source` is the libvirt network or the host bridge; user mode has none."""

    name: str
    kind: Literal["network", "bridge", "user"]
    mac: str
    source: str = ""


@dataclass(frozen=True)
class HostDevice:
    """A device of the host that is the guest's own."""

    kind: Literal["pci", "mdev"]
    address: str
    """`0000:65:00.0` of a PCI device, the UUID of a mediated one."""


@dataclass(frozen=True)
class DesiredDomain:
    """One VM as libvirt should have it."""

    uid: str
    """metadata.uid of the VirtualMachine, which is the domain's UUID too."""
    namespace: str
    name: str
    cpus: int
    memory_bytes: int
    virt_type: Literal["kvm", "qemu"]
    machine: Literal["q35", "pc"] = "q35"
    uefi: bool = False
    secure_boot: bool = False
    guest_agent: bool = True
    disks: tuple[DiskFile, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    console_log: str = ""
    """The file that virtlogd writes the serial console to; empty for none."""
    virtio_log: str = ""
    """The same of the virtio console."""
    max_cpus: int = 0
    """CPUs that can be plugged in while it runs, those it starts with included; 0 for no more than these."""
    max_memory_bytes: int = 0
    """The same of memory."""
    tpm: bool = False
    host_devices: tuple[HostDevice, ...] = ()

    @property
    def domain_name(self) -> str:
        """`<namespace>.<name>`, cut to what libvirt and sockets take; unique by the end of the uid when cut."""
        full = f"{self.namespace}.{self.name}"
        return full if len(full) <= 80 else f"{full[:67]}-{self.uid[-12:]}"
