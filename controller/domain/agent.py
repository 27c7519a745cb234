"""How is the guest agent reached? By a virtio-serial channel with the name that it expects."""

from xml.etree.ElementTree import Element

from controller.domain.desired import AGENT_CHANNEL
from controller.domain.elements import element


def agent_element() -> Element:
    """The channel; libvirt chooses the socket's path."""
    return element("channel", element("target", type="virtio", name=AGENT_CHANNEL), type="unix")
