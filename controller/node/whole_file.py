"""How is a small file written so that whoever looks after a power cut finds all of it, or what was there before?"""

import os
from pathlib import Path

from controller.node.convert import settle

PRIVATE = 0o600


def write_whole(path: Path, content: bytes | memoryview, like: os.stat_result | None = None) -> None:
    """Write a file beside its place and move it there: root's alone, or whose and as open as `like` says. Blocks."""
    fresh = beside(path)
    try:
        _write(fresh, content, like)
        fresh.rename(path)
    except OSError:
        # A half would take what little room there is.
        fresh.unlink(missing_ok=True)
        raise
    # Else the name may be the old file's again after a power cut.
    settle(path.parent)


def replace_whole(path: Path, content: bytes) -> None:
    """The same, and the file stays whose and as open as it was; root's alone where there was none. Blocks."""
    write_whole(path, content, like=path.stat() if path.exists() else None)


def beside(path: Path) -> Path:
    """Where it is written: what is left there of a writer that was killed is nobody's."""
    return path.with_name(f".{path.name}.tmp")


def _write(path: Path, content: bytes | memoryview, like: os.stat_result | None) -> None:
    # A link that lies there is not followed.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, PRIVATE), "wb") as file:
        file.write(content)
        file.flush()
        if like is not None:
            os.fchown(file.fileno(), like.st_uid, like.st_gid)
            os.fchmod(file.fileno(), like.st_mode & 0o777)
        os.fsync(file.fileno())
