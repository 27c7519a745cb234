"""Which of several runs side by side takes a test? Each part of the tests goes to the run that comes to it first.

All go through the parts in one order, the long ones first, and take what nobody has taken: no core is idle at the end,
however long the parts take. `-p tests.lanes --claims=FOLDER`.
"""

import hashlib
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
_CLAIMS = pytest.StashKey[dict[str, bool]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where all runs say what they have taken."""
    parser.addoption("--claims", type=Path, help="a folder that the runs share")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is long first, then the other guests, part by part, so that what is left for the end is short."""
    place = {part: at for at, part in enumerate(dict.fromkeys(part_of(item) for item in items))}
    items.sort(key=lambda item: (_rank(item), place[part_of(item)]))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Leave a test to another run when that has taken its part."""
    folder: Path | None = item.config.getoption("--claims")
    return None if folder is None or _is_ours(item, folder) else True


def part_of(item: pytest.Item) -> str:
    """A file; but what shares an installation that takes long to set up is one part, in whatever file it is."""
    if item.get_closest_marker("kube") is not None:
        return KUBE
    return WHOLE if item.get_closest_marker("e2e") is not None else str(item.path)


def _rank(item: pytest.Item) -> int:
    part = part_of(item)
    others = len(LONG) + (not any(item.get_closest_marker(name) for name in GUESTS))
    return next((at for at, name in enumerate(LONG) if part.endswith(name)), others)


def _is_ours(item: pytest.Item, folder: Path) -> bool:
    claims = item.config.stash.setdefault(_CLAIMS, {})
    part = part_of(item)
    if part not in claims:
        try:
            (folder / hashlib.sha256(part.encode()).hexdigest()).touch(exist_ok=False)
            claims[part] = True
        except FileExistsError:
            claims[part] = False
    return claims[part]
