"""Images come once, checked, from files and web servers; hostile ones do not come at all."""

import asyncio
import hashlib
from pathlib import Path

import pytest

from controller.node.finding import NotYet
from controller.node.images.library import StoredImage
from controller.node.images.s3 import Keys
from controller.node.images.source import Digest, Source
from controller.node.images.store import Images
from hypersdk.errors import Terminal
from hypersdk.model.virtualmachine import ImageProgress
from tests.unit.node.images.builders import LIMITS, MIB, imported, local, qcow2, raw
from tests.unit.node.images.server import WebServer, local_web


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
    while not server.asked:
        await asyncio.wait(waiting, timeout=0.01)
    server.hold.set()
    assert len(set(await asyncio.gather(*waiting))) == 1
    assert len(server.asked) == 1
    await imported(images, Source(server.url))
    assert len(server.asked) == 1


def files(tmp_path: Path) -> list[Path]:
    """Everything in the store."""
    return [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


async def test_file_is_copied_and_known_again_until_it_is_written_to(images: Images, tmp_path: Path) -> None:
    file = tmp_path / "demo.qcow2"
    qcow2(file)
    source = local(file)
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
    assert len(server.asked) == 1
    assert files(tmp_path) == []


async def test_failing_server_is_tried_again_later_and_at_once_when_asked(images: Images, server: WebServer) -> None:
    server.body, server.status = raw(), 503
    for _ in range(2):
        with pytest.raises(NotYet, match="the server says 503") as failed:
            await imported(images, Source(server.url))
        assert failed.value.reason == "ImportFailed"
    assert len(server.asked) == 1
    server.status = 200
    images.retry("a")
    await imported(images, Source(server.url))


async def test_server_that_is_not_there_is_said(images: Images) -> None:
    with pytest.raises(NotYet, match=r"127\.0\.0\.1"):
        await imported(images, Source("http://127.0.0.1:1/x.img"))


async def test_import_that_nobody_waits_for_is_given_up_and_leaves_nothing(
    images: Images, server: WebServer, tmp_path: Path
) -> None:
    server.body = raw()
    server.hold.clear()
    came = asyncio.Event()
    await images.ensure(Source(server.url), "a", came.set)
    await came.wait()
    assert files(tmp_path) != []
    await images.forget("a")
    assert files(tmp_path) == []
    server.hold.set()
    await imported(images, Source(server.url))


async def test_import_goes_on_for_those_who_still_wait(images: Images, server: WebServer) -> None:
    server.body = raw()
    server.hold.clear()
    came = asyncio.Event()
    await images.ensure(Source(server.url), "a", came.set)
    other = asyncio.ensure_future(imported(images, Source(server.url), "b"))
    await came.wait()
    images.wait_only("a", [])
    server.hold.set()
    await other
    assert len(server.asked) == 1


async def half_fetched(tmp_path: Path, server: WebServer, source: Source) -> None:
    """A store whose end comes when half of the image is here."""
    server.hold.clear()
    async with Images(tmp_path / "store", LIMITS, local_web()) as first:
        came = asyncio.Event()
        await first.ensure(source, "a", came.set)
        await came.wait()
    server.hold.set()


async def test_next_life_continues_where_the_last_one_ended(tmp_path: Path, server: WebServer) -> None:
    server.body = raw(4 * MIB)
    source = Source(server.url, digest=Digest("sha512", hashlib.sha512(server.body).hexdigest()))
    await half_fetched(tmp_path, server, source)
    async with Images(tmp_path / "store", LIMITS, local_web()) as images:
        image = await imported(images, source)
    assert image.path.read_bytes() == server.body
    first, second = server.asked
    assert first == ""
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 2 * MIB
    assert not list((tmp_path / "store" / ".partial").iterdir())


@pytest.mark.parametrize("what", ["changed", "without ranges", "without a validator"])
async def test_image_that_cannot_be_continued_is_fetched_whole(tmp_path: Path, server: WebServer, what: str) -> None:
    server.body, server.tagged = raw(4 * MIB), what != "without a validator"
    await half_fetched(tmp_path, server, Source(server.url))
    server.body = raw(2 * MIB) if what == "changed" else server.body
    server.ranges = what != "without ranges"
    async with Images(tmp_path / "store", LIMITS, local_web()) as images:
        assert (await imported(images, Source(server.url))).path.read_bytes() == server.body


async def test_cut_connection_is_continued_at_the_next_try(images: Images, server: WebServer) -> None:
    server.body, server.cut_at = raw(4 * MIB), 3 * MIB
    with pytest.raises(NotYet):
        await imported(images, Source(server.url))
    server.cut_at = None
    images.retry("a")
    assert (await imported(images, Source(server.url))).path.read_bytes() == server.body
    assert [bool(asked) for asked in server.asked] == [False, True]


async def test_half_of_a_vm_that_is_deleted_in_the_next_life_goes_with_it(tmp_path: Path, server: WebServer) -> None:
    server.body = raw(4 * MIB)
    await half_fetched(tmp_path, server, Source(server.url))
    async with Images(tmp_path / "store", LIMITS, local_web()) as images:
        await images.forget("b")
        assert files(tmp_path) != []
        await images.forget("a")
    assert files(tmp_path) == []


async def test_note_of_a_half_that_makes_no_sense_costs_only_the_half(tmp_path: Path, server: WebServer) -> None:
    server.body = raw(4 * MIB)
    await half_fetched(tmp_path, server, Source(server.url))
    (note,) = (tmp_path / "store" / ".partial").glob("*.json")
    note.write_text('{"safe": "all"')
    async with Images(tmp_path / "store", LIMITS, local_web()) as images:
        assert (await imported(images, Source(server.url))).path.read_bytes() == server.body
    assert server.asked == ["", ""]


async def in_another_life(tmp_path: Path, source: Source) -> StoredImage:
    """The image as a store has it that has not asked for it before."""
    async with Images(tmp_path / "store", LIMITS, local_web()) as images:
        return await imported(images, source)


async def test_image_without_a_digest_is_asked_for_again_and_sent_only_when_it_changed(
    tmp_path: Path, server: WebServer
) -> None:
    server.body = raw()
    first = await in_another_life(tmp_path, Source(server.url))
    assert await in_another_life(tmp_path, Source(server.url)) == first
    assert (len(server.asked), server.sent) == (2, 1)
    server.body = raw()
    second = await in_another_life(tmp_path, Source(server.url))
    assert second.path.read_bytes() == server.body
    assert first.path.exists()


async def test_image_with_a_digest_is_never_asked_for_again(tmp_path: Path, server: WebServer) -> None:
    server.body = raw()
    source = Source(server.url, digest=Digest("md5", hashlib.md5(server.body).hexdigest()))
    assert await in_another_life(tmp_path, source) == await in_another_life(tmp_path, source)
    assert len(server.asked) == 1


async def test_image_is_used_as_it_came_before_while_its_server_is_down(tmp_path: Path, server: WebServer) -> None:
    server.body = raw()
    first = await in_another_life(tmp_path, Source(server.url))
    server.status = 503
    assert await in_another_life(tmp_path, Source(server.url)) == first
    server.status = 403
    async with Images(tmp_path / "store", LIMITS, local_web()) as images:
        with pytest.raises(NotYet, match="403"):
            await imported(images, Source(server.url))


async def test_one_content_of_two_sources_is_kept_once(images: Images, server: WebServer, tmp_path: Path) -> None:
    server.body = raw()
    first = await imported(images, Source(server.url))
    second = await imported(images, Source(f"{server.origin}/other.img"))
    assert first == second
    assert len(list((tmp_path / "store").glob("*.img"))) == 1


async def test_what_one_account_may_read_is_fetched_anew_for_another(server: WebServer) -> None:
    mine, theirs = Source("s3://bucket/key", keys=Keys(access_key_id="a")), Source("s3://bucket/key", keys=Keys())
    assert mine.identity != theirs.identity


async def test_progress_tells_how_far_and_how_fast(images: Images, server: WebServer) -> None:
    server.body = raw(4 * MIB)
    server.hold.clear()
    came = asyncio.Event()
    await images.ensure(Source(server.url), "a", came.set)
    await came.wait()
    progress = await images.ensure(Source(server.url), "a", came.set)
    assert isinstance(progress, ImageProgress)
    assert progress.total_bytes == 4 * MIB
    assert 0 < progress.bytes_transferred <= 2 * MIB
    assert (progress.bytes_per_second or 0) > 0
    server.hold.set()
    await imported(images, Source(server.url))
