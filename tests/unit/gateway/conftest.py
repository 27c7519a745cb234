"""A gateway with one guest for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.gateway.loopback import Lab, running
from tests.unit.gateway.scripted import ScriptedGuest, ScriptedHost

HERE = Path(__file__).parent
TIMEOUT_S = 60
"""Real sockets, and megabytes through them: on a busy machine that takes a while."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder their time."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))


@pytest.fixture
def guest(tmp_path: Path) -> ScriptedGuest:
    """A guest that is off."""
    return ScriptedGuest(tmp_path / "serial.log")


@pytest.fixture
async def lab(tmp_path: Path, guest: ScriptedGuest) -> AsyncIterator[Lab]:
    """A gateway whose host has that guest."""
    async with running(tmp_path, ScriptedHost(guest)) as lab:
        yield lab
