"""The process of a node: reads its command line, puts the parts together, runs until it is told to end."""

import asyncio
import ctypes
import fcntl
import logging
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from controller.cluster.leader import Leader
from controller.cluster.templates.keeper import TemplateKeeper
from controller.cluster.templates.making import Making
from controller.gateway import audit
from controller.gateway.access import ReviewedAccess
from controller.gateway.consoles import Consoles
from controller.gateway.hop import Addresses, hop_of, peers_of, trusted_names
from controller.gateway.migrations import Migrations
from controller.gateway.peers import GatewayPeers, NoPeers
from controller.gateway.sampler import Sampler
from controller.gateway.server import Gateway, Listener, TlsListener, UnixListener
from controller.gateway.streams import Streams
from controller.gateway.targets import lookup_in
from controller.hypervisor.backups import LibvirtBackups
from controller.hypervisor.layers import LibvirtLayers
from controller.hypervisor.libvirt_host import LibvirtHost, open_host
from controller.hypervisor.port import Hypervisor
from controller.node.backups.controller import BackupController
from controller.node.cloning.copying import Copying
from controller.node.cloning.linking import Linking
from controller.node.cloning.work import CloneWork
from controller.node.controller import Neighbours, NodeController
from controller.node.images.store import Images
from controller.node.images.web import Web
from controller.node.machine_state import MachineStates
from controller.node.migration.parts import Moves, moves_of
from controller.node.places import NodePlaces
from controller.node.pools import NodePools
from controller.node.snapshots.files import NodeLayerFiles
from controller.node.snapshots.node import NodeSnapshots
from controller.node.storage import NodeStorage
from controller.settings import Settings, parser, settings_of
from controller.telemetry import logs
from controller.telemetry.parts import led, serve
from controller.telemetry.work import MeteredQueue
from hypersdk.errors import ConfigError, HyperSDKError
from hypersdk.kube.client import Client
from hypersdk.kube.endpoint import connect
from hypersdk.kube.events import Recorder
from hypersdk.kube.leases import Election

log = logging.getLogger(__name__)
COMPONENT = "hypersdk-controller"
THREADS = 32
M_ARENA_MAX = -8
SYSTEM_NAMESPACE = "hypersdk-system"


def spare_memory() -> None:
    """Let the threads share two of malloc's arenas: with one each, what they free stays theirs (mallopt(3))."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the controller; 0 after SIGTERM or SIGINT, 1 for a fault, 2 for a command line that makes no sense."""
    spare_memory()
    line = parser()
    words = line.parse_args(arguments)
    level = logging.DEBUG if words.verbose else logging.INFO
    logs.set_up(words.log_format, level, words.audit_file, audit.LOGGER)
    try:
        settings = settings_of(words)
    except ValueError as error:
        line.error(str(error))
    try:
        with _only_one(settings.state):
            asyncio.run(_until_told(settings))
    except* (HyperSDKError, OSError) as errors:
        for leaf in _leaves(errors):
            sys.stderr.write(f"hypersdk-controller: {leaf}\n")
        sys.exit(1)
    return 0


@dataclass(frozen=True)
class _Around:
    """What the controller talks to."""

    client: Client
    hypervisor: LibvirtHost
    backups: LibvirtBackups
    layers: LibvirtLayers


async def _around(settings: Settings, stack: AsyncExitStack) -> _Around:
    client = Client(await connect(settings.endpoint))
    stack.push_async_callback(client.close)
    uri, logs_of_qemu = settings.libvirt_uri, str(settings.log_folder)
    hypervisor = await open_host(uri, virt_type=settings.virt_type, log_folder=logs_of_qemu)
    hypervisor.sysfs = settings.sysfs
    around = _Around(client, hypervisor, LibvirtBackups(uri), LibvirtLayers(uri))
    for part in (hypervisor, around.backups, around.layers):
        stack.push_async_callback(part.close)
    return around


