"""Two nodes on virtual time that share one API, with a way between them; each is killed and started by a test."""

import asyncio
import contextvars
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.cluster.leader import Leader
from controller.hypervisor.port import DomainState
from controller.node.controller import Neighbours, NodeController
from controller.node.migration.incoming import Incoming
from controller.node.migration.messages import Luggage, Saying
from controller.node.migration.outgoing import Outgoing, Trip
from controller.node.migration.parts import Moves, moves_of
from controller.node.migration.sockets import Folder
from controller.settings import Settings
from hypersdk.errors import Transient
from hypersdk.kube.cache import Key
from hypersdk.kube.events import Recorder
from hypersdk.kube.leases import Election
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES
from tests.flow.virtual import virtual_now
from tests.flow.world import World

WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="")
"""Which node's controller is at work."""


class Packed(Outgoing):
    """Without files, which are not for virtual time."""

    async def _packed(self, trip: Trip, folder: Folder, marker: str) -> Luggage:
        return Luggage(
            operation=trip.op.metadata.name,
            source=self.settings.node,
            folder=str(folder.path),
            live=trip.live,
            power=trip.observed.owner.power.value if trip.observed.owner else "",
            virt_type="qemu",
        )


@dataclass
class Member:
    """One node."""

    name: str
    world: World
    pair: "Pair"
    controller: NodeController | None = None
    moves: Moves | None = None
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    _tasks: list["asyncio.Task[Any]"] = field(default_factory=list)

    def start(self) -> None:
        """Its controller begins to work."""
        self.context.run(WHO.set, self.name)
        world = self.world
        (world.state / "definitions").mkdir(parents=True, exist_ok=True)
        recorder = Recorder(world.client, "hypersdk-controller", self.name, virtual_now)
        near = Neighbours(
            world.client,
            world.hypervisor,
            world.storage,
            world.consoles,
            world.usage,
            recorder,
            virtual_now,
            lambda: 0.5,
        )
        controller = self.controller = NodeController(world.settings, near)
        self.moves = moves_of(controller, PairPeers(self.pair))
        work = self.moves.work
        work.outgoing = Packed(
            work.settings, work.hypervisor, work.outgoing.places, work.outgoing.records, work.outgoing.peers
        )
        controller.works["migrate"] = work
        leader = Leader(world.client, controller.vms, controller.operations, recorder, world.settings.pace, virtual_now)
        election = Election(world.client, "hypersdk-system", "hypersdk-controller", self.name, virtual_now)
        for work_of in (controller.run(), election.run(leader.run), self.moves.sweep.run()):
            self._tasks.append(asyncio.create_task(work_of, context=self.context))

    async def kill(self) -> None:
        """It works no more; what it was doing is as it is."""
        moves, self.moves, tasks, self._tasks = self.moves, None, self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        if moves is not None:
            await moves.work.close()


@dataclass
class PairPeers:
    """Straight to the other's controller, if that is there."""

    pair: "Pair"

    async def ask(self, node: str, vm: Key, what: str, body: JsonObject) -> JsonObject:
        member = self.pair.members[node]
        if member.moves is None:
            raise Transient(f"the controller of node {node} does not answer")
        answering = asyncio.create_task(self._answer(member.moves.incoming, vm, what, body), context=member.context)
        member._tasks.append(answering)
        try:
            return await answering
        except asyncio.CancelledError:
            if answering.cancelled():
                raise Transient(f"the controller of node {node} does not answer any more") from None
            raise

    async def carry(
        self, node: str, vm: Key, operation: str, socket: str, ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]
    ) -> None:
        raise Transient("there are no bytes here")

    async def _answer(self, incoming: Incoming, key: Key, what: str, body: JsonObject) -> JsonObject:
        vm = await self.pair.first.client.get(VIRTUAL_MACHINES, *key)
        match what:
            case "prepare":
                return (await incoming.prepare(vm, Luggage.model_validate(body))).wire()
            case "state":
                return (await incoming.state(vm)).wire()
            case "say":
                await incoming.say(vm, Saying.model_validate(body))
            case "settle":
                await incoming.settle(vm)
            case "run":
                assert vm.status.node_name == incoming.settings.node
                await incoming.run(vm)
            case "discard":
                assert vm.status.node_name != incoming.settings.node
                await incoming.discard(vm.metadata.uid)
        return {}


@dataclass
class Pair:
    """node-1 and node-2."""

    folder: Path
    sockets: Path
    members: dict[str, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first = self._world("node-1", World(self.folder / "node-1"))
        second = self._world("node-2", World(self.folder / "node-2", api=first.api))
        first.hypervisor.other, second.hypervisor.other = second.hypervisor, first.hypervisor

    def _world(self, name: str, world: World) -> World:
        world.settings = Settings(node=name, state=world.state, migration_folder=self.sockets)
        self.members[name] = Member(name, world, self)
        return world

    @property
    def first(self) -> World:
        """node-1's; the API is the same."""
        return self.members["node-1"].world

    def running_on(self, uid: str) -> list[str]:
        """The nodes whose copy of a VM has its CPUs running."""
        found = []
        for name, member in self.members.items():
            domain = member.world.hypervisor.domains_by_uuid.get(uid)
            if domain is not None and domain.observed.state is DomainState.RUNNING:
                found.append(name)
        return found

    def die_at(self, who: str, number: int) -> asyncio.Event:
        """Let one node's controller come no further than before its next `number`-th change of API or hypervisor."""
        died, left = asyncio.Event(), number

        def count(*words: object) -> None:
            nonlocal left
            path = str(words[1]) if len(words) > 1 else ""
            if WHO.get() != who or "/leases" in path or "/vmnodes" in path:
                return  # what it says of itself is the same at any time
            left -= 1
            if left < 0:
                died.set()
                raise asyncio.CancelledError

        self.first.api.before_write = count
        for member in self.members.values():
            member.world.hypervisor.before_change = count
        return died

    def live_on(self) -> None:
        """No more deaths."""
        for member in self.members.values():
            member.world.live_on()
