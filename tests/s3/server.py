"""A real S3 server with one bucket, for tests that fetch images from it."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import obstore
from obstore.store import S3Store

from controller.node.images.s3 import Keys
from tests.controlplane.process import Process
from tests.s3.build import versitygw

BUCKET = "images"
REGION = "us-east-1"
ACCESS, SECRET = "tests-access", "tests-secret"
READY_WITHIN_S = 30.0


@dataclass(frozen=True)
class S3Server:
    """A running versitygw."""

    endpoint: str
    process: Process
    objects: Path
    """The folder whose files the bucket's objects are."""

    @property
    def keys(self) -> Keys:
        """The account that may read and write."""
        return Keys(self.endpoint, REGION, ACCESS, SECRET)

    def put(self, key: str, body: bytes) -> str:
        """Put an object into the bucket; its URL."""
        store = S3Store(
            BUCKET,
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=ACCESS,
            secret_access_key=SECRET,
            virtual_hosted_style_request=False,
            client_options={"allow_http": True},
        )
        obstore.put(store, key, body)
        return f"s3://{BUCKET}/{key}"


@contextmanager
def served(folder: Path) -> Iterator[S3Server]:
    """A server whose objects are files below the folder."""
    (folder / "objects" / BUCKET).mkdir(parents=True)
    port = _free_port()
    command: list[str | Path] = [versitygw(os.environ), "--quiet", "--region", REGION, "--port", f"127.0.0.1:{port}"]
    environ = {"ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET, "HOME": str(folder)}
    process = Process.start([*command, "posix", folder / "objects"], folder / "log", environ | {"PATH": os.defpath})
    try:
        process.wait_until(lambda: _listens(port), READY_WITHIN_S)
        yield S3Server(f"http://127.0.0.1:{port}", process, folder / "objects" / BUCKET)
    finally:
        process.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
