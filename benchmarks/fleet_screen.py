"""The console as somebody sees it who has ten thousand VMs: what was pressed or changed, until it is on the screen."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.controlplane.api import Api
from tests.terminal import Terminal

SETTLE_S = 0.1
CURSOR = "▶".encode()


def console(api: Api, columns: int = 120, rows: int = 40) -> Terminal:
    """The program, just started."""
    command = [str(Path(sys.executable).with_name("hypersdk")), "--kubeconfig", str(api.kubeconfig), "-n", "default"]
    return Terminal(command, environ(api), columns, rows)


def environ(api: Api) -> dict[str, str]:
    """What a user's shell has, and nothing of this machine's user."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    home = {"XDG_CONFIG_HOME": str(api.folder / "config"), "XDG_STATE_HOME": str(api.folder / "state")}
    own = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor", "KUBECONFIG": str(api.kubeconfig)}
    return kept | home | own | {"HYPERSDK_STATE": str(api.folder / "s")}


def drain(shown: Terminal, seconds: float) -> int:
    """Read on for so long; how many bytes came."""
    before, end = len(shown.received), time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        shown.read(left)
    return len(shown.received) - before


def moves(shown: Terminal, count: int) -> list[tuple[float, int]]:
    """The cursor down and up again: seconds until it is painted in its new row, and bytes that took."""
    found = []
    for turn in range(count):
        before, start = len(shown.received), time.perf_counter()
        shown.press("up" if turn % 2 else "down")
        while CURSOR not in shown.received[before:]:
            shown.read(5.0)
        seconds = time.perf_counter() - start
        drain(shown, SETTLE_S)
        found.append((seconds, len(shown.received) - before))
    return found


def change(shown: Terminal, ask: Callable[[], None], words: str) -> tuple[float, int]:
    """From just before the request until its words are on the screen, and bytes that took."""
    before, start = len(shown.received), time.perf_counter()
    ask()
    shown.until(words)
    seconds = time.perf_counter() - start
    drain(shown, SETTLE_S)
    return seconds, len(shown.received) - before
