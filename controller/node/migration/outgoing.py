"""The node that a VM leaves: packs it, has it copied, and tells how far that is. It stays the owner by all this."""

import asyncio
import base64
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from controller.domain.rehome import Home, NewEnd, rehomed
from controller.hypervisor.mover import Documents, Transfer
from controller.hypervisor.port import Hypervisor, ObservedDomain, Owner, PluggedDisk, Power
from controller.node.definitions import Definitions
from controller.node.desired import to_json
from controller.node.images.collect import backing_file
from controller.node.machine_state import MachineState, MachineStates
from controller.node.migration import sockets, verdict
from controller.node.migration.copying import copy_out
from controller.node.migration.guard import Guard
from controller.node.migration.incoming import SAID_BYTES
from controller.node.migration.leaving import check_clones
from controller.node.migration.messages import Lodging, Luggage, Nic, Piece, Saying, packed
from controller.node.migration.ports import Peers
from controller.node.migration.records import Record, Records
from controller.node.migration.sockets import Folder, Way
from controller.node.places import NodePlaces, checked_uid
from controller.node.plan import is_held_for_good
from controller.node.qemu_img import virtual_size
from controller.settings import Settings
from hypersdk.errors import HyperSDKError, Terminal, Transient
from hypersdk.model.base import JsonObject
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmoperation import MigrateSpec, VMOperation

log = logging.getLogger(__name__)
_MARK = ".shared"
"""How the names of the files end that the other node looks for, to see what both have."""
LOOK_EVERY_S = 1.0
SHORT_MS, LONG_MS = 100, 300
"""How long the guest may be held at the end: at first less than anybody notices, later libvirt's own default."""
MIB = 2**20
_BITS = {"K": 10**3, "M": 10**6, "G": 10**9}


@dataclass
class Progress:
    """How far it is."""

    percent: int = 10
    words: str = "preparing the other node"
    figures: JsonObject | None = None


@dataclass(frozen=True)
class Trip:
    """One VM on its way."""

    op: VMOperation
    vm: VirtualMachine
    observed: ObservedDomain
    target: str
    live: bool
    progress: Progress
    tell: Callable[[], None]
    leave: Callable[[], Awaitable[None]]
    """Hands it over to the other node: it is there, and does not run here any more."""

    @property
    def spec(self) -> MigrateSpec:
        """How it is to move."""
        return self.op.spec.migrate_spec or MigrateSpec()

    def say(self, percent: int, words: str, figures: JsonObject | None = None) -> None:
        """Progress."""
        self.progress.percent, self.progress.words, self.progress.figures = percent, words, figures
        self.tell()


