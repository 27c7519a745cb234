"""Which of two runs side by side takes a test? Each file goes to the one that comes to it first.

One run goes through the files from the front, the other from the back, and they meet: both cores have work to the end,
however long the files take. `-p tests.lanes --claims=FOLDER [--backwards]`.
"""

import hashlib
from itertools import groupby
from pathlib import Path

import pytest

GUESTS = frozenset({"libvirt", "e2e"})
_CLAIMS = pytest.StashKey[dict[str, bool]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Where both runs say what they have taken, and from which end this one begins."""
    parser.addoption("--claims", type=Path, help="a folder that both runs share")
    parser.addoption("--backwards", action="store_true", help="begin with the last file")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Guests first, file by file, so that what is left for the end is short."""
    items.sort(key=lambda item: not any(item.get_closest_marker(name) for name in GUESTS))
    groups = [list(group) for _, group in groupby(items, _part)]
    if config.getoption("--backwards"):
        groups.reverse()
    items[:] = [item for group in groups for item in group]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> bool | None:
    """Leave a test to the other run when that has taken its file."""
    folder: Path | None = item.config.getoption("--claims")
    return None if folder is None or _is_ours(item, folder) else True


def _is_ours(item: pytest.Item, folder: Path) -> bool:
    claims = item.config.stash.setdefault(_CLAIMS, {})
    part = _part(item)
    if part not in claims:
        try:
            (folder / hashlib.sha256(part.encode()).hexdigest()).touch(exist_ok=False)
            claims[part] = True
        except FileExistsError:
            claims[part] = False
    return claims[part]


def _part(item: pytest.Item) -> str:
    """A file, and which of the API servers it runs against: tests that need another one run at another time."""
    callspec = getattr(item, "callspec", None)
    server = callspec.params.get("any_server", "") if callspec is not None else ""
    return f"{item.path}@{server}"
