"""Which network interfaces does the domain have? One `<interface>` each, with a fixed MAC."""

from typing import assert_never
from xml.etree.ElementTree import Element

from controller.domain.desired import Interface
from controller.domain.elements import PLUGGED, element


def interface_element(interface: Interface, *, plugged: bool = False) -> Element:
    """One virtio interface on a libvirt network, on a host bridge, or in QEMU's user mode.

    `plugged` marks one that a running domain is given.
    """
    return element(
        "interface",
        element("mac", address=interface.mac),
        _source(interface),
        element("model", type="virtio"),
        # Without the network boot ROM the firmware is through sooner, and QEMU starts where the ROM is not installed.
        element("rom", enabled="no"),
        element("alias", name=PLUGGED + interface.mac.replace(":", "")) if plugged else None,
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
