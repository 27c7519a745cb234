"""What does a server keep in its state folder besides objects? A lock, its token, its port."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StartError(Exception):
    """The server cannot start; the message is for a person."""


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold the folder for this process alone; it is made if it is missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(f"cannot write to the state folder {folder}: {error.strerror}") from error
    try:
        _lock(lock, folder)
        yield
    finally:
        os.close(lock)


def _lock(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        words = f"another API server already runs on {folder}; stop it first, or use another folder"
        raise StartError(words) from None


def token(folder: Path) -> str:
    """The bearer token, the same over restarts."""
    path = folder / "token"
    kept = _read(path)
    if kept:
        path.chmod(0o600)
        return kept
    made = secrets.token_urlsafe(32)
    write_private(path, made.encode())
    return made


def last_port(folder: Path) -> int:
    """The port of the run before; 0 when there was none."""
    kept = _read(folder / "port")
    return int(kept) if kept.isdecimal() and int(kept) < 65536 else 0


def keep_port(folder: Path, port: int) -> None:
    """Remember the port for the next run."""
    write_private(folder / "port", str(port).encode())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, so that readers see the old content or the new one."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StartError(f"cannot write {path}: {error.strerror}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}") from error
