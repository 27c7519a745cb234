"""What does the file of a disk look like, when it is written from its beginning to its end without turning back? Pure.

A qcow2 file's tables come first here, then the clusters in the disk's own order: every piece of the file can be made
alone, of what is on the disk then. The format: QEMU's docs/interop/qcow2.txt.
"""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from controller.node.backups.runs import CLUSTER, Runs

_HEADER = ">4sIQIIQIIQQIIQQQQII"
_COPIED = 1 << 63
"""Of a table's entry: what it points to has one owner."""
_READS_ZERO = 1
_L2_ENTRIES = CLUSTER // 8
_COUNTS = CLUSTER // 2
"""Reference counts, of 16 bits, in a cluster."""


@dataclass(frozen=True)
class Span:
    """A stretch of the file: what is on the disk from `disk` on, or these bytes, or zeros."""

    size: int
    disk: int | None = None
    content: bytes | None = None


class Layout(Protocol):
    """How a disk is laid out in a file."""

    @property
    def size(self) -> int:
        """The size of the file."""
        ...

    def spans(self, at: int, count: int) -> Iterator[Span]:
        """A stretch of the file."""
        ...


@dataclass(frozen=True)
class Raw:
    """The disk as it is."""

    size: int
    data: Runs

    def spans(self, at: int, count: int) -> Iterator[Span]:
        """A stretch of the file."""
        end = at + count
        place = bisect_right(self.data, (at // CLUSTER, 2**63)) - 1
        for first, last in self.data[max(place, 0) :]:
            start, stop = max(first * CLUSTER, at), min(last * CLUSTER, end)
            if first * CLUSTER >= end:
                break
            if start < stop:
                yield from _zeros(start - at)
                yield Span(stop - start, disk=start)
                at = stop
        yield from _zeros(end - at)


@dataclass
class Qcow2:
    """A qcow2 file that holds some clusters, and says of others that they are zeros."""

    virtual_bytes: int
    data: Runs
    zeros: Runs = field(default_factory=list)
    _held: list[int] = field(init=False)
    """How many clusters of data lie before those of each run."""
    _tables: list[int] = field(init=False)
    """The second-level tables that there are."""
    _starts: list[int] = field(init=False)
    """The first cluster of each part of the head, and that of the data."""

    def __post_init__(self) -> None:
        self._held = list(accumulate((last - first for first, last in self.data), initial=0))
        self._tables = sorted({table for first, last in (*self.data, *self.zeros) for table in _tables(first, last)})
        first_level = max(1, _clusters(8 * self._entries))
        # What counts the clusters is counted itself.
        blocks = top = 0
        while True:
            self._starts = list(accumulate((1, top, blocks, first_level, len(self._tables)), initial=0))
            enough = -(-self._total // _COUNTS), _clusters(8 * -(-self._total // _COUNTS))
            if enough == (blocks, top):
                break
            blocks, top = max(enough[0], blocks), max(enough[1], top)

    @property
    def size(self) -> int:
        """The size of the file."""
        return self._total * CLUSTER

    def spans(self, at: int, count: int) -> Iterator[Span]:
        """A stretch of the file; it begins and ends with a cluster."""
        cluster, end = at // CLUSTER, (at + count) // CLUSTER
        while cluster < min(end, self._starts[-1]):
            yield Span(CLUSTER, content=self._head(cluster))
            cluster += 1
        while cluster < end:
            number = cluster - self._starts[-1]
            run = bisect_right(self._held, number) - 1
            many = min(self._held[run + 1] - number, end - cluster)
            disk = (self.data[run][0] + number - self._held[run]) * CLUSTER
            there = min(many * CLUSTER, self.virtual_bytes - disk)
            yield Span(there, disk=disk)
            yield from _zeros(many * CLUSTER - there)
            cluster += many

    @property
    def _total(self) -> int:
        return self._starts[-1] + self._held[-1]

    @property
    def _entries(self) -> int:
        return -(-self.virtual_bytes // (CLUSTER * _L2_ENTRIES))

    def _head(self, cluster: int) -> bytes:
        part = bisect_right(self._starts, cluster) - 1
        make = (self._header, self._counts_table, self._counts, self._first_level, self._second_level)[part]
        return make(cluster - self._starts[part]).ljust(CLUSTER, b"\0")

    def _header(self, _: int) -> bytes:
        top, blocks, first_level = self._starts[1:4]
        places = (first_level * CLUSTER, top * CLUSTER, blocks - top)
        return struct.pack(
            _HEADER, b"QFI\xfb", 3, 0, 0, 16, self.virtual_bytes, 0, self._entries, *places, 0, 0, 0, 0, 0, 4, 104
        )

    def _counts_table(self, number: int) -> bytes:
        blocks, end = self._starts[2:4]
        return _packed([cluster * CLUSTER for cluster in range(blocks, end)][number * _L2_ENTRIES :][:_L2_ENTRIES])

    def _counts(self, number: int) -> bytes:
        return b"\0\1" * max(0, min(_COUNTS, self._total - number * _COUNTS))

    def _first_level(self, number: int) -> bytes:
        entries = [0] * min(_L2_ENTRIES, self._entries - number * _L2_ENTRIES)
        for place, table in enumerate(self._tables):
            if 0 <= table - number * _L2_ENTRIES < len(entries):
                entries[table - number * _L2_ENTRIES] = (self._starts[4] + place) * CLUSTER | _COPIED
        return _packed(entries)

    def _second_level(self, number: int) -> bytes:
        first = self._tables[number] * _L2_ENTRIES
        entries = [0] * _L2_ENTRIES
        for start, stop, _ in _within(self.zeros, first):
            entries[start - first : stop - first] = [_READS_ZERO] * (stop - start)
        for start, stop, run in _within(self.data, first):
            there = self._starts[-1] + self._held[run] + start - self.data[run][0]
            entries[start - first : stop - first] = [
                cluster * CLUSTER | _COPIED for cluster in range(there, there + stop - start)
            ]
        return _packed(entries)


def _within(runs: Runs, first: int) -> Iterator[tuple[int, int, int]]:
    """What is within one second-level table: its first cluster and the one after the last, and the run's number."""
    place = max(0, bisect_right(runs, (first, 2**63)) - 1)
    while place < len(runs) and runs[place][0] < first + _L2_ENTRIES:
        start, stop = max(runs[place][0], first), min(runs[place][1], first + _L2_ENTRIES)
        if start < stop:
            yield start, stop, place
        place += 1


def _tables(first: int, last: int) -> range:
    return range(first // _L2_ENTRIES, -(-last // _L2_ENTRIES))


def _clusters(count: int) -> int:
    return -(-count // CLUSTER)


def _zeros(count: int) -> Iterator[Span]:
    if count > 0:
        yield Span(count)


def _packed(entries: list[int]) -> bytes:
    return struct.pack(f">{len(entries)}Q", *entries)
