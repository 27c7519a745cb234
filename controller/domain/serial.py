"""Where is the serial console? ttyS0 on a pty that libvirt opens for us, and a log that virtlogd keeps."""

from xml.etree.ElementTree import Element

from controller.domain.elements import element


def serial_elements(log: str) -> list[Element]:
    """The first UART and the console that stands for it; never a TCP port."""
    return [
        element(
            "serial",
            element("target", element("model", name="isa-serial"), type="isa-serial", port=0),
            element("log", file=log, append="on") if log else None,
            type="pty",
        ),
        element("console", element("target", type="serial", port=0), type="pty"),
    ]
