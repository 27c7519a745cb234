"""How are the samples of one VM kept? In plain numbers: as objects, 50 VMs' would take some 50 MB instead of 3."""

from array import array
from typing import Any, Final

from hypersdk.model.metrics import Sample

_FIELDS: Final = tuple(Sample.model_fields)
_WHOLE: Final = frozenset({"memory_used_bytes", "memory_total_bytes"})
_WIDTH: Final = len(_FIELDS)


class Samples:
    """The newest samples, oldest first."""

    def __init__(self, keep: int) -> None:
        self._numbers = array("d")
        self._limit = keep * _WIDTH
        self.count = 0
        """How many there ever were."""

    def __len__(self) -> int:
        return len(self._numbers) // _WIDTH

    @property
    def room_bytes(self) -> int:
        """The memory that they take."""
        return len(self._numbers) * self._numbers.itemsize

    def add(self, sample: Sample) -> None:
        """Take one in; the oldest falls out."""
        self._numbers.extend(float(getattr(sample, name)) for name in _FIELDS)
        del self._numbers[: max(len(self._numbers) - self._limit, 0)]
        self.count += 1

    def last(self, count: int) -> list[Sample]:
        """So many of the newest, or all that there are."""
        first = max(len(self) - count, 0)
        return [self._at(number) for number in range(first, len(self))]

    def _at(self, number: int) -> Sample:
        start = number * _WIDTH
        values = zip(_FIELDS, self._numbers[start : start + _WIDTH], strict=True)
        whole: dict[str, Any] = {name: int(value) if name in _WHOLE else value for name, value in values}
        return Sample.model_construct(**whole)
