"""Where operations are tried: an API, one node or two, all kinds of objects watched, and guests to work on."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import JsonValue

from hypersdk.errors import NotFound
from hypersdk.kube.cache import Cache
from hypersdk.kube.watch import Watch
from hypersdk.model.backupjob import BackupJob
from hypersdk.model.base import JsonObject, Resource
from hypersdk.model.kinds import (
    BACKUP_JOBS,
    RESTORE_JOBS,
    VIRTUAL_MACHINES,
    VM_OPERATIONS,
    VM_SNAPSHOTS,
    VM_TEMPLATES,
    Kind,
)
from hypersdk.model.restorejob import RestoreJob
from hypersdk.model.vmoperation import VMOperation
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.model.vmtemplate import VMTemplate
from tests.campaign.work.host import Host
from tests.controlplane.caches import running
from tests.libvirt.controllers import Bench, ControllerProcess

WITHIN_S = 240.0
"""On a machine that has other work."""
R = TypeVar("R", bound=Resource)


@dataclass
class Shop:
    """The API's side, and each node's."""

    bench: Bench
    image: Path
    """Of the guest that counts."""
    nodes: dict[str, tuple[ControllerProcess, Host]]
    vault: Path
    """A folder that backups may go to."""
    linux: Path | None = None
    """An image with a guest agent."""
    store: JsonObject | None = None
    """The destination of backups in an S3 store."""
    objects: Path | None = None
    """The files behind that store."""
    shared: Sequence[Path] = ()
    """Folders of disks that all nodes have."""
    snapshots: Cache[VMSnapshot] = field(default_factory=Cache)
    backups: Cache[BackupJob] = field(default_factory=Cache)
    restores: Cache[RestoreJob] = field(default_factory=Cache)
    templates: Cache[VMTemplate] = field(default_factory=Cache)
    made: int = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Shop"]:
        """Watch."""
        client, namespace = self.bench.client, self.bench.namespace
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(running(Watch(client, VM_SNAPSHOTS, self.snapshots, namespace)))
            await stack.enter_async_context(running(Watch(client, BACKUP_JOBS, self.backups, namespace)))
            await stack.enter_async_context(running(Watch(client, RESTORE_JOBS, self.restores, namespace)))
            await stack.enter_async_context(running(Watch(client, VM_TEMPLATES, self.templates, namespace)))
            yield self

    def name(self, base: str) -> str:
        """One that nothing has had."""
        self.made += 1
        return f"{base}-{self.made}"

    def node(self, name: str) -> tuple[ControllerProcess, Host]:
        """The node that owns a VM."""
        return self.nodes[self.bench.vm(name).status.node_name or next(iter(self.nodes))]

    async def make(self, kind: Kind[R], name: str, spec: JsonObject) -> R:
        """Make an object."""
        return await self.bench.client.create(kind, self.bench.namespace, {"metadata": {"name": name}, "spec": spec})

    async def note(self, kind: Kind[R], name: str, annotation: str, value: str = "true") -> None:
        """Put an annotation on an object, if it is there."""
        patch: JsonObject = {"metadata": {"annotations": {annotation: value}}}
        try:
            await self.bench.client.patch(kind, self.bench.namespace, name, patch)
        except NotFound:
            return

    async def fresh(self, kind: Kind[R], name: str) -> R | None:
        """An object as the API has it now."""
        try:
            return await self.bench.client.get(kind, self.bench.namespace, name)
        except NotFound:
            return None

    async def drop(self, kind: Kind[R], name: str) -> None:
        """Ask for the deletion of an object."""
        try:
            await self.bench.client.delete(kind, self.bench.namespace, name)
        except NotFound:
            return

    async def until(self, cache: Cache[R], holds: Callable[[], bool]) -> None:
        """Wait for something to be true of one kind of objects."""
        await self.bench.until_of(cache, holds, WITHIN_S)

    def the(self, cache: Cache[R], name: str) -> R | None:
        """An object of the namespace as the watch has it."""
        return cache.get(self.bench.namespace, name)

    async def gone(self, cache: Cache[R], kind: Kind[R], name: str) -> None:
        """Delete an object, and wait until it is gone."""
        await self.drop(kind, name)
        await self.until(cache, lambda: self.the(cache, name) is None)

    async def operate(self, name: str, operation: str, **spec: JsonValue) -> VMOperation:
        """Have one operation done that nobody disturbs."""
        whole: JsonObject = {"vmRef": {"name": name}, "operation": operation, **spec}
        made = await self.make(VM_OPERATIONS, self.name(f"{name}-{operation}"), whole)
        await self.until(self.bench.operations, lambda: (self.bench.operations.get(*made.key) or made).phase.is_over)
        op = self.bench.operations.get(*made.key)
        assert op is not None
        assert op.phase == "Succeeded", op.status.wire()
        return op

    def stored(self, backup: str) -> list[Path]:
        """The files of a backup, wherever it went."""
        folders = [self.vault, *([self.objects] if self.objects is not None else [])]
        found = [path for folder in folders for path in folder.rglob(f"{backup}*/**/*")]
        return [path for path in found if path.is_file()]

    async def vm_gone(self, names: Sequence[str]) -> None:
        """Delete VMs, and wait until they are gone."""
        await asyncio.gather(*(self.gone(self.bench.vms, VIRTUAL_MACHINES, name) for name in names))
        self.bench.made -= {*names}
