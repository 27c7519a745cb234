"""The live figures of one VM as they are kept for the charts."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from hypersdk.model.metrics import Sample

KEPT = 1200


@dataclass
class History:
    """The newest samples; `count` goes on growing so that a chart's window moves in steps."""

    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=KEPT))
    count: int = 0

    def add(self, sample: Sample) -> bool:
        """Take in a sample; one that is not newer than the last is a repeat after a reconnect."""
        if self.samples and sample.time <= self.samples[-1].time:
            return False
        self.samples.append(sample)
        self.count += 1
        return True

    @property
    def last(self) -> Sample | None:
        """The newest sample."""
        return self.samples[-1] if self.samples else None

    def since(self, first: int, read: Callable[[Sample], float]) -> list[float]:
        """The values from sample number `first` on."""
        missing = self.count - len(self.samples)
        return [read(sample) for sample in list(self.samples)[max(0, first - missing) :]]
