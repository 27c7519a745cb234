"""Where the campaign plays: one API, one libvirtd, one controller; what is asked there, and what must come of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from pydantic import JsonValue

from controller.hypervisor.libvirt_host import LibvirtHost
from hyperctl.agent.sector import GREETING, sector_disk, write_sector_disk
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VIRTUAL_MACHINES, VM_OPERATIONS, VM_SNAPSHOTS
from hypersdk.model.virtualmachine import Phase
from hypersdk.model.vmoperation import OperationPhase
from tests.campaign.machine import Expected, Machine
from tests.campaign.process import Narrated
from tests.campaign.slowserver import SlowServer
from tests.campaign.truth import Truth
from tests.libvirt.controllers import Bench

SETTLED_WITHIN_S = 90.0
"""A power button pressed before the guest could hear it is pressed again after 20 s."""
IMAGE_PADDING = 12 << 20
"""Enough for an import to take a moment."""
_PHASES = {
    Expected.RUNNING: (Phase.RUNNING, {"Running"}),
    Expected.STOPPED: (Phase.STOPPED, {"Stopped", "GuestShutdown"}),
    Expected.PAUSED: (Phase.PAUSED, {"Paused"}),
}


@dataclass
class Scene:
    """The API's side of the campaign, and the host's."""

    bench: Bench
    controller: Narrated
    truth: Truth
    host: LibvirtHost
    web: SlowServer
    images: int = 0
    asked: list[str] = field(default_factory=list)
    """The operations that were made."""

    def domain(self, machine: Machine) -> str:
        """Its domain's name."""
        return f"{self.bench.namespace}.{machine.name}"

    async def create(self, machine: Machine, source: str, **spec: JsonValue) -> None:
        """Create the VM that the machine is from now on."""
        machine.generation += 1
        machine.boots = machine.pid = 0
        body: JsonObject = {
            "cpus": 1,
            "memory": "32Mi",
            "guestAgent": {"enabled": False},
            "image": {"source": source},
            **spec,
        }
        doc: JsonObject = {"metadata": {"name": machine.name}, "spec": body}
        made = await self.bench.client.create(VIRTUAL_MACHINES, self.bench.namespace, doc)
        machine.uid = made.metadata.uid

    def fresh_file(self) -> str:
        """An image that the node has never seen, in its folder."""
        self.images += 1
        path = self.controller.images / f"fresh-{self.images}.img"
        return f"file://{write_sector_disk(path, IMAGE_PADDING)}"

    def fresh_url(self) -> str:
        """One on a slow web server."""
        self.images += 1
        return self.web.serve(f"fresh-{self.images}.img", sector_disk(IMAGE_PADDING))

    def known_file(self) -> str:
        """One that has been imported before."""
        path = self.controller.images / "known.img"
        return f"file://{path if path.exists() else write_sector_disk(path)}"

    async def operate(
        self, machine: Machine, operation: str, *, force: bool = False, more: JsonObject | None = None
    ) -> None:
        """Make an operation."""
        spec: JsonObject = {"vmRef": {"name": machine.name}, "operation": operation, "force": force, **(more or {})}
        doc: JsonObject = {"metadata": {"generateName": f"{machine.name}-{operation}-"}, "spec": spec}
        made = await self.bench.client.create(VM_OPERATIONS, self.bench.namespace, doc)
        self.asked.append(made.metadata.name)

    async def drop_snapshots(self, machine: Machine) -> None:
        """Ask for the deletion of all its snapshots."""
        for one in await self.bench.client.list(VM_SNAPSHOTS, self.bench.namespace):
            if one.machine == (self.bench.namespace, machine.name):
                await self.bench.client.delete(VM_SNAPSHOTS, self.bench.namespace, one.metadata.name)

    async def change(self, machine: Machine, spec: JsonObject) -> None:
        """Patch its spec."""
        await self.bench.client.patch(VIRTUAL_MACHINES, self.bench.namespace, machine.name, {"spec": spec})

    async def delete(self, machine: Machine) -> None:
        """Ask for its deletion."""
        await self.bench.client.delete(VIRTUAL_MACHINES, self.bench.namespace, machine.name)

    async def press_power(self, machine: Machine) -> None:
        """As if somebody had switched it off at the case."""
        await self.host.shutdown(machine.uid, "acpi")

    async def reached(self, machine: Machine) -> None:
        """Wait until the API says what is expected of the VM."""
        await self._until(machine, lambda: self._is_as_expected(machine))

    async def all_over(self) -> None:
        """Wait until every operation that was asked for is over."""
        await self.bench.until_of(self.bench.operations, lambda: not self._unfinished(), SETTLED_WITHIN_S)

    async def settled(self, machine: Machine) -> None:
        """Wait until the API says what is expected, every operation is over, and the guest hears its power button."""
        await self.reached(machine)
        await self.all_over()
        await self.reached(machine)
        if machine.state is Expected.RUNNING:
            await self._until_host(machine, lambda: self._has_its_disks(machine))
            await self._until_host(machine, lambda: machine.mute or self._has_greeted(machine))

    def check(self, machine: Machine) -> None:
        """What the host really has is what was asked for, and was done once."""
        domain = self.domain(machine)
        pid, boots = self.truth.pid(domain), self.truth.boots(domain)
        assert boots == machine.boots, f"{domain} was started {boots} times, asked for were {machine.boots}"
        if machine.state in {Expected.RUNNING, Expected.PAUSED}:
            assert pid, f"{domain} has no QEMU"
            assert machine.pid in {0, pid}, f"{domain} has QEMU {pid}, it was {machine.pid}"
            vm = self.bench.vm(machine.name)
            assert vm.status.qemu_pid == pid
            assert self._has_its_disks(machine), f"{domain} has other disks than its spec"
            machine.pid = pid
        else:
            assert not pid, f"{domain} still has a QEMU"
        if machine.state is Expected.ABSENT:
            assert domain not in self.truth.domains(), f"{domain} is left"

    def check_operations(self) -> None:
        """Each came to an end, and to the one that was asked for unless its VM went away."""
        for name in self.asked:
            op = self.bench.operations.get(self.bench.namespace, name)
            assert op is not None, f"the operation {name} is gone"
            gone = self.bench.vms.get(self.bench.namespace, op.spec.vm_ref.name) is None
            honest = {OperationPhase.SUCCEEDED, OperationPhase.CANCELLED} if gone else {OperationPhase.SUCCEEDED}
            assert op.phase in honest, f"{name}: {op.status.wire()}"

    def _is_as_expected(self, machine: Machine) -> bool:
        vm = self.bench.vms.get(self.bench.namespace, machine.name)
        if vm is None or machine.state is Expected.ABSENT:
            return vm is None and machine.state is Expected.ABSENT
        phase, reasons = _PHASES[machine.state]
        same_run = machine.state is Expected.STOPPED or machine.pid in {0, vm.status.qemu_pid}
        return vm.phase is phase and self.bench.reason(machine.name) in reasons and same_run

    def _unfinished(self) -> list[str]:
        known = {op.metadata.name: op for op in self.bench.operations}
        return [name for name in self.asked if (op := known.get(name)) is None or not op.phase.is_over]

    async def _until(self, machine: Machine, holds: Callable[[], bool]) -> None:
        try:
            await self.bench.until(holds, SETTLED_WITHIN_S)
        except AssertionError as error:
            raise AssertionError(f"{machine.name} is not {machine.state}: {error}") from error

    async def _until_host(self, machine: Machine, holds: Callable[[], bool]) -> None:
        """Wait for something to be true of the host."""
        async with asyncio.timeout(SETTLED_WITHIN_S):
            while not await asyncio.to_thread(holds):
                # Asking libvirt in between is pause enough.
                await self.host.observe(machine.uid)

    def _has_greeted(self, machine: Machine) -> bool:
        """Whether the guest came to its word in each of its lives: from then on it hears its power button."""
        return self.truth.serial(machine.uid).count(GREETING) >= machine.boots

    def _has_its_disks(self, machine: Machine) -> bool:
        wanted = len(self.bench.vm(machine.name).spec.disks or [])
        return self.truth.disks(self.domain(machine)) == max(1, wanted)
