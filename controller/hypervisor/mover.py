"""The part of the port by which a running domain is moved to another host."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Documents:
    """libvirt's XML of a running domain as another host would take it over."""

    running: str
    defined: str
    """The definition that its next start goes by."""


@dataclass(frozen=True)
class Transfer:
    """How a running domain is moved: over sockets on this host, which lead to the other one's."""

    documents: Documents
    """As the other host has it."""
    libvirt_socket: str
    memory_socket: str
    """The same path on both hosts, like the next: here somebody listens who carries on what comes, there QEMU does."""
    disks_socket: str
    copied: tuple[str, ...] = ()
    """The devices whose content goes along; all others are on storage that both have."""
    bandwidth_mib: int = 0
    """MiB a second at most; 0 for as fast as it goes."""
    auto_converge: bool = True
    """Slow the guest down where it writes faster than its memory can be copied."""
    post_copy: bool = False
    """Let `start_post_copy` be used: then libvirt itself would let the copy run, if nobody guards what it asks."""


@dataclass(frozen=True)
class TransferState:
    """How far a running domain is on its way to another host, as QEMU counts it."""

    memory_total: int = 0
    memory_remaining: int = 0
    memory_bps: int = 0
    dirty_bps: int = 0
    """What the guest writes to its memory, in bytes a second."""
    iterations: int = 0
    disk_total: int = 0
    disk_remaining: int = 0
    disk_bps: int = 0
    downtime_ms: int = 0
    """How long the guest would be held if the rest were copied now; the real one at the end."""
    throttle_percent: int = 0
    is_following: bool = False
    """The guest is over there, and what is left of its memory follows (post-copy)."""


class Mover(Protocol):
    """A host whose domains can be moved."""

    async def documents(self, uuid: str) -> Documents:
        """What of a running domain another host is given."""
        ...

    async def transfer(self, uuid: str, how: Transfer) -> None:
        """Move a running domain to another host; it is off here then, and paused there. May take hours."""
        ...

    async def hold_at_most(self, uuid: str, milliseconds: int) -> None:
        """How long it may be held at the end of its move: the shorter, the more passes; no error when it has gone."""
        ...

    async def start_post_copy(self, uuid: str) -> None:
        """Let it run on the other host from now on, and its memory follow; no error when it is not being moved."""
        ...

    async def transfer_state(self, uuid: str) -> TransferState | None:
        """How far that is; None when the domain is not being moved."""
        ...

    async def abort_transfer(self, uuid: str) -> None:
        """Give the move up, so that the domain stays here; no error when there is none."""
        ...

    async def qemu_owner(self) -> tuple[int, int]:
        """The user and the group that QEMU runs as."""
        ...

    def libvirt_socket(self) -> str:
        """The file of libvirt's own socket."""
        ...
