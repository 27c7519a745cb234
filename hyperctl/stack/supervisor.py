"""How daemons are kept running: started, started again when they die, reaped, and stopped in order."""

import fcntl
import os
import select
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_FIRST_DELAY_S = 0.2
_LONGEST_DELAY_S = 10.0
_HEALTHY_AFTER_S = 30.0
_STOP_DEADLINE_S = 10.0
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_SIGNALS = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_FLOCK = struct.Struct("hhqqi4x")


def back_off(deaths: int) -> float:
    """Seconds to wait before the next start after that many deaths in a row."""
    return min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2.0 ** min(max(0, deaths - 1), 10))


def lock_holder(pidfile: Path) -> int:
    """The pid of the process that holds a libvirt pid file locked, 0 when nobody does."""
    try:
        with pidfile.open("rb") as file:
            asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            kind, _, _, _, pid = _FLOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except FileNotFoundError:
        return 0
    return 0 if kind == fcntl.F_UNLCK else int(pid)


@dataclass
class Daemon:
    """One daemon that holds its pid file locked as long as it lives."""

    command: Sequence[str]
    pidfile: Path
    pid: int = 0
    """Our child, 0 when there is none."""
    deaths: int = 0
    started_at: float = 0.0
    next_start: float = 0.0
    stopping: bool = False

    def start(self, now: float) -> None:
        """Start it in a session of its own, unless one left over from before still runs: that one is kept."""
        if lock_holder(self.pidfile):
            self.next_start = now + _LONGEST_DELAY_S
            return
        program = shutil.which(self.command[0], path=_ENVIRONMENT["PATH"]) or self.command[0]
        self.pid = os.posix_spawn(
            program, list(self.command), _ENVIRONMENT, setsid=True, setsigmask=(), setsigdef=_SIGNALS
        )
        self.started_at = now

    def died(self, now: float, status: int) -> None:
        """Note the death and when to start again."""
        self.pid = 0
        self.deaths = 1 if now - self.started_at > _HEALTHY_AFTER_S else self.deaths + 1
        self.next_start = now + back_off(self.deaths)
        code = os.waitstatus_to_exitcode(status)
        print(f"{self.command[0]} ended ({code}), starts again", file=sys.stderr, flush=True)

    def stop(self) -> None:
        """End it: SIGTERM, a deadline, SIGKILL."""
        self.stopping = True
        pid = self.pid or lock_holder(self.pidfile)
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not pid or not _signalled(pid, number):
                return
            if _gone(pid, time.monotonic() + _STOP_DEADLINE_S):
                return


def supervise(daemons: Sequence[Daemon], every_second: Callable[[], None]) -> None:
    """Keep the daemons running and reap every orphan until SIGTERM; then stop the daemons, the last one first."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    while True:
        now = time.monotonic()
        for daemon in daemons:
            if not daemon.pid and daemon.next_start <= now:
                daemon.start(now)
        due = min([now + 1, *(d.next_start for d in daemons if not d.pid)])
        every_second()
        arrived = signal.sigtimedwait(_SIGNALS, max(0.0, due - now))
        if arrived is not None and arrived.si_signo in {signal.SIGTERM, signal.SIGINT}:
            break
        _reap(daemons)
    for daemon in reversed(daemons):
        daemon.stop()
    _reap(daemons)


def _reap(daemons: Sequence[Daemon]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        for daemon in daemons:
            if daemon.pid == pid and not daemon.stopping:
                daemon.died(time.monotonic(), status)


def _signalled(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _gone(pid: int, deadline: float) -> bool:
    """Wait for a process, child of ours or not, by its pid descriptor."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        readable, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        return bool(readable)
    finally:
        os.close(descriptor)
