"""Who may read the serial logs: virtlogd writes them as root, closed to all others; an ordinary owner gets them."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def give_away(folder: Path, uid: int) -> None:
    """Give every log in `FOLDER/*/` to the user, as far as it is root's now and lies in a folder of the user's."""
    try:
        places = [entry.path for entry in os.scandir(folder)]
    except OSError:
        return
    for place in places:
        with _opened(place, os.O_DIRECTORY) as descriptor:
            # A link to a folder of root's would give away what is not the user's to have.
            if descriptor >= 0 and os.fstat(descriptor).st_uid == uid:
                _give_files(descriptor, uid)


def _give_files(folder: int, uid: int) -> None:
    for name in os.listdir(folder):
        if ".log" not in name:
            continue
        with _opened(name, os.O_NONBLOCK, folder) as descriptor:
            if descriptor >= 0 and _is_plain_log(os.fstat(descriptor)):
                os.fchown(descriptor, uid, -1)


def _is_plain_log(status: os.stat_result) -> bool:
    # Another name elsewhere may be a file of root's that has nothing to do with us.
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid == 0


@contextmanager
def _opened(path: str, flags: int, folder: int | None = None) -> Iterator[int]:
    """A descriptor of the file itself, -1 when it is a link or gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | flags, dir_fd=folder)
    except OSError:
        yield -1
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)
