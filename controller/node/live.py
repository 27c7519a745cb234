"""What a running guest can be given of a changed spec while it runs, and what waits for its next start: pure.

What QEMU was started with is kept in a file and what the domain has now is seen: so a change that was made before the
controller died is not made twice, and a device that somebody else has plugged in is nobody's business here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.domain.desired import DesiredDomain, DiskFile, Interface
from controller.domain.disks import boot_orders, target
from controller.domain.headroom import MEMORY_STEP
from controller.hypervisor.port import Hardware, PluggedDisk, PluggedInterface

WAITING = {
    "machine": "machineType",
    "uefi": "firmware.bootloader",
    "secure_boot": "firmware.secureBoot",
    "guest_agent": "guestAgent",
    "tpm": "devices.tpm",
    "host_devices": "devices.gpus",
}
"""Fields of the domain that no running guest can be given, by the spec's names."""


@dataclass(frozen=True)
class AttachDisk:
    """Plug a disk in whose file is there."""

    disk: DiskFile
    dev: str


@dataclass(frozen=True)
class DetachDisk:
    """Pull a disk out; its file stays."""

    name: str
    disk: PluggedDisk


@dataclass(frozen=True)
class GrowDisk:
    """Make a disk larger."""

    name: str
    path: str
    size_bytes: int


@dataclass(frozen=True)
class ChangeMedia:
    """Put another disc into a CD-ROM drive, or take it out when it has no path."""

    disc: DiskFile
    dev: str


@dataclass(frozen=True)
class AttachInterface:
    """Plug an interface in."""

    interface: Interface


@dataclass(frozen=True)
class DetachInterface:
    """Pull an interface out."""

    name: str
    interface: PluggedInterface


@dataclass(frozen=True)
class Reconnect:
    """Put an interface on another network; the guest sees its link go down and up."""

    interface: Interface


@dataclass(frozen=True)
class PlugCpus:
    """Give more CPUs."""

    count: int


@dataclass(frozen=True)
class PlugMemory:
    """Give more memory, until this much has been plugged in."""

    dimm_bytes: int


LiveChange = (
    AttachDisk
    | DetachDisk
    | GrowDisk
    | ChangeMedia
    | AttachInterface
    | DetachInterface
    | Reconnect
    | PlugCpus
    | PlugMemory
)


@dataclass(frozen=True)
class Gap:
    """How a running guest differs from the wanted one."""

    changes: tuple[LiveChange, ...] = ()
    """What it can be given now."""
    waiting: tuple[str, ...] = ()
    """Fields of the spec that wait for the next start."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field in which they differ."""
        return tuple(sorted({*self.waiting, *map(field_of, self.changes)}))


def gap(started: DesiredDomain, now: Hardware, wanted: DesiredDomain, growths: Sequence[GrowDisk] = ()) -> Gap:
    """The difference between what runs and what is wanted; `growths` are the disks whose files are too small."""
    parts = [
        _disks(started, now, wanted),
        _growths(now, growths),
        _media(started, now, wanted),
        _interfaces(started, now, wanted),
        _cpus(started, now, wanted),
        _memory(started, now, wanted),
        _rest(started, wanted),
    ]
    changes = tuple(change for part in parts for change in part.changes)
    return Gap(changes, tuple(dict.fromkeys(field for part in parts for field in part.waiting)))


def field_of(change: LiveChange) -> str:
    """The field of the spec that the change comes from."""
    match change:
        case PlugCpus():
            return "cpus"
        case PlugMemory():
            return "memory"
        case AttachInterface() | DetachInterface() | Reconnect():
            return "networks"
        case AttachDisk() | DetachDisk() | GrowDisk() | ChangeMedia():
            return "disks"


def _disks(started: DesiredDomain, now: Hardware, wanted: DesiredDomain) -> Gap:
    then = {disk.path: disk for disk in _hard(started)}
    there = {disk.path: disk for disk in now.disks if disk.device == "disk"}
    wish = {disk.path: disk for disk in _hard(wanted)}
    boots_from = next((path for path in (*_orders(started), *then) if path in then), "")
    # One that has moved to another storage class is not another disk, and is not taken for one.
    moved = {disk.name for path, disk in then.items() if path in there and path not in wish}
    coming = [disk for path, disk in wish.items() if path not in there and disk.name not in moved]
    # Not on the list of the spec any more, or plugged in by somebody else: only the former are pulled out.
    gone = {
        path: then[path].name if path in then else disk.name
        for path, disk in there.items()
        if path not in wish and (path in then or disk.by_us)
    }
    names = {disk.name for disk in wish.values()}
    going = [DetachDisk(n, there[path]) for path, n in gone.items() if path != boots_from and n not in names]
    devs = _free_devs(now, len(coming))
    attached = tuple(AttachDisk(disk, dev) for disk, dev in zip(coming, devs, strict=True))
    waits = _is_changed(then, wish) or _order_differs(started, wanted)
    stays = len(going) < len(gone)
    return Gap((*going, *attached), ("disks",) if waits or stays else ())


