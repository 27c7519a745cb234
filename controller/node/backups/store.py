"""Where do backups go? A place of small objects: S3, or a folder; each object is written whole or not at all."""

import re
from dataclasses import dataclass
from typing import Protocol

from hypersdk.errors import Terminal

ACCESS_DENIED = "AccessDenied"
NOT_FOUND = "ObjectNotFound"
DESTINATION = "InvalidDestination"
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@=-]{0,254}")

Content = bytes | memoryview


class Store(Protocol):
    """Objects by key. Transient when it does not answer now, Terminal when it refuses (reason `AccessDenied`…)."""

    @property
    def words(self) -> str:
        """How a message names it, without secrets."""
        ...

    async def put(self, key: str, data: Content) -> None:
        """Write an object; it is there as a whole, or not at all."""
        ...

    async def get(self, key: str, most: int) -> bytes:
        """An object of at most that size; Terminal with the reason `ObjectNotFound` when there is none."""
        ...

    async def delete(self, key: str) -> None:
        """Remove an object; no error when there is none."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True)
class Place:
    """A store, and the folder in it that one VM's backups lie in."""

    store: Store
    folder: str

    def key(self, backup: str, name: str = "") -> str:
        """The key of one object of one backup, or of the backup itself."""
        return "/".join(part for part in (self.folder, backup, name) if part)

    def words(self, backup: str, name: str = "") -> str:
        """The same for a person."""
        return f"{self.store.words}/{self.key(backup, name)}"


def checked_path(text: str, what: str) -> str:
    """A relative path of plain names; Terminal for any other, `..` above all. Empty stays empty."""
    parts = text.strip("/").split("/") if text.strip("/") else []
    if wrong := [part for part in parts if not _SEGMENT.fullmatch(part)]:
        words = f"{what} {text!r}: {wrong[0]!r} cannot be a part of it: letters, digits and . _ + @ = - in each"
        raise Terminal(DESTINATION, words)
    return "/".join(parts)
