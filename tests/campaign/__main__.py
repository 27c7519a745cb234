"""The full campaign: `python -m tests.campaign --kills 100`, in a network namespace of its own (`make soak`).

With `--operations all`, or some of their names, operations by steps are interrupted instead, each of them so often.
"""

import argparse
import asyncio
import math
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from hyperctl.stack.namespace import reaches_out
from tests.campaign.figures import Figures
from tests.campaign.fulldisk import full_disk, small_disk
from tests.campaign.stage import staged
from tests.campaign.work.catalogue import NAMES, titles
from tests.campaign.work.figures import rows, run_words, written
from tests.campaign.work.run import tried
from tests.controlplane.api import Server
from tests.controlplane.build import binaries
from tests.controlplane.embedded import EmbeddedServer
from tests.controlplane.server import ControlPlane
from tests.folders import open_folder
from tests.libvirt.conftest import served

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
Name = Literal["embedded", "kube"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; an AssertionError has the seed and the moment of what did not hold."""
    options = _parser().parse_args(arguments)
    if reaches_out():
        sys.stderr.write("run it by 'make soak', or below scripts/private-network.sh\n")
        return 2
    if options.operations:
        return _operations(options)
    figures = Figures(options.command, f"{datetime.now(UTC):%Y-%m-%d}")
    shares: dict[Name, int] = {"embedded": options.kills - options.kills // 5, "kube": options.kills // 5}
    asyncio.run(_on_both(shares, options, figures))
    asyncio.run(_on_small_disk(figures))
    sys.stdout.write(f"\n{figures.text()}\n")
    if options.write:
        figures.write(PAGE)
    return 0


def _operations(options: argparse.Namespace) -> int:
    """Interrupt operations; 1 when anything was wrong, which is written down in files that it names."""
    names = NAMES if options.operations == "all" else tuple(options.operations.split(","))
    if unknown := sorted({*names} - {*NAMES}):
        sys.stderr.write(f"no such operation: {', '.join(unknown)}; there are {', '.join(NAMES)}\n")
        return 2
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    notes, began = Path(tempfile.mkdtemp(prefix="campaign-")), time.monotonic()
    _tell(f"{options.kills} kills of each, seed {seed}, notes in {notes}")
    tallies = asyncio.run(tried(names, options.kills, seed, _tell, notes, 60 * options.minutes))
    run = run_words(options.command, seed, f"{datetime.now(UTC):%Y-%m-%d}", time.monotonic() - began)
    new = rows(tallies, run)
    _tell("\n".join(["", *new, *(words for tally in tallies for words in tally.wrong)]))
    if options.write:
        written(PAGE, new, titles())
    return 1 if any(tally.wrong for tally in tallies) else 0


def _tell(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument(
        "--kills", type=int, default=100, help="of each operation; else a fifth on kube-apiserver (100)"
    )
    parser.add_argument("--operations", default="", metavar="NAMES", help=f"all, or some of {', '.join(NAMES)}")
    parser.add_argument("--minutes", type=float, default=math.inf, help="with --operations: no round begins later")
    parser.add_argument("--seed", type=int, default=None, help="of the random moments")
    parser.add_argument("--outage", type=float, default=120.0, metavar="S", help="how long the API is gone (120)")
    parser.add_argument("--write", action="store_true", help="put the figures into docs/reliability.md")
    parser.add_argument("--command", default="make soak", help=argparse.SUPPRESS)
    return parser


async def _on_both(shares: dict[Name, int], options: argparse.Namespace, figures: Figures) -> None:
    """At the same time: most of an outage is waiting."""
    async with asyncio.TaskGroup() as group:
        for name, kills in shares.items():
            group.create_task(_on(name, kills, options, figures))


async def _on(name: Name, kills: int, options: argparse.Namespace, figures: Figures) -> None:
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    tell = partial(_say, name)
    tell(f"{kills} kills, seed {seed}")
    with _server(name) as server, served() as libvirtd, open_folder() as folder:
        async with staged(server.api, libvirtd, folder) as stage:
            figures.tallies[name] = await stage.campaign(kills, seed, tell)
            figures.outages[name] = await stage.outages(options.outage, tell)


async def _on_small_disk(figures: Figures) -> None:
    # The file system has to be there before the libvirtd is, which looks at mounts of its own.
    with _server("embedded") as server, open_folder() as folder, small_disk(folder / "state"), served() as libvirtd:
        async with staged(server.api, libvirtd, folder) as stage:
            outcome = await full_disk(stage)
    _say("embedded", f"{outcome.name}: {outcome.seconds:.1f} s, all well {outcome.back_s:.1f} s after")
    figures.outages["embedded"] = [*figures.outages["embedded"], outcome]


def _say(name: Name, words: str) -> None:
    _tell(f"{name}: {words}")


@contextmanager
def _server(name: Name) -> Iterator[Server]:
    with tempfile.TemporaryDirectory(prefix="hs") as folder:
        kind = EmbeddedServer if name == "embedded" else ControlPlane
        server = kind(Path(folder), binaries(os.environ))
        try:
            server.start()
            yield server
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
