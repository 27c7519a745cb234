"""A gateway with one guest for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.gateway.loopback import Lab, running
from tests.unit.gateway.scripted import ScriptedGuest, ScriptedHost


@pytest.fixture
def guest(tmp_path: Path) -> ScriptedGuest:
    """A guest that is off."""
    return ScriptedGuest(tmp_path / "serial.log")


@pytest.fixture
async def lab(tmp_path: Path, guest: ScriptedGuest) -> AsyncIterator[Lab]:
    """A gateway whose host has that guest."""
    async with running(tmp_path, ScriptedHost(guest)) as lab:
        yield lab
