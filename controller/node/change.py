"""How is a running guest's change made, and what is said of it? One call of the hypervisor for each."""

from typing import assert_never

from controller.domain.plug import disk_xml, interface_xml, media_xml
from controller.hypervisor.port import Hypervisor
from controller.node.live import (
    AttachDisk,
    AttachInterface,
    ChangeMedia,
    DetachDisk,
    DetachInterface,
    GrowDisk,
    LiveChange,
    PlugCpus,
    PlugMemory,
    Reconnect,
)
from hypersdk.model.quantity import human_bytes


async def make(change: LiveChange, uid: str, hypervisor: Hypervisor) -> None:
    """Make the change; Terminal when host or guest refuses it."""
    match change:
        case AttachDisk():
            await hypervisor.attach(uid, disk_xml(change.disk, change.dev))
        case DetachDisk():
            await hypervisor.detach(uid, change.disk)
        case GrowDisk():
            await hypervisor.resize_disk(uid, change.path, change.size_bytes)
        case ChangeMedia():
            await hypervisor.update(uid, media_xml(change.disc, change.dev))
        case AttachInterface():
            await hypervisor.attach(uid, interface_xml(change.interface, plugged=True))
        case DetachInterface():
            await hypervisor.detach(uid, change.interface)
        case Reconnect():
            await hypervisor.update(uid, interface_xml(change.interface, plugged=False))
        case PlugCpus():
            await hypervisor.set_cpus(uid, change.count)
        case PlugMemory():
            await hypervisor.plug_memory(uid, change.dimm_bytes)
        case _:
            assert_never(change)


def words(change: LiveChange) -> str:
    """What was done, for a person."""
    match change:
        case AttachDisk():
            return f"disk {change.disk.name} is plugged in as {change.dev}"
        case DetachDisk():
            kept = f"its data stays in {change.disk.path} until the VM is deleted: add the disk again to have it back"
            return f"disk {change.name} is pulled out; {kept}"
        case GrowDisk():
            size = human_bytes(change.size_bytes)
            return f"disk {change.name} has {size} now, and its file system is the guest's to grow"
        case ChangeMedia():
            is_in = f"{change.disc.path} is in" if change.disc.path else "nothing is in"
            return f"{is_in} the drive {change.disc.name}"
        case AttachInterface():
            return f"network {change.interface.name} is plugged in ({change.interface.mac})"
        case DetachInterface():
            return f"network {change.name} is pulled out ({change.interface.mac})"
        case Reconnect():
            return f"network {change.interface.name} is now on {change.interface.kind} {change.interface.source}"
        case PlugCpus():
            return f"the guest has {change.count} CPUs now"
        case PlugMemory():
            return f"the guest has {human_bytes(change.dimm_bytes)} of memory more than it was started with"
        case _:
            assert_never(change)
