"""Hostile images do not come at all: what they refer to, what they claim, what they are not."""

import struct
import subprocess
from pathlib import Path

import pytest

from controller.node.images.store import Images
from controller.node.qemu_img import judge_qcow2, judge_raw
from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject
from tests.unit.node.images.builders import MIB, imported, local, qcow2


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


def with_snapshot(folder: Path) -> bytes:
    qcow2(folder / "s")
    subprocess.run(["qemu-img", "snapshot", "-c", "before", folder / "s"], check=True)
    return (folder / "s").read_bytes()


def encrypted(folder: Path) -> bytes:
    content = bytearray(qcow2(folder / "e"))
    struct.pack_into(">I", content, 32, 1)
    return bytes(content)


def corrupt(folder: Path) -> bytes:
    content = bytearray(qcow2(folder / "c"))
    struct.pack_into(">Q", content, 72, 2)
    return bytes(content)


def cut_short(folder: Path) -> bytes:
    return qcow2(folder / "h")[:80]


def vmdk_of_a_file_of_the_host(folder: Path) -> bytes:
    extent = '# Disk DescriptorFile\nversion=1\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/shadow" 0\n'
    return extent.encode().ljust(1024)


def bomb(folder: Path) -> bytes:
    """A first-level table of 32 MiB entries, a reference table beyond the end: work without end for a few bytes."""
    content = bytearray(qcow2(folder / "z"))
    struct.pack_into(">I", content, 36, 0x2000000)
    struct.pack_into(">QI", content, 48, 2**60, 0x7FFFFFFF)
    return bytes(content)


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
        (with_snapshot, "ImageNotAllowed"),
        (encrypted, "ImageNotAllowed"),
        (corrupt, "ImageInvalid"),
        (cut_short, "ImageInvalid"),
        (vmdk_of_a_file_of_the_host, "ImageFormatUnsupported"),
        (bomb, "ImageInvalid"),
    ],
)
async def test_hostile_images_are_refused(images: Images, tmp_path: Path, make: object, reason: str) -> None:
    assert callable(make)
    file = tmp_path / "hostile"
    file.write_bytes(make(tmp_path))
    with pytest.raises(Terminal) as refused:
        await imported(images, local(file))
    assert refused.value.reason == reason
    assert list((tmp_path / "store").glob("*.img")) == []


@pytest.mark.parametrize(
    ("info", "reason"),
    [
        ({"virtual-size": 512, "backing-filename": "x"}, "ImageNotAllowed"),
        ({"virtual-size": 512, "encrypted": True}, "ImageNotAllowed"),
        ({"virtual-size": 512, "snapshots": [{"name": "s"}]}, "ImageNotAllowed"),
        ({"virtual-size": 512, "format-specific": {"data": {"data-file": "x"}}}, "ImageNotAllowed"),
        ({"virtual-size": 0}, "ImageTooLarge"),
        ({"virtual-size": 1025}, "ImageTooLarge"),
    ],
)
def test_what_qemu_img_says_is_judged(info: JsonObject, reason: str) -> None:
    with pytest.raises(Terminal) as refused:
        judge_qcow2(info, "x", 1024)
    assert refused.value.reason == reason


@pytest.mark.parametrize(
    ("head", "size", "reason", "words"),
    [
        (b"\0" * 512, 513, "ImageInvalid", "not a disk image"),
        (b"", 0, "ImageInvalid", "not a disk image"),
        (b"<html>".ljust(512), 512, "ImageInvalid", "not a disk image"),
        (b"\0" * 512, 2048, "ImageTooLarge", "virtual size"),
        (b"\x1f\x8b\x08".ljust(512, b"\0"), 512, "ImageFormatUnsupported", "gzip.*unpack it first"),
        (b"\xfd7zXZ\0".ljust(512, b"\0"), 512, "ImageFormatUnsupported", "xz.*unpack it first"),
        (b"\0" * 257 + b"ustar".ljust(255, b"\0"), 512, "ImageFormatUnsupported", "OVA"),
        (b"# Disk DescriptorFile\n".ljust(512), 512, "ImageFormatUnsupported", "VMDK.*qemu-img convert"),
        (b"vhdxfile".ljust(512, b"\0"), 512, "ImageFormatUnsupported", "VHDX"),
    ],
)
def test_what_is_no_raw_disk_is_told_apart_without_asking_a_tool(
    head: bytes, size: int, reason: str, words: str
) -> None:
    with pytest.raises(Terminal, match=words) as refused:
        judge_raw(head, size, "x", 1024)
    assert refused.value.reason == reason
