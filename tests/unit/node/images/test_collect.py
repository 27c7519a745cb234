"""Images go when nothing stands on them any more, and never before: not in doubt, not in use, not on their way."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from controller.node.desired import to_json
from controller.node.images.collect import Collector, backing_file
from controller.node.images.library import StoredImage
from controller.node.images.source import Source
from controller.node.images.store import Images
from controller.node.qemu_img import make_overlay
from tests.unit.node.builders import wanted
from tests.unit.node.images.builders import LIMITS, imported, qcow2, raw
from tests.unit.node.images.server import local_web, served

HOUR = 3600.0


@dataclass
class Node:
    """A store, a folder of disks, and one image that has been asked for two hours ago."""

    images: Images
    folder: Path
    image: StoredImage
    source: Source

    @property
    def disks(self) -> Path:
        """Where overlays lie."""
        return self.folder / "disks"

    def age(self, seconds: float) -> None:
        """Nobody has asked for any image for so long."""
        for note in (self.folder / "store" / "sources").iterdir():
            os.utime(note, (time.time() - seconds,) * 2)

    async def collect(self, grace_s: float = HOUR) -> list[str]:
        """What was removed."""
        definitions = self.folder / "definitions"
        collector = Collector([self.disks], grace_s, partial_s=0, definitions=definitions)
        return [path.name for path in await self.images.collect(collector)]


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    (tmp_path / "disks" / "kept").mkdir(parents=True)
    (tmp_path / "definitions").mkdir()
    file = tmp_path / "demo.qcow2"
    qcow2(file)
    async with Images(tmp_path / "store", LIMITS, local_web()) as images:
        source = Source(f"file://{file}", tmp_path, file)
        made = Node(images, tmp_path, await imported(images, source), source)
        images.release("a")
        made.age(2 * HOUR)
        yield made


async def test_image_that_nothing_needs_goes_after_its_grace_and_comes_again(node: Node) -> None:
    assert await node.collect(grace_s=3 * HOUR) == []
    assert await node.collect() == [node.image.path.name]
    assert not node.image.path.exists()
    assert list((node.folder / "store" / "sources").iterdir()) == []
    assert (await imported(node.images, node.source)).path.exists()


@pytest.mark.parametrize("place", ["web.qcow2", "kept/old.qcow2"])
async def test_image_under_a_disk_stays(node: Node, place: str) -> None:
    overlay = node.disks / place
    await make_overlay(overlay, node.image.path, "qcow2", 2**24)
    assert backing_file(overlay) == node.image.path
    assert await node.collect() == []
    overlay.unlink()
    assert await node.collect() == [node.image.path.name]


async def test_image_under_a_snapshot_of_a_disk_stays(node: Node) -> None:
    await make_overlay(node.disks / "one.qcow2", node.image.path, "qcow2", 2**24)
    await make_overlay(node.disks / "two.qcow2", node.disks / "one.qcow2", "qcow2", 2**24)
    assert await node.collect() == []


async def test_image_that_is_somebodys_disc_stays(node: Node) -> None:
    os.link(node.image.path, node.folder / "disc.iso")
    assert await node.collect() == []


async def test_image_of_a_vm_whose_disks_are_being_made_stays(node: Node) -> None:
    await imported(node.images, node.source, "b")
    node.age(2 * HOUR)
    assert await node.collect() == []
    node.images.release("b")
    assert await node.collect() == [node.image.path.name]


async def test_image_that_was_just_asked_for_stays(node: Node) -> None:
    await imported(node.images, node.source, "b")
    node.images.release("b")
    assert await node.collect() == []


async def test_nothing_goes_while_a_disk_cannot_be_seen(node: Node) -> None:
    (node.folder / "definitions" / "x.json").write_text(to_json(wanted()))
    with pytest.raises(FileNotFoundError):
        await node.collect()
    (node.folder / "definitions" / "x.json").unlink()
    os.rename(node.disks, node.folder / "elsewhere")
    with pytest.raises(FileNotFoundError):
        await node.collect()
    assert node.image.path.exists()


async def test_half_of_an_image_goes_only_when_nobody_fetches_it(node: Node) -> None:
    left = node.folder / "store" / ".partial" / "old.part"
    left.write_bytes(b"x")
    async with served() as server:
        server.body = raw(2**21)
        server.hold.clear()
        came = asyncio.Event()
        await node.images.ensure(Source(server.url), "c", came.set)
        await came.wait()
        await node.collect(3 * HOUR)
        assert not left.exists()
        server.hold.set()
        assert (await imported(node.images, Source(server.url), "c")).path.read_bytes() == server.body


KILLED = """
import asyncio, os, sys
from pathlib import Path
from controller.node.images.collect import Collector
from controller.node.images.library import Library
after, store, disks = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
steps = iter(range(100))
unlink = Path.unlink
def killed(self, missing_ok=False):
    if next(steps) == after:
        os.kill(os.getpid(), 9)
    unlink(self, missing_ok)
Path.unlink = killed
Collector([disks], 0.0).collect(Library(store), set(), set())
"""


@pytest.mark.parametrize("after", [0, 1])
async def test_collector_that_is_killed_between_its_steps_leaves_nothing_half(node: Node, after: int) -> None:
    words = (str(after), str(node.folder / "store"), str(node.disks))
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, *words)
    assert await process.wait() == -9
    assert (await imported(node.images, node.source)).path.exists()
    node.images.release("a")
    node.age(2 * HOUR)
    assert await node.collect() == [node.image.path.name]
    assert list((node.folder / "store").rglob("*.json")) == []


def test_headers_of_other_files_name_nothing(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"QFI\xfb")
    (tmp_path / "text").write_text("hello " * 100)
    qcow2(tmp_path / "alone")
    (tmp_path / "link").symlink_to(tmp_path / "alone")
    os.mkfifo(tmp_path / "fifo")
    assert {backing_file(path) for path in tmp_path.iterdir()} == {None}
