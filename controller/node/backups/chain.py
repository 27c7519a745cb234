"""Reading what is stored: a manifest, the chain that it stands on, and the pieces of a disk."""

import asyncio
from dataclasses import dataclass

from controller.node.backups.index import read_index, write_index
from controller.node.backups.manifest import (
    INVALID,
    MANIFEST,
    MANIFEST_GONE,
    MOST_BYTES,
    Manifest,
    Part,
    StoredDisk,
    read,
)
from controller.node.backups.pieces import Compression, unpacked
from controller.node.backups.store import NOT_FOUND, Place
from hypersdk.errors import Terminal

LONGEST = 1000
"""Links of a chain that are followed."""


@dataclass(frozen=True)
class Link:
    """One backup of a chain."""

    folder: str
    manifest: Manifest


async def read_manifest(place: Place, folder: str, expected: str = "") -> Manifest:
    """The manifest of one backup; Terminal when it is not there, or cannot be believed."""
    where = place.words(folder, MANIFEST)
    try:
        data = await place.store.get(place.key(folder, MANIFEST), MOST_BYTES)
    except Terminal as error:
        if error.reason == NOT_FOUND:
            raise Terminal(MANIFEST_GONE, f"{where} is not there: the backup was never finished, or removed") from error
        raise
    if len(data) > MOST_BYTES:
        raise Terminal(INVALID, f"{where} is too large to be a manifest")
    return await asyncio.to_thread(read, data, where, expected)


async def read_chain(place: Place, folder: str, expected: str = "") -> list[Link]:
    """The backup and all that it stands on, the full one first; Terminal when a link is missing or another one."""
    links: list[Link] = []
    while True:
        try:
            manifest = await read_manifest(place, folder, expected)
        except Terminal as error:
            if not links:
                raise
            words = f"the chain is broken: {links[-1].folder} stands on {folder}: {error}"
            raise Terminal("ChainBroken" if error.reason == MANIFEST_GONE else error.reason, words) from error
        links.append(Link(folder, manifest))
        if manifest.base is None:
            break
        folder, expected = manifest.base.folder, manifest.base.sha256
        if len(links) >= LONGEST or folder in {link.folder for link in links}:
            raise Terminal(INVALID, f"{place.words(folder)}: the chain of backups leads in a circle")
    return links[::-1]


def stored_disk(place: Place, name: str, link: Link, links: int) -> StoredDisk:
    """A disk in one of so many links; Terminal where the chain cannot be put together."""
    words = place.words(link.folder)
    for disk in link.manifest.disks:
        if disk.name == name:
            if disk.format == "raw" and links > 1:
                raise Terminal(INVALID, f"{words}: a raw disk is no part of a chain")
            return disk
    raise Terminal(INVALID, f"{words} has no disk {name}, and a later backup stands on it")


async def read_part(place: Place, folder: str, part: Part, compression: Compression) -> bytes:
    """A piece of a file, checked."""
    if not part.key:
        return bytes(part.bytes)
    words = place.words(folder, part.key)
    try:
        data = await place.store.get(place.key(folder, part.key), part.stored)
    except Terminal as error:
        if error.reason == NOT_FOUND:
            raise Terminal(INVALID, f"{words} is missing") from error
        raise
    return await asyncio.to_thread(unpacked, part, data, compression, words)


async def remove_backup(place: Place, folder: str, manifest: Manifest | None) -> None:
    """Remove a backup: first its manifest, so that nobody takes the rest for one."""
    await place.store.delete(place.key(folder, MANIFEST))
    for part in manifest.parts if manifest else ():
        if part.key:
            await place.store.delete(place.key(folder, part.key))
    index = await read_index(place)
    if folder in {one.folder for one in index.backups}:
        await write_index(place, index.without({folder}))
