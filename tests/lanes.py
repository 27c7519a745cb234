"""Which of several runs side by side takes a test? Each part of the tests goes to the run that comes to it first.

All go through the parts in one order, the long ones first, and take what nobody has taken: no core is idle at the end,
however long the parts take. `-p tests.lanes --claims=FOLDER`.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

import pytest

GUESTS = frozenset({"libvirt", "e2e"})
KUBE, WHOLE = "kube", "e2e"
LONG: Final = (
    KUBE,
    WHOLE,
    "libvirt/test_cloud_init.py",
    "nodes/test_migration.py",
    "libvirt/test_stack_whole.py",
)
"""Parts that take minutes, the longest first: begun last, they would be waited for."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where all runs say what they have taken."""
    parser.addoption("--claims", type=Path, help="a folder that the runs share")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is long first, then the other guests, part by part, so that what is left for the end is short."""
    parts = {part: at for at, part in enumerate(dict.fromkeys(part_of(item) for item in items))}
    guests = {part_of(item) for item in items if any(item.get_closest_marker(name) for name in GUESTS)}
    place = {part: (_rank(part, part in guests), at) for part, at in parts.items()}
    items.sort(key=lambda item: place[part_of(item)])


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run what no other run has taken; each test is told which of ours is next, by which its fixtures end or stay."""
    folder: Path | None = session.config.getoption("--claims")
    if folder is None or session.testsfailed or session.config.option.collectonly:
        return None
    ours = _taken(session.items, folder)
    item = next(ours, None)
    while item is not None:
        following = next(ours, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def part_of(item: pytest.Item) -> str:
    """A file; but what shares an installation that takes long to set up is one part, in whatever file it is."""
    if item.get_closest_marker("kube") is not None:
        return KUBE
    return WHOLE if item.get_closest_marker("e2e") is not None else str(item.path)


def _rank(part: str, has_guests: bool) -> int:
    return next((at for at, name in enumerate(LONG) if part.endswith(name)), len(LONG) + (not has_guests))


def claim(folder: Path, part: str) -> bool:
    """Take a part; False when another run has it."""
    try:
        (folder / hashlib.sha256(part.encode()).hexdigest()).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _taken(items: Iterable[pytest.Item], folder: Path) -> Iterator[pytest.Item]:
    """The tests of each part that can be had, which is taken when its turn comes and not before."""
    for part, group in groupby(items, part_of):
        if claim(folder, part):
            yield from group
