"""How long do ten megabytes of log take through the console's pane? Beside tmux, both in a pty of 120 by 40."""

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.emulator import LOG
from benchmarks.figures import Figure, median
from tests.terminal import Terminal

TURNS = 3
SIZE = 10_000_000
END = "every line was shown"


def run() -> list[Figure]:
    """Each in turn; pyte, which is for where there is nothing better, takes a tenth."""
    with tempfile.TemporaryDirectory() as folder:
        whole, tenth = _log(Path(folder), SIZE), _log(Path(folder), SIZE // 10)
        tmux = ["tmux", "-L", f"bench-{os.getpid()}", "-f", "/dev/null", "new-session"]
        times: dict[str, list[float]] = {"ours": [], "tmux": []}
        for _ in range(TURNS):
            times["ours"].append(_seconds(_pane(whole, "ghostty"), "\r"))
            times["tmux"].append(_seconds([*tmux, f"printf READY; read go; cat {whole}; sleep 9"], "\r"))
        slow = _seconds(_pane(tenth, "pyte"), "\r")
    ours, peer = median(times["ours"]), median(times["tmux"])
    return [
        Figure("pane: 10 MB of coloured log, libghostty-vt", ours, "s"),
        Figure("pane: the same in tmux", peer, "s"),
        Figure("pane: time, ours to tmux's", ours / peer, "ratio", promise=1.0),
        Figure("pane: 1 MB, pyte", slow, "s"),
    ]


def _log(folder: Path, size: int) -> Path:
    path = folder / f"{size}.log"
    path.write_bytes((LOG * (size // len(LOG) + 1))[:size] + f"\r\n\x1b[0m{END}\r\n".encode())
    return path


def _pane(file: Path, emulator: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks.pane_program", str(file), emulator]


def _seconds(command: Sequence[str], go: str) -> float:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    with Terminal(command, environ | {"TERM": "xterm-256color", "LANG": "C.UTF-8"}, 120, 40) as shown:
        shown.until("READY")
        shown.quiet()
        start = time.perf_counter()
        shown.press(go)
        shown.wait_for(END, timeout=120)
        return time.perf_counter() - start
