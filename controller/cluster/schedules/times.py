"""When is a schedule due? Cron in a time zone; what was missed is told, never made up for more than once. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from hypersdk.errors import Terminal

MOST_MISSED: Final = 100
"""More are not counted (Kubernetes, CronJob limitations)."""
_WORDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LOOKS_BACK: Final = tuple(timedelta(hours=hours) for hours in (1, 25, 24 * 8, 24 * 32, 24 * 400, 24 * 366 * 9))


@dataclass(frozen=True)
class Missed:
    """What was due in a span of time."""

    latest: datetime | None
    """The last of them."""
    too_many: bool = False
    """More than are counted."""


@dataclass(frozen=True)
class Times:
    """One cron line in one time zone; Debian's cron's rules where the clock is changed."""

    line: str
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime | None:
        """The next time after a moment; None when there is none for decades."""
        return next(self._from(moment), None)

    def missed(self, since: datetime, now: datetime) -> Missed:
        """What was due after `since` and up to now."""
        if len(list(islice(self._until(since, now), MOST_MISSED + 1))) > MOST_MISSED:
            return Missed(self._latest(since, now), too_many=True)
        return Missed(self._latest(since, now))

    def _latest(self, since: datetime, now: datetime) -> datetime | None:
        """Found from near the end, for from the beginning it may be millions."""
        for back in _LOOKS_BACK:
            found = list(self._until(max(since, now - back), now))
            if found or now - back <= since:
                return found[-1] if found else None
        return None

    def _until(self, since: datetime, now: datetime) -> Iterator[datetime]:
        return takewhile(lambda moment: moment <= now, self._from(since))

    def _from(self, moment: datetime) -> Iterator[datetime]:
        return (due.astimezone(UTC) for due in CronSim(self.line, moment.astimezone(self.zone)))


def times_of(schedule: str, timezone: str) -> Times:
    """The times of a schedule; Terminal for one that cannot be."""
    try:
        zone = ZoneInfo(timezone)
    except (KeyError, OSError, ValueError) as error:  # not known, a folder of the database, no plain name
        words = f"timezone {timezone!r} is not in the time zone database: write a name such as Europe/Berlin"
        raise Terminal("InvalidTimezone", words) from error
    line = _WORDS.get(schedule.strip().lower(), " ".join(schedule.split()))
    try:
        CronSim(line, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise Terminal("InvalidSchedule", f"schedule {schedule!r}: {str(error).lower()}") from error
    return Times(line, zone)
