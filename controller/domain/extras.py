"""Which devices has every domain? Randomness, the balloon with its figures, a watchdog, a panic notifier."""

from xml.etree.ElementTree import Element

from controller.domain.elements import element

BALLOON_PERIOD_S = 2


def standard_elements() -> list[Element]:
    """Devices that cost next to nothing and need no setting."""
    return [
        # No USB: a controller that nothing is plugged into costs the firmware time.
        element("controller", type="usb", index=0, model="none"),
        element("rng", element("backend", model="random", text="/dev/urandom"), model="virtio"),
        # What the guest frees goes back to the host, without anybody blowing the balloon up.
        element("memballoon", element("stats", period=BALLOON_PERIOD_S), model="virtio", freePageReporting="on"),
        # It only bites once the guest has opened it.
        element("watchdog", model="i6300esb", action="reset"),
        element("panic", model="isa"),
    ]
