"""A program in a real pty with a screen to look at: what a test presses and reads, as a person would."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from tui.terminal.pyte_emulator import PyteEmulator

KEYS: Final = {
    "enter": "\r",
    "escape": "\x1b",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "tab": "\t",
    "pageup": "\x1b[5~",
    "ctrl+]": "\x1d",
    "ctrl+d": "\x04",
    "ctrl+u": "\x15",
    "backspace": "\x7f",
}
QUIET_S: Final = 0.3
ASKS_FOR_SYNC: Final = b"\x1b[?2026$p"
HAS_SYNC: Final = b"\x1b[?2026;2$y"
"""A terminal that can show a frame at once, as today's can (synchronized output)."""


class Terminal:
    """A child process on a pty of its own; every wait ends with the event or fails with the screen in its message."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], columns: int = 80, rows: int = 24) -> None:
        self.screen = PyteEmulator(columns, rows)
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], list(argv), dict(environ))
        self.resize(columns, rows)
        self.status: int | None = None
        self.received = bytearray()
        """All that came so far."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def resize(self, columns: int, rows: int) -> None:
        """Change the window's size."""
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(columns, rows)

    def text(self) -> str:
        """What is on the screen now."""
        rows = ("".join(text for text, _ in self.screen.row(y)).rstrip() for y in range(self.screen.rows))
        return "\n".join(rows)

    def press(self, *keys: str) -> None:
        """Press named keys; anything that is no name is typed as it stands."""
        for key in keys:
            os.write(self.fd, KEYS.get(key, key).encode())

    def cost(self, *keys: str) -> int:
        """Press keys; how many bytes came back until it was quiet."""
        before = len(self.received)
        self.press(*keys)
        self.quiet()
        return len(self.received) - before

    def until(self, words: str) -> None:
        """Read until these very words are on the screen."""
        self.wait_for(re.escape(words))

    def wait_for(self, pattern: str, timeout: float = 20) -> re.Match[str]:
        """Read until the pattern is on the screen."""
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.text())
            if found is not None:
                return found
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                raise AssertionError(f"{pattern!r} did not appear in {timeout} s; the screen:\n{self.text()}")

    def wait_gone(self, pattern: str, timeout: float = 20) -> None:
        """Read until the pattern is no longer on the screen."""
        deadline = time.monotonic() + timeout
        while re.search(pattern, self.text()):
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                raise AssertionError(f"{pattern!r} is still there after {timeout} s; the screen:\n{self.text()}")

    def wait_heard(self, words: str, since: int, timeout: float = 20) -> None:
        """Read until these words have come after so many bytes, wherever on the screen they are by then."""
        deadline = time.monotonic() + timeout
        while words.encode() not in self.received[since:]:
            left = deadline - time.monotonic()
            if left <= 0 or not self.read(left):
                raise AssertionError(f"{words!r} did not come in {timeout} s; the screen:\n{self.text()}")

    def wait_bytes(self, timeout: float = 5) -> None:
        """Read until anything comes."""
        before, deadline = len(self.received), time.monotonic() + timeout
        while len(self.received) == before:
            if time.monotonic() > deadline or not self.read(deadline - time.monotonic()):
                raise AssertionError(f"nothing came in {timeout} s; the screen:\n{self.text()}")

    def quiet(self, seconds: float = QUIET_S) -> int:
        """Read until nothing has come for so long; how many bytes that were."""
        first, before = len(self.received), -1
        while before != len(self.received):
            before = len(self.received)
            self.read(seconds)
        return before - first

    def wait_end(self, timeout: float = 20) -> int:
        """Read until the program has ended; its exit code."""
        deadline = time.monotonic() + timeout
        while self.read(deadline - time.monotonic()):
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not end in {timeout} s; the screen:\n{self.text()}")
        return self._reap()

    def close(self) -> None:
        """End the program if it still runs."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self._reap()
        os.close(self.fd)

    def _reap(self) -> int:
        if self.status is None:
            _, status = os.waitpid(self.pid, 0)
            self.status = os.waitstatus_to_exitcode(status)
        return self.status

    def read(self, timeout: float, most: int = 65536) -> bool:
        """Wait for output and show it, `most` bytes of it; False when the program has closed the pty."""
        ready, _, _ = select.select([self.fd], [], [], max(0.0, timeout))
        if not ready:
            return True
        try:
            data = os.read(self.fd, most)
        except OSError:  # EIO: the last process on the pty has gone
            return False
        self.received += data
        self.screen.feed(data)
        if ASKS_FOR_SYNC in data:
            os.write(self.fd, HAS_SYNC)
        if replies := self.screen.take_replies():
            os.write(self.fd, replies)
        return bool(data)
