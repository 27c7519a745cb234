"""Was the guest reset? QEMU goes on and no state tells of it afterwards, so only libvirt's events do: pure."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypersdk.kube.events import EventType
from hypersdk.model.virtualmachine import LastReset

WATCHDOG, REBOOT = "watchdog", "reboot"
ONE_RESET = timedelta(seconds=10)
"""libvirt reports one reset two or three times, and the watchdog's beside it."""
_TOLD: dict[str, tuple[EventType, str, str]] = {
    WATCHDOG: ("Warning", "WatchdogReset", "the guest's watchdog ran out, and reset it"),
    REBOOT: ("Normal", "GuestRebooted", "the guest was reset, and boots anew in the same QEMU"),
}


@dataclass
class Resets:
    """What was heard of one VM's resets."""

    _heard: set[str] = field(default_factory=set)
    _told: dict[str, datetime] = field(default_factory=dict)

    def hear(self, what: str) -> None:
        """An event of libvirt's; others than resets are none of this."""
        if what in _TOLD:
            self._heard.add(what)

    def take(self, now: datetime) -> tuple[EventType, str, str] | None:
        """What is to be told of what was heard since; None when it was told."""
        heard, self._heard = self._heard, set()
        if WATCHDOG in heard and not self._was_told(now, WATCHDOG):
            return self._tell(WATCHDOG, now)
        if REBOOT in heard and not self._was_told(now, WATCHDOG, REBOOT):
            return self._tell(REBOOT, now)
        return None

    def _was_told(self, now: datetime, *kinds: str) -> bool:
        return any(now - self._told[kind] < ONE_RESET for kind in kinds if kind in self._told)

    def _tell(self, kind: str, now: datetime) -> tuple[EventType, str, str]:
        self._told[kind] = now
        return _TOLD[kind]


def last_reset(told: tuple[EventType, str, str], now: datetime) -> LastReset:
    """What the status keeps of it."""
    return LastReset(time=now, reason=told[1])
