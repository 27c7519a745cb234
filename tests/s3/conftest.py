"""One S3 server for all tests that ask for it."""

from collections.abc import Iterator

import pytest

from tests.s3.server import S3Server, served


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server."""
    with served(tmp_path_factory.mktemp("s3")) as server:
        yield server
