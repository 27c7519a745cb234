"""This host as a VMNode: what it offers and how it is, told to the API every few seconds."""

import asyncio
import importlib.metadata
import logging
import platform
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from controller.hypervisor.port import HostFacts, Hypervisor, ObservedDomain
from controller.node.host import Host
from controller.settings import Settings
from hypersdk.errors import AlreadyExists, ApiError, NotFound, Terminal, Transient, Unreachable
from hypersdk.kube.cache import Cache
from hypersdk.kube.client import Client
from hypersdk.model.base import Condition, JsonObject, with_condition
from hypersdk.model.kinds import VM_NODES
from hypersdk.model.quantity import from_bytes
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import Capacity, HostNetwork, Pool, Versions, VMNode, VMNodeStatus

log = logging.getLogger(__name__)
HOSTNAME = "kubernetes.io/hostname"
DISTRIBUTION = "hypersdk-console"
LEAST_RESERVE = 512 * 2**20
"""Memory that the host keeps for itself, or a twentieth if that is more."""
RETRY_S = 2.0
MIB = 2**20


@dataclass(frozen=True)
class Survey:
    """What one look at the host found; `error` instead of facts when libvirt did not answer."""

    facts: HostFacts | None = None
    domains: tuple[ObservedDomain, ...] = ()
    pools: tuple[Pool, ...] = ()
    error: str = ""


@dataclass
class NodeKeeper:
    """Keeps the VMNode of this host."""

    client: Client
    hypervisor: Hypervisor
    host: Host
    vms: Cache[VirtualMachine]
    settings: Settings
    now: Callable[[], datetime]
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the node was first written as Ready."""

    async def run(self) -> None:
        """Write at every heartbeat; an API or a libvirt that is away only delays it."""
        while True:
            try:
                await self.beat()
                delay = RETRY_S if self.host.error else self.settings.pace.heartbeat
            except (ApiError, Unreachable) as error:
                log.warning("node %s could not be written: %s", self.settings.node, error)
                delay = RETRY_S
            await asyncio.sleep(delay)

    async def beat(self) -> None:
        """Look, and write once."""
        node = await self._object()
        survey = await self._survey()
        status = node_status(node.status, survey, self.vms, self.settings, self.now())
        patch: JsonObject = {"status": status.wire()}
        await self.client.patch(VM_NODES, "", node.metadata.name, patch, subresource="status")
        if not survey.error:
            self.ready.set()

    async def _object(self) -> VMNode:
        name = self.settings.node
        labels: JsonObject = {HOSTNAME: name}
        try:
            node = await self.client.get(VM_NODES, "", name)
        except NotFound:
            try:
                return await self.client.create(VM_NODES, "", {"metadata": {"name": name, "labels": labels}})
            except AlreadyExists:
                node = await self.client.get(VM_NODES, "", name)
        if (node.metadata.labels or {}).get(HOSTNAME) != name:
            node = await self.client.patch(VM_NODES, "", name, {"metadata": {"labels": labels}})
        return node

    async def _survey(self) -> Survey:
        try:
            facts = await self.host.refresh()
            domains = await self.hypervisor.domains()
        except (Transient, Terminal) as error:
            self.host.lost(error)
            return Survey(error=str(error))
        folders = {"standard": self.settings.state / "disks", **self.settings.storage_classes}
        pools = [await asyncio.to_thread(_pool, name, folder) for name, folder in folders.items()]
        return Survey(facts, tuple(domains), tuple(pools))


def node_status(
    old: VMNodeStatus, survey: Survey, vms: Iterable[VirtualMachine], settings: Settings, now: datetime
) -> VMNodeStatus:
    """The status of the node; what libvirt cannot tell now stays as it was."""
    facts = survey.facts
    if facts is None:
        lost = Condition(type="Ready", status="False", reason="LibvirtUnreachable", message=survey.error)
        return old.but(conditions=with_condition(old.conditions, lost, now), last_heartbeat_time=now)
    ready = Condition(type="Ready", status="True", reason="LibvirtAnswers", message=f"{settings.libvirt_uri} answers")
    mine = {vm.metadata.uid for vm in vms}
    return old.but(
        conditions=with_condition(old.conditions, ready, now),
        last_heartbeat_time=now,
        capacity=Capacity(cpus=facts.cpus, memory=_memory(facts.memory_bytes)),
        allocatable=allocatable(facts, settings.limits.cpu_overcommit),
        architecture=facts.architecture,
        virt_type=facts.virt_type,
        virt_type_reason=facts.virt_type_reason,
        versions=Versions(
            controller=_version(), libvirt=facts.libvirt_version, qemu=facts.qemu_version, kernel=platform.release()
        ),
        pools=list(survey.pools),
        networks=_networks(facts, settings),
        running_vms=sum(domain.is_active and domain.uuid in mine for domain in survey.domains),
        foreign_domains=sorted(domain.name for domain in survey.domains if domain.uuid not in mine),
    )


def allocatable(facts: HostFacts, cpu_overcommit: int) -> Capacity:
    """What VMs may ask for altogether."""
    reserve = max(LEAST_RESERVE, facts.memory_bytes // 20)
    return Capacity(cpus=facts.cpus * cpu_overcommit, memory=_memory(max(facts.memory_bytes - reserve, 0)))


def _networks(facts: HostFacts, settings: Settings) -> list[HostNetwork]:
    there = [HostNetwork(name=network.name, kind="network", active=network.active) for network in facts.networks]
    return [*there, *(HostNetwork(name=bridge, kind="bridge") for bridge in settings.bridges)]


def _pool(name: str, folder: Path) -> Pool:
    try:
        room = shutil.disk_usage(folder)
    except OSError:
        return Pool(name=name, path=str(folder))
    # In tenths of GiB: the last bytes move all the time and mean nothing.
    return Pool(name=name, path=str(folder), capacity=_coarse(room.total), available=_coarse(room.free))


def _coarse(count: int) -> str:
    return from_bytes(count // (128 * MIB) * 128 * MIB)


def _memory(count: int) -> str:
    return from_bytes(count // MIB * MIB)


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "0"
