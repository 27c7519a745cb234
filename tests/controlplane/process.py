"""A server program that a test starts, waits for, and stops by its pid."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY_S = 0.05


class NotReady(AssertionError):
    """The program ended or stayed silent instead of serving; the message has the end of its log."""


@dataclass(frozen=True)
class Process:
    """A running program; what it says goes to `log`."""

    running: subprocess.Popen[bytes]
    log: Path

    @classmethod
    def start(cls, command: Sequence[str | Path], log: Path, environ: Mapping[str, str] | None = None) -> "Process":
        """Start it so that it ends with this process, even when that is killed.

        The kernel takes the thread for the parent: started from any but the main one, it ends with that thread.
        """
        with log.open("ab") as out:
            running = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environ,
            )
        return cls(running, log)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Wait for `ready`, looking again whenever the program has lived a moment longer."""
        deadline = time.monotonic() + seconds
        while not ready():
            if self.ended_within(LOOK_EVERY_S):
                raise NotReady(f"{self._name} ended with {self.running.returncode}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise NotReady(f"{self._name} does not serve after {seconds:.0f} s:\n{self.tail()}")

    def ended_within(self, seconds: float) -> bool:
        """Whether the program is over, waiting so long for it."""
        try:
            self.running.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, seconds: float = 10) -> None:
        """Ask it to end, and make it end when it does not."""
        self.running.terminate()
        if not self.ended_within(seconds):
            self.running.kill()
            self.running.wait()

    def kill(self) -> None:
        """End it at once."""
        self.running.kill()
        self.running.wait()

    def pause(self) -> None:
        """Let it answer nobody, without ending."""
        self.running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.running.send_signal(signal.SIGCONT)

    def tail(self, characters: int = 3000) -> str:
        """The end of what it said."""
        return self.log.read_text(errors="replace")[-characters:]

    @property
    def _name(self) -> str:
        return str(self.running.args)
