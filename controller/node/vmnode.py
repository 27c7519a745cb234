"""This host as a VMNode: what it offers and how it is, told to the API every few seconds."""

import asyncio
import importlib.metadata
import logging
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from controller.hypervisor.port import DomainName, Hypervisor
from controller.hypervisor.readings import HostFacts, HostGpu, HostPool
from controller.node.gpus import Rules, name_of
from controller.node.guest import printable
from controller.node.host import Host
from controller.node.nodeconditions import folder_pool, merged, of_answering, of_silent
from controller.settings import Settings
from hypersdk.errors import AlreadyExists, ApiError, NotFound, Terminal, Transient, Unreachable
from hypersdk.kube.cache import Cache
from hypersdk.kube.client import Client
from hypersdk.model.base import JsonObject
from hypersdk.model.kinds import VM_NODES
from hypersdk.model.quantity import from_bytes, to_bytes
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import Capacity, HostNetwork, Pool, Versions, VMNode, VMNodeStatus
from hypersdk.model.vmnode import HostGpu as GpuStatus

log = logging.getLogger(__name__)
HOSTNAME = "kubernetes.io/hostname"
DISTRIBUTION = "hypersdk-console"
LEAST_RESERVE = 512 * 2**20
"""Memory that the host keeps for itself, or a twentieth if that is more."""
RETRY_S = 2.0
MIB = 2**20
MOST_FOREIGN = 100
IMAGES = "images"
"""How the folder of the node's state is called where it is no pool of libvirt's."""


@dataclass(frozen=True)
class Survey:
    """What one look at the host found; `error` instead of facts when libvirt did not answer."""

    facts: HostFacts | None = None
    domains: tuple[DomainName, ...] = ()
    pools: tuple[HostPool, ...] = ()
    error: str = ""
    gpus: tuple[HostGpu, ...] = ()
    host_devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By the uuid of the domain that has them."""


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
            domains = await self.hypervisor.names()
        except (Transient, Terminal) as error:
            self.host.lost(error)
            return Survey(error=str(error))
        gpus = await self.hypervisor.gpus()
        holders = await self._holders() if gpus else {}
        return Survey(facts, tuple(domains), tuple(await self._pools()), gpus=tuple(gpus), host_devices=holders)

    async def _holders(self) -> Mapping[str, tuple[str, ...]]:
        try:
            return await self.hypervisor.host_devices()
        except (Transient, Terminal) as error:
            log.warning("who has which GPU of %s is not known: %s", self.settings.node, error)
            return {}

    async def _pools(self) -> list[HostPool]:
        """libvirt's pools, and the folder of the images where it is in none of them."""
        try:
            pools = await self.hypervisor.pools()
        except (Transient, Terminal) as error:
            log.warning("the pools of %s are not known: %s", self.settings.node, error)
            pools = []
        state = self.settings.state
        if any(pool.path and state.is_relative_to(pool.path) for pool in pools):
            return pools
        room = await asyncio.to_thread(_room, state)
        return [*pools, folder_pool(IMAGES, state, *room)] if room else pools


