"""Running qemu-img under limits, and what it says of a file. A file from outside is hostile until it was looked at."""

import asyncio
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from hypersdk.errors import Terminal, Transient
from hypersdk.model.base import JsonObject
from hypersdk.model.quantity import human_bytes

MEMORY_LIMIT = 2**30
"""A crafted image makes qemu-img allocate without end; this is plenty for an honest one."""
CPU_LIMIT_S = 60
TIMEOUT_S = 120.0
_EXTERNAL_DATA = 1 << 2
"""Bit 2 of the incompatible features (QEMU, docs/interop/qcow2)."""


@dataclass(frozen=True)
class ImageFacts:
    """What an image is, by its own header."""

    format: Literal["qcow2", "raw"]
    virtual_bytes: int


async def qemu_img(*arguments: str) -> bytes:
    """Run it and return its output; Transient with its own words when it fails."""
    limits = ["prlimit", f"--as={MEMORY_LIMIT}", f"--cpu={CPU_LIMIT_S}", "--"]
    process = await asyncio.create_subprocess_exec(
        *limits, "qemu-img", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise Transient(f"qemu-img {arguments[0]} took longer than {TIMEOUT_S:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise Transient(f"qemu-img {arguments[0]}: {_words(errors) or f'exit code {process.returncode}'}")
    return output


async def inspect(path: Path, words: str, largest: int) -> ImageFacts:
    """What a fetched image is; Terminal when it must not be used."""
    head = await asyncio.to_thread(_head, path)
    refuse_references(head, words)
    try:
        output = await qemu_img("info", "--output=json", str(path))
    except Transient as error:
        raise Terminal("ImageInvalid", f"image {words} cannot be read: {error}") from error
    return judge(json.loads(output), head, words, largest)


def refuse_references(head: bytes, words: str) -> None:
    """Terminal for a qcow2 header that names another file: qemu-img itself has opened such files (CVE-2024-4467)."""
    if not head.startswith(b"QFI\xfb") or len(head) < 104:
        return
    version, backing_offset = struct.unpack_from(">IQ", head, 4)
    (incompatible,) = struct.unpack_from(">Q", head, 72)
    if backing_offset:
        raise Terminal("ImageNotAllowed", f"image {words} refers to a backing file: flatten it by qemu-img convert")
    if version >= 3 and incompatible & _EXTERNAL_DATA:
        raise Terminal("ImageNotAllowed", f"image {words} refers to a data file: flatten it by qemu-img convert")


def judge(info: JsonObject, head: bytes, words: str, largest: int) -> ImageFacts:
    """Accept a plain qcow2 or raw image of a sane size; Terminal for anything else."""
    kind = info.get("format")
    virtual = cast("int", info.get("virtual-size", 0))
    specific = cast("JsonObject", cast("JsonObject", info.get("format-specific") or {}).get("data") or {})
    if kind not in {"qcow2", "raw"}:
        raise Terminal("ImageFormatUnsupported", f"image {words} is {kind}; qcow2 and raw are supported")
    for field in ("backing-filename", "full-backing-filename"):
        if info.get(field):
            raise Terminal("ImageNotAllowed", f"image {words} refers to a backing file: flatten it by qemu-img convert")
    if specific.get("data-file") or specific.get("data-file-raw"):
        raise Terminal("ImageNotAllowed", f"image {words} refers to a data file: flatten it by qemu-img convert")
    if info.get("encrypted"):
        raise Terminal("ImageNotAllowed", f"image {words} is encrypted")
    if not 0 < virtual <= largest:
        size, most = human_bytes(virtual), human_bytes(largest)
        raise Terminal("ImageTooLarge", f"image {words} has a virtual size of {size}; allowed are 1 byte to {most}")
    if kind == "raw" and (virtual % 512 or _is_text(head)):
        raise Terminal("ImageInvalid", f"image {words} is not a disk image")
    return ImageFacts("qcow2" if kind == "qcow2" else "raw", virtual)


async def make_overlay(path: Path, backing: Path, backing_format: Literal["qcow2", "raw"], size: int) -> None:
    """A qcow2 file over an image of the store."""
    await qemu_img("create", "-q", "-f", "qcow2", "-F", backing_format, "-b", str(backing), "--", str(path), str(size))


async def make_blank(path: Path, size: int) -> None:
    """An empty qcow2 file."""
    await qemu_img("create", "-q", "-f", "qcow2", "--", str(path), str(size))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _words(errors: bytes) -> str:
    lines: Sequence[str] = errors.decode(errors="replace").strip().splitlines()
    return lines[-1].removeprefix("qemu-img: ")[:300] if lines else ""


def _is_text(head: bytes) -> bool:
    """A page of an error message rather than a disk; a disk's first sector has zeros or machine code."""
    return bool(head) and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)
