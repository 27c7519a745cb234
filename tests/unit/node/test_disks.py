"""Disks are made whole or not at all, never again, grown and never shrunk; and only where there is room."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from controller.node.disks import grow_disks, make_disks, missing
from controller.node.finding import NotYet
from controller.node.images.library import StoredImage
from controller.node.images.source import Source
from controller.node.images.store import Images
from controller.node.layout import PlannedDisk, planned_disks
from controller.node.places import NodePlaces
from controller.node.qemu_img import virtual_size
from controller.node.room import check_room, committed, reserve
from controller.settings import Limits
from hypersdk.errors import Terminal, Transient
from tests.unit.node.builders import UID, machine
from tests.unit.node.images.builders import imported, qcow2

MIB = 2**20
MANY = 10**6


@pytest.fixture
def places(tmp_path: Path) -> NodePlaces:
    """A node's folders."""
    made = NodePlaces(tmp_path / "state")
    made.make()
    return made


@pytest.fixture
async def images(places: NodePlaces) -> AsyncIterator[Images]:
    """Its images."""
    async with Images(places.images, Limits()) as store:
        yield store


async def stored(images: Images, file: Path, size: str = "8M") -> StoredImage:
    """A qcow2 image of that size in the store."""
    qcow2(file, size=size)
    return await imported(images, Source(f"file://{file}", file.parent, file))


def planned(places: NodePlaces, *disks: dict[str, Any], **spec: Any) -> tuple[PlannedDisk, ...]:
    """The disks of the spec."""
    return planned_disks(machine(disks=list(disks), **spec), places)


def sizes(disks: tuple[PlannedDisk, ...]) -> list[int]:
    """How large they are, in MiB."""
    return [(virtual_size(disk.path) or 0) // MIB for disk in disks]


async def made(disks: tuple[PlannedDisk, ...], image: StoredImage | None = None) -> tuple[PlannedDisk, ...]:
    """The disks, once they are there."""
    origins = {disk.origin for disk in disks if disk.origin is not None}
    await make_disks(UID, disks, {origin: image for origin in origins if image is not None}, MANY)
    return disks


async def test_disks_are_made_over_the_image_and_never_again(
    images: Images, places: NodePlaces, tmp_path: Path
) -> None:
    disks = planned(places, {"name": "os", "size": "32Mi"}, {"name": "data", "size": "4Mi"})
    (places.root("standard") / f".{UID}-half.tmp").write_bytes(b"x")
    await made(disks, await stored(images, tmp_path / "demo.qcow2"))
    assert missing(disks) == []
    assert sizes(disks) == [32, 4]
    before = [disk.path.stat().st_ino for disk in disks]
    await made(disks)
    assert [disk.path.stat().st_ino for disk in disks] == before
    assert sorted(path.name for path in disks[0].path.parent.iterdir()) == [
        f"{UID}-disk-data.qcow2",
        f"{UID}-root.qcow2",
    ]
    assert {disk.path.stat().st_mode & 0o777 for disk in disks} == {0o600}


async def test_root_disk_is_never_smaller_than_its_image(images: Images, places: NodePlaces, tmp_path: Path) -> None:
    disks = planned(places, {"name": "os", "size": "1Mi"})
    await made(disks, await stored(images, tmp_path / "demo.qcow2", "64M"))
    assert sizes(disks) == [64]
    assert await grow_disks(disks, MANY) == []


async def test_disk_that_the_spec_has_larger_grows_and_one_that_is_smaller_stays(places: NodePlaces) -> None:
    await made(planned(places, {"name": "a", "size": "4Mi"}, {"name": "b", "size": "4Mi"}, image=None))
    disks = planned(places, {"name": "a", "size": "16Mi"}, {"name": "b", "size": "1Mi"}, image=None)
    assert [disk.file.name for disk in await grow_disks(disks, MANY)] == ["a"]
    assert sizes(disks) == [16, 4]
    assert await grow_disks(disks, MANY) == []


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """QEMU has the disk open."""
    with subprocess.Popen(["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as user:
        assert user.stdin is not None
        assert user.stdout is not None
        user.stdin.write(b"length\n")
        user.stdin.flush()
        while b"4 MiB" not in user.stdout.readline():
            pass
        yield


async def test_disk_in_use_is_not_grown(places: NodePlaces) -> None:
    (small,) = await made(planned(places, {"name": "a", "size": "4Mi"}, image=None))
    large = planned(places, {"name": "a", "size": "16Mi"}, image=None)
    with in_use(small.path), pytest.raises(Transient, match="using the image"):
        await grow_disks(large, MANY)
    assert len(await grow_disks(large, MANY)) == 1


async def test_cdrom_is_the_image_itself(images: Images, places: NodePlaces, tmp_path: Path) -> None:
    iso = tmp_path / "tools.iso"
    iso.write_bytes(b"\0" * MIB)
    image = await imported(images, Source(f"file://{iso}", iso.parent, iso))
    (disc,) = await made(
        planned(places, {"name": "i", "size": "1Mi", "type": "cdrom", "source": {"http": "x"}}, image=None), image
    )
    assert disc.path.samefile(image.path)
    assert disc.path.stat().st_mode & 0o777 == 0o444


async def test_cdrom_of_a_disk_image_is_refused(images: Images, places: NodePlaces, tmp_path: Path) -> None:
    image = await stored(images, tmp_path / "demo.qcow2")
    with pytest.raises(Terminal, match="ISO"):
        await made(
            planned(places, {"name": "i", "size": "1Mi", "type": "cdrom", "source": {"http": "x"}}, image=None), image
        )


async def test_disks_may_be_promised_more_than_there_is_but_not_without_end(places: NodePlaces) -> None:
    disks = planned(places, {"name": "a", "size": "1Mi"}, {"name": "b", "size": "900Ti"}, image=None)
    with pytest.raises(NotYet, match=r"disk b .*at most 2 times") as refused:
        await make_disks(UID, disks, {}, 2)
    assert refused.value.reason == "InsufficientStorage"
    assert [disk.file.name for disk in missing(disks)] == ["b"]
    assert committed(places.root("standard")) == MIB


def test_more_than_there_is_room_for_is_refused_with_the_figures(tmp_path: Path) -> None:
    check_room(tmp_path, 0, "disk a")
    with pytest.raises(NotYet, match=r"disk a needs .* in .*make room there") as refused:
        check_room(tmp_path, 2**60, "disk a")
    assert refused.value.reason == "InsufficientStorage"


@pytest.mark.parametrize(("total", "kept"), [(100 * MIB, 2 * MIB), (2**40, 2**30)])
def test_a_part_of_every_file_system_stays_free(total: int, kept: int) -> None:
    assert reserve(total) == kept
