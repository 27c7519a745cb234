"""What did QEMU say? The end of its own log, as plain text."""

import os
import re
from pathlib import Path

_READ_BYTES = 65536
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


def _end_of(file: Path) -> str:
    with file.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - _READ_BYTES))
        return log.read(_READ_BYTES).decode(errors="replace")
