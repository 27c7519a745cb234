"""Draw the pictures of the documentation: the console itself renders a sample fleet into `docs/images`."""

import argparse
import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from textual.pilot import Pilot

from hypersdk.data import data_folder
from tests.tui.fleet import NOW, fleet
from tests.tui.screen import until
from tests.tui.scripted import ScriptedSession
from tui.app import HypersdkApp
from tui.options import Options
from tui.theme import load_theme

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
SIZES = ((80, 24), (120, 40))
FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture of ours asks no other server for anything."""
KEYS: dict[str, Sequence[str]] = {
    "list": (),
    "detail": ("end", "up", "enter"),
    "metrics": ("end", "up", "enter", "2"),
    "console": ("end", "up", "x"),
    "events": ("end", "up", "enter", "4"),
    "dialog": ("end", "up", "t"),
}
"""What is pressed before each picture is taken."""


def main() -> None:
    """Draw every picture, or those of one theme into another folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--theme", default="dark")
    parser.add_argument("--into", type=Path, default=IMAGES)
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    for name, keys in KEYS.items():
        for size in SIZES:
            path = given.into / f"{name}-{size[0]}x{size[1]}.svg"
            path.write_text(asyncio.run(picture(given.theme, keys, size)))
            print(path)


async def picture(theme: str, keys: Sequence[str], size: tuple[int, int]) -> str:
    """One screen as SVG."""
    session = fleet()

    async def connect(context: str) -> ScriptedSession:
        return session

    look = load_theme(theme, [data_folder("themes")])
    app = HypersdkApp(Options(read_only=False), connect, look, now=lambda: NOW)
    async with app.run_test(size=size) as pilot:
        await until(pilot, "web-10")
        await pilot.press(*keys)
        await settled(pilot)
        return FONTS.sub("", app.export_screenshot(title="hypersdk")).replace("Fira Code", "monospace")


async def settled(pilot: Pilot[None]) -> None:
    """Everything that was asked for is on the screen."""
    for _ in range(20):
        await pilot.pause()


if __name__ == "__main__":
    main()
