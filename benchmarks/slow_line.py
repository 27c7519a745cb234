"""What a slow line costs: a fleet that never rests, watched through a pty that is read at three rates."""

import time
from typing import Final

from benchmarks.figures import Figure
from tests.tui.busy import Busy

RATES: Final = {"1 MB/s": 1_000_000, "16 kB/s": 16_000, "4 kB/s": 4_000}
TURN_S: Final = 0.02
WATCHED_S: Final = 15.0
GAP_S, LEAVING_S = 0.3, 2.0
PROMISED: Final = "16 kB/s"


def run() -> list[Figure]:
    """Each rate in turn."""
    return [figure for name, rate in RATES.items() for figure in _at(name, rate)]


def _at(name: str, rate: int) -> list[Figure]:
    with Busy() as shown:
        _drain(shown, rate, WATCHED_S)
        gap = shown.longest_gap()
        shown.press("q")
        start = time.perf_counter()
        _drain(shown, rate, 120)
        leaving = time.perf_counter() - start
    is_promised = name == PROMISED
    return [
        Figure(f"line of {name}: longest the program stood still", gap, "s", promise=GAP_S if is_promised else None),
        Figure(f"line of {name}: from q to the end", leaving, "s", promise=LEAVING_S if is_promised else None),
    ]


def _drain(shown: Busy, rate: int, seconds: float) -> None:
    """Read no faster than that, so long or until the program ends."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        turn = time.monotonic() + TURN_S
        if not shown.read(TURN_S, most=int(rate * TURN_S)):
            return
        time.sleep(max(0.0, turn - time.monotonic()))
