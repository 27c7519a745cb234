"""What the API knows, as it changes: watches fill caches, and at most one word a tick says that something moved."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.model.base import Resource
from hypersdk.model.core import Event
from hypersdk.model.kinds import EVENTS, VIRTUAL_MACHINES, VM_NODES, VM_OPERATIONS, Kind
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation
from tui.changes import Changes
from tui.session import Session
from tui.tally import Tally
from tui.trend import Trends

R = TypeVar("R", bound=Resource)
TICK_S = 0.1
ABOUT_VMS = "involvedObject.kind=VirtualMachine"


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
    nodes: Cache[VMNode] = field(default_factory=Cache)
    trends: Trends = field(default_factory=Trends)
    tally: Tally = field(default_factory=Tally)
    _changes: Changes = field(default_factory=Changes)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)
    _pending: dict[Key, VMOperation] = field(default_factory=dict)
    _followed: "dict[str, tuple[Kind[Resource], Cache[Resource]]]" = field(default_factory=dict)
    _watching: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Watch and tell until cancelled."""
        heard = [
            self.vms.subscribe(self._on_vms),
            self.operations.subscribe(self._on_operations),
            self.events.subscribe(self._on_events),
            self.nodes.subscribe(self._on_nodes),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.session.watch(VIRTUAL_MACHINES, self.vms, self.namespace))
                group.create_task(self.session.watch(VM_OPERATIONS, self.operations, self.namespace))
                group.create_task(self.session.watch(EVENTS, self.events, self.namespace, ABOUT_VMS))
                group.create_task(self.session.watch(VM_NODES, self.nodes, ""))
                group.create_task(self.session.listen())
                group.create_task(self._tick())
                self._watching = group
                for kind, cache in self._followed.values():
                    self._watch(kind, cache)
        finally:
            self._watching = None
            self._let_go(heard)

    def follow(self, kind: Kind[R]) -> Cache[R]:
        """The objects of a kind that only some screens show: watched from the first time that somebody asks."""
        if kind.plural not in self._followed:
            cache: Cache[Resource] = Cache()
            cache.subscribe(lambda keys: self._note(Changes(others=frozenset((kind.plural, key) for key in keys))))
            self._followed[kind.plural] = (kind, cache)
            self._watch(*self._followed[kind.plural])
        return self._followed[kind.plural][1]  # type: ignore[return-value]

    def _watch(self, kind: "Kind[Resource]", cache: "Cache[Resource]") -> None:
        if self._watching is not None:
            self._watching.create_task(self.session.watch(kind, cache, self.namespace if kind.namespaced else ""))

    def _let_go(self, heard: Iterable[Callable[[], None]]) -> None:
        """What a namespace had goes at once, not when somebody looks for cycles the next time."""
        for stop in heard:
            stop()
        for cache in (self.vms, self.operations, self.events, self.nodes):
            cache.objects.clear()
        for _, followed in self._followed.values():
            followed.objects.clear()

    def stale_for(self, now: float) -> float | None:
        """For how many seconds nothing was heard; None while the list is live or has never been there."""
        return now - self.vms.contact if self.vms.health is Health.STALE else None

    def pending(self, vm: Key) -> VMOperation | None:
        """The operation that is being done to that VM."""
        return self._pending.get(vm)

    def take(self) -> Changes:
        """What changed since the last time this was asked."""
        changes, self._changes = self._changes, Changes()
        return changes

    async def _tick(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            self.tell()
            await asyncio.sleep(TICK_S)

    def _on_vms(self, keys: frozenset[Key]) -> None:
        for key in keys:
            if (vm := self.vms.get(*key)) is not None:
                self.trends.note(vm)
                self.tally.note(vm)
            else:
                self.trends.forget(key)
                self.tally.forget(key)
        self._note(Changes(vms=keys))

    def _on_nodes(self, keys: frozenset[Key]) -> None:
        self._note(Changes(nodes=keys))

    def _on_operations(self, keys: frozenset[Key]) -> None:
        moved = frozenset(about for key in keys if (about := self._of_operation(key)))
        self._note(Changes(vms=moved, talk=moved, operations=keys))

    def _of_operation(self, key: Key) -> Key | None:
        """The VM that it is about; what is being done to it is kept."""
        operation = self.operations.get(*key)
        about = operation.machine if operation else self._busy_with(key)
        if about is None:
            return None
        if operation is not None and not operation.phase.is_over:
            self._pending[about] = operation
        elif self._busy_with(key) == about:
            del self._pending[about]
        return about

    def _busy_with(self, operation: Key) -> Key | None:
        """The VM that is busy with that operation."""
        return next((vm for vm, one in self._pending.items() if one.key == operation), None)

    def _on_events(self, keys: frozenset[Key]) -> None:
        found = [(key[0], event) for key in keys if (event := self.events.get(*key))]
        talk = frozenset((space, one.involved_object.name) for space, one in found if one.involved_object.name)
        self._note(Changes(talk=talk, events=keys))

    def _note(self, changes: Changes) -> None:
        self._changes |= changes
        self._moved.set()
