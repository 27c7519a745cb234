"""The console on 10,000 VMs, in a pty of 120 by 40: how soon it is there, how soon it answers, what it costs.

On the embedded API; with `K9S=path` that program is run beside it, on the same objects.
"""

import asyncio
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Final

import aiohttp

from benchmarks.api import MERGE, PLACE, VMS, fill, signed_in
from benchmarks.figures import Figure, median, percentile
from benchmarks.process import Meter, memory
from tests.controlplane.api import Api
from tests.controlplane.build import binaries
from tests.controlplane.embedded import EmbeddedServer
from tests.terminal import Terminal

KEYS, CHANGES, IDLE_S, UPDATES = 60, 30, 15.0, 50
SHOWN: Final = 20
"""So many of the first rows are looked at."""


def run() -> list[Figure]:
    """All of it, on one server."""
    with tempfile.TemporaryDirectory(prefix="hb") as folder:
        server = EmbeddedServer(Path(folder), binaries(os.environ))
        server.start()
        try:
            asyncio.run(_filled(server.api))
            return [*_start_up(server.api), *_k9s(server.api)]
        finally:
            server.stop()


async def _filled(api: Api) -> None:
    async with signed_in(api) as session:
        await fill(session)
        for number in range(SHOWN):
            await _patch(session, number, "node-0")


def _start_up(api: Api) -> list[Figure]:
    start = time.perf_counter()
    command = [str(Path(sys.executable).with_name("hypersdk")), "--kubeconfig", str(api.kubeconfig), "-A"]
    with Terminal(command, _environ(api), 120, 40) as shown:
        shown.wait_for(r"\S")
        first = time.perf_counter() - start
        shown.wait_for(r"Quit", timeout=60)
        application = time.perf_counter() - start
        shown.wait_for(r"vm-00\d\d\d", timeout=60)
        rows = time.perf_counter() - start
        shown.wait_for(rf"/{VMS}\b", timeout=120)
        complete = time.perf_counter() - start
        shown.quiet(2.0)
        figures = [
            Figure("fleet-console: something on the screen", first * 1000, "ms", promise=50),
            Figure("fleet-console: the application", application * 1000, "ms", promise=400),
            Figure("fleet-console: first rows", rows, "s", promise=1.0),
            Figure("fleet-console: all rows", complete, "s", promise=3.0),
            Figure("fleet-console: memory, RSS", memory(shown.pid).resident / 1e6, "MB", promise=250),
        ]
        return [*figures, *_at_work(api, shown)]


def _at_work(api: Api, shown: Terminal) -> list[Figure]:
    """Idle, keys, and both again while the fleet changes."""
    meter, before = Meter.of(shown.pid), len(shown.received)
    _drain(shown, IDLE_S)
    idle, sent = meter.percent, (len(shown.received) - before) / IDLE_S
    quiet = _keys(shown)
    with _updates(api) as change:
        changes = sorted(_change(shown, change, turn) for turn in range(CHANGES))
        meter = Meter.of(shown.pid)
        busy = _keys(shown)
        cpu = meter.percent
    return [
        Figure("fleet-console: idle, CPU", idle, "% of a core", promise=2),
        Figure("fleet-console: idle, sent", sent, "bytes a second"),
        Figure("fleet-console: one cursor move", median([size for _, size in quiet]), "bytes", promise=300),
        Figure("fleet-console: key to paint, p95", _p95(quiet), "ms", promise=40),
        Figure(f"fleet-console: the same under {UPDATES} updates a second, p95", _p95(busy), "ms", promise=40),
        Figure("fleet-console: CPU meanwhile", cpu, "% of a core"),
        Figure("fleet-console: change in the API to screen, p95", percentile(changes, 95) * 1000, "ms", promise=300),
    ]


def _p95(keys: list[tuple[float, int]]) -> float:
    return percentile([seconds for seconds, _ in keys], 95) * 1000


def _keys(shown: Terminal) -> list[tuple[float, int]]:
    """Until the cursor stands on the next row, and bytes that took."""
    found = []
    for turn in range(KEYS):
        row = f"▶ vm-{1 - turn % 2:05}"
        before, start = len(shown.received), time.perf_counter()
        shown.press("up" if turn % 2 else "down")
        shown.until(row)
        found.append((time.perf_counter() - start, len(shown.received) - before))
        _drain(shown, 0.1)
    return found


def _drain(shown: Terminal, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        shown.read(left)


def _change(shown: Terminal, change: "Writer", turn: int) -> float:
    """From just before the request until the new word is on the screen."""
    start = time.perf_counter()
    change.ask(turn % SHOWN, f"turn-{turn}")
    shown.until(f"turn-{turn} ")
    seconds = time.perf_counter() - start
    _drain(shown, 0.1)
    return seconds


class Writer(threading.Thread):
    """Writes statuses: many a second by itself, and at once what it is asked for."""

    def __init__(self, api: Api) -> None:
        super().__init__(name="writer")
        self._api = api
        self._asked: list[tuple[int, str]] = []
        self.ended = threading.Event()

    def ask(self, number: int, node: str) -> None:
        """Write this as soon as may be."""
        self._asked.append((number, node))

    def run(self) -> None:
        """Until it is ended."""
        asyncio.run(self._run())

    async def _run(self) -> None:
        async with signed_in(self._api) as session:
            due = time.monotonic()
            for turn in count():
                while self._asked:
                    await _patch(session, *self._asked.pop(0))
                if self.ended.is_set():
                    return
                if time.monotonic() >= due:
                    due += 1 / UPDATES
                    await _patch(session, SHOWN + turn * 7 % (VMS - SHOWN), f"node-{turn % 9}")
                await asyncio.sleep(0.002)


@contextmanager
def _updates(api: Api) -> Iterator[Writer]:
    writer = Writer(api)
    writer.start()
    try:
        yield writer
    finally:
        writer.ended.set()
        writer.join()


async def _patch(session: aiohttp.ClientSession, number: int, node: str) -> None:
    usage = {"cpu": {"usage": f"{number % 97}%"}, "memory": {"usage": f"{number % 4000}Mi"}}
    data = json.dumps({"status": {"phase": "Running", "nodeName": node, "resources": usage}})
    async with session.patch(f"{PLACE}/vm-{number:05}/status", data=data, headers=MERGE) as response:
        response.raise_for_status()


def _environ(api: Api) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    own = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLORTERM": "truecolor", "XDG_CONFIG_HOME": str(api.folder)}
    return kept | own | {"HYPERSDK_STATE": str(api.folder / "s"), "KUBECONFIG": str(api.kubeconfig)}


def _k9s(api: Api) -> list[Figure]:
    """k9s on the same list, where there is one."""
    if not (program := os.environ.get("K9S")):
        return []
    start = time.perf_counter()
    command = [program, "--kubeconfig", str(api.kubeconfig), "-A", "-c", "virtualmachines"]
    with Terminal(command, _environ(api), 120, 40) as shown:
        shown.wait_for(r"vm-0\d\d\d\d", timeout=120)
        rows = time.perf_counter() - start
        _drain(shown, 10)
        return [
            Figure("k9s: first rows", rows, "s"),
            Figure("k9s: memory, RSS", memory(shown.pid).resident / 1e6, "MB"),
        ]
