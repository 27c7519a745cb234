"""What is wanted of a VM's power now, from its spec, its operation, and what is remembered of earlier passes: pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class Wanted(StrEnum):
    """The end that a pass works towards."""

    ON = "on"
    OFF = "off"
    REMOVED = "removed"


@dataclass(frozen=True)
class Run:
    """One life of a QEMU process."""

    pid: int = 0
    started_at: float = 0.0


@dataclass(frozen=True)
class Intent:
    """What `plan` works towards, and by which patience."""

    wanted: Wanted
    explicit: bool = False
    """A person asks by an operation: a guest that powered itself off or crashed is started again."""
    force: bool = False
    """The guest is not asked."""
    hold: bool = False
    """A person asks for the running guest to be held."""
    let_run: bool = False
    """A person asks for a guest that is held to run on, whoever holds it."""
    ending: Run | None = None
    """The run that a restart has to end before there may be another one."""
    stopping_since: datetime | None = None
    asked_at: datetime | None = None
    asks: int = 0
    retry_at: datetime | None = None
    """No start before this moment: the last one failed. `datetime.max` for not at all."""
    grace: timedelta = timedelta(seconds=120)
    ask_again: timedelta = timedelta(seconds=20)

    def cut_at(self, now: datetime) -> datetime:
        """When the guest's time to power off is over."""
        return (self.stopping_since or now) + self.grace

    def ask_at(self, now: datetime) -> datetime:
        """When the guest is to be asked next."""
        return self.asked_at + self.ask_again if self.asked_at else now
