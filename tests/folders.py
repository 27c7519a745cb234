"""Where do files of a test lie that QEMU's user has to reach? Pytest's own folders are closed to it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def open_folder() -> Iterator[Path]:
    """A short folder (a socket's path may have 107 bytes) whose files QEMU's user can reach, gone after the block."""
    folder = Path(tempfile.mkdtemp(prefix="hg"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
