"""Which parts of a controller does its telemetry look at? Puts them together."""

import importlib.metadata
from collections.abc import Awaitable
from typing import Final, cast

from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway
from controller.gateway.streams import Streams
from controller.hypervisor.port import Hypervisor
from controller.node.controller import NodeController
from controller.settings import Settings
from controller.telemetry.figures import LEADER, REGISTRY
from controller.telemetry.fleet import Fleet
from controller.telemetry.health import Health, answers, is_set
from controller.telemetry.operations import OperationCount
from controller.telemetry.server import TelemetryServer
from hypersdk.kube.cache import Cache, Key
from hypersdk.model.base import Resource

DISTRIBUTION: Final = "hypersdk-console"
UNLISTED: Final = "the API has not listed them yet"


async def serve(
    settings: Settings,
    hypervisor: Hypervisor,
    controller: NodeController,
    sampler: Sampler,
    streams: Streams,
    gateway: Gateway,
) -> None:
    """Serve metrics and health until cancelled; nothing where they are off."""
    vms, operations = controller.vm_cache, controller.operation_cache
    if settings.metrics is None:
        return
    caches = {"VirtualMachine": cast("Cache[Resource]", vms), "VMOperation": cast("Cache[Resource]", operations)}
    fleet = Fleet(settings.node, _version(), vms, sampler.counters, caches, streams.sockets.open_by_subresource)
    health = Health(
        {
            "virtualmachines": is_set(vms.synced, lambda: vms.error or UNLISTED),
            "vmoperations": is_set(operations.synced, lambda: operations.error or UNLISTED),
            "gateway": is_set(gateway.ready, lambda: "it does not listen yet"),
            "libvirt": answers(hypervisor),
        }
    )

    def is_mine(key: Key) -> bool:
        vm = vms.get(*key)
        return vm is not None and vm.status.node_name == settings.node

    stop = operations.subscribe(OperationCount(operations, is_mine).changed)
    REGISTRY.register(fleet)
    try:
        await TelemetryServer(settings.metrics, REGISTRY, health).run()
    finally:
        stop()
        REGISTRY.unregister(fleet)


async def led(work: Awaitable[None], component: str) -> None:
    """Lead, and say so while it lasts."""
    LEADER.labels(component).set(1)
    try:
        await work
    finally:
        LEADER.labels(component).set(0)


def _version() -> str:
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "0"
