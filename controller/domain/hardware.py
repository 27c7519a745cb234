"""Which CPUs, memory, disks and interfaces does a domain's XML name? Read from libvirt's, for one device too."""

from xml.etree.ElementTree import Element

from controller.hypervisor.port import Hardware, PluggedDisk, PluggedInterface

_BYTES = {"b": 1, "bytes": 1, "KiB": 2**10, "k": 2**10, "MiB": 2**20, "GiB": 2**30}
"""The units that libvirt and we ourselves write."""


def read_hardware(domain: Element) -> Hardware:
    """What of a domain can be changed while it runs."""
    vcpu = domain.find("vcpu")
    cpus = (vcpu.get("current") or vcpu.text or "0") if vcpu is not None else "0"
    return Hardware(
        cpus=int(cpus),
        memory_bytes=_memory(domain.find("memory")),
        disks=tuple(map(read_disk, domain.findall("devices/disk"))),
        interfaces=tuple(map(read_interface, domain.findall("devices/interface"))),
    )


def read_disk(disk: Element) -> PluggedDisk:
    """One `<disk>`; of what is no file, no path is told."""
    source, target = disk.find("source"), disk.find("target")
    path = source.get("file", "") if source is not None else ""
    dev = target.get("dev", "") if target is not None else ""
    return PluggedDisk(path, dev, "cdrom" if disk.get("device") == "cdrom" else "disk")


def read_interface(interface: Element) -> PluggedInterface:
    """One `<interface>`."""
    mac, source = interface.find("mac"), interface.find("source")
    kind = interface.get("type", "")
    place = source.get(kind, "") if source is not None else ""
    return PluggedInterface(mac.get("address", "").lower() if mac is not None else "", kind, place)


def _memory(memory: Element | None) -> int:
    if memory is None:
        return 0
    return int(memory.text or "0") * _BYTES.get(memory.get("unit", "KiB"), 0)
