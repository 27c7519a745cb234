"""How long to wait after the n-th failure of one key in a row."""

import random
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field


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


def spread(first_s: float, longest_s: float, failures: int, chance: Callable[[], float]) -> float:
    """Between half of and the whole of `first_s * 2 ** failures`, at most `longest_s`."""
    whole: float = min(longest_s, first_s * 2 ** min(failures, 32))
    return whole * (0.5 + chance() / 2)
