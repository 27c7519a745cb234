"""One reset is told once, whatever libvirt reports of it."""

from datetime import timedelta

from controller.node.resets import Resets
from tests.unit.node.builders import NOW


def told(resets: Resets, seconds: float, *heard: str) -> str:
    """The reason that is told of what was heard by then."""
    for what in heard:
        resets.hear(what)
    found = resets.take(NOW + timedelta(seconds=seconds))
    return found[1] if found else ""


def test_reports_of_one_reboot_are_one() -> None:
    resets = Resets()
    assert told(resets, 0, "reboot", "reboot", "lifecycle") == "GuestRebooted"
    assert told(resets, 1, "reboot") == ""
    assert told(resets, 11, "reboot") == "GuestRebooted"
    assert told(resets, 12) == ""


def test_watchdogs_reset_is_no_reboot_besides() -> None:
    resets = Resets()
    assert told(resets, 0, "reboot") == "GuestRebooted"
    assert told(resets, 1, "watchdog", "reboot") == "WatchdogReset"
    assert told(resets, 2, "reboot", "reboot") == ""
    assert told(resets, 3, "watchdog") == ""
    assert told(resets, 20, "watchdog") == "WatchdogReset"


def test_other_events_are_no_resets() -> None:
    assert told(Resets(), 0, "lifecycle", "agent", "io-error") == ""
