"""What is known of a backup under way, on the node's disk: a controller that comes after a kill goes on from it."""

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from controller.node.backups.layout import Layout, Qcow2, Raw
from controller.node.backups.manifest import Base, Machine, Part
from controller.node.backups.runs import Runs
from controller.node.places import checked_uid, make_folder
from controller.node.whole_file import write_whole
from hypersdk.model.base import Time

_CAPTURE, _PARTS = "capture.json", "parts.jsonl"


class TakenDisk(BaseModel):
    """One disk as of the moment, and the file that it is to be."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    format: Literal["qcow2", "raw"]
    virtual_bytes: int
    data: Runs
    zeros: Runs
    path: str
    """The disk's file at that moment."""
    export: str = ""
    """How QEMU shows it; empty for a disk that is off."""

    @cached_property
    def layout(self) -> Layout:
        """Of the file."""
        raw = Raw(self.virtual_bytes, self.data)
        return raw if self.format == "raw" else Qcow2(self.virtual_bytes, self.data, self.zeros)


class Capture(BaseModel):
    """All disks as of one moment: written as soon as that is taken."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    created: Time
    consistency: str
    vm: Machine
    disks: list[TakenDisk]
    socket: str
    """Where they are shown."""
    stamps: list[tuple[int, int]] = []
    """Of the files of a VM that is off: when they were written to, and their size."""
    is_stored: bool = False
    """Whether every piece is: the disks themselves are not needed any more."""
    state: dict[str, str] = {}
    """The machine's own, by name."""
    layers: dict[str, str] = {}
    checkpoint: str = ""
    base: Base | None = None
    base_uid: str = ""
    base_job: str = ""
    why_full: str = ""
    why_not_frozen: str = ""
    frozen_ms: int = 0


@dataclass(frozen=True)
class Scratch:
    """The folder of one backup under way. Everything here blocks."""

    folder: Path

    def make(self) -> None:
        """Make it where it is missing."""
        make_folder(self.folder.parent)
        make_folder(self.folder)

    def remove(self) -> None:
        """Remove it with everything in it."""
        if self.folder.is_dir() and not self.folder.is_symlink():
            shutil.rmtree(self.folder)

    def capture(self) -> Capture | None:
        """The moment that was taken, if there is one."""
        try:
            return Capture.model_validate_json((self.folder / _CAPTURE).read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def keep(self, capture: Capture) -> None:
        """Write down what was taken."""
        write_whole(self.folder / _CAPTURE, capture.model_dump_json().encode())

    def parts(self) -> dict[tuple[str, int], Part]:
        """The pieces that are stored already, by disk and number; a line cut short is left out."""
        found: dict[tuple[str, int], Part] = {}
        try:
            lines = (self.folder / _PARTS).read_text().splitlines()
        except FileNotFoundError:
            return found
        for line in lines:
            try:
                raw = json.loads(line)
                found[(raw["disk"], raw["number"])] = Part.model_validate(raw["part"])
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def stored(self, disk: str, number: int, part: Part) -> None:
        """Write down that a piece is stored."""
        line = json.dumps({"disk": disk, "number": number, "part": part.model_dump()})
        with (self.folder / _PARTS).open("a") as file:
            file.write(f"\n{line}\n")


def scratch_of(root: Path, uid: str) -> Scratch:
    """The scratch folder of a BackupJob or RestoreJob."""
    return Scratch(root / checked_uid(uid))
