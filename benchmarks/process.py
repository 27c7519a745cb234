"""What does a process cost? Its CPU time, children it has reaped included, and its memory."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Bytes of one process."""

    resident: int
    proportional: int
    """Pages shared with others counted by their share (PSS)."""


@dataclass(frozen=True)
class Meter:
    """CPU time of a process since the meter was made, over wall time."""

    pid: int
    clock: Callable[[], float] = time.monotonic
    began: float = field(default_factory=time.monotonic)
    before: float = 0.0

    @classmethod
    def of(cls, pid: int) -> "Meter":
        """One that starts now."""
        return cls(pid, before=cpu_seconds(pid))

    @property
    def percent(self) -> float:
        """Percent of one core."""
        return 100 * (cpu_seconds(self.pid) - self.before) / (self.clock() - self.began)


def cpu_seconds(pid: int) -> float:
    """User and system time, with that of children that have ended (proc(5), /proc/pid/stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS


def memory(pid: int) -> Memory:
    """How much there is of it now."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return Memory(sizes["Rss"], sizes["Pss"])
