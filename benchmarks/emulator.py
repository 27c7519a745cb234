"""How fast the serial pane's emulator takes in a log, beside pyte as released."""

import time
from collections.abc import Callable

import pyte

from benchmarks.figures import Figure
from tui.terminal.pyte_emulator import PyteEmulator

LOG = b"".join(
    b"[%12.6f] systemd[1]: Started \x1b[32munit\x1b[0m number %d of the sort.\r\n" % (n / 7, n) for n in range(8000)
)
CHUNK = 4096


def run() -> list[Figure]:
    """Megabytes of coloured log a CPU second, at 120 by 40, and the ratio to the peer."""
    ours, peer = PyteEmulator(120, 40), pyte.ByteStream(pyte.Screen(120, 40))
    our_seconds = _cpu_seconds(ours.feed)
    peer_seconds = _cpu_seconds(peer.feed)
    size = len(LOG) / 1e6
    return [
        Figure("emulator: coloured log, with history", size / our_seconds, "MB per CPU second"),
        Figure("emulator: pyte as released, without history", size / peer_seconds, "MB per CPU second"),
        Figure("emulator: time, ours to pyte's", our_seconds / peer_seconds, "ratio", promise=1.0),
    ]


def _cpu_seconds(feed: Callable[[bytes], None]) -> float:
    start = time.process_time()
    for at in range(0, len(LOG), CHUNK):
        feed(LOG[at : at + CHUNK])
    return time.process_time() - start
