"""The domain that a VirtualMachine asks for on this host: pure."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from controller.domain.desired import DesiredDomain, DiskFile, HostDevice, Interface
from controller.domain.headroom import most_cpus, most_memory
from controller.node.layout import domain_disks
from controller.node.networks import Attachment, interfaces
from controller.node.places import NodePlaces, checked_uid
from hypersdk.errors import Terminal
from hypersdk.model.quantity import to_bytes
from hypersdk.model.virtualmachine import VirtualMachine

LEAST_MEMORY = 16 * 2**20
"""Less than this no firmware starts with."""


@dataclass(frozen=True)
class HostView:
    """What of the host goes into a domain."""

    places: NodePlaces
    virt_type: Literal["kvm", "qemu"]
    pod: Attachment
    """What pod-network means here."""
    bridges: tuple[str, ...] = ()
    attached: Mapping[str, str] = field(default_factory=dict)
    """The bridges of NetworkAttachmentDefinitions, by how the spec refers to them."""
    host_devices: tuple[HostDevice, ...] = ()
    """The host's devices that are the VM's own."""


def desired_domain(vm: VirtualMachine, host: HostView, running: DesiredDomain | None = None) -> DesiredDomain:
    """The domain; Terminal for a spec that no domain can be made from. A running one keeps its head-room."""
    uid = checked_uid(vm.metadata.uid)
    spec = vm.spec
    firmware = spec.firmware
    uefi = firmware is not None and firmware.bootloader == "uefi"
    secure = firmware is not None and firmware.secure_boot
    _check_firmware(vm, uefi, secure)
    memory = _memory(vm)
    return DesiredDomain(
        uid=uid,
        namespace=vm.metadata.namespace or "default",
        name=vm.metadata.name,
        cpus=spec.cpus,
        memory_bytes=memory,
        virt_type=host.virt_type,
        machine=spec.machine_type,
        uefi=uefi,
        secure_boot=secure,
        guest_agent=spec.guest_agent is None or spec.guest_agent.enabled,
        disks=domain_disks(vm, host.places),
        interfaces=interfaces(vm, host.pod, host.bridges, host.attached),
        console_log=str(host.places.console_log(uid)),
        virtio_log=str(host.places.virtio_log(uid)),
        max_cpus=_kept(running.max_cpus if running else 0, spec.cpus) or most_cpus(spec.cpus),
        max_memory_bytes=_kept(running.max_memory_bytes if running else 0, memory) or most_memory(memory),
        tpm=spec.devices is not None and spec.devices.tpm is not None and spec.devices.tpm.enabled,
        host_devices=host.host_devices,
    )


def to_json(desired: DesiredDomain) -> str:
    """The definition as it is kept on disk, to tell later what changed since."""
    return json.dumps(asdict(desired), sort_keys=True)


def from_json(text: str) -> DesiredDomain | None:
    """The kept definition; None when it cannot be read, which only costs the list of changes."""
    try:
        raw = json.loads(text)
        disks = tuple(DiskFile(**disk) for disk in raw.pop("disks"))
        nics = tuple(Interface(**nic) for nic in raw.pop("interfaces"))
        devices = tuple(HostDevice(**device) for device in raw.pop("host_devices", ()))
        return DesiredDomain(**raw, disks=disks, interfaces=nics, host_devices=devices)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _kept(most: int, wanted: int) -> int:
    return most if wanted <= most else 0


def _memory(vm: VirtualMachine) -> int:
    memory = to_bytes(vm.spec.memory)
    if memory < LEAST_MEMORY:
        raise Terminal("InvalidMemory", f"{vm.metadata.name}: memory {vm.spec.memory} is less than 16Mi")
    return memory


def _check_firmware(vm: VirtualMachine, uefi: bool, secure: bool) -> None:
    if secure and not uefi:
        raise Terminal("InvalidFirmware", "firmware.secureBoot needs firmware.bootloader: uefi")
    if secure and vm.spec.machine_type != "q35":
        raise Terminal("InvalidFirmware", "firmware.secureBoot needs machineType: q35")
