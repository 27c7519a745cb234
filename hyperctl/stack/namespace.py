"""What a process sees of the host: its own mount namespace with libvirt's folders and /dev replaced."""

import ctypes
import os
import stat
import subprocess
import tempfile
from pathlib import Path

from hypersdk.errors import HyperSDKError

_CLONE_NEWNS = 0x00020000
_PR_SET_CHILD_SUBREAPER = 36

FOLDERS = {
    "etc": "/etc/libvirt",
    "run": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "cache": "/var/cache/libvirt",
    "log": "/var/log/libvirt",
    "lock": "/var/lock",
}
"""Folder below the root, and where libvirt looks for it.

The last one has its lock files of open consoles, by the name of the pty: each /dev/pts has a /dev/pts/1 of its own.
"""

_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
    "net/tun": (10, 200),
}
_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}


def reaches_out() -> bool:
    """Whether this network namespace has a default route: then a network made here is one on the host."""
    routes = Path("/proc/self/net/route").read_text().splitlines()[1:]
    return any(line.split()[1] == "00000000" for line in routes)


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it.

    libvirt waits for each QEMU it stops to be reaped; a first process that reaps late makes every stop late.
    """
    _call("prctl", _PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def enter(root: Path, *, host_devices: bool) -> None:
    """Move this process into a mount namespace of its own, where libvirt's folders are those below `root`."""
    _call("unshare", _CLONE_NEWNS)
    _mount("--make-rprivate", "/")
    for name, place in FOLDERS.items():
        Path(place).mkdir(parents=True, exist_ok=True)
        _mount("--bind", str(root / name), place)
    _remount_sys()
    if not host_devices:
        _private_dev()


def mount_points(mounts: str, below: str) -> list[str]:
    """The mount points below a folder in the text of /proc/self/mounts, the last mounted first."""
    points = [line.split()[1].encode().decode("unicode_escape") for line in mounts.splitlines()]
    return [point for point in reversed(points) if point.startswith(f"{below}/")]


def _remount_sys() -> None:
    """Show the interfaces of our own network namespace under /sys, through which libvirt sets bridges up.

    A sysfs belongs to the network namespace it was mounted in, and so does its device number.
    """
    with tempfile.TemporaryDirectory() as place:
        _mount("-t", "sysfs", "sysfs", place)
        is_other = Path(place).stat().st_dev != Path("/sys").stat().st_dev
        if is_other and Path("/sys/fs/cgroup").is_mount():
            _mount("--rbind", "/sys/fs/cgroup", f"{place}/fs/cgroup")
        if is_other:
            _mount("--move", place, "/sys")
        else:
            subprocess.run(["umount", place], check=True)


def _private_dev() -> None:
    # libvirt re-probes QEMU on every call as long as it sees a /dev/kvm that QEMU cannot use, and it moves each
    # mount it finds below /dev, hidden ones too: so nothing of the host's /dev may be left.
    for point in mount_points(Path("/proc/self/mounts").read_text(), "/dev"):
        subprocess.run(["umount", "--lazy", point], check=True)
    _mount("-t", "tmpfs", "-o", "mode=755", "dev", "/dev")
    for folder in ("net", "pts", "shm", "mapper"):
        Path("/dev", folder).mkdir()
    for name, (major, minor) in _DEVICES.items():
        node = Path("/dev", name)
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        node.chmod(0o666)
    _mount("-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=620,gid=5", "devpts", "/dev/pts")
    _mount("-t", "tmpfs", "-o", "mode=1777", "shm", "/dev/shm")
    for name, target in _LINKS.items():
        Path("/dev", name).symlink_to(target)


def _mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise HyperSDKError(
            f"{done.stderr.strip() or 'mount failed'}. Our libvirtd needs a mount namespace of its own: a container "
            "must be privileged, and a chroot's root must be a mount point"
        )


def _call(function: str, *arguments: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, function)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")
