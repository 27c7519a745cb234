"""The port for backups: what may be asked of a running domain to get a consistent copy of its disks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

NO_CHECKPOINT = "NoCheckpoint"
"""The reason of a Terminal: nothing tells what changed since the base, so only a full backup can be made."""
CHANGED = "changed"
"""The name of the bitmap by which an export tells what changed since a checkpoint."""


@dataclass(frozen=True)
class DiskCopy:
    """One disk and the file that its copy goes to; of a disk that is shown, what the guest overwrites meanwhile."""

    dev: str
    target: str
    is_made: bool = False
    """Whether the file is there already, an empty qcow2 file of the disk's size: the guest is frozen for less."""


@dataclass(frozen=True)
class BackupBegun:
    """How the moment was taken that the backup is of."""

    frozen_s: float = 0.0
    """For how long the guest's file systems were held; 0 when they were not."""
    why_not: str = ""
    """Why they were not."""


@dataclass(frozen=True)
class BackupState:
    """How far the copying is; `ended` says that QEMU is done, well or not."""

    ended: bool = False
    error: str = ""
    done_bytes: int = 0
    total_bytes: int = 0


class CopyHost(Protocol):
    """Copies of running domains' disks. Every call raises Transient when the host cannot be asked now."""

    async def begin(
        self, uuid: str, copies: Sequence[DiskCopy], *, checkpoint: str = "", since: str = "", quiesce: bool = True
    ) -> BackupBegun:
        """Begin to copy all disks as of one moment, or what changed `since` a checkpoint; `checkpoint` marks it.

        Terminal with the reason `NoCheckpoint` when nothing tells what changed since.
        """
        ...

    async def state(self, uuid: str) -> BackupState:
        """How far the domain's backup is."""
        ...

    async def abort(self, uuid: str) -> None:
        """End a backup that goes on, and wait for its end; no error when there is none."""
        ...

    async def thaw(self, uuid: str) -> None:
        """Let the guest's file systems go, should somebody have left them frozen; no error when they are not."""
        ...


class BackupHost(CopyHost, Protocol):
    """Backups of running domains."""

    async def show(
        self,
        uuid: str,
        copies: Sequence[DiskCopy],
        socket: str,
        *,
        checkpoint: str = "",
        since: str = "",
        quiesce: bool = True,
    ) -> BackupBegun:
        """Show all disks as of one moment, as NBD exports named as their devices, until `abort`; else as `begin`."""
        ...

    async def shown(self, uuid: str) -> str:
        """The socket at which the domain's disks are shown; empty when they are not."""
        ...

    async def checkpoints(self, uuid: str) -> list[str]:
        """The names of the domain's checkpoints."""
        ...

    async def drop_checkpoint(self, uuid: str, name: str) -> None:
        """Forget a checkpoint; no error when there is none."""
        ...

    async def close(self) -> None:
        """Let go of the host."""
        ...
