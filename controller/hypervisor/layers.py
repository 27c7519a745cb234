"""How are a domain's disks frozen at a moment, merged, and put back? By libvirt's external snapshots and block jobs.

libvirt is never told to remember a snapshot: what it remembers forbids migration and undefining, and it could not go
back to one of these anyway. The truth is which file the domain writes to, and what the files' headers stand on.
"""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

import libvirt
import libvirt_qemu

from controller.domain.metadata import NAMESPACE, PREFIX, owner_fragment
from controller.hypervisor.blank_layers import blank_layers
from controller.hypervisor.calls import Pool
from controller.hypervisor.errors import is_code
from controller.hypervisor.guest_agent import read_answer
from controller.hypervisor.layer_port import TAKEN_UP, Copying, DomainFiles, Taken
from controller.hypervisor.observe import mark_of, our_domain, running_domain
from controller.hypervisor.quiesce import AGENT_TIMEOUT_S, freeze, let_go, thaw
from hypersdk.errors import Terminal, Transient

_LIBVIRTS = "/var/lib/libvirt"
_WORKERS = 4
"""An agent that does not answer at once is asked again: its guest stands still until it does."""
_TAKE_DEADLINE_S = 60.0
_MEMORY_DEADLINE_S = 6 * 3600.0
"""Of the whole memory; whoever waits for it has a deadline of its own."""
_TAKE_UP_DEADLINE_S = 600.0
_DISKS_ONLY = (
    libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT
)
"""All disks or none, into files that are there."""


class LibvirtLayers:
    """The layers of one host's domains, as `controller.hypervisor.layer_port.LayerHost` has it."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._work = Pool(uri, _WORKERS, "libvirt-layers")
        self._agents = Pool(uri, 1, "libvirt-thaw")
        self._savers = Pool(uri, 2, "libvirt-savers")

    async def take(
        self, uuid: str, layers: Mapping[str, str], *, memory: str = "", quiesce: bool = False, live: bool = True
    ) -> Taken:
        """Let a running domain write to new layers."""
        pool, deadline_s = (self._savers, _MEMORY_DEADLINE_S) if memory else (self._work, _TAKE_DEADLINE_S)
        work = partial(take, uuid=uuid, layers=layers, memory=memory, quiesce=quiesce, live=live)
        return await pool.call(work, f"take a snapshot of the domain {uuid}", deadline_s)

    async def put(self, uuid: str, files: Mapping[str, str]) -> None:
        """Let a domain that is off write to other files."""
        await self._work.call(partial(put, uuid=uuid, files=files), f"give the domain {uuid} other files")

    async def take_up(self, uuid: str, memory: str, files: Mapping[str, str]) -> None:
        """Start a domain from its saved memory."""
        work = partial(take_up, uuid=uuid, memory=memory, files=files)
        await self._work.call(work, f"start the domain {uuid} from its saved memory", _TAKE_UP_DEADLINE_S)

    async def commit(self, uuid: str, dev: str, top: str, base: str) -> None:
        """Begin to merge a layer into the one below."""
        work = partial(commit, uuid=uuid, dev=dev, top=top, base=base)
        await self._work.call(work, f"merge a layer of the domain {uuid}")

    async def merging(self, uuid: str, dev: str) -> Copying | None:
        """How far the merging is."""
        return await self._work.call(partial(merging, uuid=uuid, dev=dev), f"look at a merge of the domain {uuid}")

    async def pivot(self, uuid: str, dev: str) -> None:
        """Let the domain write to the lower file."""
        await self._work.call(partial(pivot, uuid=uuid, dev=dev), f"end a merge of the domain {uuid}")

    async def abort(self, uuid: str, dev: str = "") -> None:
        """End a merge, or the saving of the memory."""
        await self._work.call(partial(abort, uuid=uuid, dev=dev), f"break off what is copied of the domain {uuid}")

    async def saving(self, uuid: str) -> Copying | None:
        """How far the saving of the memory is."""
        return await self._work.call(partial(saving, uuid=uuid), f"look at the saving of the domain {uuid}")

    async def files(self, uuid: str) -> DomainFiles:
        """Which files the domain has."""
        found = await self._work.call(partial(domain_files, uuid=uuid), f"look at the files of the domain {uuid}")
        nvram, tpm = seen_from_here(self._uri, found.nvram), seen_from_here(self._uri, found.tpm)
        return replace(found, nvram=nvram, tpm=tpm)

    async def is_frozen(self, uuid: str) -> bool:
        """Whether the guest's file systems are held."""
        return await self._agents.call(partial(is_frozen, uuid=uuid), f"ask the guest agent of {uuid}")

    async def thaw(self, uuid: str) -> None:
        """Let the guest's file systems go."""
        await self._agents.call(partial(thaw, uuid=uuid), f"thaw the file systems of the domain {uuid}")

    async def settled(self, uuid: str) -> None:
        """Wait until what has been asked of the running domain is over."""
        await self._work.call(partial(settled, uuid=uuid), f"wait for the domain {uuid}", _TAKE_DEADLINE_S)

    async def close(self) -> None:
        """Let go of the host."""
        for pool in (self._work, self._agents, self._savers):
            await pool.close()


