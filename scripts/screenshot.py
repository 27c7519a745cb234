"""Draw the pictures of the documentation from the snapshots of the screens; `--snapshots` takes those anew before."""

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.tui.snapshot import FOLDER, SIZES, THEMES, Snapshot, path_of
from tests.tui.tour import tour

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
PICTURES = {
    "list": ("dark", (120, 40), "list"),
    "list-80x24": ("dark", (80, 24), "list-filtered"),
    "list-ansi": ("ansi", (80, 24), "list-marked"),
    "plan": ("dark", (80, 24), "confirm-bulk"),
    "overview": ("dark", (80, 24), "detail-overview"),
    "metrics": ("dark", (120, 40), "detail-metrics"),
    "console": ("dark", (80, 24), "detail-console"),
    "time-line": ("dark", (80, 24), "detail-events"),
    "why": ("dark", (80, 24), "why"),
    "nodes": ("dark", (120, 40), "nodes"),
    "snapshots": ("dark", (120, 40), "snapshots"),
    "restore": ("dark", (80, 24), "confirm-snapshot"),
    "disks": ("dark", (80, 24), "detail-disks"),
    "backups": ("dark", (80, 24), "backups"),
    "stale": ("dark", (80, 24), "stale"),
    "help": ("dark", (80, 24), "help"),
    "operations-log": ("dark", (80, 24), "operations-log"),
}
"""The pictures by name, and of which snapshot each is."""
QUIET_S = 0.4


def main() -> None:
    """Draw every picture; with `--snapshots` the screens are looked at again, with `--all` each is drawn somewhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--snapshots", action="store_true", help="take every snapshot anew")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="draw every snapshot into that folder")
    given = parser.parse_args()
    if given.snapshots:
        _take_all()
    for name in PICTURES:
        _draw(IMAGES / f"{name}.svg", picture(name))
    for path in sorted(FOLDER.rglob("*.txt")) if given.all else []:
        name = f"{path.parent.name}-{path.stem}"
        _draw(given.all / f"{name}.svg", Snapshot.loads(path.read_text()).svg(name))


def picture(name: str) -> str:
    """One picture of the documentation as SVG."""
    return Snapshot.loads(path_of(*PICTURES[name]).read_text()).svg(name)


def _draw(path: Path, svg: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg)
    print(path)


def _take_all() -> None:
    for old in FOLDER.rglob("*.txt"):
        old.unlink()
    for theme in THEMES:
        for size in SIZES:
            asyncio.run(_take(theme, size))


async def _take(theme: str, size: tuple[int, int]) -> None:
    async def keep(name: str, see: Callable[[], Snapshot]) -> None:
        now = await _quiet(see)
        path = path_of(theme, size, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(now.dumps())
        print(path)

    await tour(theme, size, keep)


async def _quiet(see: Callable[[], Snapshot]) -> Snapshot:
    """What is shown when nothing has moved for a while."""
    now = before = see()
    loop = asyncio.get_running_loop()
    since = loop.time()
    while loop.time() - since < QUIET_S:
        await asyncio.sleep(0.05)
        now = see()
        if now != before:
            before, since = now, loop.time()
    return now


if __name__ == "__main__":
    main()
