"""Moving domains between hypervisors in memory."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from controller.domain.build import domain_xml
from controller.domain.desired import DesiredDomain
from controller.domain.parse import parse_domain
from controller.hypervisor.mover import Documents, Transfer, TransferState
from controller.hypervisor.port import DomainState, ObservedDomain
from hypersdk.errors import Terminal, Transient

if TYPE_CHECKING:
    from controller.hypervisor.fake import FakeHypervisor

LOOK_EVERY_S = 0.5


@dataclass
class FakeMover:
    """The part of the fake by which its domains leave it."""

    other: "FakeHypervisor | None" = field(default=None, init=False)
    """Where they go."""
    move_takes_s: float = field(default=20.0, init=False)
    moving: dict[str, TransferState] = field(default_factory=dict, init=False)
    """By uuid, of those that are under way."""
    aborted: set[str] = field(default_factory=set, init=False)
    following: set[str] = field(default_factory=set, init=False)
    """Those of them that run there already."""

    async def documents(self, uuid: str) -> Documents:
        """Enough of a definition to be read there."""
        here = self._me.the(uuid)
        owner = here.owner
        assert owner is not None
        known = DesiredDomain(uuid, owner.namespace, owner.name, 1, 2**28, "qemu")
        xml = domain_xml(known, owner.power)
        return Documents(xml, xml)

    async def transfer(self, uuid: str, how: Transfer) -> None:
        """Off here and paused there once it has taken its time, unless it is aborted or either libvirtd is down."""
        here, there = self._me, self.other
        if there is None:
            raise Terminal("Unsupported", "the fake knows no other host")
        here.before_change("transfer")
        self.moving[uuid] = TransferState(
            memory_total=2**30, memory_remaining=2**29, memory_bps=2**24, dirty_bps=2**25, iterations=2
        )
        incoming, run = parse_domain(how.documents.running), here.the(uuid)
        copy = ObservedDomain(uuid, incoming.name, DomainState.PAUSED, "migration", incoming.owner, pid=4711)
        there.adopt(replace(copy, macs=run.macs, hardware=run.hardware))
        try:
            await self._copied(uuid, there)
        except BaseException:
            if uuid in self.following:
                self._broken(uuid, there)
            else:
                there.domains_by_uuid.pop(uuid, None)
            raise
        finally:
            self.moving.pop(uuid, None)
            self.aborted.discard(uuid)
            self.following.discard(uuid)
        reason = "migrated" if there.the(uuid).state is DomainState.RUNNING else "user"
        there.change(uuid, "lifecycle", reason=reason, started_at=here.clock())
        here.go_off(uuid, "migrated")

    async def hold_at_most(self, uuid: str, milliseconds: int) -> None:
        """It is held for no time here."""

    async def start_post_copy(self, uuid: str) -> None:
        """Held here for good, and running there."""
        if uuid not in self.moving or self.other is None:
            return
        self.following.add(uuid)
        self._me.change(uuid, "lifecycle", state=DomainState.PAUSED, reason="postcopy")
        self.other.change(uuid, "lifecycle", state=DomainState.RUNNING, reason="postcopy")

    async def transfer_state(self, uuid: str) -> TransferState | None:
        """Half of it is always left."""
        return self.moving.get(uuid)

    async def abort_transfer(self, uuid: str) -> None:
        """At the next look."""
        if uuid in self.moving:
            self.aborted.add(uuid)

    async def qemu_owner(self) -> tuple[int, int]:
        """There are no files here."""
        return (0, 0)

    def libvirt_socket(self) -> str:
        """Nor sockets."""
        return ""

    @property
    def _me(self) -> "FakeHypervisor":
        return cast("FakeHypervisor", self)

    def _broken(self, uuid: str, there: "FakeHypervisor") -> None:
        """The half that is there waits for memory that never comes."""
        self._me.change(uuid, "lifecycle", state=DomainState.PAUSED, reason="postcopy-failed")
        there.change(uuid, "lifecycle", state=DomainState.PAUSED, reason="postcopy-failed")

    async def _copied(self, uuid: str, there: "FakeHypervisor") -> None:
        here = self._me
        end = here.clock() + self.move_takes_s
        while here.clock() < end:
            await asyncio.sleep(LOOK_EVERY_S)
            if (uuid in self.aborted and uuid not in self.following) or not here.the(uuid).is_active:
                raise Transient("operation aborted: job 'migration out' canceled by client")
            if here.down or there.down or uuid not in there.domains_by_uuid:
                raise Transient("the connection to libvirt is broken")
