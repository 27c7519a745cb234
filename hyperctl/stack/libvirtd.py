"""How a libvirtd of our own runs beside the host's: `python -m hyperctl.stack.libvirtd --root FOLDER`, as root."""

import argparse
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hyperctl.stack import libvirt_config, namespace
from hyperctl.stack.log_owner import give_away
from hyperctl.stack.process import current_boot
from hyperctl.stack.supervisor import Daemon, lock_holder, supervise
from hypersdk.errors import HyperSDKError

_LONGEST_SOCKET_PATH = 107
"""Bytes that fit into sockaddr_un."""


def libvirt_socket(root: Path) -> Path:
    """The socket of the libvirtd whose folders are below `root`."""
    return root / "run" / "libvirt-sock"


def libvirt_uri(root: Path) -> str:
    """The connection URI of that libvirtd."""
    return f"qemu+unix:///system?socket={libvirt_socket(root)}"


def wait_ready(root: Path, timeout: float) -> None:
    """Return once libvirtd answers a real request; TimeoutError when it does not in time."""
    deadline = time.monotonic() + timeout
    while (left := deadline - time.monotonic()) > 0:
        if libvirt_socket(root).is_socket() and answers(libvirt_uri(root), left):
            return
        time.sleep(0.05)
    raise TimeoutError(f"libvirtd does not answer at {libvirt_socket(root)} after {timeout:.0f} s")


def answers(uri: str, timeout: float) -> bool:
    """Whether a libvirtd answers at that URI."""
    try:
        done = subprocess.run(
            ["virsh", "--quiet", "--connect", uri, "version"], capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def daemons(root: Path) -> list[Daemon]:
    """virtlogd, which holds the guests' logs, and libvirtd, which needs it."""
    return [
        Daemon(("virtlogd", "--pid-file", "/run/libvirt/virtlogd.pid"), root / "run/virtlogd.pid"),
        Daemon(("libvirtd", "--pid-file", "/run/libvirt/libvirtd.pid"), root / "run/libvirtd.pid"),
    ]


def run(root: Path, owner: libvirt_config.Owner, *, host_devices: bool, logs: Path | None = None) -> None:
    """Serve until SIGTERM; the guests are left alone."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HyperSDKError(f"a libvirtd already serves {root}") from error
        libvirt_config.prepare(root, owner, current_boot())
        namespace.adopt_orphans()
        parts = daemons(root)
        # A libvirtd whose supervisor was killed has no one to reap for it; virtlogd is kept, guests write to it.
        if lock_holder(parts[-1].pidfile):
            parts[-1].stop()
        namespace.enter(root, host_devices=host_devices)
        supervise(parts, lambda: _give_logs_away(root, logs, owner.uid))


def _give_logs_away(root: Path, logs: Path | None, uid: int) -> None:
    if uid != 0:
        for folder in (root / "log", *([logs] if logs else [])):
            give_away(folder, uid)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="hyperctl.stack.libvirtd", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="folder of everything this libvirtd has")
    parser.add_argument("--owner", type=int, default=0, metavar="UID", help="who may use it and runs QEMU")
    parser.add_argument("--logs", type=Path, help="folder of serial logs, which are the owner's too")
    parser.add_argument("--kvm", action="store_true", help="show it the host's devices, /dev/kvm among them")
    options = parser.parse_args(arguments)
    root: Path = options.root.absolute()
    try:
        _check(root)
        run(root, libvirt_config.Owner(options.owner), host_devices=options.kvm, logs=options.logs)
    except HyperSDKError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _check(root: Path) -> None:
    if os.getuid() != 0:
        raise HyperSDKError("only root can run libvirtd with a view of its own: use sudo")
    length = len(os.fsencode(libvirt_socket(root)))
    if length > _LONGEST_SOCKET_PATH:
        raise HyperSDKError(
            f"{libvirt_socket(root)} is too long for a socket ({length} bytes, {_LONGEST_SOCKET_PATH} fit): "
            "choose a shorter folder with HYPERSDK_STATE"
        )


if __name__ == "__main__":
    sys.exit(main())
