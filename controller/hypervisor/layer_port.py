"""The port for layers: what may be asked of a domain to freeze its disks at a moment, to go back there, to merge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

TAKEN_UP = "MemoryUnusable"
"""The reason of a Terminal: a domain's memory cannot be taken up again."""


@dataclass(frozen=True)
class Taken:
    """How the moment was taken."""

    frozen_s: float = 0.0
    """For how long the guest's file systems were held; 0 when they were not."""
    why_not: str = ""
    """Why they were not."""


@dataclass(frozen=True)
class Copying:
    """How far QEMU is with copying; the total is 0 as long as that is not known."""

    done_bytes: int = 0
    total_bytes: int = 0
    bytes_per_s: int = 0
    is_ready: bool = False
    """Of a merge of the uppermost layer: all is copied, and what is written goes to both."""


@dataclass(frozen=True)
class DomainFiles:
    """The files of a domain that are no disks, and its disks' files from the uppermost down where QEMU has them."""

    nvram: str = ""
    """The firmware's variables, whether they are there yet or not; empty for a BIOS."""
    chains: Mapping[str, tuple[str, ...]] | None = None
    """By device; None of a domain that is off."""
    has_snapshots: bool = False
    """Whether libvirt knows of snapshots: not ours, for ours are none of libvirt's."""
    tpm: str = ""
    """What the emulated TPM remembers, whether it is there yet or not; empty without one."""


class LayerHost(Protocol):
    """Layers of domains. Every call raises Transient when the host cannot be asked now."""

    async def take(
        self, uuid: str, layers: Mapping[str, str], *, memory: str = "", quiesce: bool = False, live: bool = True
    ) -> Taken:
        """Let a running domain write to new layers, all disks (by device) at one moment; its memory to a file."""
        ...

    async def put(self, uuid: str, files: Mapping[str, str]) -> None:
        """Let a domain that is off write to other files, by device, from its next start on."""
        ...

    async def take_up(self, uuid: str, memory: str, files: Mapping[str, str]) -> None:
        """Start a domain from its saved memory over these files, paused; Terminal when that cannot be."""
        ...

    async def commit(self, uuid: str, dev: str, top: str, base: str) -> None:
        """Begin to merge a layer into the one below; no error when that goes on or is done."""
        ...

    async def merging(self, uuid: str, dev: str) -> Copying | None:
        """How far the merging is; None when nothing is merged."""
        ...

    async def pivot(self, uuid: str, dev: str) -> None:
        """Let the domain write to the lower file, all of the uppermost being in it; no error when it does."""
        ...

    async def abort(self, uuid: str, dev: str = "") -> None:
        """End a merge, or with no device the saving of the memory; no error when nothing goes on."""
        ...

    async def saving(self, uuid: str) -> Copying | None:
        """How far the saving of the memory is; None when none goes on."""
        ...

    async def files(self, uuid: str) -> DomainFiles:
        """Which files the domain has."""
        ...

    async def is_frozen(self, uuid: str) -> bool:
        """Whether the guest's file systems are held; False also where nobody answers."""
        ...

    async def thaw(self, uuid: str) -> None:
        """Let the guest's file systems go; no error when they are not held."""
        ...

    async def settled(self, uuid: str) -> None:
        """Wait until what has been asked of the running domain is over, also by a controller that has died since."""
        ...

    async def close(self) -> None:
        """Let go of the host."""
        ...
