"""The busy program on a pty: what it paints is read as fast or as slowly as a test likes, its pulse beside it."""

import os
import select
import sys
import time

from tests.terminal import Terminal


class Busy(Terminal):
    """The busy program, and its pulse."""

    def __init__(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.pulse, theirs = os.pipe()
        os.set_inheritable(theirs, True)
        places = {"HYPERSDK_STATE": "/nonexistent", "XDG_STATE_HOME": "/nonexistent", "PULSE": str(theirs)}
        argv = [sys.executable, "-m", "tests.tui.busy_program"]
        super().__init__(argv, kept | places | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}, 120, 40)
        os.close(theirs)

    def rounds(self, more: int, within: float) -> None:
        """Wait for so many rounds, without reading what the program paints."""
        seen, deadline = b"", time.monotonic() + within
        while seen.count(b"\n") < more:
            ready, _, _ = select.select([self.pulse], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"the program stood still after {seen.count(10)} rounds"
            seen += os.read(self.pulse, 4096)

    def longest_gap(self) -> float:
        """The longest time in seconds that its event loop was held up so far."""
        ready, _, _ = select.select([self.pulse], [], [], 30)
        return float(os.read(self.pulse, 1 << 20).split()[-1]) if ready else float("inf")

    def close(self) -> None:
        """End it."""
        super().close()
        os.close(self.pulse)
