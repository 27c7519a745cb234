"""How is a guest's screen reached? Over a socket that libvirt hands out: there is no port, and no file."""

import socket

import libvirt

from controller.hypervisor.observe import our_domain
from hypersdk.errors import Transient


def open_graphics(connection: libvirt.virConnect, uuid: str) -> socket.socket:
    """A connection to the VNC server of a running domain, as many at a time as anybody likes. Blocks."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        raise Transient("the VM is off: there is no screen to look at")
    # Who comes so far was let in by the gateway.
    opened = socket.socket(fileno=domain.openGraphicsFD(0, libvirt.VIR_DOMAIN_OPEN_GRAPHICS_SKIPAUTH))
    opened.setblocking(False)
    return opened
