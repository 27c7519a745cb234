"""Which CPUs, memory, disks and interfaces does a domain's XML name? Read from libvirt's, for one device too."""

from typing import Literal
from xml.etree.ElementTree import Element

from controller.domain.elements import PLUGGED
from controller.domain.host_devices import read_host_devices
from controller.domain.layers import base_of
from controller.hypervisor.port import Hardware, PluggedDisk, PluggedInterface

_BYTES = {"b": 1, "bytes": 1, "KiB": 2**10, "k": 2**10, "MiB": 2**20, "GiB": 2**30}
"""The units that libvirt and we ourselves write."""


def read_hardware(domain: Element) -> Hardware:
    """What of a domain can be changed while it runs."""
    vcpu = domain.find("vcpu")
    cpus = (vcpu.get("current") or vcpu.text or "0") if vcpu is not None else "0"
    return Hardware(
        cpus=int(cpus),
        dimm_bytes=sum(_bytes(size) for size in domain.findall("devices/memory/target/size")),
        disks=tuple(map(read_disk, domain.findall("devices/disk"))),
        interfaces=tuple(map(read_interface, domain.findall("devices/interface"))),
        host_devices=read_host_devices(domain),
    )


def read_disk(disk: Element) -> PluggedDisk:
    """One `<disk>`; of what is no file, no path is told."""
    source, target = disk.find("source"), disk.find("target")
    path = source.get("file", "") if source is not None else ""
    dev = target.get("dev", "") if target is not None else ""
    device: Literal["cdrom", "disk"] = "cdrom" if disk.get("device") == "cdrom" else "disk"
    base = base_of(path)
    name = disk.findtext("serial") or dev
    return PluggedDisk(base, dev, device, name, _is_plugged(disk), layer=path if base != path else "")


def read_interface(interface: Element) -> PluggedInterface:
    """One `<interface>`."""
    mac, source = interface.find("mac"), interface.find("source")
    kind = interface.get("type", "")
    place = source.get(kind, "") if source is not None else ""
    address = mac.get("address", "").lower() if mac is not None else ""
    return PluggedInterface(address, kind, place, _is_plugged(interface))


def _is_plugged(device: Element) -> bool:
    alias = device.find("alias")
    return alias is not None and alias.get("name", "").startswith(PLUGGED)


def _bytes(size: Element) -> int:
    return int(size.text or "0") * _BYTES.get(size.get("unit", "KiB"), 0)
