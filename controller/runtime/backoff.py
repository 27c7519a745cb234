"""How long to wait after the n-th failure of one key in a row."""

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from hypersdk.backoff import spread


@dataclass
class Backoff:
    """Doubles from `first_s` to `longest_s`; jitter keeps many keys that failed together from coming back together."""

    first_s: float = 0.5
    longest_s: float = 60.0
    chance: Callable[[], float] = random.random
    _failures: dict[Hashable, int] = field(default_factory=dict)

    def delay(self, key: Hashable) -> float:
        """Count one more failure and tell the seconds to wait."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        return spread(self.first_s, self.longest_s, failures, self.chance)

    def forget(self, key: Hashable) -> None:
        """The key is well again."""
        self._failures.pop(key, None)