def settled(connection: libvirt.virConnect, uuid: str) -> None:
    """Change nothing: libvirt makes one change after the other, and goes on with those of clients that have died."""
    domain = our_domain(connection, uuid)
    if domain is not None and domain.isActive() and (owner := mark_of(domain, libvirt.VIR_DOMAIN_AFFECT_LIVE)):
        fragment = owner_fragment(owner)
        where = libvirt.VIR_DOMAIN_AFFECT_LIVE
        domain.setMetadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, fragment, PREFIX, NAMESPACE, where)


def take(
    connection: libvirt.virConnect, uuid: str, layers: Mapping[str, str], memory: str, quiesce: bool, live: bool
) -> Taken:
    """Freeze, take, thaw: in one call, so that nothing can come between. Blocks, like all here."""
    domain = running_domain(connection, uuid)
    document = fromstring(domain.XMLDesc())
    xml = snapshot_xml(layers, _devices(document), memory)
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    if memory:
        # Of the memory the file systems' buffers are part: nothing has to be frozen.
        domain.snapshotCreateXML(xml, flags | (libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_LIVE if live else 0))
        return Taken()
    with blank_layers(_below(layers, document)) as made:
        why_not = freeze(domain) if quiesce else "it was not asked for"
        frozen_at = time.monotonic()
        try:
            made()
            domain.snapshotCreateXML(xml, flags | _DISKS_ONLY)
        finally:
            if quiesce:
                let_go(domain)
        return Taken(0.0 if why_not else time.monotonic() - frozen_at, why_not)


def _below(layers: Mapping[str, str], domain: Element) -> dict[str, str]:
    """What each new layer is to stand on: the file that its disk writes to now."""
    disks = {_dev(disk): disk for disk in domain.findall("devices/disk")}
    return {layer: _chain(disks[dev])[0] for dev, layer in layers.items() if dev in disks}


def put(connection: libvirt.virConnect, uuid: str, files: Mapping[str, str]) -> None:
    """Define a domain that is off with other files, all at once."""
    domain = our_domain(connection, uuid)
    if domain is None or domain.isActive():
        raise Transient(f"the domain {uuid} is not there or not off")
    xml = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE)
    connection.defineXML(with_files(xml, files))


def take_up(connection: libvirt.virConnect, uuid: str, memory: str, files: Mapping[str, str]) -> None:
    """Start a domain that is off from its saved memory, paused; nothing when it runs."""
    domain = our_domain(connection, uuid)
    if domain is None:
        raise Transient(f"libvirt has no domain {uuid}")
    if domain.isActive():
        return
    try:
        xml = with_files(connection.saveImageGetXMLDesc(memory, libvirt.VIR_DOMAIN_SAVE_IMAGE_XML_SECURE), files)
        if fromstring(xml).findtext("uuid", "") != uuid:
            raise Terminal(TAKEN_UP, f"{memory} is the memory of another domain")
        connection.restoreFlags(memory, xml, libvirt.VIR_DOMAIN_SAVE_PAUSED)
    except libvirt.libvirtError as error:
        if not connection.isAlive() or is_code(error, libvirt.VIR_ERR_OPERATION_TIMEOUT):
            raise
        words = error.get_error_message() or str(error)
        raise Terminal(TAKEN_UP, f"the memory cannot be taken up again: {words}") from error


def commit(connection: libvirt.virConnect, uuid: str, dev: str, top: str, base: str) -> None:
    """Begin to merge, unless a job goes on or the layer is in the chain no more."""
    domain = running_domain(connection, uuid)
    disk = _disk(domain, dev)
    chain = _chain(disk) if disk is not None else ()
    if disk is None or top not in chain or domain.blockJobInfo(dev, 0):
        return
    is_uppermost = chain[0] == top
    flags = libvirt.VIR_DOMAIN_BLOCK_COMMIT_ACTIVE if is_uppermost else 0
    domain.blockCommit(dev, base, None if is_uppermost else top, 0, flags)


def merging(connection: libvirt.virConnect, uuid: str, dev: str) -> Copying | None:
    """How far the merging is."""
    domain = running_domain(connection, uuid)
    told = domain.blockJobInfo(dev, 0)
    if not told:
        return None
    disk = _disk(domain, dev)
    mirror = disk.find("mirror") if disk is not None else None
    is_ready = mirror is not None and mirror.get("ready") == "yes"
    return Copying(int(told.get("cur", 0)), int(told.get("end", 0)), is_ready=is_ready)


def pivot(connection: libvirt.virConnect, uuid: str, dev: str) -> None:
    """Go over to the lower file."""
    domain = running_domain(connection, uuid)
    if domain.blockJobInfo(dev, 0):
        domain.blockJobAbort(dev, libvirt.VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT)