async def run(settings: Settings, ready: Callable[[], None]) -> None:
    """Everything that this process does, until cancelled."""
    # Names that are looked up and files that are synced hold a thread for long; asyncio's own few are every VM's.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="work"))
    async with AsyncExitStack() as stack:
        around = await _around(settings, stack)
        client, hypervisor = around.client, around.hypervisor
        places = NodePlaces(settings.state, settings.storage_classes, settings.storage_pools)
        await asyncio.to_thread(places.make)
        images = await stack.enter_async_context(Images(places.images, settings.limits, Web(settings.addresses)))
        sampler = Sampler(hypervisor)
        consoles = Consoles(hypervisor, lambda uuid: _phase(controller, uuid), log_of=places.log_of)
        recorder = Recorder(client, COMPONENT, settings.node)
        storage = NodeStorage(places, images, NodePools(hypervisor, places), client, settings)
        states = MachineStates(places, around.layers)
        near = Neighbours(client, hypervisor, storage, consoles, sampler, recorder, places=places, states=states)
        controller = NodeController(settings, near, MeteredQueue())
        controller.works["clone"] = await stack.enter_async_context(_cloning(controller, states, around))
        snapshots = NodeSnapshots(controller, around.layers, NodeLayerFiles(places))
        controller.works.update(snapshots.works())
        templates = _templates(settings, controller, storage, snapshots)
        streams = Streams(
            settings.node,
            lookup_in(controller.vm_cache),
            hypervisor,
            consoles,
            sampler,
            ReviewedAccess(client),
            trusted_names(settings.gateway_tls),
            hop=hop_of(settings, client),
            chains=snapshots.drawing.of,
        )
        controller.vm_cache.subscribe(streams.residents.changed)
        moves = moves_of(controller, peers := _peers(settings, client), storage.pools)
        stack.push_async_callback(peers.close)
        stack.push_async_callback(moves.work.close)
        controller.works["migrate"] = moves.work
        gateway = Gateway(streams, _listeners(settings), _migrations(settings, client, moves))
        parts = (
            consoles.run(),
            sampler.run(),
            gateway.run(),
            _wake(hypervisor, consoles, sampler),
            controller.run(),
            storage.run(),
            snapshots.run(),
            moves.sweep.run(),
            BackupController(controller, around.backups, states).run(),
            _stand(settings, client, controller, recorder, templates),
            templates.run(),
            serve(settings, hypervisor, controller, sampler, streams, gateway),
            _announce(controller, gateway, ready),
        )
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)


def _peers(settings: Settings, client: Client) -> GatewayPeers | NoPeers:
    tls = peers_of(settings)
    return GatewayPeers(settings.node, Addresses(client), tls) if tls is not None else NoPeers()


def _migrations(settings: Settings, client: Client, moves: Moves) -> Migrations | None:
    tls = peers_of(settings)
    return Migrations(settings.node, client, moves.incoming, tls.name) if tls is not None else None


def _cloning(controller: NodeController, states: MachineStates, around: _Around) -> CloneWork:
    places = states.places
    linking = Linking(places, around.layers, NodeLayerFiles(places))
    return CloneWork(controller.settings.node, controller.vms, Copying(places, around.backups), linking, states)


def _templates(
    settings: Settings, controller: NodeController, storage: NodeStorage, snapshots: NodeSnapshots
) -> TemplateKeeper:
    near, making = controller.with_, Making(storage.places, controller.with_.hypervisor, rules=settings.addresses)
    vms, name = controller.vm_cache, settings.namespace
    return TemplateKeeper(near.client, settings.node, vms, snapshots.cache, storage, making, near.now, name)


async def _stand(
    settings: Settings, client: Client, controller: NodeController, recorder: Recorder, templates: TemplateKeeper
) -> None:
    """Take part in the election, and lead when it is won."""
    await controller.vm_cache.synced.wait()
    await controller.operation_cache.synced.wait()

    def leader() -> Awaitable[None]:
        now = controller.with_.now
        leading = Leader(client, controller.vms, controller.operations, recorder, settings.pace, now)
        leading.namespace = settings.namespace
        leading.templates = templates.cache
        return led(templates.leading(leading.run()), COMPONENT)

    await Election(client, settings.namespace or SYSTEM_NAMESPACE, COMPONENT, settings.node).run(leader)


async def _announce(controller: NodeController, gateway: Gateway, ready: Callable[[], None]) -> None:
    await controller.ready()
    await gateway.ready.wait()
    ready()


async def _wake(hypervisor: Hypervisor, consoles: Consoles, sampler: Sampler) -> None:
    async for event in hypervisor.events():
        consoles.wake(event.uuid)
        sampler.moved()


def _phase(controller: NodeController, uuid: str) -> str:
    return next((str(vm.phase) for vm in controller.vm_cache if vm.metadata.uid == uuid), "")


def _listeners(settings: Settings) -> list[Listener]:
    listeners: list[Listener] = []
    if settings.gateway is not None:
        listeners.append(UnixListener(settings.gateway))
    if (tls := settings.gateway_tls) is not None:
        listeners.append(TlsListener(tls.host, tls.port, tls.certificate, tls.key, tls.client_ca, tls.peer_ca))
    return listeners


async def _until_told(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; guests are none of their business."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(run(settings, _say_ready))
        ended = group.create_task(told.wait())
        await asyncio.wait({running, ended}, return_when=asyncio.FIRST_COMPLETED)
        running.cancel()
        ended.cancel()
    log.info("ended; the guests run on")


def _leaves(errors: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in errors.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _say_ready() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _only_one(state: Path) -> IO[str]:
    """Hold the state folder for this process alone, until the file is closed."""
    state.mkdir(parents=True, exist_ok=True)
    held = (state / "controller.lock").open("w")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise ConfigError(f"another controller works in {state}; end it first, or use another --state") from None
    return held


if __name__ == "__main__":
    sys.exit(main())
