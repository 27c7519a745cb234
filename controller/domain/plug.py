"""What does libvirt get to change one device of a running domain? The XML of that device alone."""

from xml.etree.ElementTree import tostring

from controller.domain.desired import DiskFile, Interface
from controller.domain.disks import cdrom, hard_disk
from controller.domain.elements import element
from controller.domain.interfaces import interface_element


def disk_xml(disk: DiskFile, dev: str) -> str:
    """A hard disk to plug in."""
    return tostring(hard_disk(disk, dev, plugged=True), encoding="unicode")


def media_xml(disk: DiskFile, dev: str) -> str:
    """A drive with another disc in it, or none."""
    return tostring(cdrom(disk, dev), encoding="unicode")


def interface_xml(interface: Interface, *, plugged: bool) -> str:
    """An interface to plug in, or one that is there in its new place."""
    return tostring(interface_element(interface, plugged=plugged), encoding="unicode")


def dimm_xml(size_bytes: int) -> str:
    """Memory to plug in."""
    size = element("size", unit="KiB", text=str(size_bytes // 1024))
    return tostring(
        element("memory", element("target", size, element("node", text="0")), model="dimm"), encoding="unicode"
    )
