"""Which storage pools has the host, and how does it get one? libvirt's, and folders of ours as pools of type dir."""

import hashlib
import os
from xml.etree.ElementTree import fromstring, tostring

import libvirt

from controller.domain.elements import element
from controller.hypervisor.errors import is_code, translated
from controller.hypervisor.readings import HostPool
from hypersdk.errors import Terminal, Transient

PREFIX = "hypersdk-"
"""What marks a pool as ours: a pool's definition has no room for metadata."""
_OF_FILES = frozenset({"dir", "fs", "netfs"})
"""The types whose volumes are files in a folder, which is what disks of VMs are here."""


def host_pools(connection: libvirt.virConnect) -> list[HostPool]:
    """Every pool that libvirt knows. Blocks, like all here."""
    return [_described(pool) for pool in connection.listAllStoragePools()]


def ensure_pool(connection: libvirt.virConnect, name: str, path: str = "") -> HostPool:
    """The pool, running. With a path: the pool of that folder, made under a name of ours where there is none."""
    if not path:
        return _usable(_lookup(connection, name), name)
    pool = _at(connection, path) or _make(connection, _free_name(connection, name, path), path)
    _start(pool)
    return _described(pool)


def refresh_pool(connection: libvirt.virConnect, name: str) -> None:
    """Let libvirt see which files are in the pool now."""
    pool = _lookup(connection, name)
    if pool is not None and pool.isActive():
        pool.refresh()


def pool_xml(name: str, path: str) -> str:
    """A pool of the files in one folder."""
    return tostring(
        element("pool", element("name", text=name), element("target", element("path", text=path)), type_="dir"),
        encoding="unicode",
    )


def _usable(pool: libvirt.virStoragePool | None, name: str) -> HostPool:
    if pool is None:
        raise Terminal("PoolNotFound", f"the host has no storage pool {name}: see 'virsh pool-list --all'")
    _start(pool)
    found = _described(pool)
    if found.kind not in _OF_FILES:
        words = f"storage pool {name} is of type {found.kind}; disks are files: use one of type dir, fs or netfs"
        raise Terminal("PoolUnsupported", words)
    return found


def _at(connection: libvirt.virConnect, path: str) -> libvirt.virStoragePool | None:
    there = connection.listAllStoragePools()
    return next((pool for pool in there if _path(pool) == path), None)


def _free_name(connection: libvirt.virConnect, name: str, path: str) -> str:
    """The name of ours; with a digest of the folder when another folder's pool has it."""
    wanted = PREFIX + name
    there = _lookup(connection, wanted)
    if there is not None and not os.path.exists(_path(there)):
        _forget(there)
        there = None
    if there is None:
        return wanted
    return f"{wanted}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def _forget(pool: libvirt.virStoragePool) -> None:
    """Drop the definition of a pool of ours whose folder is gone; no file is touched by it."""
    if pool.isActive():
        pool.destroy()
    pool.undefine()


def _make(connection: libvirt.virConnect, name: str, path: str) -> libvirt.virStoragePool:
    try:
        pool = connection.storagePoolDefineXML(pool_xml(name, path))
        pool.setAutostart(1)
    except libvirt.libvirtError as error:
        if (there := _at(connection, path)) is not None:  # somebody else was quicker
            return there
        raise Transient(str(translated(error, f"make the storage pool {name} of {path}"))) from error
    return pool


def _start(pool: libvirt.virStoragePool) -> None:
    if pool.isActive():
        return
    try:
        pool.create()
    except libvirt.libvirtError as error:
        if pool.isActive():  # somebody else was quicker
            return
        raise Transient(str(translated(error, f"start the storage pool {pool.name()}"))) from error


def _lookup(connection: libvirt.virConnect, name: str) -> libvirt.virStoragePool | None:
    try:
        return connection.storagePoolLookupByName(name)
    except libvirt.libvirtError as error:
        if is_code(error, libvirt.VIR_ERR_NO_STORAGE_POOL):
            return None
        raise


def _described(pool: libvirt.virStoragePool) -> HostPool:
    _, capacity, _, available = pool.info()
    path = _path(pool)
    active = bool(pool.isActive())
    kind = fromstring(pool.XMLDesc()).get("type", "")
    if active and kind in _OF_FILES:
        # libvirt remembers the figures of its last refresh; the file system knows those of now.
        capacity, available = _room(path) or (capacity, available)
    return HostPool(pool.name(), path, capacity, available, kind=kind, active=active)


def _path(pool: libvirt.virStoragePool) -> str:
    return fromstring(pool.XMLDesc()).findtext("target/path") or ""


def _room(path: str) -> tuple[int, int] | None:
    try:
        facts = os.statvfs(path)
    except OSError:
        return None
    return facts.f_frsize * facts.f_blocks, facts.f_frsize * facts.f_bavail
