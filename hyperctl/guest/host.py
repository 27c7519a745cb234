"""Which programs of the host does the builder run, and how is their failure told?"""

import os
import shutil
import subprocess
from collections.abc import Sequence

from hypersdk.errors import HyperSDKError

HOST_TOOLS = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "mcopy": "mtools",
    "mformat": "mtools",
    "mke2fs": "e2fsprogs",
    "mmd": "mtools",
    "qemu-img": "qemu-utils",
}
"""Each program the builder runs, and the Debian package that brings it."""

HOST_PACKAGES = tuple(sorted(set(HOST_TOOLS.values())))
"""What an installer must have installed before an image can be built."""


def require_tools() -> None:
    """Fail early, naming every missing package at once."""
    path = _path()
    missing = sorted({package for tool, package in HOST_TOOLS.items() if shutil.which(tool, path=path) is None})
    if missing:
        names = " ".join(missing)
        raise HyperSDKError(f"the guest image cannot be built without {names}: try apt-get install {names}")


def run(argv: Sequence[str], cwd: str | os.PathLike[str] | None = None) -> str:
    """Run one program to its end and return what it printed."""
    # mtools otherwise refuses disks whose geometry it finds odd.
    environ = {**os.environ, "PATH": _path(), "LC_ALL": "C", "MTOOLS_SKIP_CHECK": "1"}
    try:
        done = subprocess.run(argv, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise HyperSDKError(f"{argv[0]} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        raise HyperSDKError(f"{argv[0]} failed: {_gist(done.stderr or done.stdout) or done.returncode}")
    return done.stdout


def _gist(said: str) -> str:
    """Shorten complaints: apt repeats itself for every package."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    more = f" (and {len(lines) - 2} lines more)" if len(lines) > 2 else ""
    return " / ".join(lines[:2]) + more


def _path() -> str:
    """An ordinary user's PATH has no sbin, where mke2fs lives."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
