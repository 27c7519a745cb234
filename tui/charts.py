"""Which charts a VM has: what each draws, and the words above it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hypersdk.model.metrics import Sample
from hypersdk.model.quantity import human_bytes
from tui.braille import Drawing, ceiling
from tui.history import History

Read = Callable[[Sample], float]


@dataclass(frozen=True)
class Chart:
    """One chart: its series by their labels, and how high it is."""

    id: str
    title: str
    series: tuple[tuple[str, Read], ...]
    unit: str
    is_bytes: bool = True
    top: Read | None = None
    """The height, where it is known; else it follows the highest value."""

    def height(self, history: History, first: int) -> float:
        """The value at the upper edge."""
        if self.top is not None and history.last is not None and (top := self.top(history.last)) > 0:
            return top
        highest = max((max(history.since(first, read), default=0.0) for _, read in self.series), default=0.0)
        return max(1024.0, ceiling(highest, 1024.0)) if self.is_bytes else ceiling(highest)

    def drawing(self, history: History, first: int) -> Drawing:
        """The series from sample number `first` on, and what stands at the upper edge."""
        top = self.height(history, first)
        return Drawing([history.since(first, read) for _, read in self.series], top, self.value(top))

    def words(self, sample: Sample) -> list[str]:
        """The newest value of each series."""
        return [f"{label}{self.value(read(sample))}" for label, read in self.series]

    def value(self, number: float) -> str:
        """One value with its unit."""
        return f"{human_bytes(number)}{self.unit}" if self.is_bytes else f"{number:.0f}{self.unit}"


CHARTS: Final = (
    Chart("cpu", "CPU", (("", lambda s: s.cpu_percent),), "%", is_bytes=False, top=lambda _: 100.0),
    Chart("memory", "MEMORY", (("", lambda s: s.memory_used_bytes),), "", top=lambda s: s.memory_total_bytes),
    Chart(
        "disk",
        "DISK",
        (("read ", lambda s: s.disk_read_bytes_per_second), ("write ", lambda s: s.disk_write_bytes_per_second)),
        "/s",
    ),
    Chart(
        "network",
        "NET",
        (
            ("in ", lambda s: s.network_receive_bytes_per_second),
            ("out ", lambda s: s.network_transmit_bytes_per_second),
        ),
        "/s",
    ),
)
