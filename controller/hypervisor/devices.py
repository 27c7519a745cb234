"""How is a running domain changed? Devices in and out, disks larger, more CPUs and memory: each safe to repeat.

All work on the running domain alone; its definition for the next start is made by `define`. Terminal with the reason
`ChangeRefused` is the host's or the guest's no to this one change.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from xml.etree.ElementTree import Element, fromstring, tostring

import libvirt

from controller.domain.hardware import read_disk, read_hardware, read_interface
from controller.domain.plug import dimm_xml
from controller.hypervisor.backups import under_way
from controller.hypervisor.errors import is_code
from controller.hypervisor.observe import running_domain
from controller.hypervisor.port import PluggedDisk, PluggedInterface
from hypersdk.errors import Terminal

REFUSED = "ChangeRefused"
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_LINK = {libvirt.VIR_FROM_RPC, libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_STREAMS}
_NOT_NOW = {libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_OPERATION_TIMEOUT, libvirt.VIR_ERR_INVALID_CONN}
"""With the connection's own errors, what says nothing about the change itself."""


def attach(connection: libvirt.virConnect, uuid: str, xml: str) -> None:
    """Plug a disk or an interface in; nothing when it is in. Blocks, like all here."""
    domain = running_domain(connection, uuid)
    wanted = fromstring(xml)
    if _find(domain, lambda device: _is_same(device, wanted)) is None:
        with _refusals("plug it in"):
            domain.attachDeviceFlags(xml, _LIVE)


def detach(connection: libvirt.virConnect, uuid: str, device: PluggedDisk | PluggedInterface) -> None:
    """Pull a disk or an interface out; Terminal while the guest has not let go of it."""
    domain = running_domain(connection, uuid)
    there = _find(domain, lambda element: _is_device(element, device))
    if there is None:
        return
    with _refusals("pull it out"):
        domain.detachDeviceFlags(tostring(there, encoding="unicode"), _LIVE)
    # libvirt waits some seconds for the guest, and then says nothing.
    if _find(domain, lambda element: _is_device(element, device)) is not None:
        raise Terminal(REFUSED, "the guest has been asked to let go of it and has not yet")


def update(connection: libvirt.virConnect, uuid: str, xml: str) -> None:
    """Put an interface on another network, or another disc into a drive."""
    domain = running_domain(connection, uuid)
    with _refusals("change it"):
        domain.updateDeviceFlags(xml, _LIVE)


def resize_disk(connection: libvirt.virConnect, uuid: str, path: str, size_bytes: int) -> None:
    """Make the disk that is known by that path as large as that; never smaller."""
    domain = running_domain(connection, uuid)
    dev = next((disk.dev for disk in read_hardware(fromstring(domain.XMLDesc())).disks if disk.path == path), path)
    with _refusals("make it larger"):
        if domain.blockInfo(dev)[0] >= size_bytes:
            return
        if under_way(domain) is not None:
            # QEMU's own words for it are that a device "(null)" is in use.
            raise Terminal(REFUSED, "it is made larger once the backup or copy has ended that reads it now")
        domain.blockResize(dev, size_bytes, libvirt.VIR_DOMAIN_BLOCK_RESIZE_BYTES)


def set_cpus(connection: libvirt.virConnect, uuid: str, count: int) -> None:
    """Give CPUs until there are that many; none is taken away."""
    domain = running_domain(connection, uuid)
    with _refusals("give it more CPUs"):
        if domain.vcpusFlags(_LIVE) < count:
            domain.setVcpusFlags(count, _LIVE)


def plug_memory(connection: libvirt.virConnect, uuid: str, dimm_bytes: int) -> None:
    """Plug memory in until that much is."""
    domain = running_domain(connection, uuid)
    more = dimm_bytes - read_hardware(fromstring(domain.XMLDesc())).dimm_bytes
    if more > 0:
        with _refusals("give it more memory"):
            domain.attachDeviceFlags(dimm_xml(more), _LIVE)


def _find(domain: libvirt.virDomain, is_it: Callable[[Element], bool]) -> Element | None:
    return next(filter(is_it, fromstring(domain.XMLDesc()).findall("devices/*")), None)


def _is_same(device: Element, wanted: Element) -> bool:
    if device.tag != wanted.tag:
        return False
    if device.tag == "disk":
        return read_disk(device).path == read_disk(wanted).path
    return read_interface(device).mac == read_interface(wanted).mac


def _is_device(element: Element, device: PluggedDisk | PluggedInterface) -> bool:
    if isinstance(device, PluggedDisk):
        return element.tag == "disk" and read_disk(element).path == device.path
    return element.tag == "interface" and read_interface(element).mac == device.mac


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError as error:
        if error.get_error_domain() in _LINK or is_code(error, *_NOT_NOW):
            raise
        raise Terminal(REFUSED, f"cannot {what}: {error.get_error_message() or error}") from error
