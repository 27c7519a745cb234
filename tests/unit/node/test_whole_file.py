"""A file that is replaced is whole, private or as open as it was, and a refusal leaves the old one and nothing else."""

import errno
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.node.whole_file import beside, write_whole


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """As on a disk that is full from there on."""
    before, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, heard)


def test_file_is_replaced_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    for content in (b"first, and longer", b"second"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_file_can_stay_as_open_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "nvram.fd"
    path.write_bytes(b"old")
    path.chmod(0o640)
    os.chown(path, 64055, 107)
    write_whole(path, b"new", like=path.stat())
    facts = path.stat()
    assert (path.read_bytes(), facts.st_mode & 0o777, facts.st_uid, facts.st_gid) == (b"new", 0o640, 64055, 107)


def test_disk_that_gets_full_leaves_the_old_file_and_no_half(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    write_whole(path, b"old")
    with no_file_above(1000), pytest.raises(OSError, match="too large") as refused:
        write_whole(path, bytes(5000))
    assert refused.value.errno == errno.EFBIG
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (b"old", [path])


def test_link_that_lies_in_the_way_is_not_followed(tmp_path: Path) -> None:
    path, secret = tmp_path / "kept.json", tmp_path / "secret"
    secret.write_bytes(b"theirs")
    beside(path).symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(path, b"new")
    write_whole(path, b"new")
    assert (path.read_bytes(), secret.read_bytes()) == (b"new", b"theirs")
