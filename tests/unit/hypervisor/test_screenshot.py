"""Pictures of a screen become PNG."""

import struct
import zlib

import pytest

from controller.hypervisor.screenshot import as_png
from hypersdk.errors import Transient

RED, GREEN = b"\xff\0\0", b"\0\xff\0"


def test_png_stays_as_it_is() -> None:
    assert as_png(b"\x89PNG\r\n\x1a\nrest") == b"\x89PNG\r\n\x1a\nrest"


def test_ppm_becomes_png() -> None:
    png = as_png(b"P6\n2 1\n255\n" + RED + GREEN)
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (2, 1)
    start = png.index(b"IDAT") + 4
    assert (
        zlib.decompress(png[start : start + struct.unpack(">I", png[start - 8 : start - 4])[0]]) == b"\0" + RED + GREEN
    )


@pytest.mark.parametrize(
    "picture", [b"", b"GIF89a", b"P6\n2 1\n255\n" + RED, b"P6\n0 0\n255\n", b"P6\n2 1\n65535\n" + RED]
)
def test_anything_else_is_no_picture(picture: bytes) -> None:
    with pytest.raises(Transient):
        as_png(picture)