@dataclass
class Outgoing:
    """VMs that leave."""

    settings: Settings
    hypervisor: Hypervisor
    places: NodePlaces
    records: Records
    peers: Peers
    states: MachineStates | None = None
    _said: set[str] = field(default_factory=set)

    async def go(self, trip: Trip) -> None:
        """Everything up to the hand-over: the VM is off here then, and whole there. It stays here on any error."""
        uid = trip.vm.metadata.uid
        folder = Folder(self.settings.migration_folder, uid)
        namespace, name = trip.vm.key
        self._said.discard(trip.op.metadata.uid)
        marker = f".{uid}-{trip.op.metadata.uid[:8]}{_MARK}"
        luggage = await self._packed(trip, folder, marker)
        async with _marked(luggage, marker):
            answer = await self.peers.ask(trip.target, trip.vm.key, "prepare", luggage.wire())
        lodging = Lodging.model_validate(answer)
        check_post_copy(trip.spec, luggage, lodging)
        kept = tuple(sorted({str(Path(one.file).parent) for one in lodging.places if one.shared}))
        record = Record(uid, namespace, name, trip.op.metadata.name, trip.target, kept)
        await asyncio.to_thread(check_clones, self.places, record)
        await asyncio.to_thread(self.records.write, "outgoing", record)
        way = self._way(trip)
        names = [one.socket for one in lodging.places if one.socket]
        if trip.live:
            names += [sockets.LIBVIRT, sockets.MEMORY, sockets.DISKS]
        async with way.opened(folder, names, await self.hypervisor.qemu_owner()):
            await self._copy_files(trip, luggage, lodging, folder)
            await self.peers.ask(trip.target, trip.vm.key, "settle", {"operation": trip.op.metadata.name})
            if trip.live:
                await self._transfer(trip, self._how(trip, luggage, lodging, await self.hypervisor.documents(uid)), way)

    def unmark(self, uid: str) -> None:
        """Remove the marks of a try in which this controller's predecessor has died. Blocks."""
        places = self.places
        for folder in (*places.roots(), places.images, places.links, places.templates, *places.folders(uid)):
            for path in folder.glob(f".{checked_uid(uid)}-*{_MARK}"):
                path.unlink(missing_ok=True)

    async def say(self, op: VMOperation, vm: VirtualMachine, target: str) -> None:
        """Send what it has said on its consoles, once."""
        if op.metadata.uid in self._said:
            return
        self._said.add(op.metadata.uid)
        try:
            said = await asyncio.to_thread(self._last_words, vm.metadata.uid, op.metadata.name)
            await self.peers.ask(target, vm.key, "say", said.wire())
        except HyperSDKError as error:
            log.info("op=%s its console begins anew: %s", op.metadata.name, error)

    def _last_words(self, uid: str, operation: str) -> Saying:
        """What the guest has said last on its consoles. Blocks."""
        return Saying(
            operation=operation,
            console=_end_of(self.places.console_log(uid)),
            virtio=_end_of(self.places.virtio_log(uid)),
        )

    async def _packed(self, trip: Trip, folder: Folder, marker: str) -> Luggage:
        observed, uid = trip.observed, trip.vm.metadata.uid
        started = await asyncio.to_thread(Definitions(self.places).running, observed)
        pieces = [await asyncio.to_thread(_piece, disk, marker) for disk in observed.hardware.disks if disk.path]
        there = observed.hardware.interfaces if trip.live else ()
        state = MachineState() if trip.live or self.states is None else await self.states.capture(uid)
        nics = [Nic.model_validate({"mac": one.mac, "kind": one.kind, "source": one.source}) for one in there]
        return Luggage(
            operation=trip.op.metadata.name,
            source=self.settings.node,
            folder=str(Folder(self.settings.migration_folder, uid).path),
            live=trip.live,
            power=observed.owner.power.value if observed.owner else "",
            virt_type=started.virt_type if started is not None else "qemu",
            started=to_json(started) if started is not None else None,
            running_hash=observed.running_spec_hash,
            pieces=pieces,
            nics=nics,
            nvram=packed(state.nvram),
            tpm=packed(state.tpm),
        )

    async def _copy_files(self, trip: Trip, luggage: Luggage, lodging: Lodging, folder: Folder) -> None:
        """Those that nobody writes to: all of a VM that is off, the discs of one that runs."""
        pairs = [(one, two) for one, two in zip(luggage.pieces, lodging.places, strict=True) if two.socket]
        span = (5 if trip.live else verdict.LAST_PERCENT - verdict.FIRST_PERCENT) / max(len(pairs), 1)
        for at, (piece, place) in enumerate(pairs):
            first = 10 + at * span

            def tell(percent: int, first: float = first, file: str = Path(piece.file).name) -> None:
                trip.say(int(first + span * percent / 100), f"copying {file}, {percent}%")

            await copy_out(Path(piece.file), piece.format, folder.socket(place.socket), tell)

    def _way(self, trip: Trip) -> Way:
        async def is_following() -> bool:
            if not trip.spec.post_copy:
                return False
            follows = is_held_for_good(await self.hypervisor.observe(trip.vm.metadata.uid))
            if follows:
                await self.say(trip.op, trip.vm, trip.target)  # before it says more over there
            return follows

        return Way(self.peers, trip.target, trip.vm.key, trip.op.metadata.name, Guard(is_following))

    def _how(self, trip: Trip, luggage: Luggage, lodging: Lodging, here: Documents) -> Transfer:
        folder = Folder(self.settings.migration_folder, trip.vm.metadata.uid)
        return Transfer(
            Documents(
                rehomed(here.running, self._home(trip, lodging, lodging.running_hash)),
                # The owner there defines it anew by the spec, as soon as it is one.
                rehomed(here.defined, self._home(trip, lodging, "")),
            ),
            str(folder.socket(sockets.LIBVIRT)),
            str(folder.socket(sockets.MEMORY)),
            str(folder.socket(sockets.DISKS)),
            tuple(copied(luggage, lodging)),
            mib_per_second(trip.spec.bandwidth),
            trip.spec.auto_converge,
            trip.spec.post_copy,
        )

    async def _transfer(self, trip: Trip, how: Transfer, way: Way) -> None:
        uid = trip.vm.metadata.uid
        await self.hypervisor.hold_at_most(uid, SHORT_MS)
        watching = asyncio.ensure_future(self._watch(trip))
        moving = asyncio.ensure_future(self.hypervisor.transfer(uid, how))
        try:
            await self._until_left(moving, way)
            await trip.leave()
            await asyncio.shield(moving)
        except asyncio.CancelledError:
            await self._give_up(uid, moving)
            raise
        except Transient:
            if how.post_copy:
                # Though libvirt has gone: what QEMU still sends is memory of a guest that runs over there.
                await way.silent(sockets.MEMORY)
            raise
        finally:
            watching.cancel()
            await asyncio.wait({watching})

    async def _until_left(self, moving: "asyncio.Future[None]", way: Way) -> None:
        leaving = asyncio.ensure_future(way.guard.left.wait())
        moving.add_done_callback(lambda _: leaving.cancel())
        await asyncio.wait({leaving})
        if not way.guard.left.is_set():
            await asyncio.shield(moving)

    async def _give_up(self, uid: str, moving: "asyncio.Future[None]") -> None:
        """End it, and wait until libvirt has: it cannot be abandoned half-way."""
        while not moving.done():
            with contextlib.suppress(Transient, Terminal):
                await self.hypervisor.abort_transfer(uid)
            await asyncio.wait({moving}, timeout=0.5)
        if not moving.cancelled() and (error := moving.exception()) is not None:
            log.info("uid=%s its move was given up: %s", uid, error)

    async def _watch(self, trip: Trip) -> None:
        uid, held_ms = trip.vm.metadata.uid, SHORT_MS
        while True:
            # Who asks in the moment in which libvirt begins waits there until it has ended.
            await asyncio.sleep(LOOK_EVERY_S)
            with contextlib.suppress(Transient, Terminal):
                state = await self.hypervisor.transfer_state(uid)
                if state is None:
                    continue
                trip.say(verdict.percent(state), verdict.words(state), verdict.figures(state))
                if state.iterations > verdict.MOST_PASSES and held_ms == SHORT_MS:
                    held_ms = LONG_MS
                    await self.hypervisor.hold_at_most(uid, held_ms)
                if trip.spec.post_copy and verdict.wants_post_copy(state):
                    log.info("uid=%s %s: its memory follows it (post-copy)", uid, verdict.verdict(state))
                    await self.hypervisor.start_post_copy(uid)

    def _home(self, trip: Trip, lodging: Lodging, digest: str) -> Home:
        uid = trip.vm.metadata.uid
        namespace, name = trip.vm.key
        # Never ON: what is paused without having been on is a start that its owner finishes.
        power = trip.observed.owner.power if trip.observed.owner else None
        files = {one.file: one.path for one in lodging.places}
        files[str(self.places.console_log(uid))] = lodging.logs["console"]
        files[str(self.places.virtio_log(uid))] = lodging.logs["virtio"]
        return Home(
            Owner(uid, namespace, name, _arriving(power), digest),
            {here: there for here, there in files.items() if here != there},
            {one.mac: NewEnd(one.kind, one.source) for one in lodging.nics},
        )


