"""What did QEMU say? The end of its own log, as plain text."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_READ_BYTES = 65536
CUT_BY_LIBVIRT: Final = re.compile(r"terminating on signal 15 from pid \d+ \(.*(libvirtd|virtqemud)\b")
"""libvirt ends each QEMU by SIGTERM, also one whose guest has just powered off."""
NEW_RUN: Final = ": starting up libvirt version:"
"""What libvirt notes before each run."""
_ENDED: Final = re.compile(r"terminating on signal \d+")
_END_LINES: Final = 20
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def log_path(folder: str, name: str) -> str:
    """The log's file; empty when it is not known, or when the name is no file name."""
    return "" if not folder or "/" in name or name.startswith(".") else str(Path(folder, f"{name}.log"))


def log_tail(folder: str, name: str, lines: int) -> list[str]:
    """The last lines; none when there is no log. Blocks."""
    path = log_path(folder, name)
    if not path:
        return []
    try:
        text = _end_of(Path(path))
    except OSError:
        return []
    return [_CONTROL.sub("", line) for line in text.splitlines()[-lines:]] if lines > 0 else []


def was_killed(folder: str, name: str) -> bool:
    """Whether QEMU says that its last run was ended by a signal that was not libvirt's. Blocks.

    To libvirt that was a power-off of the guest's own: QEMU reports SIGTERM as an orderly shutdown.
    """
    run = last_run(log_tail(folder, name, _END_LINES))
    return any(_ENDED.search(line) and not CUT_BY_LIBVIRT.search(line) for line in run)


def last_run(lines: Sequence[str]) -> Sequence[str]:
    """Those of the run that began last."""
    begun = max((at for at, line in enumerate(lines) if NEW_RUN in line), default=-1)
    return lines[begun + 1 :]


def _end_of(file: Path) -> str:
    with file.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - _READ_BYTES))
        return log.read(_READ_BYTES).decode(errors="replace")
