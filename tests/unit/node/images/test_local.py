"""Files of the host: only plain ones, only inside the folder, whatever the path becomes after it was looked at."""

import os
import socket
from pathlib import Path

import pytest

from controller.node.finding import NotYet
from controller.node.images.local import from_file
from controller.node.images.source import Source
from hypersdk.errors import Terminal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of images, and a secret beside it."""
    made = tmp_path / "images"
    (made / "inner").mkdir(parents=True)
    (made / "inner" / "demo.img").write_bytes(b"disk")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "demo.img").write_bytes(b"secret")
    return made


async def read(folder: Path, path: Path) -> bytes:
    """The file's bytes."""
    async with from_file(Source(f"file://{path}", folder, path), folder, path) as incoming:
        return b"".join([piece async for piece in incoming.pieces])


async def test_file_is_read(folder: Path) -> None:
    assert await read(folder, folder / "inner" / "demo.img") == b"disk"


async def test_link_that_has_taken_the_files_place_is_not_followed(folder: Path, tmp_path: Path) -> None:
    path = folder / "inner" / "demo.img"
    path.unlink()
    path.symlink_to(tmp_path / "outside" / "demo.img")
    with pytest.raises(NotYet, match="symbolic links"):
        await read(folder, path)


async def test_link_that_has_taken_a_folders_place_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "inner").rename(tmp_path / "old")
    (folder / "inner").symlink_to(tmp_path / "outside")
    with pytest.raises(Terminal) as refused:
        await read(folder, folder / "inner" / "demo.img")
    assert refused.value.reason == "ImageNotAllowed"


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "socket"])
async def test_what_is_no_plain_file_is_refused_at_once(folder: Path, kind: str) -> None:
    path = folder / "odd"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            folder, path = Path("/dev"), Path("/dev/null")
        case "socket":
            with socket.socket(socket.AF_UNIX) as made:
                made.bind(str(path))
    with pytest.raises((Terminal, NotYet)):
        await read(folder, path)


async def test_file_that_is_not_there_is_waited_for(folder: Path) -> None:
    with pytest.raises(NotYet, match="no such file") as missing:
        await read(folder, folder / "gone.img")
    assert missing.value.reason == "ImageNotFound"
