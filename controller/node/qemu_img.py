"""Running qemu-img under limits, and what it says of a file. A file from outside is hostile until it was looked at."""

import asyncio
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from controller.node.formats import is_text, other_format
from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import JsonObject
from hypersdk.model.quantity import human_bytes

MEMORY_LIMIT = 2**30
"""A crafted image makes qemu-img allocate without end; this is plenty for an honest one."""
CPU_LIMIT_S = 60
TIMEOUT_S = 120.0
OUTPUT_LIMIT = 2**20
QCOW2_MAGIC = b"QFI\xfb"
HEAD = 1024
_EXTERNAL_DATA = 1 << 2
_CORRUPT = 1 << 1
"""Bits of the incompatible features (QEMU, docs/interop/qcow2)."""


@dataclass(frozen=True)
class ImageFacts:
    """What an image is, by its own header."""

    format: Literal["qcow2", "raw"]
    virtual_bytes: int


async def qemu_img(*arguments: str, timeout_s: float = TIMEOUT_S) -> bytes:
    """Run it and return its output; Transient with its own words when it fails."""
    # It dies with the controller: the successor does not find a file that somebody still writes to.
    cpu_s = CPU_LIMIT_S if timeout_s <= TIMEOUT_S else int(timeout_s)
    limits = ["setpriv", "--pdeathsig", "KILL", "prlimit", f"--as={MEMORY_LIMIT}", f"--cpu={cpu_s}", "--"]
    process = await asyncio.create_subprocess_exec(
        *limits, "qemu-img", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(timeout_s):
            output, errors = await asyncio.gather(_bounded(process.stdout), _bounded(process.stderr))
            await process.wait()
    except TimeoutError as error:
        raise Transient(f"qemu-img {arguments[0]} took longer than {timeout_s:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise Transient(f"qemu-img {arguments[0]}: {_words(errors) or f'exit code {process.returncode}'}")
    return output


async def inspect(path: Path, words: str, largest: int) -> ImageFacts:
    """What a fetched image is; Terminal when it must not be used."""
    head, size = await asyncio.to_thread(_head, path)
    if not head.startswith(QCOW2_MAGIC):
        # Never shown to qemu-img: what it guesses the format to be may name other files (CVE-2024-4467).
        return judge_raw(head, size, words, largest)
    refuse_references(head, words)
    try:
        info = json.loads(await qemu_img("info", "-f", "qcow2", "--output=json", str(path)))
    except (Transient, ValueError) as error:
        raise Terminal("ImageInvalid", f"image {words} cannot be read: {error}") from error
    return judge_qcow2(info, words, largest)


def refuse_references(head: bytes, words: str) -> None:
    """Terminal for a qcow2 header that names another file: qemu-img itself has opened such files."""
    if len(head) < 104:
        raise Terminal("ImageInvalid", f"image {words} ends within its header")
    version, backing_offset = struct.unpack_from(">IQ", head, 4)
    (incompatible,) = struct.unpack_from(">Q", head, 72)
    if backing_offset:
        raise Terminal("ImageNotAllowed", f"image {words} refers to a backing file: flatten it by qemu-img convert")
    if version >= 3 and incompatible & _EXTERNAL_DATA:
        raise Terminal("ImageNotAllowed", f"image {words} refers to a data file: flatten it by qemu-img convert")
    if version >= 3 and incompatible & _CORRUPT:
        raise Terminal("ImageInvalid", f"image {words} is marked as corrupt: repair it by qemu-img check -r all")


def judge_raw(head: bytes, size: int, words: str, largest: int) -> ImageFacts:
    """Accept what can be a raw disk; Terminal for other formats, text and odd sizes."""
    if (other := other_format(head)) is not None:
        advice = "unpack it first" if other.is_packed else "turn it into qcow2 by qemu-img convert"
        raise Terminal("ImageFormatUnsupported", f"image {words} is {other.name}; qcow2 and raw are taken: {advice}")
    if not size or size % 512 or is_text(head):
        raise Terminal("ImageInvalid", f"image {words} is not a disk image")
    _check_virtual(size, words, largest)
    return ImageFacts("raw", size)


def judge_qcow2(info: JsonObject, words: str, largest: int) -> ImageFacts:
    """Accept a plain image of a sane size by what qemu-img says of it; Terminal for anything else."""
    specific = cast("JsonObject", cast("JsonObject", info.get("format-specific") or {}).get("data") or {})
    for field in ("backing-filename", "full-backing-filename"):
        if info.get(field):
            raise Terminal("ImageNotAllowed", f"image {words} refers to a backing file: flatten it by qemu-img convert")
    if specific.get("data-file") or specific.get("data-file-raw"):
        raise Terminal("ImageNotAllowed", f"image {words} refers to a data file: flatten it by qemu-img convert")
    if info.get("encrypted"):
        raise Terminal("ImageNotAllowed", f"image {words} is encrypted: decrypt it by qemu-img convert")
    if info.get("snapshots"):
        raise Terminal("ImageNotAllowed", f"image {words} holds snapshots: flatten it by qemu-img convert")
    virtual = cast("int", info.get("virtual-size", 0))
    _check_virtual(virtual, words, largest)
    return ImageFacts("qcow2", virtual)


async def make_overlay(path: Path, backing: Path, backing_format: Literal["qcow2", "raw"], size: int) -> None:
    """A qcow2 file over an image of the store."""
    await qemu_img("create", "-q", "-f", "qcow2", "-F", backing_format, "-b", str(backing), "--", str(path), str(size))


async def make_blank(path: Path, size: int) -> None:
    """An empty qcow2 file."""
    await qemu_img("create", "-q", "-f", "qcow2", "--", str(path), str(size))


async def grow(path: Path, size: int) -> None:
    """Make a qcow2 file larger; Transient while somebody uses it."""
    await qemu_img("resize", "-q", "-f", "qcow2", "--", str(path), str(size))


def virtual_size(path: Path) -> int | None:
    """How large a disk a qcow2 file holds, by its header; None for another file. Blocks."""
    with path.open("rb") as file:
        head = file.read(32)
    return int(struct.unpack_from(">Q", head, 24)[0]) if head.startswith(QCOW2_MAGIC) and len(head) == 32 else None


def _check_virtual(virtual: int, words: str, largest: int) -> None:
    if not 0 < virtual <= largest:
        size, most = human_bytes(virtual), human_bytes(largest)
        raise Terminal("ImageTooLarge", f"image {words} has a virtual size of {size}; allowed are 1 byte to {most}")


async def _bounded(stream: asyncio.StreamReader) -> bytes:
    """All that is said, of which so much is kept."""
    kept = bytearray()
    while piece := await stream.read(65536):
        kept += piece[: OUTPUT_LIMIT - len(kept)]
    return bytes(kept)


def _head(path: Path) -> tuple[bytes, int]:
    with path.open("rb") as file:
        return file.read(HEAD), path.stat().st_size


def _words(errors: bytes) -> str:
    lines: Sequence[str] = errors.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("qemu-img: ")[:300] if lines else ""
