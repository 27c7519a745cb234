"""`make bench`: every figure, or those that are named; the exit code says whether each promise holds."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from benchmarks import (
    api,
    backups,
    clones,
    commands,
    console,
    console_fleet,
    emulator,
    fleet,
    hot_plug,
    migration,
    pane,
    running,
    serial,
    slow_line,
    snapshots,
    virtio_console,
)
from benchmarks.figures import Figure
from benchmarks.node import Node, local_node
from benchmarks.stack import Stack, local_stack

ON_NOTHING: Mapping[str, Callable[[], list[Figure]]] = {
    "emulator": emulator.run,
    "pane": pane.run,
    "slow-line": slow_line.run,
    "api": api.run,
    "fleet-console": console_fleet.run,
    "migrate": migration.run,
}
ON_A_STACK: Mapping[str, Callable[[Stack], list[Figure]]] = {
    "up": lambda stack: [Figure("up: from the command until both guests answer", stack.seconds_up, "s", promise=60)],
    "console": console.run,
    "commands": commands.run,
}
ON_A_NODE: Mapping[str, Callable[[Node], Awaitable[list[Figure]]]] = {
    "running": running.run,
    "clone": clones.run,
    "hot-plug": hot_plug.run,
    "snapshot": snapshots.run,
    "serial": serial.run,
    "hvc0": virtio_console.run,
    "crowd": fleet.crowd,
    "quiet": fleet.quiet,
    "backups": backups.run,
}


def main(wanted: Sequence[str]) -> int:
    """Measure what was named, or everything, and report."""
    known = [*ON_NOTHING, *ON_A_STACK, *ON_A_NODE]
    if strange := set(wanted) - set(known):
        print(f"there is no benchmark {', '.join(sorted(strange))}; there are: {' '.join(known)}", file=sys.stderr)
        return 2
    began = time.monotonic()
    figures = _measured(set(wanted or known))
    print(
        f"{time.monotonic() - began:.0f} s altogether; load average {os.getloadavg()[1]:.1f} on {os.cpu_count()} CPUs"
    )
    return 0 if all(figure.holds for figure in figures) else 1


def _measured(wanted: set[str]) -> list[Figure]:
    figures = [figure for name, run in ON_NOTHING.items() if name in wanted for figure in _told(run())]
    if wanted & ON_A_STACK.keys():
        with local_stack() as stack:
            for name, measure in ON_A_STACK.items():
                figures += _told(measure(stack)) if name in wanted else []
    return figures + (asyncio.run(_on_a_node(wanted)) if wanted & ON_A_NODE.keys() else [])


async def _on_a_node(wanted: set[str]) -> list[Figure]:
    figures: list[Figure] = []
    async with local_node() as node:
        for name, measure in ON_A_NODE.items():
            figures += _told(await measure(node)) if name in wanted else []
    return figures


def _told(figures: list[Figure]) -> list[Figure]:
    """Each benchmark's figures are said as soon as they are there."""
    print(*figures, sep="\n", flush=True)
    return figures


if __name__ == "__main__":
    # Ended from outside, it takes its guests and libvirtd with it, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))
