"""A hypervisor host behind libvirt: each call of the port, handed to the right connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from controller.hypervisor import devices, lifecycle, transfer
from controller.hypervisor.addresses import host_addresses
from controller.hypervisor.calls import Pool
from controller.hypervisor.console import Consoles
from controller.hypervisor.events import EventBus
from controller.hypervisor.facts import host_facts
from controller.hypervisor.gpus import host_gpus
from controller.hypervisor.graphics import open_graphics
from controller.hypervisor.guest_agent import ask_guest
from controller.hypervisor.guest_cpus import cpus_in_use
from controller.hypervisor.link import Link
from controller.hypervisor.mover import Documents, Transfer, TransferState
from controller.hypervisor.networks import ensure_network
from controller.hypervisor.observe import all_domains, all_host_devices, all_names, one_domain
from controller.hypervisor.pools import ensure_pool, host_pools, refresh_pool
from controller.hypervisor.port import (
    ConsoleDevice,
    DomainEvent,
    DomainName,
    DomainState,
    ObservedDomain,
    PluggedDisk,
    PluggedInterface,
    Power,
    SerialConsole,
)
from controller.hypervisor.pulse import read_pulses
from controller.hypervisor.qemu_log import log_path, log_tail, was_killed
from controller.hypervisor.qemu_process import QemuProcesses
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
from controller.hypervisor.screenshot import screenshot
from controller.hypervisor.stats import Counters
from controller.hypervisor.virt_type import VirtTypeChoice

_FIRST_CONNECT_S = 30.0
"""libvirtd probes QEMU when it is first asked; a host that takes longer is worked with as soon as it answers."""
_WORKERS = 4
_AGENT_WORKERS = 2
"""Apart from the others, since an agent that hangs holds its thread for seconds."""
_AGENT_DEADLINE_S = 4.5
"""An agent that answers the first question and hangs in the second takes two response timeouts."""
_START_DEADLINE_S = 120.0
_DESTROY_DEADLINE_S = 60.0
"""libvirt itself waits up to 30 s for a QEMU that does not die."""
_SHUTDOWN_DEADLINE_S = 10.0
_NETWORK_DEADLINE_S = 30.0
_TRANSFERS = 4
_TRANSFER_DEADLINE_S = 7 * 24 * 3600.0
"""Whoever waits has a deadline of his own, and aborts."""


async def open_host(
    uri: str, *, virt_type: Literal["auto", "kvm", "qemu"] = "auto", log_folder: str = ""
) -> "LibvirtHost":
    """The host behind a libvirt URI; while it cannot be reached its calls are Transient, and it is tried again."""
    host = LibvirtHost(uri, virt_type, log_folder)
    try:
        await host.tried(_FIRST_CONNECT_S)
    except BaseException:
        await host.close()
        raise
    return host


class LibvirtHost:
    """One hypervisor host, as `controller.hypervisor.port.Hypervisor` has it; made by `open_host`."""

    def __init__(self, uri: str, virt_type: Literal["auto", "kvm", "qemu"], log_folder: str) -> None:
        self._bus = EventBus()
        self._link = Link(uri, self._bus)
        self._work = Pool(uri, _WORKERS, "libvirt-work")
        self._agents = Pool(uri, _AGENT_WORKERS, "libvirt-agents")
        self._transfers = Pool(uri, _TRANSFERS, "libvirt-transfers")
        self._uri = uri
        self._consoles = Consoles(uri)
        self._processes = QemuProcesses(uri)
        self._counters = Counters(self._processes.of)
        self._virt_type = VirtTypeChoice(virt_type)
        self._log_folder = log_folder
        self.sysfs = Path("/sys")
        """Where the host's devices are read from."""

    async def tried(self, timeout_s: float) -> None:
        """Wait until libvirt was reached or could not be, or the time is up."""
        await self._link.tried(timeout_s)

    async def facts(self) -> HostFacts:
        """What the host is and offers."""
        choice = await self._virt_type.decide(self._link)
        return await self._link.read(partial(host_facts, choice=choice), "read the host's facts")

    async def names(self) -> list[DomainName]:
        """Every domain of the host, foreign ones too."""
        return await self._link.read(all_names, "list the domains")

    async def domains(self) -> list[ObservedDomain]:
        """Every domain of the host, foreign ones too."""
        return await self._link.read(partial(all_domains, process=self._processes.of), "list the domains")

    async def observe(self, uuid: str) -> ObservedDomain | None:
        """One domain; None only when libvirt says that it does not exist."""
        work = partial(one_domain, uuid=uuid, process=self._processes.of)
        seen = await self._link.read(work, f"look at the domain {uuid}")
        if seen is None or (seen.state, seen.reason) != (DomainState.SHUTOFF, "shutdown"):
            return seen
        killed = await asyncio.to_thread(was_killed, self._log_folder, seen.name)
        return replace(seen, reason="killed") if killed else seen

    async def define(self, xml: str) -> None:
        """Make or replace the persistent definition."""
        await self._work.call(partial(lifecycle.define, xml=xml), "define the domain")

    async def set_power(self, uuid: str, power: Power) -> None:
        """Write what is wanted of the power into the domain's metadata."""
        work = partial(lifecycle.set_power, uuid=uuid, power=power)
        await self._work.call(work, f"write the power state of the domain {uuid}")

    async def start(self, uuid: str) -> None:
        """Power on, paused until `resume`."""
        await self._work.call(partial(lifecycle.start, uuid=uuid), f"start the domain {uuid}", _START_DEADLINE_S)

    async def resume(self, uuid: str) -> None:
        """Let the CPUs run."""
        await self._work.call(partial(lifecycle.resume, uuid=uuid), f"resume the domain {uuid}")

    async def suspend(self, uuid: str) -> None:
        """Hold the CPUs."""
        await self._work.call(partial(lifecycle.suspend, uuid=uuid), f"pause the domain {uuid}")

    async def shutdown(self, uuid: str, mode: Literal["agent", "acpi"]) -> None:
        """Ask the guest to power off; returns when it was asked."""
        pool = self._agents if mode == "agent" else self._work
        work = partial(lifecycle.shutdown, uuid=uuid, mode=mode)
        await pool.call(work, f"ask the domain {uuid} to shut down by {mode}", _SHUTDOWN_DEADLINE_S)

    async def destroy(self, uuid: str) -> None:
        """Cut the power; no error when it is off already."""
        await self._work.call(
            partial(lifecycle.destroy, uuid=uuid), f"power off the domain {uuid}", _DESTROY_DEADLINE_S
        )

    async def undefine(self, uuid: str) -> None:
        """Remove the definition; no error when it is gone already."""
        await self._work.call(partial(lifecycle.undefine, uuid=uuid), f"undefine the domain {uuid}")

    async def attach(self, uuid: str, xml: str) -> None:
        """Plug a disk or an interface into a running domain."""
        await self._work.call(partial(devices.attach, uuid=uuid, xml=xml), f"plug a device into the domain {uuid}")

    async def detach(self, uuid: str, device: PluggedDisk | PluggedInterface) -> None:
        """Pull a device out of a running domain, and see that it has gone."""
        work = partial(devices.detach, uuid=uuid, device=device)
        await self._work.call(work, f"pull a device out of the domain {uuid}")

    async def update(self, uuid: str, xml: str) -> None:
        """Put an interface of a running domain on another network, or another disc into a drive."""
        await self._work.call(partial(devices.update, uuid=uuid, xml=xml), f"change a device of the domain {uuid}")

    async def resize_disk(self, uuid: str, path: str, size_bytes: int) -> None:
        """Make a running domain's disk that large; never smaller."""
        work = partial(devices.resize_disk, uuid=uuid, path=path, size_bytes=size_bytes)
        await self._work.call(work, f"make a disk of the domain {uuid} larger")

    async def set_cpus(self, uuid: str, count: int) -> None:
        """Give a running domain CPUs until it has that many."""
        await self._work.call(partial(devices.set_cpus, uuid=uuid, count=count), f"give CPUs to the domain {uuid}")

    async def plug_memory(self, uuid: str, dimm_bytes: int) -> None:
        """Plug memory into a running domain until that much is plugged in."""
        work = partial(devices.plug_memory, uuid=uuid, dimm_bytes=dimm_bytes)
        await self._work.call(work, f"plug memory into the domain {uuid}")

    async def stats(self, uuids: Collection[str] | None = None) -> dict[str, DomainStats]:
        """Counters of our running domains by uuid."""
        return await self._link.read(partial(self._counters.read, uuids=uuids), "read the domains' counters")

    async def pulses(self) -> dict[str, Pulse]:
        """What the kernel tells of our running domains."""
        return await asyncio.to_thread(read_pulses, self._counters.runs)

    async def guest(self, uuid: str) -> GuestFacts:
        """Ask the guest agent; not connected when it does not answer in time."""
        return await self._agents.call(
            partial(ask_guest, uuid=uuid), f"ask the guest agent of {uuid}", _AGENT_DEADLINE_S
        )

    async def cpus_in_use(self, uuid: str) -> int | None:
        """How many CPUs the guest uses by its agent; None without one."""
        return await self._agents.call(
            partial(cpus_in_use, uuid=uuid), f"ask the guest agent of {uuid} for its CPUs", _AGENT_DEADLINE_S
        )

    async def addresses(self, uuid: str) -> list[GuestAddress]:
        """Addresses from DHCP leases and the ARP table."""
        return await self._link.read(partial(host_addresses, uuid=uuid), f"read the addresses of {uuid}")

    async def open_console(self, uuid: str, device: ConsoleDevice = "serial0") -> SerialConsole:
        """One of the domain's consoles."""
        return await self._consoles.open(uuid, device)

    async def ensure_network(self, name: str) -> HostNetwork:
        """Start the network, defining it first where it is missing."""
        return await self._work.call(
            partial(ensure_network, name=name), f"bring up the network {name}", _NETWORK_DEADLINE_S
        )

    async def has_bridge(self, name: str) -> bool:
        """Whether the host has a network interface of that name."""
        return name in {known for _, known in socket.if_nameindex()}

    async def pools(self) -> list[HostPool]:
        """Every storage pool of the host."""
        return await self._link.read(host_pools, "list the storage pools")

    async def ensure_pool(self, name: str, path: str = "") -> HostPool:
        """Start the pool, made of the folder where it is missing."""
        work = partial(ensure_pool, name=name, path=path)
        return await self._work.call(work, f"bring up the storage pool {name}", _NETWORK_DEADLINE_S)

    async def refresh_pool(self, name: str) -> None:
        """Let libvirt see which files are in the pool."""
        await self._work.call(partial(refresh_pool, name=name), f"refresh the storage pool {name}")

    async def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of QEMU's own log of the domain with that name."""
        return await asyncio.to_thread(log_tail, self._log_folder, name, lines)

    def log_path(self, name: str) -> str:
        """The file of QEMU's own log of the domain with that name."""
        return log_path(self._log_folder, name)

    async def screenshot(self, uuid: str) -> bytes:
        """A picture of the domain's first screen, as PNG."""
        return await self._work.call(partial(screenshot, uuid=uuid), f"take a picture of the screen of {uuid}")

    async def gpus(self) -> list[HostGpu]:
        """The host's GPUs."""
        return await asyncio.to_thread(host_gpus, self.sysfs)

    async def host_devices(self) -> dict[str, tuple[str, ...]]:
        """By uuid, the addresses of the host's devices that a domain has."""
        return await self._link.read(all_host_devices, "read who has which of the host's devices")

    async def open_graphics(self, uuid: str) -> socket.socket:
        """A connection to the domain's VNC server."""
        return await self._work.call(partial(open_graphics, uuid=uuid), f"connect to the screen of {uuid}")

    async def documents(self, uuid: str) -> Documents:
        """What of a running domain another host is given."""
        return await self._link.read(partial(transfer.documents, uuid=uuid), f"read the definition of {uuid}")

    async def transfer(self, uuid: str, how: Transfer) -> None:
        """Move a running domain to another host."""
        work = partial(transfer.transfer, uuid=uuid, how=how)
        await self._transfers.call(work, f"move the domain {uuid}", _TRANSFER_DEADLINE_S)

    async def hold_at_most(self, uuid: str, milliseconds: int) -> None:
        """How long it may be held at the end of its move."""
        work = partial(transfer.hold_at_most, uuid=uuid, milliseconds=milliseconds)
        await self._work.call(work, f"say how long the domain {uuid} may be held")

    async def start_post_copy(self, uuid: str) -> None:
        """Let it run on the other host from now on."""
        await self._work.call(partial(transfer.start_post_copy, uuid=uuid), f"let the domain {uuid} run over there")

    async def transfer_state(self, uuid: str) -> TransferState | None:
        """How far that is."""
        return await self._link.read(partial(transfer.transfer_state, uuid=uuid), f"see how far the move of {uuid} is")

    async def abort_transfer(self, uuid: str) -> None:
        """Give the move up."""
        await self._work.call(partial(transfer.abort_transfer, uuid=uuid), f"end the move of the domain {uuid}")

    async def qemu_owner(self) -> tuple[int, int]:
        """The user and the group that QEMU runs as."""
        return await self._link.read(transfer.qemu_owner, "read who QEMU runs as")

    def libvirt_socket(self) -> str:
        """The file of libvirt's own socket."""
        return transfer.libvirt_socket(self._uri)

    def events(self) -> AsyncIterator[DomainEvent]:
        """Events from now on, over reconnections, until the host is closed."""
        return self._bus.listen()

    async def close(self) -> None:
        """Let go of the host; its guests run on."""
        await self._link.close()
        await self._work.close()
        await self._agents.close()
        await self._transfers.close()
        self._consoles.close()
        self._bus.publish(None)
