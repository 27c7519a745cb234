"""What the API knows, as it changes: watches fill caches, and at most one word a tick says that something moved."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.model.core import Event
from hypersdk.model.kinds import EVENTS, VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation
from tui.session import Session

TICK_S = 0.1
ABOUT_VMS = "involvedObject.kind=VirtualMachine"


@dataclass(frozen=True)
class Changes:
    """What moved since the last tick; with no keys at all, only the health did."""

    vms: frozenset[Key] = frozenset()
    """VMs that changed, or that an operation on them changed."""
    talk: frozenset[Key] = frozenset()
    """VMs about which an event or an operation was written."""

    def __or__(self, other: "Changes") -> "Changes":
        return Changes(self.vms | other.vms, self.talk | other.talk)


@dataclass
class Feed:
    """The caches of one namespace (of all when it is empty), and who is told when they change."""

    session: Session
    namespace: str
    tell: Callable[[], object]
    """Called at most once a tick; `take` then says what changed."""
    vms: Cache[VirtualMachine] = field(default_factory=Cache)
    operations: Cache[VMOperation] = field(default_factory=Cache)
    events: Cache[Event] = field(default_factory=Cache)
    _vms: set[Key] = field(default_factory=set)
    _talk: set[Key] = field(default_factory=set)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _pending: dict[Key, VMOperation] = field(default_factory=dict)

    async def run(self) -> None:
        """Watch and tell until cancelled."""
        self.vms.subscribe(self._on_vms)
        self.operations.subscribe(self._on_operations)
        self.events.subscribe(self._on_events)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.session.watch(VIRTUAL_MACHINES, self.vms, self.namespace))
            group.create_task(self.session.watch(VM_OPERATIONS, self.operations, self.namespace))
            group.create_task(self.session.watch(EVENTS, self.events, self.namespace, ABOUT_VMS))
            group.create_task(self._tick())

    def stale_for(self, now: float) -> float | None:
        """For how many seconds nothing was heard; None while the list is live or has never been there."""
        return now - self.vms.contact if self.vms.health is Health.STALE else None

    def pending(self, vm: Key) -> VMOperation | None:
        """The operation that is being done to that VM."""
        return self._pending.get(vm)

    def take(self) -> Changes:
        """What changed since the last time this was asked."""
        changes = Changes(frozenset(self._vms), frozenset(self._talk))
        self._vms.clear()
        self._talk.clear()
        return changes

    async def _tick(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            self.tell()
            await asyncio.sleep(TICK_S)

    def _on_vms(self, keys: frozenset[Key]) -> None:
        self._vms |= keys
        self._moved.set()

    def _on_operations(self, keys: frozenset[Key]) -> None:
        for key in keys:
            operation = self.operations.get(*key)
            about = (key[0], operation.spec.vm_ref.name) if operation else self._busy_with(key)
            if about is None:
                continue
            if operation is not None and not operation.phase.is_over:
                self._pending[about] = operation
            elif self._busy_with(key) == about:
                del self._pending[about]
            self._vms.add(about)
            self._talk.add(about)
        self._moved.set()

    def _busy_with(self, operation: Key) -> Key | None:
        """The VM that is busy with that operation."""
        return next((vm for vm, one in self._pending.items() if one.key == operation), None)

    def _on_events(self, keys: frozenset[Key]) -> None:
        for key in keys:
            event = self.events.get(*key)
            if event is not None and event.involved_object.name:
                self._talk.add((key[0], event.involved_object.name))
        self._moved.set()
