"""Where do a changed domain's devices stay? Each disk and interface keeps its place, by which guests name it.

libvirt gives places out in the order of the definition: without this, a disk more would make another `enp…` of the
network interface at the next start.
"""

from collections.abc import Iterator
from copy import deepcopy
from xml.etree.ElementTree import Element, fromstring, tostring

from controller.domain.disks import target
from controller.domain.hardware import read_disk, read_interface
from controller.domain.metadata import owner_element, read_owner


def settled(xml: str, before: str) -> str:
    """The definition with the places that libvirt's XML of the same domain has; unchanged on another machine type."""
    wanted, there = fromstring(xml), fromstring(before)
    if _is_q35(wanted) != _is_q35(there):
        return xml
    places = {_key(device): device for device in _movable(there)}
    devices = [(device, places.get(_key(device))) for device in _movable(wanted)]
    taken = {read_disk(old).dev for _, old in devices if old is not None and old.tag == "disk"}
    for device, old in devices:
        if old is not None:
            _take_over(device, old)
        elif device.tag == "disk":
            taken.add(_free_name(device, taken))
    _write_owner_anew(wanted)
    return tostring(wanted, encoding="unicode") + "\n"


def _movable(domain: Element) -> Iterator[Element]:
    """Hard disks and interfaces; a CD-ROM's place follows from its name."""
    yield from domain.findall("devices/disk[@device='disk']")
    yield from domain.findall("devices/interface")


def _key(device: Element) -> tuple[str, str]:
    return device.tag, read_disk(device).path if device.tag == "disk" else read_interface(device).mac


def _take_over(device: Element, old: Element) -> None:
    address = old.find("address[@type='pci']")
    if address is not None:
        device.append(deepcopy(address))
    if device.tag == "disk":
        _name(device, read_disk(old).dev)


def _free_name(disk: Element, taken: set[str]) -> str:
    names = (read_disk(disk).dev, *(target("vd", at) for at in range(len(taken) + 1)))
    dev = next(name for name in names if name not in taken)
    _name(disk, dev)
    return dev


def _name(disk: Element, dev: str) -> None:
    found = disk.find("target")
    if found is not None and dev:
        found.set("dev", dev)


def _write_owner_anew(domain: Element) -> None:
    """What was read would be written with its namespace on the outermost element."""
    metadata = domain.find("metadata")
    owner = read_owner(metadata, domain.findtext("uuid", ""))
    if metadata is not None and owner is not None:
        metadata.clear()
        metadata.append(owner_element(owner))


def _is_q35(domain: Element) -> bool:
    kind = domain.find("os/type")
    return kind is not None and "q35" in kind.get("machine", "")
