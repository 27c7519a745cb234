"""Where the stack keeps everything: made, guarded against two at once, and removed only when it is really ours."""

import fcntl
import grp
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperctl.stack.libvirt_config import Owner
from hyperctl.stack.privilege import as_root
from hypersdk.errors import HyperSDKError
from hypersdk.settings import Places

_MARK = "hypersdk-state"
_MARK_TEXT = "Everything of one HyperSDK stack. 'hyperctl down --purge' removes this folder.\n"
_NEEDED_BYTES = 2 * 10**9


def prepare(places: Places) -> None:
    """Make the folders; HyperSDKError when they cannot be made or there is no room for guests."""
    try:
        for folder in (places.state, places.api, places.node, places.node / "library", places.run, places.log):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HyperSDKError(f"{error}. Set HYPERSDK_STATE to a folder that you may write") from error
    _open_to_qemu(places.state)
    for folder in (places.api, places.run, places.log):
        folder.chmod(0o700)
    (places.state / _MARK).write_text(_MARK_TEXT)
    check_space(places.state)


def _open_to_qemu(folder: Path) -> None:
    """Let in nobody but the owner, and for root's stack the user that QEMU runs as, who reads its disks."""
    folder.chmod(0o700)
    if os.getuid() == 0 and (qemu := _group(Owner(0).qemu_group)) is not None:
        os.chown(folder, -1, qemu.gr_gid)
        folder.chmod(0o710)


def _group(name: str) -> grp.struct_group | None:
    try:
        return grp.getgrnam(name)
    except KeyError:
        return None


def check_space(folder: Path, needed: int = _NEEDED_BYTES) -> None:
    """HyperSDKError when the file system of a folder has too little left."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise HyperSDKError(
            f"{folder} has {free / 10**9:.1f} GB left, and guests need {needed / 10**9:.0f} GB. "
            "Make room, or set HYPERSDK_STATE to a folder on another disk"
        )


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """Hold the stack for one `up` or `down`."""
    places.run.mkdir(parents=True, exist_ok=True)
    with (places.run / "stack.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HyperSDKError(f"another 'hyperctl up' or 'down' is at work on {places.state}: wait for it") from error
        yield


def purge(places: Places) -> None:
    """Remove the folder with everything in it; HyperSDKError when it is not plainly one of ours."""
    state = places.state
    if state.is_symlink() or not (state / _MARK).is_file() or (state / _MARK).read_text() != _MARK_TEXT:
        raise HyperSDKError(f"{state} does not look like a folder that 'hyperctl up' made: nothing was removed")
    if state.resolve() in {Path("/"), Path.home().resolve()} or len(state.resolve().parts) < 3:
        raise HyperSDKError(f"{state} is no folder to be removed whole: nothing was removed")
    if places.libvirt.exists() and os.getuid() != 0:
        subprocess.run([*as_root("removing libvirtd's files"), "rm", "-rf", "--", str(places.libvirt)], check=True)
    try:
        shutil.rmtree(state)
    except OSError as error:
        raise HyperSDKError(f"{error}. The rest of {state} is still there") from error
