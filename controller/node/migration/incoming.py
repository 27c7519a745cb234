"""The node that a VM goes to: what is made ready for it, let run once it is the owner, and taken away if it is not."""

import asyncio
import base64
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from controller.domain.build import domain_xml, spec_hash
from controller.domain.desired import DesiredDomain, DiskFile, Interface
from controller.hypervisor.port import DomainState, Hypervisor, ObservedDomain, Power
from controller.node.attachments import Attachments
from controller.node.definitions import Definitions
from controller.node.desired import HostView, desired_domain, from_json
from controller.node.host import Host
from controller.node.layout import domain_disks
from controller.node.machine_state import MachineState, MachineStates
from controller.node.migration.copying import Takers
from controller.node.migration.leaving import Leavings
from controller.node.migration.messages import Arrival, Lodging, Luggage, Nic, Piece, Place, Saying, State, unpacked
from controller.node.migration.records import Record, Records
from controller.node.migration.sockets import LIBVIRT, Folder, connect
from controller.node.networks import host_networks, needs_pod_network, unasked
from controller.node.places import STANDARD, NodePlaces, checked_disk_name, make_folder
from controller.node.plan import is_half_started
from controller.node.ports import ConsoleKeeper
from controller.node.qemu_img import make_blank
from controller.settings import Settings
from hypersdk.errors import Terminal, Transient
from hypersdk.kube.cache import Key
from hypersdk.model.virtualmachine import VirtualMachine

log = logging.getLogger(__name__)
_PRIVATE = 0o600
SAID_BYTES = 64 * 1024


