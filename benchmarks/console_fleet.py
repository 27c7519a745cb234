"""The console on 10,000 VMs, in a pty of 120 by 40: how soon it is there, how soon it answers, what it costs.

On a real kube-apiserver with etcd; with `K9S=path` that program is run beside it, on the same objects.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks.api import VMS
from benchmarks.figures import Figure, median, percentile
from benchmarks.fleet_api import CADENCE_S, RUNNING, Write, all_running, full_server, on_node, whole_fleet, writer
from benchmarks.fleet_gateway import WATCHED, live_figures
from benchmarks.fleet_k9s import beside
from benchmarks.fleet_screen import change, console, drain, moves
from benchmarks.process import Meter, memory
from tests.controlplane.api import RealApi
from tests.terminal import Terminal

STARTS, KEYS, CHANGES, UPDATES = 3, 60, 30, 50
IDLE_S, WATCHED_S = 15.0, 30.0
PLACED: Final = 30
"""A VM on the screen of which nothing changes but its node."""
ROWS: Final = "first rows"
Row = tuple[float, float, float, float]


def run() -> list[Figure]:
    """All of it, on one server."""
    with full_server() as api:
        figures = [*_starts(api), *_first_paint(api), *_at_work(api), *_charts(api)]
        ours = {one.name.removeprefix("fleet-console: "): one.value for one in figures}
        return [*figures, *beside(api, ours)]


def _starts(api: RealApi) -> list[Figure]:
    """The middle one of some starts."""
    with writer(api):  # who has 10,000 VMs has had a change within the last five minutes
        turns = [_start(api) for _ in range(STARTS)]
    first, application, rows, complete = (median(column) for column in zip(*turns, strict=True))
    return [
        Figure("fleet-console: something on the screen", first * 1000, "ms", promise=50),
        Figure("fleet-console: the application", application * 1000, "ms", promise=400),
        Figure(f"fleet-console: {ROWS}", rows, "s", promise=1.0),
        Figure("fleet-console: all rows", complete, "s", promise=3.0),
    ]


def _start(api: RealApi) -> Row:
    start = time.perf_counter()

    def since(pattern: str) -> float:
        shown.wait_for(pattern, timeout=120)
        return time.perf_counter() - start

    with console(api) as shown:
        return since(r"\S"), since("Quit"), since(r"vm-00\d\d\d"), since(rf"/{VMS}\b")


def _first_paint(api: RealApi) -> list[Figure]:
    """At the smallest size that terminals come in."""
    with console(api, 80, 24) as shown:
        shown.wait_for(r"vm-00\d\d\d", timeout=60)
        return [Figure("fleet-console: first paint at 80x24", len(shown.received), "bytes", promise=20_000)]


def _at_work(api: RealApi) -> list[Figure]:
    with console(api) as shown:
        shown.wait_for(rf"/{VMS}\b", timeout=120)
        shown.quiet(2.0)
        return [*_idle(shown), *_keys(shown), *_changes(api, shown), *_busy(api, shown), *_running(api, shown)]


def _idle(shown: Terminal) -> list[Figure]:
    meter, sent = Meter.of(shown.pid), drain(shown, IDLE_S)
    return [
        Figure("fleet-console: idle, CPU", meter.percent, "% of a core", promise=2),
        Figure("fleet-console: idle, sent", sent / IDLE_S, "bytes a second"),
        Figure("fleet-console: memory, RSS", memory(shown.pid).resident / 1e6, "MB", promise=250),
    ]


def _keys(shown: Terminal) -> list[Figure]:
    keys = moves(shown, KEYS)
    return [
        Figure("fleet-console: one cursor move", median([size for _, size in keys]), "bytes", promise=300),
        Figure("fleet-console: key to paint, p95", _p95(keys), "ms", promise=40),
    ]


def _changes(api: RealApi, shown: Terminal) -> list[Figure]:
    """One VM's node, again and again, while nothing else happens."""
    with writer(api) as write:
        write(on_node(PLACED, "a"))
        drain(shown, 1.0)
        found = [_change(shown, write, PLACED, f" {chr(98 + turn % 24)} ") for turn in range(CHANGES)]
    return [
        Figure("fleet-console: one changed cell", median([size for _, size in found]), "bytes", promise=100),
        Figure("fleet-console: change in the API to screen, p95", _p95(found), "ms", promise=300),
    ]


def _busy(api: RealApi, shown: Terminal) -> list[Figure]:
    with writer(api, whole_fleet, UPDATES) as write:
        drain(shown, 2.0)
        meter = Meter.of(shown.pid)
        keys = moves(shown, KEYS)
        cpu = meter.percent
        found = [_change(shown, write, turn % (RUNNING // 2), f"turn-{turn:02}") for turn in range(CHANGES)]
    words = f"under {UPDATES} updates a second"
    return [
        Figure(f"fleet-console: key to paint {words}, p95", _p95(keys), "ms", promise=40),
        Figure(f"fleet-console: change to screen {words}, p95", _p95(found), "ms", promise=300),
        Figure(f"fleet-console: CPU {words}", cpu, "% of a core"),
    ]


def _change(shown: Terminal, write: Callable[[Write], None], number: int, words: str) -> tuple[float, int]:
    return change(shown, lambda: write(on_node(number, words.strip())), words)


def _p95(found: Sequence[tuple[float, int]]) -> float:
    return percentile([seconds for seconds, _ in found], 95) * 1000


def _running(api: RealApi, shown: Terminal) -> list[Figure]:
    """As many running VMs as fit, each of which uses something else whenever a controller may say so."""
    with writer(api, all_running, RUNNING / CADENCE_S):
        drain(shown, CADENCE_S)  # so that the sparklines have something to show
        sent = drain(shown, WATCHED_S)
    name = f"fleet-console: list with {RUNNING} running VMs and sparklines"
    return [Figure(name, sent / WATCHED_S, "bytes a second", promise=1000)]


def _charts(api: RealApi) -> list[Figure]:
    """Four charts of a guest that is never at rest, a sample a second."""
    with live_figures(api, Path(api.folder)), console(api) as shown:
        shown.wait_for(WATCHED[1], timeout=60)
        shown.press("enter")
        shown.until("[overview]")
        shown.press("2")
        shown.until("of 100%")
        drain(shown, 3.0)
        meter, sent = Meter.of(shown.pid), drain(shown, WATCHED_S)
        return [
            Figure("fleet-console: detail with four live charts", sent / WATCHED_S, "bytes a second", promise=5000),
            Figure("fleet-console: CPU of the charts", meter.percent, "% of a core"),
        ]
