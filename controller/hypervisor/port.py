"""The port to the hypervisor: what the controller may ask of a host, and the values it gets back.

Two things stand behind it: libvirt (`controller.hypervisor.libvirt_host`) and a fake with faults
(`controller.hypervisor.fake`) for the virtual-clock tests. Every call raises `Transient` when the host cannot be
asked now, and `Terminal` when it says no for good.
"""

import socket
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from controller.hypervisor.mover import Mover
from controller.hypervisor.readings import (
    DomainStats,
    GuestAddress,
    GuestFacts,
    HostFacts,
    HostGpu,
    HostNetwork,
    HostPool,
    Pulse,
)

ConsoleDevice = Literal["serial0", "console1"]
"""libvirt's names of a domain's consoles: the UART (ttyS0), and the virtio console (hvc0), which is far faster."""


class DomainState(StrEnum):
    """virDomainState, as far as it matters here."""

    RUNNING = "running"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"
    SHUTOFF = "shutoff"
    CRASHED = "crashed"


class Power(StrEnum):
    """What was last wanted of a domain's power; kept in its metadata, so that it outlives the controller."""

    ON = "on"
    OFF = "off"
    GUEST_OFF = "guest-off"
    """The guest powered itself off, and was seen to: not started again by itself."""
    PAUSED = "paused"
    """On, with the CPUs held because a person asked for it."""


@dataclass(frozen=True)
class Owner:
    """Whose domain it is, from our metadata element in the domain."""

    uid: str
    namespace: str
    name: str
    power: Power = Power.ON
    spec_hash: str = ""
    """A digest of the DesiredDomain that was defined, to tell whether the definition is still the wanted one."""


@dataclass(frozen=True)
class DiskError:
    """A disk for whose sake QEMU holds the guest: the request that failed is tried again on resume."""

    disk: str
    """The disk's name in the spec, or its device where the guest is not told the name."""
    path: str
    is_full: bool = False
    """No space left for it; otherwise the storage failed in another way."""


@dataclass(frozen=True)
class PluggedDisk:
    """A disk or CD-ROM drive as the domain has it."""

    path: str
    """The base file that it is known by; empty for a drive with nothing in it."""
    dev: str
    device: Literal["disk", "cdrom"] = "disk"
    name: str = ""
    """Its name in the spec, or its device where the guest is not told the name."""
    by_us: bool = False
    """Plugged in by the controller while the domain ran."""
    layer: str = ""
    """The file that is written to now, where it is a layer over that base; empty for the base itself."""


@dataclass(frozen=True)
class PluggedInterface:
    """A network interface as the domain has it."""

    mac: str
    kind: str
    source: str = ""
    by_us: bool = False


@dataclass(frozen=True)
class Hardware:
    """What of a domain can be changed while it runs."""

    cpus: int = 0
    dimm_bytes: int = 0
    """Memory that was plugged in since the start."""
    disks: tuple[PluggedDisk, ...] = ()
    interfaces: tuple[PluggedInterface, ...] = ()
    host_devices: tuple[str, ...] = ()
    """Addresses of the host's devices that are the domain's own."""


@dataclass(frozen=True)
class DomainName:
    """A domain as a list of the host's domains has it."""

    uuid: str
    name: str
    is_active: bool
    is_ours: bool = True
    """Whether it carries the mark of a VirtualMachine."""


@dataclass(frozen=True)
class ObservedDomain:
    """A domain as libvirt has it now."""

    uuid: str
    name: str
    state: DomainState
    reason: str
    """libvirt's word for why: `booted`, `user`, `ioerror`, `destroyed`, `shutdown`, `crashed`, `failed`, `unknown`…

    And `killed`, by QEMU's log, for a `shutdown` that was no power-off: QEMU got another's signal.
    """
    owner: Owner | None
    """None for a domain that is not ours: never touched."""
    pid: int = 0
    started_at: float = 0.0
    """Seconds since the epoch when QEMU was started; 0 when off."""
    has_graphics: bool = False
    agent_connected: bool = False
    """Whether the agent's channel is open at the guest's end."""
    macs: tuple[str, ...] = ()
    running_spec_hash: str = ""
    """The digest that QEMU was started with; where it is not the owner's, a restart would change something."""
    hardware: Hardware = field(default_factory=Hardware)
    """What a running domain has now; of one that is off, what it is defined with."""
    disk_errors: tuple[DiskError, ...] = ()
    """Of a domain that is paused; a disk's error stays until it is resumed."""

    @property
    def is_ours(self) -> bool:
        """Whether a VirtualMachine stands behind it."""
        return self.owner is not None

    @property
    def is_active(self) -> bool:
        """Whether there is a QEMU process."""
        return self.state in {DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTDOWN}


@dataclass(frozen=True)
class DomainEvent:
    """Something happened: look again. Only wakes, never decides; no uuid means look at everything."""

    uuid: str = ""
    what: str = ""
    """`lifecycle`, `reboot`, `watchdog`, `agent`, `io-error`, `reconnected`…"""


class SerialConsole(Protocol):
    """The open serial port of one domain; the controller is its only reader."""

    async def read(self) -> bytes:
        """The next bytes; empty when the domain has gone off or the port was closed."""
        ...

    async def write(self, data: bytes) -> None:
        """Type into the guest; waits while the guest does not read."""
        ...

    async def close(self) -> None:
        """Let go of the port."""
        ...


