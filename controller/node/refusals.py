"""Which changes of a running guest were refused, and when each is worth another try?"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.node.intent import Run
from controller.node.live import LiveChange, field_of
from hypersdk.backoff import spread

FIRST_RETRY_S = 15.0
LONGEST_RETRY_S = 900.0


@dataclass(frozen=True)
class Refusal:
    """What was said, how often, and when to ask again."""

    words: str
    count: int
    retry_at: datetime


@dataclass
class Refusals:
    """Of one VM. Another run of the guest, or another change, is asked for at once."""

    _all: dict[tuple[Run, LiveChange], Refusal] = field(default_factory=dict)

    def due(self, run: Run, changes: Iterable[LiveChange], now: datetime) -> tuple[LiveChange, ...]:
        """Those of the changes that may be tried now; what is not wanted any more is forgotten."""
        wanted = tuple(changes)
        self._all = {key: said for key, said in self._all.items() if key[0] == run and key[1] in wanted}
        waiting = {change for (_, change), said in self._all.items() if now < said.retry_at}
        return tuple(change for change in wanted if change not in waiting)

    def add(self, run: Run, change: LiveChange, words: str, now: datetime, chance: float) -> bool:
        """Note a refusal; whether it is the first of this change."""
        before = self._all.get((run, change))
        count = before.count + 1 if before else 1
        delay = spread(FIRST_RETRY_S, LONGEST_RETRY_S, count - 1, lambda: chance)
        self._all[run, change] = Refusal(words, count, now + timedelta(seconds=delay))
        return before is None

    def try_again(self, now: datetime) -> None:
        """What stood in the way may have gone: all of them may be tried now."""
        self._all = {key: replace(said, retry_at=now) for key, said in self._all.items()}

    def words(self) -> tuple[str, ...]:
        """What was said of each, with its field."""
        return tuple(f"{field_of(change)}: {said.words}" for (_, change), said in self._all.items())
