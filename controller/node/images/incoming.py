"""Bytes of an image from where it lies, in pieces, from the byte on that is wanted."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

PIECE = 2**20
IMPORT_FAILED = "ImportFailed"


@dataclass(frozen=True)
class Had:
    """What of the image came before: how many bytes, and which version of it."""

    count: int = 0
    validator: str = ""
    """An entity tag or a date, as If-Range takes it; empty when the server told none."""


@dataclass(frozen=True)
class Incoming:
    """An image on its way."""

    pieces: AsyncIterator[bytes]
    total_bytes: int | None = None
    """How large it says it is, whole."""
    start: int = 0
    """Where in the image the pieces begin: where the earlier ones ended, or at its beginning."""
    validator: str = ""
    unchanged: bool = False
    """It is still the one that is known: nothing is sent."""


Fetch = AbstractAsyncContextManager[Incoming]
