"""What a person sees while the stack comes up: one line a step, rewritten in a terminal, appended elsewhere."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Tell = Callable[[str], None]
"""Says how far a step is."""

_SHOWN_AFTER_S = 0.5


class Talk:
    """Prints the steps to one stream."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._bullet = "·" if (out.encoding or "").lower().startswith("utf") else "-"

    @contextmanager
    def step(self, name: str) -> Iterator[Tell]:
        """A step: what is told within it appears after its name, with the time since it began."""
        began, line, last = self._clock(), "", ""

        def tell(text: str) -> None:
            nonlocal line, last
            line = self._timed(f"{self._bullet} {name}: {text}", self._clock() - began)
            if self._out.isatty():
                self._write(f"\r\x1b[K{line[: shutil.get_terminal_size().columns - 1]}")
            elif text != last:
                self._write(f"{line}\n")
            last = text

        try:
            yield tell
        finally:
            if self._out.isatty() and line:
                self._write(f"\r\x1b[K{line}\n")

    def say(self, text: str) -> None:
        """A line of its own."""
        self._write(f"{text}\n")

    def _timed(self, line: str, elapsed: float) -> str:
        return f"{line} ({elapsed:.1f} s)" if elapsed >= _SHOWN_AFTER_S else line

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
