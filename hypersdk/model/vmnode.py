"""VMNode: a hypervisor host, what it offers and how it is. Cluster-scoped, written by the host's controller."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field

from hypersdk.model.base import Condition, Model, Resource, Time

SILENT_FOR: Final = timedelta(seconds=90)
"""A node without a heartbeat for so long counts as gone: it gets no VMs, and of its own nothing is known."""


class NodeConditionType(StrEnum):
    """Named as Kubernetes' Node has them; True is well for the first three, and ill for the pressures."""

    READY = "Ready"
    LIBVIRT_REACHABLE = "LibvirtReachable"
    KVM_USABLE = "KvmUsable"
    DISK_PRESSURE = "DiskPressure"
    MEMORY_PRESSURE = "MemoryPressure"


class VMNodeSpec(Model):
    """What an administrator wants of the host."""

    unschedulable: bool = False
    """No new VM is placed here (cordon)."""


class Capacity(Model):
    """An amount of what VMs need."""

    cpus: int | None = None
    memory: str | None = None


class Versions(Model):
    """What runs on the host."""

    controller: str | None = None
    libvirt: str | None = None
    qemu: str | None = None
    kernel: str | None = None


class Pool(Model):
    """A storage pool of libvirt, or a folder that VMs' disks are in."""

    name: str
    path: str | None = None
    kind: str | None = None
    """libvirt's type of pool, such as `dir`."""
    active: bool | None = None
    capacity: str | None = None
    available: str | None = None


class HostNetwork(Model):
    """A network that VMs can be on."""

    name: str
    kind: str | None = None
    """`network` for a libvirt network, `bridge` for a host bridge, `user` for QEMU's user-mode stack."""
    active: bool | None = None


class HostGpu(Model):
    """A GPU of the host, or a mediated device of one."""

    address: str
    """`0000:65:00.0` of a PCI device, the UUID of a mediated one."""
    name: str | None = None
    """What VMs ask for it by in spec.devices.gpus; none when the node does not give it to VMs."""
    kind: str | None = None
    """`pci` or `mdev`."""
    model: str | None = None
    """Vendor and device, such as `10de:1eb8`; of a mediated device its type, such as `nvidia-222`."""
    driver: str | None = None
    iommu_group: str | None = None
    available: bool = False
    """Whether VMs can be given it, whoever has it now."""
    reason: str | None = None
    """Why they cannot."""
    vm: str | None = None
    """`namespace/name` of the VM that has it."""


class VMNodeStatus(Model):
    """What was observed of the host."""

    conditions: list[Condition] | None = None
    last_heartbeat_time: Time | None = None
    capacity: Capacity | None = None
    allocatable: Capacity | None = None
    """The capacity less what the host keeps for itself."""
    requested: Capacity | None = None
    """What the VMs that are placed here ask for, running or not."""
    cpu_allocation_ratio: int | None = None
    """How many vCPUs are placed on one allocatable CPU."""
    architecture: str | None = None
    virt_type: Literal["kvm", "qemu"] | None = None
    virt_type_reason: str | None = None
    machine_types: list[str] | None = None
    versions: Versions | None = None
    pools: list[Pool] | None = None
    networks: list[HostNetwork] | None = None
    gpus: list[HostGpu] | None = None
    running_vms: Annotated[int | None, Field(alias="runningVMs")] = None
    gateway_address: str | None = None
    """Where the other nodes' gateways reach this one's, `HOST:PORT`."""
    foreign_domains: list[str] | None = None
    """Domains on the host that no VirtualMachine stands for, at most a hundred of them; they are never touched."""
    foreign_domain_count: int | None = None
    """How many there are altogether."""


class VMNode(Resource):
    """A hypervisor host."""

    spec: VMNodeSpec = VMNodeSpec()
    status: VMNodeStatus = VMNodeStatus()
