"""The images that are on this node's disk: files named by their content, and notes of what they came from."""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from controller.node.places import make_folder

PARTIAL = ".partial"
SOURCES = "sources"


@dataclass(frozen=True)
class StoredImage:
    """An image that is there."""

    path: Path
    format: Literal["qcow2", "raw"]
    virtual_bytes: int


@dataclass(frozen=True)
class Library:
    """One folder of images. Everything here blocks."""

    folder: Path

    def prepare(self) -> None:
        """Make the folders, and sweep what a note was being written into."""
        for folder in (self.folder, self.folder / PARTIAL, self.folder / SOURCES):
            make_folder(folder)
        for left in (self.folder / SOURCES).glob("*.tmp"):
            left.unlink()

    def partial(self, key: str) -> Path:
        """Where the half of an image lies."""
        return self.folder / PARTIAL / f"{key}.part"

    def partials(self) -> list[Path]:
        """Everything that belongs to images that are not whole."""
        return sorted((self.folder / PARTIAL).iterdir())

    def find(self, key: str) -> StoredImage | None:
        """The image that came from there; it counts as used now."""
        image = self._read(self._note(key))
        if image is None:
            return None
        with contextlib.suppress(FileNotFoundError):
            os.utime(self._note(key))
            return image
        return None

    def validator(self, key: str) -> str:
        """What tells whether its source has another one by now; empty when nothing does, or it is not there."""
        try:
            told = json.loads(self._note(key).read_text())
            return str(told["validator"]) if (self.folder / told["file"]).is_file() else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def keep(self, key: str, partial: Path, image: StoredImage, validator: str = "") -> None:
        """Move the file into its place, then write down what it came from: whoever finds the note finds the file."""
        if not image.path.exists():
            partial.chmod(0o444)
            os.replace(partial, image.path)
            _sync(self.folder)
        told = {
            "file": image.path.name,
            "format": image.format,
            "virtual_bytes": image.virtual_bytes,
            "validator": validator,
        }
        fresh = self._note(key).with_suffix(".tmp")
        fresh.write_text(json.dumps(told))
        os.replace(fresh, self._note(key))

    def images(self) -> Iterator[tuple[Path, float]]:
        """Each image, and when it was last asked for (seconds since the epoch)."""
        used: dict[Path, float] = {}
        for note in (self.folder / SOURCES).glob("*.json"):
            if (image := self._read(note)) is not None:
                with contextlib.suppress(FileNotFoundError):
                    used[image.path] = max(used.get(image.path, 0.0), note.stat().st_mtime)
        for path in sorted(self.folder.glob("*.img")):
            with contextlib.suppress(FileNotFoundError):
                yield path, used.get(path, path.stat().st_ctime)

    def remove(self, path: Path) -> None:
        """Remove an image: first its notes, so that nobody finds it any more."""
        for note in (self.folder / SOURCES).glob("*.json"):
            image = self._read(note)
            if image is None or image.path == path:
                note.unlink(missing_ok=True)
        path.unlink(missing_ok=True)

    def touched_before(self, path: Path, seconds: float) -> bool:
        """Whether nobody has written to the file for so long."""
        try:
            return time.time() - path.stat().st_mtime > seconds
        except FileNotFoundError:
            return False

    def _note(self, key: str) -> Path:
        return self.folder / SOURCES / f"{key}.json"

    def _read(self, note: Path) -> StoredImage | None:
        try:
            raw = json.loads(note.read_text())
            image = StoredImage(self.folder / raw["file"], raw["format"], raw["virtual_bytes"])
        except (OSError, ValueError, KeyError):
            return None
        return image if image.path.is_file() else None


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
