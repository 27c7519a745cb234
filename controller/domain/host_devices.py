"""Which devices of the host are the guest's own, and has it a TPM? Written for libvirt, and read back."""

import re
from xml.etree.ElementTree import Element

from controller.domain.desired import HostDevice
from controller.domain.elements import element

PCI_ADDRESS = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])")


def tpm_element() -> Element:
    """A TPM 2.0 that swtpm emulates; its contents stay with the domain's definition."""
    return element("tpm", element("backend", type="emulator", version="2.0"), model="tpm-crb")


def host_device_element(device: HostDevice) -> Element:
    """One device of the host; libvirt takes it from the host's driver before the start and gives it back after."""
    if device.kind == "mdev":
        source = element("source", element("address", uuid=device.address))
        return element("hostdev", source, mode="subsystem", type="mdev", model="vfio-pci")
    found = PCI_ADDRESS.fullmatch(device.address)
    if found is None:
        raise ValueError(f"{device.address!r} is no PCI address")
    names = ("domain", "bus", "slot", "function")
    places = {name: f"0x{digits}" for name, digits in zip(names, found.groups(), strict=True)}
    source = element("source", element("address", **places))
    return element("hostdev", source, mode="subsystem", type="pci", managed="yes")


def read_host_devices(domain: Element) -> tuple[str, ...]:
    """The addresses of a domain's host devices: of PCI `0000:65:00.0`, of a mediated one its UUID."""
    found = (hostdev.find("source/address") for hostdev in domain.findall("devices/hostdev"))
    return tuple(address for place in found if place is not None and (address := _address(place)))


def _address(place: Element) -> str:
    if uuid := place.get("uuid"):
        return uuid.lower()
    try:
        domain, bus, slot, function = (int(place.get(name, ""), 16) for name in ("domain", "bus", "slot", "function"))
    except ValueError:
        return ""  # of a USB or SCSI device
    return f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}"
