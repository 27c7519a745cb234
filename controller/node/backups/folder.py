"""Backups in a folder of the node: below one that its settings allow, on NFS only where that is mounted."""

import asyncio
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from controller.node.backups.store import ACCESS_DENIED, DESTINATION, NOT_FOUND, Content
from controller.node.whole_file import beside, write_whole
from hypersdk.errors import Terminal, Transient

T = TypeVar("T")
MOUNTS = Path("/proc/self/mountinfo")
NOT_MOUNTED = "NotMounted"
_FOLDER_MODE = 0o700
"""Backups hold what the guests hold: they are the controller's alone, and so are their files."""


@dataclass(frozen=True)
class FolderStore:
    """Objects as files."""

    root: Path

    @property
    def words(self) -> str:
        """How a message names it."""
        return str(self.root)

    async def put(self, key: str, data: Content) -> None:
        """Write a file beside its place, then move it there."""
        await self._do(lambda: self._put(key, data), key)

    async def get(self, key: str, most: int) -> bytes:
        """A file of at most that size."""
        return await self._do(lambda: self._get(key, most), key)

    async def delete(self, key: str) -> None:
        """Remove a file, and folders that are empty then."""
        await self._do(lambda: self._delete(key), key)

    async def close(self) -> None:
        """Nothing is held."""

    async def _do(self, work: Callable[[], T], key: str) -> T:
        working = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            # A thread cannot be stopped: what it writes must not come after it was cleared away.
            await asyncio.wait({working})
            working.exception()
            raise
        except FileNotFoundError as error:
            raise Terminal(NOT_FOUND, f"{self.root}/{key} is not there") from error
        except OSError as error:
            words = f"{self.root}/{key}: {error.strerror or error}"
            if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.ENOTDIR}:
                raise Terminal(ACCESS_DENIED, words) from error
            raise Transient(words) from error

    def _put(self, key: str, data: Content) -> None:
        path = self.root / key
        if not self.root.is_dir():
            # Made by a person, or a mount: made by us it would be a folder on another disk than was meant.
            raise NotADirectoryError(errno.ENOTDIR, f"there is no folder {self.root}")
        self._checked(path.parent).mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        write_whole(path, data)

    def _get(self, key: str, most: int) -> bytes:
        path = self.root / key
        with open(os.open(self._checked(path), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            return file.read(most + 1)

    def _delete(self, key: str) -> None:
        path = self.root / key
        self._checked(path.parent)
        path.unlink(missing_ok=True)
        beside(path).unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.root or not folder.is_dir() or any(folder.iterdir()):
                return
            folder.rmdir()

    def _checked(self, path: Path) -> Path:
        """The path, if no symbolic link leads it out of the root."""
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise PermissionError(errno.EACCES, "it leads out of the folder")
        return path


def allowed_folder(asked: str, allowed: tuple[Path, ...], *, nfs: bool, mounts: Path = MOUNTS) -> Path:
    """The folder that a destination names: one of those that the settings allow, or one below."""
    if not allowed:
        words = "this node keeps no backups in folders: start its controller with --backup-folder DIR"
        raise Terminal(DESTINATION, words)
    wanted = Path(asked) if asked else allowed[0]
    real = wanted.resolve() if wanted.is_absolute() and ".." not in wanted.parts else None
    if real is None or not any(real.is_relative_to(one) for one in allowed):
        known = ", ".join(map(str, allowed))
        raise Terminal(DESTINATION, f"destination.bucket {asked!r} is outside of the node's backup folders ({known})")
    if nfs and not is_on_nfs(real, mounts.read_text()):
        raise Terminal(
            NOT_MOUNTED, f"{real} is on no mounted NFS: mount it on the node; nothing is mounted for a backup"
        )
    return real


def is_on_nfs(path: Path, mounts: str) -> bool:
    """Whether the mount that the path is on is NFS, by the kernel's table (proc_pid_mountinfo(5))."""
    best, kind = Path("/"), ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(" "), after.split(" ")
        point = Path(fields[4].replace("\\040", " ")) if len(fields) > 4 else None
        if point is not None and path.is_relative_to(point) and len(point.parts) >= len(best.parts):
            best, kind = point, rest[0]
    return kind.startswith("nfs")
