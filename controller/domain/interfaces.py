"""Which network interfaces does the domain have? One `<interface>` each, with a fixed MAC."""

from typing import assert_never
from xml.etree.ElementTree import Element

from controller.domain.desired import Interface
from controller.domain.elements import element


def interface_element(interface: Interface) -> Element:
    """One virtio interface on a libvirt network, on a host bridge, or in QEMU's user mode."""
    return element(
        "interface",
        element("mac", address=interface.mac),
        _source(interface),
        element("model", type="virtio"),
        # Without the network boot ROM the firmware is through sooner, and QEMU starts where the ROM is not installed.
        element("rom", enabled="no"),
        type=interface.kind,
    )


def _source(interface: Interface) -> Element | None:
    match interface.kind:
        case "network":
            return element("source", network=interface.source)
        case "bridge":
            return element("source", bridge=interface.source)
        case "user":
            return None
        case _:
            assert_never(interface.kind)
