"""How does a running domain get to another host? By libvirt's migration, over sockets that somebody else carries on.

The copy at the other end is left paused, whatever happens: who has the say lets it run, once it is the only one.
"""

import os
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit
from xml.etree.ElementTree import fromstring

import libvirt

from controller.hypervisor.errors import is_code
from controller.hypervisor.mover import Documents, Transfer, TransferState
from controller.hypervisor.observe import our_domain
from hypersdk.errors import Terminal

_SOCKET = "/run/libvirt/libvirt-sock"
_OWNER = re.compile(r"\+(\d+):\+(\d+)")
_NO_POST_COPY = "Postcopy is not supported"
_ADVICE = (
    "QEMU may not handle page faults by itself there, which post-copy needs: set the sysctl "
    "vm.unprivileged_userfaultfd to 1 on that node, or leave postCopy out"
)
_ALWAYS = (
    libvirt.VIR_MIGRATE_LIVE
    | libvirt.VIR_MIGRATE_PEER2PEER
    | libvirt.VIR_MIGRATE_PERSIST_DEST
    | libvirt.VIR_MIGRATE_ABORT_ON_ERROR
    # Whether storage is shared was tried out: libvirt would guess by the kind of the file system.
    | libvirt.VIR_MIGRATE_UNSAFE
)
_DEFINED = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_MIGRATABLE


def documents(connection: libvirt.virConnect, uuid: str) -> Documents:
    """What of a running domain goes to the other host, and the definition that it is to have there. Blocks."""
    domain = _there(connection, uuid)
    return Documents(domain.XMLDesc(libvirt.VIR_DOMAIN_XML_MIGRATABLE), domain.XMLDesc(_DEFINED))


def transfer(connection: libvirt.virConnect, uuid: str, how: Transfer) -> None:
    """Move it; returns when it is off here and paused there. Blocks for as long as that takes."""
    domain = _there(connection, uuid)
    try:
        domain.migrateToURI3(f"qemu+unix:///system?socket={how.libvirt_socket}", _parameters(how), _flags(how))
    except libvirt.libvirtError as error:
        if _NO_POST_COPY in str(error):
            raise Terminal("PostCopyUnsupported", f"{_ADVICE} ({error})") from error
        raise


def hold_at_most(connection: libvirt.virConnect, uuid: str, milliseconds: int) -> None:
    """Change how long it may be held at the end; no error when it has gone. Blocks."""
    _while_moving(connection, uuid, lambda domain: domain.migrateSetMaxDowntime(milliseconds))


def start_post_copy(connection: libvirt.virConnect, uuid: str) -> None:
    """Let it run over there now; no error when it is not being moved. Blocks."""
    _while_moving(connection, uuid, lambda domain: domain.migrateStartPostCopy())


def transfer_state(connection: libvirt.virConnect, uuid: str) -> TransferState | None:
    """How far it is; None when it is not being moved. Blocks."""
    domain = our_domain(connection, uuid)
    if domain is None:
        return None
    try:
        told = domain.jobStats()
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
            return None
        raise
    if told.get("operation") != libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT:
        return None
    return TransferState(
        memory_total=told.get("memory_total", 0),
        memory_remaining=told.get("memory_remaining", 0),
        memory_bps=told.get("memory_bps", 0),
        dirty_bps=told.get("memory_dirty_rate", 0) * told.get("memory_page_size", 4096),
        iterations=told.get("memory_iteration", 0),
        disk_total=told.get("disk_total", 0),
        disk_remaining=told.get("disk_remaining", 0),
        disk_bps=told.get("disk_bps", 0),
        downtime_ms=told.get("downtime", 0),
        throttle_percent=told.get("auto_converge_throttle", 0),
        is_following=domain.state() == [libvirt.VIR_DOMAIN_PAUSED, libvirt.VIR_DOMAIN_PAUSED_POSTCOPY],
    )


def abort_transfer(connection: libvirt.virConnect, uuid: str) -> None:
    """Give it up; no error when it is not being moved. Blocks."""
    if transfer_state(connection, uuid) is not None:
        _while_moving(connection, uuid, lambda domain: domain.abortJob())


def qemu_owner(connection: libvirt.virConnect) -> tuple[int, int]:
    """The user and group that QEMU runs as. Blocks."""
    models = fromstring(connection.getCapabilities()).findall("host/secmodel")
    labels = [model.findtext("baselabel") or "" for model in models if model.findtext("model") == "dac"]
    found = _OWNER.fullmatch(labels[0]) if labels else None
    return (int(found[1]), int(found[2])) if found else (os.getuid(), os.getgid())


def libvirt_socket(uri: str) -> str:
    """Where the libvirtd behind a URI listens."""
    sockets = parse_qs(urlsplit(uri).query).get("socket")
    return sockets[0] if sockets else _SOCKET


def _flags(how: Transfer) -> int:
    flags: int = _ALWAYS
    if how.copied:
        flags |= libvirt.VIR_MIGRATE_NON_SHARED_DISK
    # The two do not go together: who guards what libvirt asks has the copy left paused.
    flags |= libvirt.VIR_MIGRATE_POSTCOPY if how.post_copy else libvirt.VIR_MIGRATE_PAUSED
    if how.auto_converge:
        flags |= libvirt.VIR_MIGRATE_AUTO_CONVERGE
    return flags


def _parameters(how: Transfer) -> dict[str, str | int | list[str]]:
    parameters: dict[str, str | int | list[str]] = {
        libvirt.VIR_MIGRATE_PARAM_URI: f"unix://{how.memory_socket}",
        libvirt.VIR_MIGRATE_PARAM_DEST_XML: how.documents.running,
        libvirt.VIR_MIGRATE_PARAM_PERSIST_XML: how.documents.defined,
    }
    if how.copied:
        parameters[libvirt.VIR_MIGRATE_PARAM_DISKS_URI] = f"unix://{how.disks_socket}"
        parameters[libvirt.VIR_MIGRATE_PARAM_MIGRATE_DISKS] = list(how.copied)
    if how.bandwidth_mib:
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH] = how.bandwidth_mib
    if how.bandwidth_mib and how.post_copy:
        parameters[libvirt.VIR_MIGRATE_PARAM_BANDWIDTH_POSTCOPY] = how.bandwidth_mib
    return parameters


def _while_moving(connection: libvirt.virConnect, uuid: str, ask: Callable[[libvirt.virDomain], object]) -> None:
    """Ask it of a domain that is being moved; nothing when it is not any more."""
    domain = our_domain(connection, uuid)
    if domain is None:
        return
    try:
        ask(domain)
    except libvirt.libvirtError as error:
        if not is_code(error, libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_NO_DOMAIN):
            raise


def _there(connection: libvirt.virConnect, uuid: str) -> libvirt.virDomain:
    domain = our_domain(connection, uuid)
    if domain is None:
        raise Terminal("DomainGone", f"libvirt has no domain {uuid} any more")
    return domain
