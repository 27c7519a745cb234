"""A program in a pseudo terminal: keys in, the screen as a terminal shows it, and every byte counted."""

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
from typing import Self

import pyte

DEADLINE_S = 20.0
QUIET_S = 0.3
UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>][0-9;]*[a-z]|\x1b\[\?[0-9;]*\$p|\x1b\]22;[^\x07\x1b]*(?:\x07|\x1b\\)")
HAS_SYNC = b"\x1b[?2026;2$y"


class PseudoTerminal:
    """The program and its terminal; use it with `with`."""

    def __init__(self, argv: Sequence[str], columns: int, rows: int, environ: Mapping[str, str]) -> None:
        self.screen = pyte.Screen(columns, rows)
        self.received = b""
        self._stream = pyte.ByteStream(self.screen)
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(argv[0], list(argv), dict(environ))
        self.resize(columns, rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
        os.close(self._fd)

    @property
    def text(self) -> str:
        """What the terminal shows."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def resize(self, columns: int, rows: int) -> None:
        """Another size; a real terminal keeps what fits, and so does this one."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def press(self, keys: str) -> int:
        """Send keys; how many bytes came back until it was quiet."""
        os.write(self._fd, keys.encode())
        return self.quiet()

    def quiet(self) -> int:
        """Read until nothing comes any more; how many bytes that were."""
        before, deadline = len(self.received), time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline and self._read(QUIET_S):
            pass
        return len(self.received) - before

    def until(self, words: str) -> None:
        """Read until the terminal shows the words."""
        deadline = time.monotonic() + DEADLINE_S
        while words not in self.text:
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{words!r} did not appear:\n{self.text}")

    def ended(self) -> int:
        """Wait for the end of the program; its exit code."""
        while self._read(DEADLINE_S):
            pass
        _, status = os.waitpid(self._pid, 0)
        self._pid, code = os.posix_spawn("/bin/true", ["true"], {}), os.waitstatus_to_exitcode(status)
        return code

    def _read(self, wait_s: float) -> bool:
        """Take in what comes within that time; False when nothing did, or the program ended."""
        if not select.select([self._fd], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self._fd, 65536)
        except OSError:
            return False
        if b"\x1b[?2026$p" in data:
            os.write(self._fd, HAS_SYNC)
        self.received += data
        self._stream.feed(UNKNOWN_TO_PYTE.sub(b"", data))
        return bool(data)
