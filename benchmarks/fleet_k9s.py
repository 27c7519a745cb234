"""k9s on the same ten thousand VMs, where `K9S` says where it is; ours beside it in proportion."""

import os
import time
from pathlib import Path

from benchmarks.figures import Figure, percentile
from benchmarks.fleet_screen import drain, environ
from benchmarks.process import Meter, memory
from tests.controlplane.api import Api
from tests.terminal import Terminal

KEYS, SETTLE_S, IDLE_S = 40, 15.0, 10.0


def beside(api: Api, ours: dict[str, float]) -> list[Figure]:
    """Its figures, and the ratio of ours to them, by the same names."""
    program = os.environ.get("K9S")
    if not program:
        return []
    figures: list[Figure] = []
    for name, (value, unit) in _measured(Path(program), api).items():
        figures.append(Figure(f"k9s: {name}", value, unit))
        figures.append(Figure(f"k9s: {name}, ours to k9s'", ours[name] / value, "ratio"))
    return figures


def _measured(program: Path, api: Api) -> dict[str, tuple[float, str]]:
    start = time.perf_counter()
    command = [str(program), "--kubeconfig", str(api.kubeconfig), "-n", "default", "-c", "virtualmachines"]
    with Terminal(command, environ(api) | {"HOME": str(api.folder / "k9s")}, 120, 40) as shown:
        shown.wait_for(r"vm-0\d\d\d\d", timeout=120)
        rows = time.perf_counter() - start
        drain(shown, SETTLE_S)
        keys = [_key(shown, "up" if turn % 2 else "down") for turn in range(KEYS)]
        meter = Meter.of(shown.pid)
        drain(shown, IDLE_S)
        return {
            "first rows": (rows, "s"),
            "memory, RSS": (memory(shown.pid).resident / 1e6, "MB"),
            "idle, CPU": (meter.percent, "% of a core"),
            "key to paint, p95": (percentile([seconds for seconds, _ in keys], 95) * 1000, "ms"),
            "one cursor move": (percentile([size for _, size in keys], 50), "bytes"),
        }


def _key(shown: Terminal, key: str) -> tuple[float, int]:
    before, start = len(shown.received), time.perf_counter()
    shown.press(key)
    shown.wait_bytes()
    seconds = time.perf_counter() - start
    drain(shown, 0.15)
    return seconds, len(shown.received) - before