def abort(connection: libvirt.virConnect, uuid: str, dev: str) -> None:
    """End a merge, or the saving of the memory."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        return
    with suppress(libvirt.libvirtError):  # it has just ended by itself
        if dev and domain.blockJobInfo(dev, 0):
            domain.blockJobAbort(dev, 0)
        elif not dev:
            domain.abortJob()


def saving(connection: libvirt.virConnect, uuid: str) -> Copying | None:
    """How far the saving of the memory is."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        return None
    told = domain.jobStats()
    if told.get("type", libvirt.VIR_DOMAIN_JOB_NONE) == libvirt.VIR_DOMAIN_JOB_NONE:
        return None
    done, total = int(told.get("memory_processed", 0)), int(told.get("memory_total", 0))
    return Copying(done, total, int(told.get("memory_bps", 0)))


def domain_files(connection: libvirt.virConnect, uuid: str) -> DomainFiles:
    """Which files the domain has."""
    domain = our_domain(connection, uuid)
    if domain is None:
        return DomainFiles()
    document = fromstring(domain.XMLDesc())
    chains = {_dev(disk): _chain(disk) for disk in document.findall("devices/disk")} if domain.isActive() else None
    return DomainFiles(_nvram(document), chains, domain.snapshotNum() > 0, _tpm(document, uuid))


def _nvram(document: Element) -> str:
    """Until 9.2 libvirt says it of a running domain only, where it has chosen the firmware itself."""
    chosen = document.find("os[@firmware='efi']") is not None
    by_name = f"{_LIBVIRTS}/qemu/nvram/{document.findtext('name', '')}_VARS.fd" if chosen else ""
    return document.findtext("os/nvram", "") or by_name


def _tpm(document: Element, uuid: str) -> str:
    """libvirt does not say it; there is one place for it, by version and UUID."""
    has_one = document.find("devices/tpm/backend[@type='emulator']") is not None
    return f"{_LIBVIRTS}/swtpm/{uuid}/tpm2/tpm2-00.permall" if has_one else ""


def is_frozen(connection: libvirt.virConnect, uuid: str) -> bool:
    """Ask the agent."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        return False
    question = json.dumps({"execute": "guest-fsfreeze-status"})
    try:
        domain.agentSetResponseTimeout(AGENT_TIMEOUT_S)
        return read_answer(libvirt_qemu.qemuAgentCommand(domain, question, AGENT_TIMEOUT_S, 0)) == "frozen"
    except libvirt.libvirtError:
        return False  # nobody answers: nobody could thaw it either


def seen_from_here(uri: str, path: str) -> str:
    """Where a file below libvirt's own folder is: a libvirtd with a socket of its own may have it elsewhere."""
    sockets = parse_qs(urlsplit(uri).query).get("socket")
    if not sockets or not path.startswith(f"{_LIBVIRTS}/"):
        return path
    folder = Path(sockets[0]).parent.parent / "lib"
    return str(folder / path.removeprefix(f"{_LIBVIRTS}/")) if folder.is_dir() else path


def snapshot_xml(layers: Mapping[str, str], devices: list[str], memory: str) -> str:
    """What libvirt is asked to take; disks without a new layer are left out."""
    root = Element("domainsnapshot")
    if memory:
        SubElement(root, "memory", snapshot="external", file=memory)
    disks = SubElement(root, "disks")
    for dev in devices:
        if dev not in layers:
            SubElement(disks, "disk", name=dev, snapshot="no")
            continue
        disk = SubElement(disks, "disk", name=dev, snapshot="external", type="file")
        SubElement(disk, "driver", type="qcow2")
        SubElement(disk, "source", file=layers[dev])
    return tostring(root, encoding="unicode")


def with_files(xml: str, files: Mapping[str, str]) -> str:
    """A domain's XML with other files behind its disks; what they stand on libvirt reads from their headers."""
    domain = fromstring(xml)
    for disk in domain.findall("devices/disk"):
        source, chain = disk.find("source"), disk.find("backingStore")
        if source is not None and _dev(disk) in files:
            source.set("file", files[_dev(disk)])
            source.attrib.pop("index", None)
            if chain is not None:
                disk.remove(chain)
    return tostring(domain, encoding="unicode")


def _devices(domain: Element) -> list[str]:
    return [_dev(disk) for disk in domain.findall("devices/disk")]


def _dev(disk: Element) -> str:
    target = disk.find("target")
    return target.get("dev", "") if target is not None else ""


def _disk(domain: libvirt.virDomain, dev: str) -> Element | None:
    disks = fromstring(domain.XMLDesc()).findall("devices/disk")
    return next((disk for disk in disks if _dev(disk) == dev), None)


def _chain(disk: Element) -> tuple[str, ...]:
    """The disk's files from the uppermost down."""
    found: list[str] = []
    at: Element | None = disk
    while at is not None and (source := at.find("source")) is not None:
        found.append(source.get("file", ""))
        at = at.find("backingStore")
    return tuple(found)
