"""What the console costs a person on a slow line: bytes and moments, in a pty of 80 by 24, on two running VMs."""

import sys
import time
from pathlib import Path

import psutil

from benchmarks.figures import Figure, median
from benchmarks.stack import Stack
from tests.terminal import Terminal

IDLE_S = 20.0


def run(stack: Stack) -> list[Figure]:
    """First paint, keys, and a while with nobody touching it."""
    start = time.perf_counter()
    command = [str(Path(sys.executable).with_name("hypersdk"))]
    with Terminal(command, stack.environ) as terminal:
        terminal.wait_for(r"\S")
        first = time.perf_counter() - start
        terminal.wait_for("demo-1")
        rows, painted = time.perf_counter() - start, len(terminal.received)
        terminal.quiet(1.0)
        keys = [_key(terminal, key) for key in ("down", "up") * 10]
        idle_bytes, idle_cpu = _idle(terminal)
    return [
        Figure("console: first words on the screen", first, "s"),
        Figure("console: first rows on the screen", rows, "s"),
        Figure("console: bytes until the first rows", painted, "bytes", promise=20_000),
        Figure("console: one cursor move", median([size for _, size in keys]), "bytes", promise=300),
        Figure("console: key to paint", median([seconds for seconds, _ in keys]) * 1000, "ms", promise=50),
        Figure("console: idle, sent", idle_bytes / IDLE_S, "bytes a second", promise=1000),
        Figure("console: idle, CPU", idle_cpu / IDLE_S * 100, "% of a core"),
    ]


def _key(terminal: Terminal, key: str) -> tuple[float, int]:
    """Seconds to the first byte after a key, and bytes until it is quiet."""
    before, start = len(terminal.received), time.perf_counter()
    terminal.press(key)
    terminal.wait_bytes()
    seconds = time.perf_counter() - start
    terminal.quiet(0.1)
    return seconds, len(terminal.received) - before


def _idle(terminal: Terminal) -> tuple[int, float]:
    process = psutil.Process(terminal.pid)
    bytes_before, cpu_before = len(terminal.received), sum(process.cpu_times()[:2])
    end = time.monotonic() + IDLE_S
    while (left := end - time.monotonic()) > 0:
        terminal.read(left)
    return len(terminal.received) - bytes_before, sum(process.cpu_times()[:2]) - cpu_before
