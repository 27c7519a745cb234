"""Images come once, checked, from files and web servers; hostile ones do not come at all."""

import asyncio
import hashlib
import os
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from controller.node.disks import make_disks, missing
from controller.node.finding import NotYet
from controller.node.images import Images, StoredImage
from controller.node.layout import planned_disks
from controller.node.places import NodePlaces
from controller.node.qemu_img import judge
from controller.node.source import Digest, Source
from controller.settings import Limits
from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject
from tests.unit.node.builders import UID, machine

MIB = 2**20


class WebServer:
    """Serves one body on loopback, and counts."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.asked = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        response = web.StreamResponse(status=self.status)
        response.content_length = len(self.body)
        await response.prepare(request)
        half = len(self.body) // 2
        await response.write(self.body[:half])
        await self.hold.wait()
        await response.write(self.body[half:])
        return response


@pytest.fixture
async def server() -> AsyncIterator[WebServer]:
    made = WebServer()
    app = web.Application()
    app.router.add_get("/{name}", made.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/demo.img"
    yield made
    await runner.cleanup()


@pytest.fixture
async def images(tmp_path: Path) -> AsyncIterator[Images]:
    async with Images(tmp_path / "store", Limits(image_bytes=64 * MIB, virtual_bytes=1024 * MIB)) as store:
        yield store


def raw(size: int = MIB) -> bytes:
    """A raw disk."""
    return b"\xeb\x63\x90" + os.urandom(size - 3)


def qcow2(path: Path, *options: str, size: str = "8M") -> bytes:
    """A qcow2 disk made by qemu-img."""
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, path, size], check=True)
    return path.read_bytes()


async def imported(images: Images, source: Source, who: str = "a") -> StoredImage:
    """The image once it is there; failures are raised."""
    woken = asyncio.Event()
    while not isinstance(found := await images.ensure(source, who, woken.set), StoredImage):
        await woken.wait()
        woken.clear()
    return found


async def test_image_over_http_is_kept_under_its_digest_and_read_only(images: Images, server: WebServer) -> None:
    server.body = raw()
    digest = hashlib.sha256(server.body).hexdigest()
    image = await imported(images, Source(server.url, digest=Digest("sha256", digest)))
    assert image.path.name == f"{digest}.img"
    assert image.path.read_bytes() == server.body
    assert image.path.stat().st_mode & 0o777 == 0o444
    assert (image.format, image.virtual_bytes) == ("raw", MIB)


async def test_machines_that_want_it_at_once_share_one_import(images: Images, server: WebServer) -> None:
    server.body = raw()
    server.hold.clear()
    waiting = [asyncio.ensure_future(imported(images, Source(server.url), who)) for who in "abc"]
    while server.asked == 0:
        await asyncio.wait(waiting, timeout=0.01)
    server.hold.set()
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert server.asked == 1
    await imported(images, Source(server.url))
    assert server.asked == 1


async def test_file_is_copied_and_known_again_until_it_is_written_to(images: Images, tmp_path: Path) -> None:
    file = tmp_path / "demo.qcow2"
    qcow2(file)
    source = Source(f"file://{file}", file)
    first = await imported(images, source)
    assert (first.format, first.virtual_bytes) == ("qcow2", 8 * MIB)
    assert await imported(images, source) == first
    qcow2(file, size="16M")
    assert (await imported(images, source)).virtual_bytes == 16 * MIB


@pytest.mark.parametrize("algorithm", ["md5", "sha256", "sha512"])
async def test_wrong_checksum_stops_and_leaves_nothing(
    images: Images, server: WebServer, tmp_path: Path, algorithm: str
) -> None:
    server.body = raw()
    wrong = Digest(algorithm, hashlib.new(algorithm, b"x").hexdigest())  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(Terminal) as refused:
            await imported(images, Source(server.url, digest=wrong))
        assert refused.value.reason == "ChecksumMismatch"
    assert server.asked == 1
    assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


async def test_failing_server_is_tried_again_later_and_at_once_when_asked(images: Images, server: WebServer) -> None:
    server.body, server.status = raw(), 503
    for _ in range(2):
        with pytest.raises(NotYet, match="the server says 503") as failed:
            await imported(images, Source(server.url))
        assert failed.value.reason == "ImportFailed"
    assert server.asked == 1
    server.status = 200
    images.retry("a")
    await imported(images, Source(server.url))


async def test_server_that_is_not_there_is_said(images: Images) -> None:
    with pytest.raises(NotYet, match=r"127\.0\.0\.1"):
        await imported(images, Source("http://127.0.0.1:1/x.img"))


async def test_import_that_nobody_waits_for_is_given_up(images: Images, server: WebServer, tmp_path: Path) -> None:
    server.body = raw()
    server.hold.clear()
    partial, came = tmp_path / "store" / ".partial", asyncio.Event()
    await images.ensure(Source(server.url), "a", came.set)
    await came.wait()
    assert len(list(partial.iterdir())) == 1
    images.forget("a")
    while list(partial.iterdir()):
        await asyncio.to_thread(partial.stat)


async def test_half_imports_of_an_earlier_life_are_swept_away(tmp_path: Path) -> None:
    left = tmp_path / "store" / ".partial" / "x"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    async with Images(tmp_path / "store", Limits()):
        assert not left.exists()


def with_backing(folder: Path) -> bytes:
    qcow2(folder / "base")
    return qcow2(folder / "top", "-b", "/etc/shadow", "-F", "raw", "-u")


def with_data_file(folder: Path) -> bytes:
    return qcow2(folder / "d", "-o", f"data_file={folder}/data,data_file_raw=on")


def absurd(folder: Path) -> bytes:
    return qcow2(folder / "a", size="2T")


def broken(folder: Path) -> bytes:
    content = bytearray(qcow2(folder / "b"))
    struct.pack_into(">I", content, 20, 63)
    return bytes(content)


def web_page(folder: Path) -> bytes:
    return b"<html><body>please sign in</body></html>".ljust(1024)


def too_large(folder: Path) -> bytes:
    return bytes(65 * MIB)


def vmdk(folder: Path) -> bytes:
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", folder / "v", "8M"], check=True)
    return (folder / "v").read_bytes()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (with_backing, "ImageNotAllowed"),
        (with_data_file, "ImageNotAllowed"),
        (absurd, "ImageTooLarge"),
        (broken, "ImageInvalid"),
        (web_page, "ImageInvalid"),
        (too_large, "ImageTooLarge"),
        (vmdk, "ImageFormatUnsupported"),
    ],
)
async def test_hostile_images_are_refused(images: Images, tmp_path: Path, make: object, reason: str) -> None:
    assert callable(make)
    file = tmp_path / "hostile"
    file.write_bytes(make(tmp_path))
    with pytest.raises(Terminal) as refused:
        await imported(images, Source(f"file://{file}", file))
    assert refused.value.reason == reason
    assert list((tmp_path / "store").glob("*.img")) == []


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"format": "qcow2", "virtual-size": 512, "backing-filename": "x"}, "ImageNotAllowed"),
        ({"format": "qcow2", "virtual-size": 512, "encrypted": True}, "ImageNotAllowed"),
        (
            {"format": "qcow2", "virtual-size": 512, "format-specific": {"data": {"data-file": "x"}}},
            "ImageNotAllowed",
        ),
        ({"format": "qcow2", "virtual-size": 0}, "ImageTooLarge"),
        ({"format": "raw", "virtual-size": 513}, "ImageInvalid"),
        ({"format": "qed", "virtual-size": 512}, "ImageFormatUnsupported"),
    ],
)
def test_what_qemu_img_says_is_judged(info: JsonObject, reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        judge(info, b"\0", "x", 1024)
    assert refused.value.reason == reason


async def test_disks_are_made_over_the_image_and_never_again(images: Images, tmp_path: Path) -> None:
    file = tmp_path / "demo.qcow2"
    qcow2(file)
    image = await imported(images, Source(f"file://{file}", file))
    places = NodePlaces(tmp_path / "state")
    planned = planned_disks(machine(disks=[{"name": "os", "size": "32Mi"}, {"name": "data", "size": "4Mi"}]), places)
    (tmp_path / "state" / "disks" / UID).mkdir(parents=True)
    (tmp_path / "state" / "disks" / UID / ".half.tmp").write_bytes(b"x")
    await make_disks(planned, image)
    assert missing(planned) == []
    sizes = [struct.unpack_from(">Q", disk.path.read_bytes(), 24)[0] // MIB for disk in planned]
    assert sizes == [32, 4]
    before = [disk.path.stat().st_ino for disk in planned]
    await make_disks(planned, None)
    assert [disk.path.stat().st_ino for disk in planned] == before
    assert sorted(path.name for path in planned[0].path.parent.iterdir()) == ["disk-data.qcow2", "root.qcow2"]


async def test_root_disk_is_never_smaller_than_its_image(images: Images, tmp_path: Path) -> None:
    file = tmp_path / "demo.qcow2"
    qcow2(file, size="64M")
    image = await imported(images, Source(f"file://{file}", file))
    planned = planned_disks(machine(disks=[{"name": "os", "size": "1Mi"}]), NodePlaces(tmp_path / "state"))
    await make_disks(planned, image)
    assert struct.unpack_from(">Q", planned[0].path.read_bytes(), 24)[0] == 64 * MIB