def copied(luggage: Luggage, lodging: Lodging) -> list[str]:
    """The devices whose content libvirt copies."""
    pairs = zip(luggage.pieces, lodging.places, strict=True)
    return [piece.dev for piece, place in pairs if not place.shared and not place.socket]


def check_post_copy(spec: MigrateSpec, luggage: Luggage, lodging: Lodging) -> None:
    """Terminal where a way that breaks half-way would leave a disk of which neither node has all."""
    if spec.post_copy and luggage.live and (found := copied(luggage, lodging)):
        words = f"disk {found[0]} is copied, and would be worth nothing on either node if the way broke half-way"
        advice = "leave postCopy out, or put it on storage that both nodes have"
        raise Terminal("PostCopyNeedsSharedStorage", f"postCopy is for disks that both nodes have: {words}; {advice}")


def mib_per_second(bandwidth: str | None) -> int:
    """libvirt's unit, of `100Mbps`; 0 for no limit, and never less than the 1 that it can say."""
    if not bandwidth:
        return 0
    number = bandwidth.removesuffix("bps")
    bits = int(number.rstrip("KMG")) * _BITS.get(number[-1:], 1)
    return max(bits // 8 // MIB, 1) if bits else 0


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - SAID_BYTES, 0))
            return base64.b64encode(file.read(SAID_BYTES)).decode()
    except OSError:
        return ""


def _arriving(power: Power | None) -> Power:
    return Power.PAUSED if power is Power.PAUSED else Power.OFF


def _piece(disk: PluggedDisk, marker: str) -> Piece:
    file = Path(disk.layer or disk.path)
    is_disc = disk.device == "cdrom"
    size = file.stat().st_size if is_disc else virtual_size(file)
    if size is None:
        raise Terminal("DiskFormatUnsupported", f"disk {file.name} is not qcow2: convert it before the VM moves")
    return Piece(
        path=disk.path,
        file=str(file),
        dev=disk.dev,
        device=disk.device,
        format="raw" if is_disc else "qcow2",
        size=size,
        backing=[] if is_disc else [str(below) for below in _below(file)],
        marker=marker,
    )


def _below(file: Path) -> list[Path]:
    found: list[Path] = []
    while (below := backing_file(found[-1] if found else file)) is not None and below not in found:
        found.append(below)
    return found


@contextlib.asynccontextmanager
async def _marked(luggage: Luggage, marker: str) -> AsyncIterator[None]:
    """A file beside each of the disks, for as long as the other node looks for it."""
    files = {file for piece in luggage.pieces for file in (piece.path, *piece.backing)}
    markers = {Path(file).with_name(marker) for file in files}
    try:
        for one in markers:
            await asyncio.to_thread(one.touch)
        yield
    finally:
        for one in markers:
            await asyncio.to_thread(one.unlink, missing_ok=True)
