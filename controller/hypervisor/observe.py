"""What domains are there? Read from libvirt, each with its state, owner and process."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

import libvirt

from controller.domain.metadata import NAMESPACE, read_fragment
from controller.domain.parse import DomainDescription, parse_domain
from controller.hypervisor.errors import is_code
from controller.hypervisor.port import DiskError, DomainName, DomainState, ObservedDomain, Owner
from controller.hypervisor.qemu_process import QemuProcess
from controller.hypervisor.states import state_words
from hypersdk.errors import Terminal, Transient

FindProcess = Callable[[str, str], QemuProcess]
T = TypeVar("T")


def all_domains(connection: libvirt.virConnect, process: FindProcess) -> list[ObservedDomain]:
    """Every domain, ours or not; one that vanishes meanwhile is left out. Blocks, like all here."""
    seen = (_unless_gone(domain, partial(_observed, process=process)) for domain in connection.listAllDomains())
    return [domain for domain in seen if domain is not None]


def all_names(connection: libvirt.virConnect) -> list[DomainName]:
    """Every domain, ours or not; one that vanishes meanwhile is left out."""
    seen = (_unless_gone(domain, _named) for domain in connection.listAllDomains())
    return [name for name in seen if name is not None]


def all_host_devices(connection: libvirt.virConnect) -> dict[str, tuple[str, ...]]:
    """The host's devices by the UUID of the domain that has them, by its definition or as it runs; ours or not."""
    seen = (_unless_gone(domain, _with_host_devices) for domain in connection.listAllDomains())
    return {uuid: devices for found in seen if found is not None for uuid, devices in (found,) if devices}


def one_domain(connection: libvirt.virConnect, uuid: str, process: FindProcess) -> ObservedDomain | None:
    """The domain; None only when libvirt says that there is none."""
    domain = lookup(connection, uuid)
    return None if domain is None else _unless_gone(domain, partial(_observed, process=process))


def lookup(connection: libvirt.virConnect, uuid: str) -> libvirt.virDomain | None:
    """libvirt's domain of that UUID, ours or not; None when there is none."""
    try:
        return connection.lookupByUUIDString(uuid)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return None
        raise


def our_domain(connection: libvirt.virConnect, uuid: str) -> libvirt.virDomain | None:
    """The domain, which carries our mark; Terminal when it carries none, None when there is no such domain."""
    domain = lookup(connection, uuid)
    if domain is not None and owner_of(domain) is None:
        raise Terminal("ForeignDomain", f"the domain {domain.name()} ({uuid}) is somebody else's; it is left alone")
    return domain


def running_domain(connection: libvirt.virConnect, uuid: str) -> libvirt.virDomain:
    """The domain, which carries our mark and runs; Transient when there is none that does."""
    domain = our_domain(connection, uuid)
    if domain is None or not domain.isActive():
        raise Transient(f"the domain {uuid} is not running")
    return domain


def owner_of(domain: libvirt.virDomain) -> Owner | None:
    """Whose the domain is by its definition; of one without a definition, by what runs."""
    try:
        return mark_of(domain, libvirt.VIR_DOMAIN_AFFECT_CONFIG)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_OPERATION_INVALID):
            return mark_of(domain, libvirt.VIR_DOMAIN_AFFECT_LIVE)
        raise


def mark_of(domain: libvirt.virDomain, where: int) -> Owner | None:
    """Our mark in the definition or in what runs; None where there is none. A tenth of what the whole XML costs."""
    try:
        text = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, NAMESPACE, where)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN_METADATA):
            return None
        raise
    return read_fragment(text, domain.UUIDString())


def _unless_gone(domain: libvirt.virDomain, read: Callable[[libvirt.virDomain], T]) -> T | None:
    try:
        return read(domain)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_DOMAIN):
            return None
        raise


def _named(domain: libvirt.virDomain) -> DomainName:
    return DomainName(domain.UUIDString(), domain.name(), domain.ID() >= 0, owner_of(domain) is not None)


def _with_host_devices(domain: libvirt.virDomain) -> tuple[str, tuple[str, ...]]:
    texts = [domain.XMLDesc()]
    if domain.isActive() and domain.isPersistent():
        texts.append(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))
    devices = (address for text in texts for address in parse_domain(text).hardware.host_devices)
    return domain.UUIDString(), tuple(dict.fromkeys(devices))


def _observed(domain: libvirt.virDomain, process: FindProcess) -> ObservedDomain:
    state, reason = state_words(*domain.state())
    live = parse_domain(domain.XMLDesc())
    errors = _disk_errors(domain, live) if state is DomainState.PAUSED else ()
    return replace(_described(state, reason, live, owner_of(domain), process), disk_errors=errors)


def _disk_errors(domain: libvirt.virDomain, live: DomainDescription) -> tuple[DiskError, ...]:
    found: dict[str, int] = {}
    with suppress(libvirt.libvirtError):  # QEMU is busy: the reason of the pause says enough
        found = domain.diskErrors() or {}
    full = libvirt.VIR_DOMAIN_DISK_ERROR_NO_SPACE
    places = {disk.device: disk for disk in live.disks}
    return tuple(
        DiskError(places[device].name, places[device].path, code == full)
        for device, code in sorted(found.items())
        if device in places
    )


def _described(
    state: DomainState, reason: str, live: DomainDescription, owner: Owner | None, process: FindProcess
) -> ObservedDomain:
    is_active = state in {DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTDOWN}
    qemu = process(live.uuid, live.name) if is_active else QemuProcess()
    return ObservedDomain(
        uuid=live.uuid,
        name=live.name,
        state=state,
        reason=reason,
        owner=owner,
        pid=qemu.pid,
        started_at=qemu.started_at,
        has_graphics=live.has_graphics,
        agent_connected=is_active and live.agent_connected,
        macs=live.macs,
        hardware=live.hardware,
        running_spec_hash=live.owner.spec_hash if is_active and live.owner else "",
    )
