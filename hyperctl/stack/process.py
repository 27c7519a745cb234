"""Which process is it? A pid alone may be somebody else's tomorrow; with its start time and the boot it cannot."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_STATE, _START = 0, 19
"""Fields of /proc/PID/stat, counted from the one after the command."""


@dataclass(frozen=True)
class Process:
    """One process of this host."""

    pid: int
    start_ticks: int
    boot: str

    @property
    def is_alive(self) -> bool:
        """Whether exactly this process still runs."""
        return identify(self.pid) == self

    def age_s(self) -> float:
        """Seconds since it was started."""
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return max(0.0, uptime - self.start_ticks / os.sysconf("SC_CLK_TCK"))


def identify(pid: int) -> Process | None:
    """The process with that pid now; None when there is none, or only its corpse."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[_STATE] in {"Z", "X"}:
        return None
    return Process(pid, int(fields[_START]), current_boot())


def current_boot() -> str:
    """What tells this boot of the host from every other."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


Kill = Callable[["Process", signal.Signals], None]


def plain_kill(process: Process, number: signal.Signals) -> None:
    """Signal a process of our own user."""
    if process.is_alive:
        os.kill(process.pid, number)


def kill_by(prefix: tuple[str, ...]) -> Kill:
    """How to signal a process of another user: as the one that the prefix (sudo) makes us."""

    def kill(process: Process, number: signal.Signals) -> None:
        # Not kill(1): a small Debian has none.
        me = [*prefix, sys.executable, "-P", "-m", "hyperctl.stack.process", str(number.value)]
        subprocess.run([*me, str(process.pid), str(process.start_ticks), process.boot], check=False, cwd="/")

    return kill if prefix else plain_kill


def end(process: Process, kill: Kill, timeout: float) -> bool:
    """SIGTERM, and SIGKILL after the deadline; whether it is gone."""
    for number, patience in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5.0)):
        if not process.is_alive:
            return True
        try:
            kill(process, number)
        except ProcessLookupError:
            return True
        if await_end(process, patience):
            return True
    return False


def await_end(process: Process, timeout: float) -> bool:
    """Wait until the process, child of ours or not, has ended."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        deadline = time.monotonic() + timeout
        while process.is_alive and (left := deadline - time.monotonic()) > 0:
            select.select([descriptor], [], [], left)
    finally:
        os.close(descriptor)
    return not process.is_alive


if __name__ == "__main__":
    plain_kill(Process(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]), signal.Signals(int(sys.argv[1])))