class Hypervisor(Mover, Protocol):
    """One hypervisor host."""

    async def facts(self) -> HostFacts:
        """What the host is and offers."""
        ...

    async def names(self) -> list[DomainName]:
        """Every domain of the host, foreign ones too, without what only their XML tells."""
        ...

    async def domains(self) -> list[ObservedDomain]:
        """Every domain of the host, foreign ones too."""
        ...

    async def observe(self, uuid: str) -> ObservedDomain | None:
        """One domain; None only when libvirt says that it does not exist."""
        ...

    async def define(self, xml: str) -> None:
        """Make or replace the persistent definition (the running domain is not changed by it)."""
        ...

    async def set_power(self, uuid: str, power: Power) -> None:
        """Write what is wanted of the power into the domain's metadata."""
        ...

    async def start(self, uuid: str) -> None:
        """Power on, paused until `resume`, so that the console can be read from the first byte."""
        ...

    async def resume(self, uuid: str) -> None:
        """Let the CPUs run."""
        ...

    async def suspend(self, uuid: str) -> None:
        """Hold the CPUs; no error when they are held already."""
        ...

    async def shutdown(self, uuid: str, mode: Literal["agent", "acpi"]) -> None:
        """Ask the guest to power off; returns when it was asked, not when it is off."""
        ...

    async def destroy(self, uuid: str) -> None:
        """Cut the power; no error when it is off already."""
        ...

    async def undefine(self, uuid: str) -> None:
        """Remove the definition with nvram, managed save and snapshot metadata; no error when it is gone already."""
        ...

    async def attach(self, uuid: str, xml: str) -> None:
        """Plug a disk or an interface into a running domain; no error when it is in already.

        Like all changes of a running domain it is Terminal with the reason `ChangeRefused` when host or guest refuses.
        """
        ...

    async def detach(self, uuid: str, device: PluggedDisk | PluggedInterface) -> None:
        """Pull a device out of a running domain, and see that it has gone; no error when it is out already."""
        ...

    async def update(self, uuid: str, xml: str) -> None:
        """Put an interface of a running domain on another network, or another disc into a drive."""
        ...

    async def resize_disk(self, uuid: str, path: str, size_bytes: int) -> None:
        """Make a running domain's disk that large; never smaller."""
        ...

    async def set_cpus(self, uuid: str, count: int) -> None:
        """Give a running domain CPUs until it has that many; none is taken away."""
        ...

    async def plug_memory(self, uuid: str, dimm_bytes: int) -> None:
        """Plug memory into a running domain until that much is plugged in."""
        ...

    async def stats(self, uuids: Collection[str] | None = None) -> dict[str, DomainStats]:
        """Counters of our running domains by uuid, of all or of some, in one call; QEMU is asked for them."""
        ...

    async def pulses(self) -> dict[str, Pulse]:
        """What the kernel tells of those that the last `stats` of all found; cheap enough for every second."""
        ...

    async def guest(self, uuid: str) -> GuestFacts:
        """Ask the guest agent, with a deadline of 2 s."""
        ...

    async def cpus_in_use(self, uuid: str) -> int | None:
        """How many CPUs the guest uses by its agent, which brings online what was plugged in; None without an agent."""
        ...

    async def addresses(self, uuid: str) -> list[GuestAddress]:
        """Addresses from DHCP leases and the ARP table, for guests without an agent."""
        ...

    async def open_console(self, uuid: str, device: ConsoleDevice = "serial0") -> SerialConsole:
        """One of the domain's consoles; Transient when somebody else has it, the domain is off or has no such one."""
        ...

    async def ensure_network(self, name: str) -> HostNetwork:
        """Start the network, defining it first where it is missing; Terminal when the host cannot have it."""
        ...

    async def has_bridge(self, name: str) -> bool:
        """Whether the host has a network interface of that name."""
        ...

    async def pools(self) -> list[HostPool]:
        """Every storage pool of the host."""
        ...

    async def ensure_pool(self, name: str, path: str = "") -> HostPool:
        """Start the pool; with a path it is the one of that folder, made where it is missing, its name ours."""
        ...

    async def refresh_pool(self, name: str) -> None:
        """Let libvirt see which files are in the pool; no error when there is no such pool."""
        ...

    async def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of QEMU's own log of the domain with that name."""
        ...

    def log_path(self, name: str) -> str:
        """The file of QEMU's own log of the domain with that name; empty when it is not known."""
        ...

    async def screenshot(self, uuid: str) -> bytes:
        """A picture of the domain's first screen, as PNG; Transient when it is off or has none."""
        ...

    async def gpus(self) -> list[HostGpu]:
        """The host's GPUs, whoever has them."""
        ...

    async def host_devices(self) -> dict[str, tuple[str, ...]]:
        """By uuid, the addresses of the host's devices in a domain's definition or in what runs of it; ours or not."""
        ...

    async def open_graphics(self, uuid: str) -> socket.socket:
        """A connection to the domain's VNC server, which asks no password; Transient when it is off or has none."""
        ...

    def events(self) -> AsyncIterator[DomainEvent]:
        """Events for ever, over reconnections; after each reconnection one with no uuid."""
        ...

    async def close(self) -> None:
        """Let go of the host."""
        ...