@dataclass
class Incoming:
    """VMs that come here."""

    settings: Settings
    hypervisor: Hypervisor
    host: Host
    places: NodePlaces
    records: Records
    leavings: Leavings
    consoles: ConsoleKeeper
    wake: Callable[[Key], None]
    attachments: Attachments | None = None
    states: MachineStates | None = None
    takers: Takers = field(default_factory=Takers)
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.definitions = Definitions(self.places)

    async def prepare(self, vm: VirtualMachine, luggage: Luggage) -> Lodging:
        """Make everything ready that the VM needs here; Terminal where it cannot be had here."""
        uid = vm.metadata.uid
        folder = Folder(self.settings.migration_folder, uid)
        if luggage.folder != str(folder.path):
            words = f"--migration-folder differs: {luggage.folder} on {luggage.source}, {folder.path} here"
            raise Terminal("MigrationFolderDiffers", words)
        async with self._turn(uid):
            await self._clear(vm, folder)
            await asyncio.to_thread(self.records.write, "incoming", self._record(vm, luggage))
            lodging, wanted = await self._lodging(vm, luggage)
            await asyncio.to_thread(folder.make, await self.hypervisor.qemu_owner())
            await self._make(uid, luggage, lodging, folder)
            if not luggage.live:
                await self.hypervisor.define(domain_xml(wanted, _power_of_one_off(luggage)))
                if self.states is not None:
                    await self.states.keep(uid, MachineState(unpacked(luggage.nvram), unpacked(luggage.tpm)))
            return lodging

    async def settle(self, vm: VirtualMachine) -> None:
        """Every file that was copied as a file is whole."""
        await self.takers.end_all(Folder(self.settings.migration_folder, vm.metadata.uid).path)

    async def state(self, vm: VirtualMachine) -> Arrival:
        """How much of it is here."""
        uid = vm.metadata.uid
        if await asyncio.to_thread(self.records.read, "incoming", uid) is None:
            return Arrival()
        observed = await self.hypervisor.observe(uid)
        return Arrival(state=_state(observed))

    async def say(self, vm: VirtualMachine, said: Saying) -> None:
        """Put what the guest said before into its logs here, which its QEMU only adds to."""
        await asyncio.to_thread(self._write_logs, vm.metadata.uid, said)

    async def run(self, vm: VirtualMachine) -> None:
        """Let it run: the caller has made sure that this node is its owner. Safe to repeat."""
        uid = vm.metadata.uid
        async with self._turn(uid):
            await self.settle(vm)
            observed = await self.hypervisor.observe(uid)
            if observed is not None and observed.is_ours and _is_new_here(observed):
                await self._lend_shared(observed)
                await self.hypervisor.resume(uid)
                await self.hypervisor.set_power(uid, Power.ON)
                try:
                    await self.consoles.attach(uid, str(self.places.console_log(uid)))
                except (Transient, Terminal, OSError) as error:
                    log.warning("uid=%s the console is not read: %s", uid, error)
            await asyncio.to_thread(Folder(self.settings.migration_folder, uid).remove)
            await asyncio.to_thread(self.records.forget, "incoming", uid)
        self.wake(vm.key)

    async def discard(self, uid: str) -> None:
        """Take away what was made for it: the caller has made sure that this node is not its owner."""
        async with self._turn(uid):
            record = await asyncio.to_thread(self.records.read, "incoming", uid)
            if record is not None:
                await self._discard(record)

    async def connect(self, vm: VirtualMachine, socket: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """One connection to what listens here for the move."""
        if socket == LIBVIRT:
            return await connect(Path(self.hypervisor.libvirt_socket()))
        return await connect(Folder(self.settings.migration_folder, vm.metadata.uid).socket(socket))

    def _write_logs(self, uid: str, said: Saying) -> None:
        for path, text in ((self.places.console_log(uid), said.console), (self.places.virtio_log(uid), said.virtio)):
            with contextlib.suppress(OSError, ValueError), path.open("ab") as log_file:
                log_file.write(base64.b64decode(text, validate=True)[-SAID_BYTES:])

    async def _lend_shared(self, observed: ObservedDomain) -> None:
        """Give QEMU the shared files: the other libvirt takes them away where it does not know that they are shared."""
        record = await asyncio.to_thread(self.records.read, "incoming", observed.uuid)
        files = [Path(disk.layer or disk.path) for disk in observed.hardware.disks if disk.path]
        lent = [file for file in files if record is not None and str(file.parent) in record.shared]
        if lent and os.getuid() == 0:
            owner = await self.hypervisor.qemu_owner()
            for file in lent:
                await asyncio.to_thread(os.chown, file, *owner)

    async def _clear(self, vm: VirtualMachine, folder: Folder) -> None:
        """Nothing of an earlier move, or of an earlier stay, is in the way."""
        uid = vm.metadata.uid
        if (before := await asyncio.to_thread(self.records.read, "incoming", uid)) is not None:
            await self._discard(before)
        if (before := await asyncio.to_thread(self.records.read, "outgoing", uid)) is not None:
            await self.leavings.remove(before)
            await asyncio.to_thread(self.records.forget, "outgoing", uid)
        if await self.hypervisor.observe(uid) is not None:
            words = f"node {self.settings.node} has a domain with the VM's UUID already: look at it there"
            raise Terminal("DomainExists", words)

    async def _discard(self, record: Record) -> None:
        folder = Folder(self.settings.migration_folder, record.uid)
        await self.takers.end_all(folder.path)
        observed = await self.hypervisor.observe(record.uid)
        if observed is not None and observed.is_active:
            await self.hypervisor.destroy(record.uid)
        await self.leavings.remove(record)
        await asyncio.to_thread(folder.remove)
        await asyncio.to_thread(self.records.forget, "incoming", record.uid)
        log.info("uid=%s what was made ready for its move is removed", record.uid)

    def _record(self, vm: VirtualMachine, luggage: Luggage) -> Record:
        namespace, name = vm.key
        planned = self._planned(vm)
        places = [(piece, self._path(vm.metadata.uid, piece, planned)) for piece in luggage.pieces]
        shared = {str(path.parent) for piece, path in places if _is_shared(piece, path)}
        return Record(vm.metadata.uid, namespace, name, luggage.operation, luggage.source, tuple(sorted(shared)))

    async def _lodging(self, vm: VirtualMachine, luggage: Luggage) -> tuple[Lodging, DesiredDomain]:
        facts = await self.host.known()
        if luggage.live and luggage.virt_type != facts.virt_type:
            words = f"it runs on {luggage.virt_type}, node {self.settings.node} runs {facts.virt_type}"
            raise Terminal("VirtTypeDiffers", f"{words}: move it while it is off (live: false)")
        uid, planned = vm.metadata.uid, self._planned(vm)
        places: list[Place] = []
        for piece in luggage.pieces:
            path = self._path(uid, piece, planned)
            shared = _is_shared(piece, path)
            await asyncio.to_thread(self._check, piece, path, shared=shared)
            by_file = not shared and (not luggage.live or piece.device == "cdrom")
            socket = f"copy-{len(places)}" if by_file else ""
            there = path.with_name(Path(piece.file).name) if shared else path
            places.append(Place(file=piece.file, base=str(path), path=str(there), shared=shared, socket=socket))
        networks = unasked(self.settings.network)
        if needs_pod_network(vm):
            networks = await host_networks(self.hypervisor, self.settings.network)
        attached = await self.attachments.of(vm) if self.attachments is not None else {}
        view = HostView(self.places, facts.virt_type, networks.pod, self.settings.bridges, attached)
        wanted = desired_domain(vm, view)
        nics = self._nics(luggage, wanted)
        started = from_json(luggage.started) if luggage.started else None
        here = _here(started, luggage, places, nics, self.places) if started is not None else None
        lodging = Lodging(
            places=places,
            logs={"console": str(self.places.console_log(uid)), "virtio": str(self.places.virtio_log(uid))},
            nics=nics,
            running_hash=spec_hash(here) if here is not None else luggage.running_hash,
        )
        if luggage.live and here is not None:
            await asyncio.to_thread(self.definitions.keep, here)
        return lodging, wanted

    def _check(self, piece: Piece, path: Path, *, shared: bool) -> None:
        """What a shared disk stands on is here too, and no other disk is in the place of one that comes. Blocks."""
        if not shared and path.exists():
            raise Terminal("FileExists", f"node {self.settings.node} has a file in that place already: {path}")
        missing = [file for file in piece.backing if shared and not self._sees(Path(file), piece.marker)]
        if missing:
            words = f"disk {path.name} is on storage that both nodes have, but what it stands on is not"
            advice = "start another VM of the same image there first, which fetches it"
            raise Terminal("BackingMissing", f"{words} on {self.settings.node}: {missing[0]}; {advice}")

    def _sees(self, file: Path, marker: str) -> bool:
        # An image is named by its content: one of that name is that one.
        return file.with_name(marker).exists() or (file.parent == self.places.images and file.is_file())

    def _nics(self, luggage: Luggage, wanted: DesiredDomain) -> list[Nic]:
        """What each interface of the running domain is attached to here."""
        known = {interface.mac: interface for interface in wanted.interfaces}
        found = []
        for nic in luggage.nics:
            there = known.get(nic.mac)
            if there is None:
                found.append(nic)  # not in the spec any more, and in the guest until its next start
                continue
            if "user" in {nic.kind, there.kind} and nic.kind != there.kind:
                words = f"interface {nic.mac} is attached to {nic.kind} on {luggage.source}, to {there.kind} here"
                raise Terminal("NetworkDiffers", f"{words}: a running guest cannot change between these")
            found.append(Nic(mac=nic.mac, kind=there.kind, source=there.source))
        return found

    def _planned(self, vm: VirtualMachine) -> dict[str, Path]:
        return {Path(disk.path).name: Path(disk.path) for disk in domain_disks(vm, self.places) if disk.path}

    def _path(self, uid: str, piece: Piece, planned: dict[str, Path]) -> Path:
        name = Path(piece.path).name
        if name in planned:
            return planned[name]
        # Not in the spec any more, and in the guest until its next start.
        if not name.startswith(f"{uid}-"):
            raise Terminal("InvalidDiskName", f"{name} is no disk of this VM")
        checked_disk_name(name.removeprefix(f"{uid}-").removesuffix(".qcow2").removesuffix(".iso"))
        return (self.places.links if piece.device == "cdrom" else self.places.root(STANDARD)) / name

    async def _make(self, uid: str, luggage: Luggage, lodging: Lodging, folder: Folder) -> None:
        await asyncio.to_thread(make_folder, self.places.console_log(uid).parent)
        await asyncio.to_thread(make_folder, self.places.seed(uid).parent)
        for piece, place in zip(luggage.pieces, lodging.places, strict=True):
            if place.shared:
                continue
            path = Path(place.path)
            await _blank(path, piece)
            if place.socket:
                await self.takers.take(path, piece.format, folder.socket(place.socket))

    @asynccontextmanager
    async def _turn(self, uid: str) -> AsyncIterator[None]:
        async with self._turns.setdefault(uid, asyncio.Lock()):
            yield


async def _blank(path: Path, piece: Piece) -> None:
    if piece.format == "qcow2":
        await make_blank(path, piece.size)
    else:
        await asyncio.to_thread(_empty, path, piece.size)
    await asyncio.to_thread(path.chmod, _PRIVATE)


def _empty(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _is_shared(piece: Piece, path: Path) -> bool:
    """Whether this is the very file that is on the other node: what was just made beside it there is seen here."""
    marker = Path(piece.marker)
    return bool(piece.marker) and marker.name == piece.marker and path.with_name(piece.marker).exists()


def _state(observed: ObservedDomain | None) -> State:
    match (observed.state, observed.reason) if observed is not None else (None, ""):
        case (DomainState.PAUSED, "user"):
            return "arrived"
        case (DomainState.RUNNING, "postcopy"):
            return "following"
        case (DomainState.RUNNING | DomainState.PAUSED, "postcopy-failed"):
            return "broken"
        case (DomainState.RUNNING, _):
            return "runs"
    return "prepared"


def _is_new_here(observed: ObservedDomain) -> bool:
    """Whether nobody has said yet that it is on: it waits for that, or runs since post-copy."""
    runs = observed.state is DomainState.RUNNING and observed.owner is not None and observed.owner.power is Power.OFF
    return runs or is_half_started(observed)


def _power_of_one_off(luggage: Luggage) -> Power:
    return Power.GUEST_OFF if luggage.power == Power.GUEST_OFF else Power.OFF


def _here(
    started: DesiredDomain, luggage: Luggage, places: list[Place], nics: list[Nic], own: NodePlaces
) -> DesiredDomain:
    """What the guest was started with, as it would have been started here."""
    paths = {piece.path: place.base for piece, place in zip(luggage.pieces, places, strict=True)}
    ends = {nic.mac: nic for nic in nics}

    def disk(one: DiskFile) -> DiskFile:
        return replace(one, path=paths.get(one.path, one.path), layer="")

    def end(one: Interface) -> Interface:
        there = ends.get(one.mac)
        return one if there is None else replace(one, kind=there.kind, source=there.source)

    return replace(
        started,
        disks=tuple(disk(one) for one in started.disks),
        interfaces=tuple(end(one) for one in started.interfaces),
        console_log=str(own.console_log(started.uid)),
        virtio_log=str(own.virtio_log(started.uid)),
    )
