"""Does every screen look as it did when somebody looked at it last? At two sizes, in two themes."""

import asyncio
from collections.abc import Callable
from difflib import unified_diff
from pathlib import Path

import pytest

from scripts.screenshot import IMAGES, PICTURES, picture
from tests.tui.snapshot import FOLDER, SIZES, THEMES, Snapshot, path_of
from tests.tui.tour import tour

SETTLE_S, TURNS = 15.0, 750
ADVICE = "when that is how it shall look: .venv/bin/python -m scripts.screenshot --snapshots, look at git diff, commit"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("theme", THEMES)
async def test_every_screen_is_as_it_was(theme: str, size: tuple[int, int], tmp_path: Path) -> None:
    seen: set[str] = set()
    wrong: list[str] = []

    async def compare(name: str, see: Callable[[], Snapshot]) -> None:
        seen.add(f"{name}.txt")
        path = path_of(theme, size, name)
        kept = path.read_text() if path.exists() else ""
        now = await _settled(see, kept)
        if now.dumps() != kept:
            wrong.append(_difference(name, kept, now, tmp_path))

    await tour(theme, size, compare)
    assert not wrong, "\n".join([*wrong, ADVICE])
    assert seen == {path.name for path in path_of(theme, size, "").parent.iterdir()}, ADVICE


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_the_documentation_are_those_of_the_snapshots(name: str) -> None:
    assert (IMAGES / f"{name}.svg").read_text() == picture(name), "run .venv/bin/python -m scripts.screenshot"


def test_documentation_shows_every_picture_and_no_other() -> None:
    docs = IMAGES.parent
    pages = [docs.parent / "README.md", *docs.rglob("*.md")]
    shown = {name for name in PICTURES if any(f"images/{name}.svg" in page.read_text() for page in pages)}
    assert shown == set(PICTURES) == {path.stem for path in IMAGES.iterdir()}


def test_snapshots_stay_small_and_fit_their_screens() -> None:
    kept = sorted(FOLDER.rglob("*.txt"))
    assert sum(path.stat().st_size for path in kept) < 1_500_000
    for path in kept:
        width, height = path.parent.name.rpartition("-")[2].split("x")
        snapshot = Snapshot.loads(path.read_text())
        assert snapshot.size == (int(width), int(height)), path
        assert snapshot.dumps() == path.read_text(), path


async def _settled(see: Callable[[], Snapshot], kept: str) -> Snapshot:
    """What is shown once it is what was kept, or as it is when that does not come."""
    looks = TURNS if kept else 1
    for _ in range(looks):
        if (now := see()).dumps() == kept:
            break
        await asyncio.sleep(SETTLE_S / TURNS)
    return now


def _difference(name: str, kept: str, now: Snapshot, folder: Path) -> str:
    """Which lines differ, and where both can be looked at."""
    was = Snapshot.loads(kept) if kept else Snapshot(now.width, ())
    for word, one in (("was", was), ("is", now)):
        (folder / f"{name}-{word}.svg").write_text(one.svg(name))
    lines = list(unified_diff(was.text.split("\n"), now.text.split("\n"), "was", "is", n=0, lineterm=""))
    return "\n".join([f"{name}: look at {folder}/{name}-is.svg, beside {name}-was.svg", *(lines or ["colours differ"])])
