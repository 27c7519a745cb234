"""Where are the consoles? ttyS0 and hvc0, each on a pty that libvirt opens for us, with a log that virtlogd keeps."""

from xml.etree.ElementTree import Element

from controller.domain.elements import element


def serial_elements(log: str, virtio_log: str) -> list[Element]:
    """The first UART, the console that stands for it, and a virtio console beside it; never a TCP port."""
    return [
        element(
            "serial",
            element("target", element("model", name="isa-serial"), type="isa-serial", port=0),
            _log(log),
            type="pty",
        ),
        element("console", element("target", type="serial", port=0), type="pty"),
        # An emulated UART gives a byte at a time: here a guest's output comes some 40 times faster.
        element("console", element("target", type="virtio", port=1), _log(virtio_log), type="pty"),
        element("controller", type="virtio-serial", index=0),
    ]


def _log(file: str) -> Element | None:
    return element("log", file=file, append="on") if file else None
