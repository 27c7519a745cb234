"""Where can a device be plugged in later? On q35 only in a PCIe port that was there from the start."""

from xml.etree.ElementTree import Element

from controller.domain.desired import DesiredDomain
from controller.domain.elements import element

SPARE_PORTS = 8
"""What a VM can be given while it runs; what they cost is in docs/decisions/head-room.md."""

_TAKES_A_PORT = {"interface", "rng", "memballoon", "watchdog", "hostdev"}


def port_elements(desired: DesiredDomain, devices: list[Element]) -> list[Element]:
    """A port for each of the devices and the spare ones; none on the older `pc`, whose bus takes devices any time."""
    if desired.machine != "q35":
        return []
    count = sum(_takes_a_port(device) for device in devices) + SPARE_PORTS
    return [element("controller", type="pci", index=index, model="pcie-root-port") for index in range(1, count + 1)]


def _takes_a_port(device: Element) -> bool:
    target = device.find("target")
    is_virtio_disk = device.tag == "disk" and target is not None and target.get("bus") == "virtio"
    is_bus = device.tag == "controller" and device.get("type") in {"scsi", "virtio-serial"}
    return is_virtio_disk or is_bus or device.tag in _TAKES_A_PORT
