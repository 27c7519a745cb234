"""A whole node controller on virtual time: memory API, fake hypervisor, faked files; what tests say and see of it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from controller.cluster.leader import Leader
from controller.hypervisor.fake import FakeHypervisor
from controller.hypervisor.port import Hardware
from controller.node.controller import Neighbours, NodeController
from controller.node.layout import NOTHING
from controller.node.machine_state import MachineStates
from controller.node.operations.work import Work
from controller.settings import Settings
from hypersdk.kube.cache import Cache
from hypersdk.kube.client import Client
from hypersdk.kube.events import Recorder
from hypersdk.kube.leases import Election
from hypersdk.model.base import JsonObject, condition, rfc3339
from hypersdk.model.core import Event
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS
from hypersdk.model.metrics import Sample
from hypersdk.model.virtualmachine import ImageProgress, Phase, VirtualMachine
from hypersdk.model.vmoperation import VMOperation
from tests.flow.api import MemoryApi
from tests.flow.virtual import EPOCH, run, virtual_now

NODE = "node-1"
VMS = "/apis/hypersdk.io/v1alpha1/namespaces/default/virtualmachines"
OPS = "/apis/hypersdk.io/v1alpha1/namespaces/default/vmoperations"
EVENT_PATH = "/api/v1/namespaces/default/events"


@dataclass
class FakeStorage:
    """Files that are there at once, or as a test has it."""

    outcome: ImageProgress | Exception | None = None
    removed: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)
    wakes: list[Callable[[], None]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    async def prepare(
        self, vm: VirtualMachine, wake: Callable[[], None], there: Hardware = NOTHING
    ) -> ImageProgress | None:
        self.wakes.append(wake)
        self.sources.append((vm.spec.image.source if vm.spec.image else None) or "")
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def retry(self, uid: str) -> None:
        self.retried.append(uid)

    async def keep(self, vm: VirtualMachine, written: Mapping[str, str]) -> list[Path]:
        self.kept.append(vm.metadata.uid)
        return [Path("/disks/kept") / vm.metadata.name / "root.qcow2"]

    async def remove(self, uid: str) -> None:
        self.removed.append(uid)


@dataclass
class FakeConsoles:
    """Which consoles were attached, in order."""

    attached: list[str] = field(default_factory=list)
    hangs: bool = False

    async def attach(self, uuid: str, log_path: str) -> None:
        self.attached.append(uuid)

    async def detach(self, uuid: str) -> None:
        if self.hangs:
            await asyncio.Event().wait()
        self.attached.append(f"-{uuid}")


@dataclass
class FakeUsage:
    """Measurements that a test sets."""

    sample: Sample | None = None

    def latest(self, uuid: str) -> Sample | None:
        return self.sample


@dataclass
class World:
    """Everything around one node."""

    state: Path
    api: MemoryApi = field(default_factory=lambda: MemoryApi(lambda: rfc3339(virtual_now())))
    hypervisor: FakeHypervisor = field(default_factory=lambda: FakeHypervisor(lambda: virtual_now().timestamp()))
    storage: FakeStorage = field(default_factory=FakeStorage)
    consoles: FakeConsoles = field(default_factory=FakeConsoles)
    usage: FakeUsage = field(default_factory=FakeUsage)
    works: dict[str, Work] = field(default_factory=dict)
    states: MachineStates | None = None

    def __post_init__(self) -> None:
        self.client = Client(self.api)
        self.settings = Settings(node=NODE, state=self.state, bridges=("br-lab",))

    @asynccontextmanager
    async def controller(self, vms: Cache[VirtualMachine] | None = None) -> AsyncIterator[NodeController]:
        """A controller process; leaving the block is as sudden as kill -9."""
        (self.state / "definitions").mkdir(parents=True, exist_ok=True)
        settings = self.settings
        recorder = Recorder(self.client, "hypersdk-controller", NODE, virtual_now)
        near = Neighbours(
            self.client,
            self.hypervisor,
            self.storage,
            self.consoles,
            self.usage,
            recorder,
            virtual_now,
            lambda: 0.5,
            states=self.states,
        )
        controller = NodeController(settings, near, vm_cache=Cache() if vms is None else vms, works=self.works)
        leader = Leader(self.client, controller.vms, controller.operations, recorder, settings.pace, virtual_now)
        election = Election(self.client, "hypersdk-system", "hypersdk-controller", NODE, virtual_now)
        tasks = [asyncio.ensure_future(controller.run()), asyncio.ensure_future(election.run(leader.run))]
        try:
            await controller.ready()
            yield controller
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for task in tasks:
                assert task.cancelled(), repr(task.exception())

    async def create(self, name: str = "web", **spec: Any) -> VirtualMachine:
        """Create a VM."""
        whole: JsonObject = {"cpus": 1, "memory": "256Mi", "image": {"source": "demo"}, **spec}
        return await self.client.create(VIRTUAL_MACHINES, "default", {"metadata": {"name": name}, "spec": whole})

    async def operate(
        self, operation: str, name: str = "web", annotations: dict[str, JsonValue] | None = None, **spec: Any
    ) -> VMOperation:
        """Create an operation."""
        whole: JsonObject = {"vmRef": {"name": name}, "operation": operation} | spec
        meta: JsonObject = {
            "name": f"{name}-{operation}-{uuid.uuid4().hex[:6]}",
            "annotations": annotations or {},
        }
        return await self.client.create(VM_OPERATIONS, "default", {"metadata": meta, "spec": whole})

    async def done(self, op: VMOperation, within: float = 900) -> VMOperation:
        """The operation once it is over."""
        await self.until(lambda: self.op(op).phase.is_over, within)
        return self.op(op)

    async def set(self, name: str = "web", **spec: Any) -> None:
        """Change the spec."""
        await self.client.patch(VIRTUAL_MACHINES, "default", name, {"spec": spec})

    async def delete(self, name: str = "web") -> None:
        """Delete the VM."""
        await self.client.delete(VIRTUAL_MACHINES, "default", name)

    def vm(self, name: str = "web") -> VirtualMachine:
        """The VM as the API has it."""
        return VirtualMachine.model_validate(self.api.objects[(VMS, name)])

    def exists(self, name: str = "web") -> bool:
        """Whether the API has it."""
        return (VMS, name) in self.api.objects

    def op(self, op: VMOperation) -> VMOperation:
        """The operation as the API has it."""
        return VMOperation.model_validate(self.api.objects[(OPS, op.metadata.name)])

    def reason(self, kind: str = "Ready", name: str = "web") -> str:
        """The reason of one condition."""
        found = condition(self.vm(name).status.conditions, kind)
        return (found.reason or "") if found else ""

    def events(self) -> list[Event]:
        """All Events, oldest first."""
        return [Event.model_validate(doc) for (path, _), doc in self.api.objects.items() if path == EVENT_PATH]

    def event_reasons(self) -> list[str]:
        """Their reasons."""
        return [event.reason or "" for event in self.events()]

    async def until(self, holds: Callable[[], bool], within: float = 60) -> None:
        """Wait for something to be true of what the API has; virtual seconds."""
        async with asyncio.timeout(within):
            while not holds():
                await self.api.changed.wait()

    async def until_phase(self, phase: Phase, reason: str = "", name: str = "web", within: float = 300) -> None:
        """Wait for a phase, and for the reason of its Ready condition."""

        def holds() -> bool:
            return self.vm(name).phase is phase and reason in {"", self.reason(name=name)}

        await self.until(holds, within)

    def die_at(self, number: int) -> "asyncio.Event":
        """Let the controller come no further than before its next `number`-th change of API or hypervisor."""
        died, left = asyncio.Event(), number

        def count(*_: object) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                died.set()
                raise asyncio.CancelledError

        def count_call(call: str) -> None:
            count(call)

        self.api.before_write = count
        self.hypervisor.before_change = count_call
        return died

    def live_on(self) -> None:
        """No more deaths."""
        self.api.before_write = lambda *_: None
        self.hypervisor.before_change = lambda _: None

    async def pass_time(self, seconds: float) -> None:
        """Let virtual time go by."""
        await asyncio.sleep(seconds)

    def elapsed(self) -> float:
        """Virtual seconds since the beginning."""
        return (virtual_now() - EPOCH).total_seconds()


def play(tmp_path: Path, scenario: Callable[[World], Awaitable[None]]) -> World:
    """Run a scenario on virtual time, in a world of its own."""

    async def inner() -> World:
        world = World(tmp_path)
        await scenario(world)
        return world

    return run(inner())
