"""What is a running guest doing, as the kernel alone can tell? Without a question to libvirt or QEMU: some 25 µs a VM.

libvirt's own counters cost 8-10 ms of CPU for each running VM, because QEMU is asked for them; these can be had every
second. The disk's are those of the QEMU process: what it read from the host's page cache is not in them.
"""

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.hypervisor.readings import Pulse

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_INTERFACES: Final = Path("/proc/self/net/dev")
_MOST: Final = 4096


@dataclass(frozen=True)
class Run:
    """One run of a domain: its QEMU, and the host's ends of its network interfaces."""

    pid: int
    taps: tuple[str, ...] = ()


def read_pulses(runs: Mapping[str, Run]) -> dict[str, Pulse]:
    """The pulses of those that are still there. Blocks, but for the kernel only."""
    traffic = _traffic() if any(run.taps for run in runs.values()) else {}
    read = ((uuid, _pulse(run, traffic)) for uuid, run in runs.items())
    return {uuid: pulse for uuid, pulse in read if pulse is not None}


def _pulse(run: Run, traffic: Mapping[str, tuple[int, int]]) -> Pulse | None:
    try:
        cpu = time.clock_gettime_ns(_cpu_clock(run.pid))
        resident = int(_read(f"/proc/{run.pid}/statm").split()[1]) * _PAGE
        read, written = disk_traffic(_read(f"/proc/{run.pid}/io"))
    except (OSError, IndexError, ValueError):
        return None  # it has just ended
    received, transmitted = _sums(traffic.get(tap, (0, 0)) for tap in run.taps)
    return Pulse(cpu, resident, read, written, received, transmitted)


def _cpu_clock(pid: int) -> int:
    """The clock of the CPU time of another process, as clock_getcpuclockid(3) makes it: in nanoseconds, one call."""
    return (~pid << 3) | 2


def disk_traffic(io: bytes) -> tuple[int, int]:
    """The bytes that a process had fetched from storage, and sent to it: /proc/PID/io."""
    figures = dict(line.split(b": ") for line in io.splitlines())
    return int(figures[b"read_bytes"]), int(figures[b"write_bytes"])


def interface_traffic(table: str) -> dict[str, tuple[int, int]]:
    """What guests have received and transmitted, by tap: /proc/net/dev, which is the host's view, turned round."""
    rows = (line.split(":", 1) for line in table.splitlines()[2:])
    figures = ((name.strip(), counters.split()) for name, counters in rows)
    return {name: (int(counters[8]), int(counters[0])) for name, counters in figures}


def _traffic() -> dict[str, tuple[int, int]]:
    try:
        return interface_traffic(_INTERFACES.read_text())
    except OSError:
        return {}


def _sums(pairs: Iterable[tuple[int, int]]) -> tuple[int, int]:
    received, transmitted = 0, 0
    for one, other in pairs:
        received, transmitted = received + one, transmitted + other
    return received, transmitted


def _read(path: str) -> bytes:
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, _MOST)
    finally:
        os.close(handle)
