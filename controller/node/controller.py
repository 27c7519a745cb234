"""The node's controller as a whole: its parts put together, its sources, its worker, its VMNode."""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from controller.cluster.placement import room
from controller.hypervisor.port import DomainEvent, Hypervisor
from controller.node.apply import Applier
from controller.node.attachments import Attachments
from controller.node.clashes import Clashes
from controller.node.definitions import Definitions
from controller.node.gpus import Gpus
from controller.node.host import Host
from controller.node.look import Look
from controller.node.machine_state import MachineStates
from controller.node.memory import Memories
from controller.node.objects import Objects
from controller.node.operations.conduct import Conductor
from controller.node.operations.labour import Labour, Waits
from controller.node.operations.resize import Left, Resize
from controller.node.operations.work import Work
from controller.node.places import NodePlaces
from controller.node.ports import ConsoleKeeper, Usage
from controller.node.prepare import Preparation
from controller.node.reconcile import VmReconciler
from controller.node.removal import Removal
from controller.node.storage import Storage
from controller.node.telling import Teller
from controller.node.usage import moved
from controller.node.vmnode import NodeKeeper
from controller.runtime.backoff import Backoff
from controller.runtime.queue import KeyQueue
from controller.runtime.sources import on_change, on_clock, on_event
from controller.runtime.worker import Worker
from controller.settings import Settings
from controller.telemetry.work import metered
from hypersdk.kube.cache import Cache, Key
from hypersdk.kube.client import Client
from hypersdk.kube.events import Recorder, utcnow
from hypersdk.kube.watch import Watch
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_NODES, VM_OPERATIONS
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import VMOperation

log = logging.getLogger(__name__)
LONGEST_BACKOFF_S = 30.0


@dataclass
class Neighbours:
    """What the node's controller works with."""

    client: Client
    hypervisor: Hypervisor
    storage: Storage
    consoles: ConsoleKeeper
    usage: Usage
    recorder: Recorder
    now: Callable[[], datetime] = utcnow
    chance: Callable[[], float] = random.random
    places: NodePlaces | None = None
    """Shared with the storage, which finds out where the host's pools are."""
    states: MachineStates | None = None
    """Firmware variables and TPMs; None where no machine has them."""


