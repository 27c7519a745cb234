"""Everything around the controller goes away under running guests, and comes back: what must hold throughout."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from hyperctl.stack.libvirtd import wait_ready
from hyperctl.stack.supervisor import lock_holder
from hypersdk.kube.client import Client
from hypersdk.kube.streams import open_console
from hypersdk.model.base import condition
from hypersdk.model.kinds import LEASES, VM_NODES
from hypersdk.model.virtualmachine import Phase
from tests.campaign.foreign import Foreigners
from tests.campaign.machine import Expected, Machine
from tests.campaign.scene import Scene
from tests.controlplane.proxy import CuttingProxy
from tests.libvirt.controllers import NODE
from tests.unit.gateway.loopback import FrontProxy, Screen

BACK_WITHIN_S = 60.0
LONG_S = 30.0
"""In a shorter run the next heartbeat is not waited for."""
LEASE = "hypersdk-controller"


@dataclass(frozen=True)
class Outcome:
    """One outage that was lived through."""

    name: str
    seconds: float
    """How long it lasted."""
    back_s: float
    """From its end until everything that was asked for meanwhile was done."""


@dataclass
class Outages:
    """All outages on one scene; a guest called steady runs through them with its console open."""

    scene: Scene
    api: CuttingProxy
    """Between the controller and its API."""
    foreigners: Foreigners
    steady: Machine
    length_s: float
    """How long the API is gone."""
    tell: Callable[[str], None]
    outcomes: list[Outcome] = field(default_factory=list)

    async def run(self) -> list[Outcome]:
        """One after the other."""
        other = Machine("other")
        async with self._console() as screen:
            await self._outage("libvirtd killed", self._libvirtd_killed, screen, cuts=True)
            await self._create(other)
            await self._outage("virtlogd killed", self._virtlogd_killed, screen)
            await self._restart(other)
            await self._outage("API gone", lambda: self._api_gone(other), screen)
            await self._outage("API gone and libvirtd killed", lambda: self._both(other), screen, cuts=True)
        await self._remove(other)
        return self.outcomes

    async def _outage(
        self, name: str, happen: Callable[[], Awaitable[float]], screen: Screen, *, cuts: bool = False
    ) -> None:
        """`cuts` tells whether the console's own connection breaks in it."""
        began, beat = time.monotonic(), await self._heartbeat()
        states = len(screen.states) if cuts else None
        lasted = await happen()
        await self._goes_on(beat, screen, states)
        outcome = Outcome(name, lasted, time.monotonic() - began - lasted)
        self.outcomes.append(outcome)
        self.tell(f"{name}: {lasted:.1f} s, all well {outcome.back_s:.1f} s after")

    async def _libvirtd_killed(self) -> float:
        root, began = self.scene.truth.libvirtd.root, time.monotonic()
        os.kill(lock_holder(root / "run/libvirtd.pid"), signal.SIGKILL)
        await asyncio.to_thread(wait_ready, root, BACK_WITHIN_S)
        return time.monotonic() - began

    async def _virtlogd_killed(self) -> float:
        pidfile, began = self.scene.truth.libvirtd.root / "run/virtlogd.pid", time.monotonic()
        killed = lock_holder(pidfile)
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(BACK_WITHIN_S):
            while lock_holder(pidfile) in {0, killed}:
                await self.scene.host.observe(self.steady.uid)
        return time.monotonic() - began

    async def _api_gone(self, other: Machine) -> float:
        """An operation was made just before, and the guest of another VM ends meanwhile."""
        leases = await self._lease()
        await self.scene.operate(other, "restart")
        began = time.monotonic()
        self._cut()
        other.boots, other.pid = other.boots + 1, 0
        await asyncio.sleep(self.length_s)  # the length of the outage is what this is about
        self._untouched()
        lasted = time.monotonic() - began
        self.api.refusing = False
        await self.scene.settled(other)
        self.scene.check(other)
        self.scene.check_operations()
        await self._lease_after(leases)
        return lasted

    async def _both(self, other: Machine) -> float:
        began = time.monotonic()
        leases = await self._lease()
        self._cut()
        await self._libvirtd_killed()
        await self.scene.press_power(other)
        other.state, other.pid = Expected.STOPPED, 0
        await asyncio.sleep(self.length_s)  # as above
        self._untouched()
        lasted = time.monotonic() - began
        self.api.refusing = False
        await self.scene.settled(other)
        self.scene.check(other)
        assert self.scene.bench.reason(other.name) == "GuestShutdown"
        await self._lease_after(leases)
        return lasted

    def _cut(self) -> None:
        self.api.refusing = True
        self.api.cut()

    def _untouched(self) -> None:
        assert self.scene.truth.pid(self.scene.domain(self.steady)) == self.steady.pid
        self.foreigners.assert_processes_untouched()

    async def _goes_on(self, beat: datetime, screen: Screen, cut_since: int | None) -> None:
        """The node's heart beats, the status is the old one, the console echoes, nobody was touched."""
        self._untouched()
        vm = self.scene.bench.vm(self.steady.name)
        assert (vm.phase, vm.status.qemu_pid) == (Phase.RUNNING, self.steady.pid), vm.status.wire()
        if self.length_s >= LONG_S:
            await self._until_beat(beat)
        await self._echoes(screen, f"after {len(self.outcomes)};".encode(), cut_since=cut_since)
        await asyncio.to_thread(self.foreigners.assert_untouched)

    async def _echoes(self, screen: Screen, word: bytes, *, cut_since: int | None) -> None:
        """What is typed into a connection that is just breaking is lost, as on a real line: the break is seen first."""
        if cut_since is not None:
            await screen.until(lambda screen: _was_cut(screen, cut_since), BACK_WITHIN_S)
        await screen.until(lambda screen: screen.state.connected, BACK_WITHIN_S)
        await self._stream.send(word)
        await screen.shows(word, BACK_WITHIN_S)

    async def _heartbeat(self) -> datetime:
        node = await self.scene.bench.client.get(VM_NODES, "", NODE)
        assert node.status.last_heartbeat_time is not None
        return node.status.last_heartbeat_time

    async def _until_beat(self, before: datetime) -> None:
        """Wait for a heartbeat that says Ready; the API is asked as often as it answers."""
        async with asyncio.timeout(BACK_WITHIN_S):
            while True:
                node = await self.scene.bench.client.get(VM_NODES, "", NODE)
                ready, beat = condition(node.status.conditions, "Ready"), node.status.last_heartbeat_time
                if beat is not None and beat > before and ready is not None and ready.status == "True":
                    return

    async def _lease(self) -> datetime:
        lease = await self.scene.bench.client.get(LEASES, self.scene.bench.namespace, LEASE)
        assert lease.spec.renew_time is not None
        return lease.spec.renew_time

    async def _lease_after(self, before: datetime) -> None:
        async with asyncio.timeout(BACK_WITHIN_S):
            while await self._lease() <= before:
                pass

    async def _create(self, machine: Machine) -> None:
        await self.scene.create(machine, self.scene.known_file())
        machine.state, machine.boots = Expected.RUNNING, 1
        await self.scene.settled(machine)
        self.scene.check(machine)

    async def _restart(self, machine: Machine) -> None:
        await self.scene.operate(machine, "restart", force=True)
        machine.boots, machine.pid = machine.boots + 1, 0
        await self.scene.settled(machine)
        self.scene.check(machine)

    async def _remove(self, machine: Machine) -> None:
        await self.scene.delete(machine)
        machine.state = Expected.ABSENT
        await self.scene.settled(machine)

    @asynccontextmanager
    async def _console(self) -> AsyncIterator[Screen]:
        """The steady guest's console, open through everything."""
        client = Client(Administrator(self.scene.controller.folder / "gw.sock"))
        try:
            async with await open_console(client, self.scene.bench.namespace, self.steady.name) as stream:
                self._stream = stream
                yield await Screen(stream).until(lambda screen: screen.state.connected, BACK_WITHIN_S)
        finally:
            await client.close()


def _was_cut(screen: Screen, since: int) -> bool:
    return any(not state.connected for state in screen.states[since:])


class Administrator(FrontProxy):
    """The gateway's caller that every API server lets do everything."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "admin")
        self._session.headers["X-Remote-Group"] = "system:masters"
