"""What is on a guest's screen? As PNG, whatever form QEMU gives it in."""

import re
import struct
import zlib
from typing import Final

import libvirt

from controller.hypervisor.observe import our_domain
from hypersdk.errors import Transient

MOST_BYTES: Final = 64 << 20
"""More than a screen of 4096x4096 in 24 bits."""
_PPM: Final = re.compile(rb"P6\s+(\d{1,5})\s+(\d{1,5})\s+255\s")
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PIECE: Final = 1 << 18


def screenshot(connection: libvirt.virConnect, uuid: str) -> bytes:
    """A picture of the first screen; Transient when the domain is off or has none. Blocks."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        raise Transient("the VM is off: there is no screen to take a picture of")
    stream = connection.newStream(0)
    domain.screenshot(stream, 0, 0)
    picture = bytearray()
    while piece := stream.recv(_PIECE):
        picture += piece
        if len(picture) > MOST_BYTES:
            stream.abort()
            raise Transient(f"the picture of the screen is larger than {MOST_BYTES >> 20} MiB")
    stream.finish()
    return as_png(bytes(picture))


def as_png(picture: bytes) -> bytes:
    """The picture as PNG; QEMU before 7.1 gives PPM."""
    return picture if picture.startswith(_PNG) else _png(*_pixels(picture))


def _pixels(ppm: bytes) -> tuple[int, int, bytes]:
    """Width, height and RGB of a binary PPM."""
    header = _PPM.match(ppm)
    if header is None:
        raise Transient("QEMU gave a picture of the screen in a form that is not known")
    width, height = int(header[1]), int(header[2])
    rgb = ppm[header.end() :]
    if not rgb or len(rgb) != width * height * 3:
        raise Transient("QEMU gave half a picture of the screen")
    return width, height, rgb


def _png(width: int, height: int, rgb: bytes) -> bytes:
    """A true-colour PNG (RFC 2083), no line filtered."""
    stride = width * 3
    lines = b"".join(b"\0" + rgb[at : at + stride] for at in range(0, height * stride, stride))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return _PNG + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 6)) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
