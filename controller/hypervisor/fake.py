"""A hypervisor in memory, with faults on demand: for tests of the controller under virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace
from typing import Literal

from controller.domain.parse import parse_domain
from controller.hypervisor.fake_devices import FakeDevices
from controller.hypervisor.fake_host import FakeHost
from controller.hypervisor.fake_mover import FakeMover
from controller.hypervisor.port import (
    DomainEvent,
    DomainName,
    DomainState,
    Hardware,
    ObservedDomain,
    Owner,
    Power,
)
from controller.hypervisor.readings import (
    DomainStats,
    GuestAddress,
    GuestFacts,
    HostFacts,
    HostGpu,
    HostPool,
    Pulse,
)
from hypersdk.errors import Terminal, Transient

HOST = HostFacts("fake", 8, 16 * 2**30, "x86_64", "9.0.0", "7.2.0", "qemu", "a fake")


@dataclass
class FakeGuest:
    """What a guest does: how long it takes to obey, and what its agent says."""

    obeys: bool = True
    power_off_s: float = 1.0
    agent_after_s: float = 5.0
    agent_answers: bool = True
    ips: tuple[str, ...] = ()
    """Of its first interface."""


@dataclass
class FakeDomain:
    """One domain."""

    observed: ObservedDomain
    defined: bool = True
    defined_hardware: Hardware = field(default_factory=Hardware)
    """What the next start gives it."""


@dataclass
class FakeHypervisor(FakeHost, FakeMover, FakeDevices):
    """Behaves like libvirt as far as the port goes. `calls` tells what it was asked to change."""

    clock: Callable[[], float]
    guest_behaviour: FakeGuest = field(default_factory=FakeGuest)
    host: HostFacts = HOST
    down: bool = False
    """libvirtd does not answer."""
    disk_stays_full: bool = False
    """A guest that is resumed after an I/O error runs into it again."""
    network_error: Exception | None = None
    missing_bridges: frozenset[str] = frozenset()
    questions: int = 0
    """How often the guest agent was asked."""
    calls: list[str] = field(default_factory=list)
    before_change: Callable[[str], None] = lambda call: None
    """Called before each change; may raise, so that the caller comes no further."""
    domains_by_uuid: dict[str, FakeDomain] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    host_pools: list[HostPool] = field(default_factory=list)
    refreshed_pools: list[str] = field(default_factory=list)
    host_gpus: list[HostGpu] = field(default_factory=list)
    _faults: dict[str, list[Exception]] = field(default_factory=dict)
    _listeners: list[asyncio.Queue[DomainEvent]] = field(default_factory=list)
    _next_pid: int = 1000

    def fail(self, method: str, *errors: Exception) -> None:
        """Let the next calls of that method fail, one error each."""
        self._faults.setdefault(method, []).extend(errors)

    def fail_no_more(self, method: str) -> None:
        """Let its calls succeed again."""
        self._faults.pop(method, None)

    def adopt(self, domain: ObservedDomain) -> None:
        """A domain that somebody else made."""
        self.domains_by_uuid[domain.uuid] = FakeDomain(domain)

    def the(self, uuid: str) -> ObservedDomain:
        """The domain as it is, for a test to look at."""
        return self.domains_by_uuid[uuid].observed

    def change(self, uuid: str, what: str, **changes: object) -> None:
        """Something happens to a domain by itself: `what` is the event."""
        domain = self.domains_by_uuid[uuid]
        domain.observed = replace(domain.observed, **changes)  # type: ignore[arg-type]
        self._emit(DomainEvent(uuid, what))

    def go_off(self, uuid: str, reason: str) -> None:
        """The domain ends for that reason: `shutdown`, `crashed`, `destroyed`…"""
        if not self.the(uuid).is_active:
            return
        off = {"pid": 0, "started_at": 0.0, "agent_connected": False, "running_spec_hash": ""}
        self.change(uuid, "lifecycle", state=DomainState.SHUTOFF, reason=reason, **off)

    def reboot_host(self) -> None:
        """Power lost and back: every domain is off, and libvirt does not know why."""
        for uuid in self.domains_by_uuid:
            self.go_off(uuid, "unknown")
        self._emit(DomainEvent(what="reconnected"))

    def come_back(self) -> None:
        """libvirtd answers again."""
        self.down = False
        self._emit(DomainEvent(what="reconnected"))

    async def names(self) -> list[DomainName]:
        """All domains, shortly."""
        self.ask("names")
        seen = (domain.observed for domain in self.domains_by_uuid.values())
        return [DomainName(one.uuid, one.name, one.is_active, one.is_ours) for one in seen]

    async def domains(self) -> list[ObservedDomain]:
        """All domains."""
        self.ask("domains")
        return [domain.observed for domain in self.domains_by_uuid.values()]

    async def observe(self, uuid: str) -> ObservedDomain | None:
        """One domain."""
        self.ask("observe")
        domain = self.domains_by_uuid.get(uuid)
        return domain.observed if domain else None

    async def define(self, xml: str) -> None:
        """Read the XML as libvirt would."""
        self.ask("define", "define")
        new = parse_domain(xml)
        there = self.domains_by_uuid.get(new.uuid)
        if there is None:
            off = ObservedDomain(new.uuid, new.name, DomainState.SHUTOFF, "unknown", new.owner, macs=new.macs)
            there = self.domains_by_uuid[new.uuid] = FakeDomain(replace(off, has_graphics=new.has_graphics))
        else:
            there.observed = replace(there.observed, owner=new.owner, macs=new.macs)
        there.defined_hardware = new.hardware
        if not there.observed.is_active:
            there.observed = replace(there.observed, hardware=new.hardware)
        self._emit(DomainEvent(new.uuid, "lifecycle"))

    async def set_power(self, uuid: str, power: Power) -> None:
        """Into the metadata."""
        self.ask("set_power", f"power={power}")
        domain = self.ours(uuid)
        domain.observed = replace(domain.observed, owner=replace(self._owner(domain), power=power))

    async def start(self, uuid: str) -> None:
        """Paused; a failure leaves the domain off with the reason `failed`, and an event."""
        domain = self.ours(uuid)
        try:
            self.ask("start", "start")
        except (Transient, Terminal):
            domain.observed = replace(domain.observed, state=DomainState.SHUTOFF, reason="failed")
            self._emit(DomainEvent(uuid, "lifecycle"))
            raise
        if domain.observed.is_active:
            return
        self._next_pid += 1
        run = {"pid": self._next_pid, "started_at": self.clock(), "running_spec_hash": self._owner(domain).spec_hash}
        domain.observed = replace(domain.observed, hardware=domain.defined_hardware)
        self.change(uuid, "lifecycle", state=DomainState.PAUSED, reason="user", **run)

    async def resume(self, uuid: str) -> None:
        """The guest runs; its agent comes a little later."""
        self.ask("resume", "resume")
        pid = self.ours(uuid).observed.pid
        if self.the(uuid).reason == "ioerror" and self.disk_stays_full:
            # The request that failed is tried again at once, and fails again.
            self.change(uuid, "lifecycle")
            return
        reason = "unpaused" if self._owner(self.ours(uuid)).power in {Power.ON, Power.PAUSED} else "booted"
        self.change(uuid, "lifecycle", state=DomainState.RUNNING, reason=reason, disk_errors=())
        self._in(self.guest_behaviour.agent_after_s, lambda: self._agent_up(uuid, pid))

    async def suspend(self, uuid: str) -> None:
        """The guest is held."""
        self.ask("suspend", "suspend")
        if self.ours(uuid).observed.state is DomainState.RUNNING:
            self.change(uuid, "lifecycle", state=DomainState.PAUSED, reason="user")

    async def shutdown(self, uuid: str, mode: Literal["agent", "acpi"]) -> None:
        """The guest obeys after a while, or does not."""
        self.ask("shutdown", f"shutdown={mode}")
        pid = self.ours(uuid).observed.pid
        if self.guest_behaviour.obeys and self.the(uuid).state is DomainState.RUNNING:
            self._in(self.guest_behaviour.power_off_s, lambda: self._end_run(uuid, pid))

    async def destroy(self, uuid: str) -> None:
        """Cut the power."""
        self.ask("destroy", "destroy")
        if uuid in self.domains_by_uuid:
            self.go_off(uuid, "destroyed")

    async def undefine(self, uuid: str) -> None:
        """Forget the domain."""
        self.ask("undefine", "undefine")
        self.domains_by_uuid.pop(uuid, None)
        self._emit(DomainEvent(uuid, "lifecycle"))

    async def stats(self, uuids: Collection[str] | None = None) -> dict[str, DomainStats]:
        """Nothing moves."""
        self.ask("stats")
        active = (uuid for uuid, domain in self.domains_by_uuid.items() if domain.observed.is_active)
        return {uuid: DomainStats() for uuid in active if uuids is None or uuid in uuids}

    async def pulses(self) -> dict[str, Pulse]:
        """There is no kernel here."""
        return {}

    async def guest(self, uuid: str) -> GuestFacts:
        """The agent's answer once it is up."""
        self.ask("guest")
        domain = self.ours(uuid).observed
        self.questions += 1
        if not domain.agent_connected or not self.guest_behaviour.agent_answers:
            return GuestFacts()
        told = tuple(GuestAddress(ip, domain.macs[0], "agent", "eth0") for ip in self.guest_behaviour.ips)
        return GuestFacts(True, "7.2.0", "guest", told)

    async def cpus_in_use(self, uuid: str) -> int | None:
        """All that it has."""
        self.ask("cpus_in_use")
        domain = self.ours(uuid).observed
        return domain.hardware.cpus if domain.agent_connected and self.guest_behaviour.agent_answers else None

    async def addresses(self, uuid: str) -> list[GuestAddress]:
        """No leases here."""
        self.ask("addresses")
        return []

    def events(self) -> AsyncIterator[DomainEvent]:
        """Events from now on."""
        queue: asyncio.Queue[DomainEvent] = asyncio.Queue()
        self._listeners.append(queue)
        return _drained(queue)

    async def close(self) -> None:
        """Nothing to let go of."""

    def ask(self, method: str, call: str = "") -> None:
        """One call, which fails as a test has it; with a `call` it is one that changes something."""
        if self.down:
            raise Transient("libvirtd does not answer")
        if call:
            self.before_change(call)
            self.calls.append(call)
        if faults := self._faults.get(method):
            raise faults.pop(0)

    def ours(self, uuid: str) -> FakeDomain:
        """A domain that carries our mark; an error when it does not."""
        domain = self.domains_by_uuid.get(uuid)
        if domain is None:
            raise Transient(f"no domain {uuid}")
        if domain.observed.owner is None:
            raise Terminal("ForeignDomain", f"{domain.observed.name} is not ours")
        return domain

    def _owner(self, domain: FakeDomain) -> Owner:
        assert domain.observed.owner is not None
        return domain.observed.owner

    def _agent_up(self, uuid: str, pid: int) -> None:
        if self._is_run(uuid, pid):
            self.change(uuid, "agent", agent_connected=True)

    def _end_run(self, uuid: str, pid: int) -> None:
        if self._is_run(uuid, pid):
            self.go_off(uuid, "shutdown")

    def _is_run(self, uuid: str, pid: int) -> bool:
        return uuid in self.domains_by_uuid and self.the(uuid).pid == pid

    def _in(self, seconds: float, then: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, then)

    def _emit(self, event: DomainEvent) -> None:
        if not self.down:
            for queue in self._listeners:
                queue.put_nowait(event)


async def _drained(queue: asyncio.Queue[DomainEvent]) -> AsyncIterator[DomainEvent]:
    while True:
        yield await queue.get()