def node_status(
    old: VMNodeStatus, survey: Survey, vms: Iterable[VirtualMachine], settings: Settings, now: datetime
) -> VMNodeStatus:
    """The status of the node; what libvirt cannot tell now stays as it was."""
    facts = survey.facts
    if facts is None:
        return old.but(conditions=merged(old.conditions, of_silent(survey.error), now), last_heartbeat_time=now)
    machines = list(vms)
    mine = {vm.metadata.uid for vm in machines}
    ours = [domain for domain in survey.domains if domain.is_ours and domain.uuid in mine]
    foreign = sorted(domain.name for domain in survey.domains if domain not in ours)
    return old.but(
        conditions=merged(old.conditions, of_answering(facts, survey.pools, settings.libvirt_uri), now),
        last_heartbeat_time=now,
        capacity=Capacity(cpus=facts.cpus, memory=_memory(facts.memory_bytes)),
        allocatable=allocatable(facts),
        requested=_requested(machines, settings.node),
        cpu_allocation_ratio=settings.limits.cpu_overcommit,
        architecture=facts.architecture,
        virt_type=facts.virt_type,
        virt_type_reason=facts.virt_type_reason,
        machine_types=list(facts.machine_types),
        versions=Versions(
            controller=_version(), libvirt=facts.libvirt_version, qemu=facts.qemu_version, kernel=platform.release()
        ),
        pools=[_pool(pool) for pool in sorted(survey.pools, key=lambda pool: pool.name)],
        networks=_networks(facts, settings),
        gpus=_gpus(survey, machines, settings.gpus) or None,
        gateway_address=settings.gateway_tls.advertise or None if settings.gateway_tls else None,
        running_vms=sum(domain.is_active for domain in ours),
        foreign_domains=[printable(name) for name in foreign[:MOST_FOREIGN]],
        foreign_domain_count=len(foreign),
    )


def allocatable(facts: HostFacts) -> Capacity:
    """What VMs may have altogether: the capacity less what the host keeps for itself."""
    reserve = max(LEAST_RESERVE, facts.memory_bytes // 20)
    return Capacity(cpus=facts.cpus, memory=_memory(max(facts.memory_bytes - reserve, 0)))


def _requested(vms: Iterable[VirtualMachine], node: str) -> Capacity:
    here = [vm for vm in vms if vm.status.node_name == node]
    memory = sum(to_bytes(vm.spec.memory) for vm in here)
    return Capacity(cpus=sum(vm.spec.cpus for vm in here), memory=_memory(memory))


def _networks(facts: HostFacts, settings: Settings) -> list[HostNetwork]:
    there = [HostNetwork(name=network.name, kind="network", active=network.active) for network in facts.networks]
    bridges = [HostNetwork(name=bridge, kind="bridge", active=_is_up(bridge)) for bridge in settings.bridges]
    # What a guest gets where the node's network cannot be had.
    return [*there, *bridges, HostNetwork(name="user", kind="user", active=True)]


def _gpus(survey: Survey, vms: Iterable[VirtualMachine], rules: Rules) -> list[GpuStatus]:
    names = {vm.metadata.uid: f"{vm.metadata.namespace}/{vm.metadata.name}" for vm in vms}
    holders = {address: uuid for uuid, devices in survey.host_devices.items() for address in devices}
    return [_gpu(gpu, name_of(gpu, rules), holders.get(gpu.address, ""), names) for gpu in survey.gpus]


def _gpu(gpu: HostGpu, name: str, holder: str, names: Mapping[str, str]) -> GpuStatus:
    reason = gpu.trouble or ("" if name else f"not for VMs: start the controller with --gpu NAME={gpu.model}")
    if holder and holder not in names:
        reason = "a domain that is not ours has it"
    return GpuStatus(
        address=gpu.address,
        name=name or None,
        kind=gpu.kind,
        model=gpu.model,
        driver=gpu.driver or None,
        iommu_group=gpu.iommu_group or None,
        available=not reason,
        reason=reason or None,
        vm=names.get(holder),
    )


def _is_up(interface: str) -> bool:
    return Path("/sys/class/net", interface).is_dir()


def _room(folder: Path) -> tuple[int, int] | None:
    try:
        room = shutil.disk_usage(folder)
    except OSError:
        return None
    return room.total, room.free


def _pool(pool: HostPool) -> Pool:
    # In tenths of GiB: the last bytes move all the time and mean nothing.
    return Pool(
        name=pool.name,
        path=pool.path or None,
        kind=pool.kind,
        active=pool.active,
        capacity=_coarse(pool.capacity_bytes),
        available=_coarse(pool.available_bytes),
    )


def _coarse(count: int) -> str:
    return from_bytes(count // (128 * MIB) * 128 * MIB)


def _memory(count: int) -> str:
    return from_bytes(count // MIB * MIB)


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "0"
