"""What a stored backup is: its manifest, which is written last. One that comes back is hostile until it was checked."""

import hashlib
import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hypersdk.errors import Terminal
from hypersdk.model.base import JsonObject, Time

MANIFEST = "manifest.json"
MOST_BYTES = 64 * 2**20
"""Of a manifest: pieces of 16 MiB make one of this size for disks of some 8 TiB."""
PIECE_BYTES = 16 * 2**20
"""Of a disk's file. Some are held in memory at once, and each is read again whole after an error."""
PART_BYTES = 64 * 2**20
"""The largest that is read back."""
INVALID = "BackupInvalid"
MANIFEST_GONE = "ManifestNotFound"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_SHA = re.compile(r"[0-9a-f]{64}")
Named = Annotated[str, Field(pattern=_NAME.pattern.join("^$"))]
Digest = Annotated[str, Field(pattern=_SHA.pattern.join("^$"))]


class Stored(BaseModel):
    """A part of a manifest; other fields are not known, and a manifest that has them is another program's."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Part(Stored):
    """One object: a piece of a disk's file."""

    key: Annotated[str, Field(pattern=f"^({_NAME.pattern})?$")] = ""
    """Its name in the backup's folder; empty for a piece of nothing but zeros, which is not stored."""
    bytes: Annotated[int, Field(ge=1, le=PART_BYTES)]
    """Of the piece itself."""
    stored: Annotated[int, Field(ge=0, le=2 * PART_BYTES)] = 0
    """Of the object."""
    sha256: Annotated[str, Field(pattern=f"^({_SHA.pattern})?$")] = ""
    """Of the object."""


class StoredDisk(Stored):
    """One disk: its file, in pieces."""

    name: Named
    format: Literal["qcow2", "raw"]
    virtual_bytes: Annotated[int, Field(ge=0, le=2**60)]
    compression: Literal["", "zstd"] = ""
    parts: list[Part]

    @property
    def bytes(self) -> int:
        """The size of the file."""
        return sum(part.bytes for part in self.parts)


class StoredState(Stored):
    """A small file of the machine beside its disks, in one object: firmware variables, or the TPM's memory."""

    name: Literal["nvram", "tpm"]
    part: Part


class Base(Stored):
    """The backup that this one stands on: another folder beside it."""

    folder: Named
    sha256: Digest
    """Of its manifest."""


class Machine(Stored):
    """The VM as it was."""

    name: str
    uid: str
    labels: dict[str, str] = {}
    spec: JsonObject


class Manifest(Stored):
    """Everything that is needed to make the VM again, and to tell whether it still can be."""

    version: Literal[1] = 1
    uid: str
    """Of the BackupJob."""
    job: str
    created: Time
    kind: Literal["Full", "Incremental"] = "Full"
    base: Base | None = None
    consistency: Literal["FileSystemsFrozen", "CrashConsistent", "PoweredOff"]
    vm: Machine
    disks: list[StoredDisk]
    state: list[StoredState] = []
    metadata: dict[str, str] = {}

    @property
    def stored_bytes(self) -> int:
        """What it takes in the store, without the manifest."""
        return sum(part.stored for part in self.parts)

    @property
    def parts(self) -> list[Part]:
        """All objects, and the pieces of zeros."""
        return [part for disk in self.disks for part in disk.parts] + [one.part for one in self.state]


def written(manifest: Manifest) -> bytes:
    """The manifest as it is stored."""
    return manifest.model_dump_json(indent=1, exclude_defaults=False).encode()


def digest(data: bytes) -> str:
    """The sha256 of something stored."""
    return hashlib.sha256(data).hexdigest()


def read(data: bytes, where: str, expected: str = "") -> Manifest:
    """The manifest, if it can be believed; Terminal with the reason `BackupInvalid` otherwise."""
    if expected and digest(data) != expected:
        raise Terminal(INVALID, f"{where}: the manifest is not the one that was written (its sha256 differs)")
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        raise Terminal(INVALID, f"{where}: the manifest cannot be read: {place}: {first['msg']}") from error
    if (manifest.base is None) is not (manifest.kind == "Full"):
        raise Terminal(INVALID, f"{where}: the manifest is of a backup that is {manifest.kind}, and says otherwise")
    keys = [part.key for part in manifest.parts if part.key]
    named = [[disk.name for disk in manifest.disks], [str(one.name) for one in manifest.state], keys]
    if any(len(set(each)) < len(each) for each in named) or MANIFEST in keys:
        raise Terminal(INVALID, f"{where}: the manifest names something twice")
    return manifest
