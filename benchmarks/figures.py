"""What a benchmark gives: a figure with its unit, and the promise it is held against."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured value; `promise` is the most that it may be, where something was promised."""

    name: str
    value: float
    unit: str
    promise: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the promise is kept."""
        return self.promise is None or self.value <= self.promise

    def __str__(self) -> str:
        """One line of the report."""
        promise = f"   promised: at most {self.promise:g}" if self.promise is not None else ""
        mark = "" if self.promise is None else "   ok" if self.holds else "   NOT KEPT"
        return f"{self.name:<58}{self.value:>12,.2f} {self.unit}{promise}{mark}"


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies, between two of them in proportion."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * share / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
