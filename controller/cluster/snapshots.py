"""Which snapshots have been kept for long enough, and which have lost their VM? The rules are pure; the leader acts."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.node.objects import Objects
from controller.node.snapshots.status import failed, with_ready
from controller.node.snapshots.store import SnapshotStore
from controller.node.snapshots.users import user_of
from hypersdk.errors import ApiError, NotFound, Unreachable
from hypersdk.kube.cache import Cache, Health
from hypersdk.kube.client import Client
from hypersdk.kube.watch import Watch
from hypersdk.model.base import condition
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS, VM_SNAPSHOTS
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmsnapshot import VMSnapshot

log = logging.getLogger(__name__)
EVERY_S = 10.0
GONE, NOT_FOUND, EXPIRED = "VMDeleted", "VMNotFound", "RetentionExpired"


def outlived(snapshots: Iterable[VMSnapshot], now: datetime) -> dict[str, str]:
    """Why each one that was kept for long enough was, by its uid."""
    every = [one for one in snapshots if one.status.phase in {"Ready", "Expired"}]
    found = {one.metadata.uid: _why(one, every, now) for one in every}
    return {uid: why for uid, why in found.items() if why}


def _why(snapshot: VMSnapshot, every: list[VMSnapshot], now: datetime) -> str:
    kept, made = snapshot.spec.retention, snapshot.status.creation_time
    if kept is None or made is None:
        return ""
    if why := _past(snapshot, now):
        return why
    if kept.keep_count is not None and len(_newer(snapshot, every, now)) >= kept.keep_count:
        return f"the newest {kept.keep_count} were to be kept, and there are as many newer ones"
    return ""


def _newer(snapshot: VMSnapshot, every: list[VMSnapshot], now: datetime) -> list[VMSnapshot]:
    """Those of the same VM that are counted too: what was made by hand, without a count, pushes nothing out.

    Neither does what goes itself: of as many as are to be kept none would be left.
    """
    stay = (one for one in every if one.status.phase == "Ready" and one.metadata.deletion_timestamp is None)
    counted = (one for one in stay if one.spec.retention is not None and one.spec.retention.keep_count is not None)
    mine = (one for one in counted if one.machine == snapshot.machine and _age(one) > _age(snapshot))
    return [one for one in mine if not _past(one, now)]


def _past(snapshot: VMSnapshot, now: datetime) -> str:
    """Why its own time is over, whatever others there are; empty when it is not."""
    kept, made = snapshot.spec.retention, snapshot.status.creation_time
    if kept is not None and kept.expires_at is not None and kept.expires_at <= now:
        return f"it was to be kept until {kept.expires_at:%Y-%m-%d %H:%M} UTC"
    if kept is not None and made is not None and kept.keep_days and made + timedelta(days=kept.keep_days) <= now:
        return f"it was to be kept for {kept.keep_days} days"
    return ""


def _age(snapshot: VMSnapshot) -> tuple[float, int, str]:
    """More is younger; of two that were taken in one second the younger one stands on the other."""
    made, chain = snapshot.status.creation_time, snapshot.status.snapshot_chain or []
    return (made.timestamp() if made else 0.0, len(chain), snapshot.metadata.name)


def _is_settled(snapshot: VMSnapshot) -> bool:
    """Whether an expired one has nothing more coming."""
    kept = snapshot.spec.retention
    is_marked = snapshot.status.phase == "Expired" and kept is not None and not kept.auto_delete
    return is_marked or snapshot.metadata.deletion_timestamp is not None


@dataclass
class SnapshotRetention:
    """Ends snapshots that were kept for long enough, and answers for those whose VM is gone; runs while leading."""

    client: Client
    now: Callable[[], datetime]
    ttl: timedelta
    """How long one without a VM stays, to tell of it."""
    namespace: str = ""
    """The only one that is looked after; all when empty."""
    cache: Cache[VMSnapshot] = field(default_factory=Cache)

    def __post_init__(self) -> None:
        self.store = SnapshotStore(Objects(self.client, VM_SNAPSHOTS, self.cache), self.now)

    async def run(self) -> None:
        """Look until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(Watch(self.client, VM_SNAPSHOTS, self.cache, self.namespace).run())
            while True:
                await asyncio.sleep(EVERY_S)
                if self.cache.health is not Health.LIVE:
                    continue
                try:
                    await self.look()
                except (ApiError, Unreachable) as error:
                    log.info("snapshots are looked at again: %s", error)

    async def look(self) -> None:
        """One look at all of them."""
        newest = [self.store.objects.newest(one) for one in self.cache]
        for snapshot in newest:
            vm = await self._machine(snapshot)
            if vm is None or snapshot.status.vm_uid not in {None, vm.metadata.uid}:
                await self._orphaned(snapshot)
        ended = outlived(newest, self.now())
        due = [one for one in newest if one.metadata.uid in ended and not _is_settled(one)]
        operations = await self.client.list(VM_OPERATIONS, self.namespace) if due else []
        for snapshot in due:
            if user_of(snapshot, operations) is None:
                await self._expire(snapshot, ended[snapshot.metadata.uid])

    async def _machine(self, snapshot: VMSnapshot) -> VirtualMachine | None:
        try:
            # Only the API itself can say that there is no such VM.
            return await self.client.get(VIRTUAL_MACHINES, *snapshot.machine)
        except NotFound:
            return None

    async def _orphaned(self, snapshot: VMSnapshot) -> None:
        name = snapshot.spec.vm_ref.name
        if snapshot.metadata.deletion_timestamp is not None:
            await self.store.release(snapshot)
        elif snapshot.status.vm_uid is None:
            words = f"there is no VM {name} in {snapshot.key[0]}"
            await self.store.write(snapshot, with_ready(snapshot.status, "Pending", NOT_FOUND, words, self.now()))
        elif snapshot.status.phase != "Failed":
            words = f"the VM {name} was deleted, and the layers of its disks with it"
            await self.store.write(snapshot, failed(snapshot.status, GONE, words, self.now()))
        elif self._is_over(snapshot):
            await self._delete(snapshot)

    async def _expire(self, snapshot: VMSnapshot, why: str) -> None:
        namespace, name = snapshot.key
        if snapshot.status.phase != "Expired":
            log.info("snapshot %s/%s has expired: %s", namespace, name, why)
            status = with_ready(snapshot.status, "Expired", EXPIRED, why, self.now())
            snapshot = await self.store.write(snapshot, status)
        if snapshot.spec.retention is not None and snapshot.spec.retention.auto_delete:
            await self._delete(snapshot)

    async def _delete(self, snapshot: VMSnapshot) -> None:
        with contextlib.suppress(NotFound):
            await self.client.delete(VM_SNAPSHOTS, *snapshot.key, uid=snapshot.metadata.uid)
        if snapshot.status.phase == "Failed":
            await self.store.release(snapshot)

    def _is_over(self, snapshot: VMSnapshot) -> bool:
        said = condition(snapshot.status.conditions, "Ready")
        since = said.last_transition_time if said is not None else None
        return since is not None and self.now() - since >= self.ttl
