"""The files of layers on this node's disks: looked at, made whole or not at all, merged, removed."""

import asyncio
import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

from controller.node.images.collect import backing_file
from controller.node.places import NodePlaces, files_of
from controller.node.qemu_img import qemu_img
from controller.node.refused import tried
from controller.node.room import check_room
from controller.node.snapshots.chain import LayerFile, Tree
from controller.node.whole_file import beside, replace_whole

LONGEST_S = 6 * 3600.0
"""Of a merge; the operation has a deadline of its own."""
_PRIVATE = 0o600
_BLOCK = 512
_EMPTY_BYTES = 2**20
"""What an empty layer takes, roughly."""


class LayerFiles(Protocol):
    """Files of disks. Every call raises Transient when it could not be done now, and can be repeated."""

    async def tree(self, uid: str = "") -> Tree:
        """Every qcow2 file of the node's disk folders, or those of one VM."""
        ...

    async def over(self, path: str, backing: str) -> None:
        """Make an empty layer over a file, in the place of one that is there."""
        ...

    async def commit(self, top: str, into: str) -> None:
        """Write what a layer holds into the file that it stands on; the layer stays as it is. May take hours."""
        ...

    async def rebase(self, path: str, backing: str) -> None:
        """Let a file stand on another one with the same content."""
        ...

    async def copy(self, source: str, target: str) -> bool:
        """Copy a small file, whole or not at all; whether there was one."""
        ...

    async def remove(self, paths: Iterable[str]) -> None:
        """Remove them; no error for what is gone already."""
        ...

    async def allocated(self, paths: Sequence[str]) -> dict[str, int]:
        """How much room each takes; those that are not there are left out."""
        ...


class NodeLayerFiles:
    """The same on the node's own folders."""

    def __init__(self, places: NodePlaces) -> None:
        self._places = places

    async def tree(self, uid: str = "") -> Tree:
        """Every qcow2 file of the node's disk folders, or those of one VM."""
        if uid:
            return await tried(asyncio.to_thread(_family, self._places.roots(), uid))
        return await tried(asyncio.to_thread(_tree, _folders(self._places)))

    async def over(self, path: str, backing: str) -> None:
        """Make an empty layer over a file."""
        # Begins with a dot and the VM's uid: swept away with what else was half made.
        fresh = beside(Path(path))
        await tried(asyncio.to_thread(check_room, fresh.parent, _EMPTY_BYTES, "a layer"))
        try:
            await qemu_img("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", backing, "--", str(fresh))
            await tried(asyncio.to_thread(_put, fresh, path))
        finally:
            fresh.unlink(missing_ok=True)

    async def commit(self, top: str, into: str) -> None:
        """Write what a layer holds into the file that it stands on."""
        await qemu_img("commit", "-q", "-f", "qcow2", "-d", "-b", into, "--", top, timeout_s=LONGEST_S)

    async def rebase(self, path: str, backing: str) -> None:
        """Let a file stand on another one."""
        await qemu_img("rebase", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", backing, "--", path)

    async def copy(self, source: str, target: str) -> bool:
        """Copy a small file."""
        return await tried(asyncio.to_thread(_copy, source, target))

    async def remove(self, paths: Iterable[str]) -> None:
        """Remove them."""
        await tried(asyncio.to_thread(_remove, list(paths)))

    async def allocated(self, paths: Sequence[str]) -> dict[str, int]:
        """How much room each takes."""
        return await tried(asyncio.to_thread(_allocated, paths))


def _folders(places: NodePlaces) -> list[Path]:
    """Where files lie that stand on a disk, or could."""
    return [*places.roots(), *([places.templates] if places.templates.is_dir() else [])]


def _tree(roots: Sequence[Path]) -> Tree:
    walks = (os.walk(root, onerror=_refuse) for root in roots)
    return _read(Path(folder, name) for walk in walks for folder, _, names in walk for name in names)


def _family(roots: Sequence[Path], uid: str) -> Tree:
    return _read(path for root in roots for path in files_of(root, uid))


def _read(paths: Iterable[Path]) -> Tree:
    found: dict[str, LayerFile] = {}
    for path in paths:
        if path.suffix == ".qcow2" and not path.name.startswith("."):
            backing = backing_file(path)
            with contextlib.suppress(FileNotFoundError):
                size = path.stat().st_blocks * _BLOCK
                found[str(path)] = LayerFile(str(path), str(backing) if backing else "", size)
    return found


def _refuse(error: OSError) -> None:
    raise error


def _put(fresh: Path, path: str) -> None:
    fresh.chmod(_PRIVATE)
    fresh.rename(path)


def _copy(source: str, target: str) -> bool:
    if not Path(source).exists():
        return False
    replace_whole(Path(target), Path(source).read_bytes())
    return True


def _remove(paths: Sequence[str]) -> None:
    for path in paths:
        Path(path).unlink(missing_ok=True)
        # And what a controller has left of it that was killed while it made it.
        beside(Path(path)).unlink(missing_ok=True)


def _allocated(paths: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            found[path] = Path(path).stat().st_blocks * _BLOCK
    return found
