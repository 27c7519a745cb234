"""Which templates can VMs be made of? Each is looked at by one controller: the leader, or the node that has its image.

The leader looks with its own node's settings: the same catalogue, image folders and addresses as for the VMs there, and
what it imports to check it the first VM of the template finds imported.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from controller.cluster.templates.making import Making, Origin
from controller.cluster.templates.status import Sight, held, is_known, status_of, unfit
from controller.cluster.templates.validity import faults
from controller.node.finding import Finding, NotYet
from controller.node.images.library import StoredImage
from controller.node.images.s3 import Keys
from controller.node.objects import Objects
from controller.node.prepare import progress_words
from controller.node.taken import FROM_SNAPSHOT, FROM_VM, is_made
from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change
from controller.runtime.worker import Done, Later, Outcome, Worker
from hypersdk.errors import Terminal, Transient
from hypersdk.kube.cache import Cache, Health, Key
from hypersdk.kube.client import Client
from hypersdk.kube.watch import Watch
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VM_TEMPLATES
from hypersdk.model.marks import TEMPLATE_FINALIZER, TEMPLATE_NODE
from hypersdk.model.virtualmachine import ImageProgress, VirtualMachine
from hypersdk.model.vmsnapshot import VMSnapshot
from hypersdk.model.vmtemplate import TemplateImage, VMTemplate

log = logging.getLogger(__name__)
LOOK_EVERY_S = 300.0
AGAIN_S = 5.0
SEND_AGAIN_S = 60.0
"""A store that refuses an image does so after all of it was sent."""


class ImageCheck(Protocol):
    """Whether an image can be had, is well-formed and has its checksum."""

    async def check_image(
        self, image: TemplateImage, namespace: str, who: str, wake: Callable[[], None]
    ) -> StoredImage | ImageProgress: ...

    async def reach_image(self, image: TemplateImage, namespace: str) -> None: ...

    async def keys(self, image: TemplateImage, namespace: str) -> Keys | None: ...

    async def forget_image(self, who: str) -> None: ...


@dataclass
class TemplateKeeper:
    """Keeps the status of the templates that this controller answers for."""

    client: Client
    node: str
    vms: Cache[VirtualMachine]
    snapshots: Cache[VMSnapshot]
    images: ImageCheck
    making: Making
    now: Callable[[], datetime]
    namespace: str = ""
    cache: Cache[VMTemplate] = field(default_factory=Cache)
    leads: bool = False
    queue: KeyQueue[Key] = field(default_factory=KeyQueue)
    _named: dict[Key, Key] = field(default_factory=dict)
    """The template that each VM names."""

    def __post_init__(self) -> None:
        self.templates = Objects(self.client, VM_TEMPLATES, self.cache)

    async def run(self) -> None:
        """Look at templates until cancelled."""
        stops = [
            on_change(self.cache, self.queue, lambda key: [key]),
            on_change(self.vms, self.queue, self._of_machine),
            on_change(self.snapshots, self.queue, lambda key: self._made_of(key[0], f"{FROM_SNAPSHOT}{key[1]}")),
        ]
        for vm in self.vms:
            self._of_machine(vm.key)
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.making.errands)
                await stack.enter_async_context(self.making.uploads)
                group = await stack.enter_async_context(asyncio.TaskGroup())
                group.create_task(Watch(self.client, VM_TEMPLATES, self.cache, self.namespace).run())
                group.create_task(Worker(self.queue, self.look, Backoff(longest_s=60), concurrency=2).run())
        finally:
            for stop in stops:
                stop()
            self.queue.close()

    async def leading(self, work: Awaitable[None]) -> None:
        """Answer for the templates that are nobody else's for as long as the work goes on."""
        self.leads = True
        for template in self.cache:
            self.queue.add(template.key)
        try:
            await work
        finally:
            self.leads = False

    async def look(self, key: Key) -> Outcome:
        """One look at one template."""
        if self.vms.health is not Health.LIVE:
            return Later(AGAIN_S)
        template = self.templates.get(*key)
        if template is None or not self._is_mine(template):
            return Done()
        if template.metadata.deletion_timestamp is not None:
            return await self._let_go(template)
        template = await self.templates.hold(template, TEMPLATE_FINALIZER)
        wrong = faults(template)
        sight = Sight(wrong) if wrong else await self._sight(template)
        new = status_of(template, sight, len(self._users(key)), self.now())
        await self.templates.write_status(template, template.status.wire(), new.wire())
        if wrong:
            return Done()
        failed = SEND_AGAIN_S if template.spec.image.upload_to and sight.image.status == "False" else AGAIN_S
        return Later(LOOK_EVERY_S if sight.is_ready else failed)

    async def _sight(self, template: VMTemplate) -> Sight:
        try:
            found = await (self._made(template) if is_made(template) else self._fetched(template))
            if is_made(template) and template.spec.image.upload_to and not isinstance(found, Finding):
                found = await self._sent(template)
        except (NotYet, Terminal) as error:
            return Sight(image=unfit(error.reason, str(error)))
        except Transient as error:
            return Sight(image=unfit("NotNow", str(error)))
        if isinstance(found, Finding):
            return Sight(image=found)
        return Sight(image=Finding("True", "ImageAccessible", "it is reachable and well-formed"), size_bytes=found)

    async def _fetched(self, template: VMTemplate) -> Finding | int:
        image, uid = template.spec.image, template.metadata.uid
        if is_known(template) and not image.source.startswith("file:"):
            # Whole and right once: that it is still there costs no second import.
            await self.images.reach_image(image, template.key[0])
            return 0
        got = await self.images.check_image(image, template.key[0], uid, lambda: self.queue.add(template.key))
        if isinstance(got, ImageProgress):
            return Finding("Unknown", "Importing", progress_words(got))
        await self.images.forget_image(uid)
        return got.virtual_bytes

    async def _made(self, template: VMTemplate) -> Finding | int:
        noted = (template.metadata.annotations or {}).get(TEMPLATE_NODE)
        if noted == self.node and (path := await asyncio.to_thread(self.making.made, template)):
            return (await asyncio.to_thread(path.stat)).st_size
        origin = self._origin(template)
        if origin.vm.status.node_name != self.node:
            raise NotYet("VMNotPlaced", f"the VM {origin.vm.metadata.name} has no node, and no disk")
        if noted != self.node:
            # First, for the image outlives the VM that said which node this is.
            patch: JsonObject = {"metadata": {"annotations": {TEMPLATE_NODE: self.node}}}
            template = await self.templates.write(template, patch)
        return await self.making.make(template, origin, lambda: self.queue.add(template.key))

    async def _sent(self, template: VMTemplate) -> Finding:
        """Its image goes into an object store, and is one like any other from then on."""
        image, namespace = template.spec.image, template.key[0]
        keys = await self.images.keys(image, namespace)
        if keys is None:
            raise Terminal("CredentialsMissing", "image.uploadTo needs image.secretRef with an account of the store")
        sent = await self.making.send(template, keys, lambda: self.queue.add(template.key))
        if isinstance(sent, Finding):
            return sent
        there: JsonObject = {"source": image.upload_to, "uploadTo": None, "format": "qcow2"}
        digest: JsonObject = {"checksum": {"type": "sha256", "value": sent}}
        patch: JsonObject = {"metadata": {"annotations": {TEMPLATE_NODE: None}}, "spec": {"image": there | digest}}
        await self.templates.write(template, patch)
        await self.making.remove(template)
        return Finding("Unknown", "Copying", f"the image is in {image.upload_to}, and is looked at there")

    def _origin(self, template: VMTemplate) -> Origin:
        """What it is made of; NotYet when that is not there, or is no use now."""
        namespace, source = template.key[0], template.spec.image.source
        if not source.startswith(FROM_SNAPSHOT):
            name = source.removeprefix(FROM_VM)
            vm = self.vms.get(namespace, name)
            if vm is None:
                raise NotYet("VMNotFound", f"there is no VM {name} in namespace {namespace} to copy the disk of")
            return Origin(vm)
        name = source.removeprefix(FROM_SNAPSHOT)
        snapshot = self.snapshots.get(namespace, name)
        if snapshot is None or snapshot.metadata.deletion_timestamp is not None:
            raise NotYet("SnapshotNotFound", f"there is no snapshot {name} in namespace {namespace} to copy a disk of")
        if not snapshot.status.ready_to_restore:
            raise NotYet("SnapshotNotReady", f"the snapshot {name} is {snapshot.status.phase or 'not taken yet'}")
        vm = self.vms.get(*snapshot.machine)
        if vm is None or snapshot.status.vm_uid not in {None, vm.metadata.uid}:
            raise NotYet("VMNotFound", f"the VM that {name} is a snapshot of is gone, and its disks with it")
        return Origin(vm, snapshot)

    async def _let_go(self, template: VMTemplate) -> Outcome:
        if users := self._users(template.key):
            new = held(template, [name for _, name in users], self.now())
            await self.templates.write_status(template, template.status.wire(), new.wire())
            return Done()
        await self.making.remove(template)
        await self.images.forget_image(template.metadata.uid)
        await self.templates.release(template, TEMPLATE_FINALIZER)
        return Done()

    def _is_mine(self, template: VMTemplate) -> bool:
        node = self._node(template)
        return node == self.node if node else self.leads

    def _node(self, template: VMTemplate) -> str:
        """The node that answers for it alone; empty where the leader does."""
        noted = (template.metadata.annotations or {}).get(TEMPLATE_NODE, "")
        if noted or not is_made(template):
            return noted
        try:
            return self._origin(template).vm.status.node_name or ""
        except NotYet:
            return ""

    def _users(self, key: Key) -> list[Key]:
        return sorted(vm for vm, template in self._named.items() if template == key)

    def _of_machine(self, key: Key) -> list[Key]:
        """The templates whose users change with the VM, and those that are made of it."""
        vm = self.vms.get(*key)
        ref = vm.spec.image.template_ref if vm is not None and vm.spec.image is not None else None
        before = self._named.pop(key, None)
        after = (key[0], ref.name) if ref is not None and ref.name else None
        if after is not None:
            self._named[key] = after
        return [
            *self._made_of(key[0], f"{FROM_VM}{key[1]}"),
            *(one for one in {before, after} if one is not None and before != after),
        ]

    def _made_of(self, namespace: str, source: str) -> list[Key]:
        return [one.key for one in self.cache if one.key[0] == namespace and one.spec.image.source == source]
