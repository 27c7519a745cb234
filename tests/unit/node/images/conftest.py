"""A store, and a web server that it fetches from."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.node.images.store import Images
from tests.unit.node.images.builders import LIMITS
from tests.unit.node.images.server import WebServer, local_web, served


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    async with served() as made:
        yield made


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with Images(tmp_path / "store", LIMITS, local_web()) as store:
        yield store
