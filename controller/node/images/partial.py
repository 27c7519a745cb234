"""The half of an image that is here already: kept over a controller's end, continued only if it is still the same."""

import contextlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path

from controller.node.images.incoming import Had


@dataclass
class Partial:
    """One file that is being fetched, and a note of how far it safely is and of which version."""

    path: Path
    validator: str = ""
    total: int | None = None
    safe: int = 0
    """Bytes that are on the disk, whatever happens to the host."""
    owners: frozenset[str] = frozenset()
    """Who waits for it: with the last of them it goes."""
    _file: BufferedRandom | None = field(default=None, repr=False)

    @classmethod
    def at(cls, path: Path) -> "Partial":
        """What an earlier attempt left there; nothing where its note cannot be read."""
        found = cls(path)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(found.note.read_text())
            safe = min(int(told["safe"]), path.stat().st_size)
            found.owners = frozenset(map(str, told["owners"]))
            found.validator, found.total, found.safe = str(told["validator"]), told["total"], safe
        return found

    @property
    def note(self) -> Path:
        """What is written down beside the file."""
        return self.path.with_suffix(".json")

    @property
    def had(self) -> Had:
        """What need not be fetched again: never all of it, for a server refuses to send nothing."""
        most = self.total - 1 if self.total else self.safe
        return Had(max(0, min(self.safe, most)), self.validator) if self.validator else Had()

    def begin(self, start: int, total: int | None, validator: str) -> BufferedRandom:
        """Open the file, of which `start` bytes are kept; the handle is at its beginning, to be read up to there."""
        self.path.touch()
        os.truncate(self.path, start)
        self.safe, self.total, self.validator = start, total, validator
        self._file = self.path.open("r+b")
        self._write_note()
        return self._file

    def checkpoint(self) -> None:
        """Have everything so far on the disk, and write down that it is."""
        if self._file is None:
            return
        self._file.flush()
        os.fsync(self._file.fileno())
        self.safe = self._file.tell()
        self._write_note()

    def save(self) -> None:
        """The last checkpoint of an attempt that failed; the disk itself may be why."""
        with contextlib.suppress(OSError):
            self.checkpoint()

    def close(self) -> None:
        """Let go of the file; what was not checkpointed is fetched again."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None

    def discard(self) -> None:
        """Nothing of it is kept."""
        self.close()
        for path in (self.note, self.note.with_suffix(".tmp"), self.path):
            path.unlink(missing_ok=True)

    def _write_note(self) -> None:
        told = {"validator": self.validator, "total": self.total, "safe": self.safe, "owners": sorted(self.owners)}
        fresh = self.note.with_suffix(".tmp")
        fresh.write_text(json.dumps(told))
        os.replace(fresh, self.note)


def discard_of(folder: Path, owner: str, busy: Collection[str]) -> None:
    """Discard what only that owner waited for in an earlier life, and what is not busy now."""
    for note in folder.glob("*.json"):
        if note.stem in busy:
            continue
        partial = Partial.at(note.with_suffix(".part"))
        if partial.owners == {owner}:
            partial.discard()
