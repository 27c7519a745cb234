"""What does the guest draw on? A VGA card shown over VNC with no listener at all."""

from xml.etree.ElementTree import Element

from controller.domain.elements import element


def graphics_elements() -> list[Element]:
    """VNC without port or socket, reached by file descriptor passing only, and the card that every firmware knows."""
    return [
        element("graphics", element("listen", type="none"), type="vnc"),
        element("video", element("model", type="vga")),
    ]