def _hard(domain: DesiredDomain) -> list[DiskFile]:
    return [disk for disk in domain.disks if disk.device == "disk"]


def _orders(domain: DesiredDomain) -> dict[str, int]:
    orders = sorted(boot_orders(domain.disks).items(), key=lambda item: item[1])
    return {disk.path: order for disk, order in orders}


def _order_differs(started: DesiredDomain, wanted: DesiredDomain) -> bool:
    return list(_orders(started)) != list(_orders(wanted))


def _is_changed(then: Mapping[str, DiskFile], wish: Mapping[str, DiskFile]) -> bool:
    """Whether a disk that QEMU was started with is to be another in a way that it cannot be while it runs."""
    pairs = [(disk, wish[path]) for path, disk in then.items() if path in wish]
    return any((old.name, old.format, old.read_only) != (new.name, new.format, new.read_only) for old, new in pairs)


def _free_devs(now: Hardware, count: int) -> list[str]:
    taken = {disk.dev for disk in now.disks}
    free = (dev for at in range(len(taken) + count) if (dev := target("vd", at)) not in taken)
    return [next(free) for _ in range(count)]


def _growths(now: Hardware, growths: Sequence[GrowDisk]) -> Gap:
    there = {disk.path for disk in now.disks}
    return Gap(tuple(one for one in growths if one.path in there))


def _media(started: DesiredDomain, now: Hardware, wanted: DesiredDomain) -> Gap:
    drives = {disk.name: target("sd", at) for at, disk in enumerate(_discs(started))}
    loaded = {disk.dev: disk.path for disk in now.disks if disk.device == "cdrom"}
    wish = {disk.name: disk for disk in _discs(wanted)}
    discs = [wish.get(name, DiskFile(name, "", "raw", "cdrom", read_only=True)) for name in drives]
    changes = [ChangeMedia(disc, drives[disc.name]) for disc in discs]
    pending = tuple(one for one in changes if one.dev in loaded and loaded[one.dev] != one.disc.path)
    return Gap(pending, () if set(wish) <= set(drives) else ("disks",))


def _discs(domain: DesiredDomain) -> list[DiskFile]:
    return [disk for disk in domain.disks if disk.device == "cdrom"]


def _interfaces(started: DesiredDomain, now: Hardware, wanted: DesiredDomain) -> Gap:
    names = {one.mac: one.name for one in started.interfaces}
    there = {one.mac: one for one in now.interfaces}
    wish = {one.mac: one for one in wanted.interfaces}
    changes: list[LiveChange] = [
        DetachInterface(names.get(mac, mac), one)
        for mac, one in there.items()
        if mac not in wish and (mac in names or one.by_us)
    ]
    for mac, one in wish.items():
        if mac not in there:
            changes.append(AttachInterface(one))
        elif (one.kind, one.source) != (there[mac].kind, there[mac].source):
            changes.append(_moved(one, there[mac]))
    return Gap(tuple(changes))


def _moved(wanted: Interface, there: PluggedInterface) -> LiveChange:
    if "user" in {wanted.kind, there.kind}:
        # QEMU's user mode cannot be exchanged in place. Once the old one is out, the new one is missing.
        return DetachInterface(wanted.name, there)
    return Reconnect(wanted)


def _cpus(started: DesiredDomain, now: Hardware, wanted: DesiredDomain) -> Gap:
    if now.cpus in {0, wanted.cpus}:
        return Gap()
    # Never fewer: a guest that does not let go of a CPU holds the domain up, and an emulated one kills QEMU.
    if now.cpus < wanted.cpus <= started.max_cpus:
        return Gap((PlugCpus(wanted.cpus),))
    return Gap(waiting=("cpus",))


def _memory(started: DesiredDomain, now: Hardware, wanted: DesiredDomain) -> Gap:
    more = wanted.memory_bytes - started.memory_bytes - now.dimm_bytes
    if more == 0:
        return Gap()
    if more > 0 and more % MEMORY_STEP == 0 and wanted.memory_bytes <= started.max_memory_bytes:
        return Gap((PlugMemory(now.dimm_bytes + more),))
    return Gap(waiting=("memory",))


def _rest(started: DesiredDomain, wanted: DesiredDomain) -> Gap:
    return Gap(waiting=tuple(word for name, word in WAITING.items() if getattr(started, name) != getattr(wanted, name)))