@dataclass
class NodeController:
    """Runs the VMs of one host. Nothing happens to them when it ends, or when it is killed."""

    settings: Settings
    with_: Neighbours
    queue: KeyQueue[Key] = field(default_factory=KeyQueue)
    vm_cache: Cache[VirtualMachine] = field(default_factory=Cache)
    operation_cache: Cache[VMOperation] = field(default_factory=Cache)
    works: dict[str, Work] = field(default_factory=dict)
    """What does the operations that are work, by their names; filled by whoever puts the process together."""
    waits: list[Waits] = field(default_factory=list)
    """What those may have to wait for before they begin; filled likewise."""
    _machine_of: dict[Key, Key] = field(default_factory=dict)
    """The VM of each operation, also of one that has just been deleted."""

    def __post_init__(self) -> None:
        near = self.with_
        self.vms = Objects(near.client, VIRTUAL_MACHINES, self.vm_cache)
        self.operations = Objects(near.client, VM_OPERATIONS, self.operation_cache)
        self.places = near.places or NodePlaces(self.settings.state, self.settings.storage_classes)
        self.host = Host(near.hypervisor, near.now)
        self.keeper = NodeKeeper(near.client, near.hypervisor, self.host, self.vm_cache, self.settings, near.now)
        self.reconciler = self._reconciler()

    async def run(self) -> None:
        """Work until cancelled."""
        near, pace, namespace = self.with_, self.settings.pace, self.settings.namespace
        # Listening begins before the first look, so that nothing can happen in between.
        events = near.hypervisor.events()
        passes = metered(self.reconciler)
        stops = [
            on_change(self.vm_cache, self.queue, lambda key: [key]),
            on_change(self.operation_cache, self.queue, self._of_operation),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(Watch(near.client, VIRTUAL_MACHINES, self.vm_cache, namespace).run())
                group.create_task(Watch(near.client, VM_OPERATIONS, self.operation_cache, namespace).run())
                group.create_task(self.keeper.run())
                group.create_task(on_event(events, self.queue, self._of_event))
                group.create_task(on_clock(pace.resync, self.queue, self._mine))
                group.create_task(on_clock(pace.resources, self.queue, self._changed_in_use))
                group.create_task(
                    Worker(self.queue, passes, Backoff(longest_s=LONGEST_BACKOFF_S, chance=near.chance)).run()
                )
        finally:
            for stop in stops:
                stop()
            self.queue.close()

    async def ready(self) -> None:
        """Wait until the caches are filled and the VMNode is Ready."""
        await self.vm_cache.synced.wait()
        await self.operation_cache.synced.wait()
        await self.keeper.ready.wait()

    def _reconciler(self) -> VmReconciler:
        near, settings = self.with_, self.settings
        definitions, memories = Definitions(self.places), Memories()
        applier = Applier(
            near.hypervisor,
            near.consoles,
            near.recorder,
            self.places,
            definitions,
            near.now,
            near.chance,
            near.states,
        )
        clashes = Clashes(near.hypervisor, lambda: (vm for vm in self.vm_cache if self._is_mine(vm)))
        preparation = Preparation(
            near.hypervisor,
            self.host,
            near.storage,
            self.places,
            definitions,
            settings,
            clashes,
            Attachments(near.client),
            Gpus(near.hypervisor, settings.gpus),
        )
        look = Look(near.hypervisor, near.usage, settings.pace.resources, near.now)
        conductor = Conductor(self.operations, self.vms, near.now)
        self.works["resize"] = Resize(self.vms, near.hypervisor, definitions, self._left)
        return VmReconciler(
            settings=settings,
            hypervisor=near.hypervisor,
            host=self.host,
            vms=self.vms,
            conductor=conductor,
            labour=Labour(conductor, near.now, self.works, self.waits),
            preparation=preparation,
            applier=applier,
            removal=Removal(near.hypervisor, applier, near.storage, self.vms, memories),
            teller=Teller(settings, self.host, self.vms, applier, look, near.now),
            memories=memories,
            wake=self.queue.add,
            now=near.now,
            chance=near.chance,
        )

    async def _left(self) -> Left:
        node = await self.with_.client.get(VM_NODES, "", self.settings.node)
        here = room(node, self.vm_cache)
        return Left(here.cpus, here.memory_bytes)

    def _mine(self) -> list[Key]:
        return [vm.key for vm in self.vm_cache if self._is_mine(vm)]

    def _changed_in_use(self) -> list[Key]:
        """The VMs whose figures in the status are not right any more."""
        return [vm.key for vm in self.vm_cache if self._is_mine(vm) and self._has_moved(vm.metadata.uid)]

    def _has_moved(self, uid: str) -> bool:
        told, sample = self.reconciler.memories.of(uid).usage, self.with_.usage.latest(uid)
        return told is not None and sample is not None and moved(told, sample)

    def _is_mine(self, vm: VirtualMachine) -> bool:
        return vm.status.node_name == self.settings.node

    def _of_event(self, event: DomainEvent) -> Iterable[Key]:
        if not event.uuid:
            return self._mine()
        keys = [vm.key for vm in self.vm_cache if vm.metadata.uid == event.uuid]
        if keys:
            memory = self.reconciler.memories.of(event.uuid)
            memory.resets.hear(event.what)
            if event.what == "agent":
                memory.agent_came(self.with_.now())
        return keys

    def _of_operation(self, key: Key) -> Iterable[Key]:
        op = self.operation_cache.get(*key)
        if op is None:
            machine = self._machine_of.pop(key, None)
            return [machine] if machine else []
        machine = self._machine_of[key] = op.machine
        return [machine]
