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
        began, last = self._clock(), ""

        def tell(text: str) -> None:
            nonlocal last
            if text != last or self._out.isatty():
                last = text
                self._show(f"{self._bullet} {name}: {text}", self._clock() - began)

        try:
            yield tell
        finally:
            if self._out.isatty() and last:
                self._write("\n")

    def say(self, text: str) -> None:
        """A line of its own."""
        self._write(f"{text}\n")

    def _show(self, line: str, elapsed: float) -> None:
        timed = f"{line} ({elapsed:.1f} s)" if elapsed >= _SHOWN_AFTER_S else line
        if self._out.isatty():
            self._write(f"\r\x1b[K{timed[: shutil.get_terminal_size().columns - 1]}")
        else:
            self._write(f"{timed}\n")

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
