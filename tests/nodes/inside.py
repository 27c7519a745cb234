"""The first process of a node: `python -m tests.nodes.inside NAME ROOT`, in fresh namespaces, becomes its libvirtd."""

import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hyperctl.stack import libvirt_config, libvirtd
from hyperctl.stack.libvirt_config import Owner

QEMU = Path("/usr/bin/qemu-system-x86_64")
_CAP_SYS_PTRACE = 19
_XATTR = "security.capability"
_CAPABILITIES = struct.Struct("<5I")
"""vfs_cap_data, version 2."""


def main(name: str, root: str) -> int:
    """A host name and a /run of its own, then libvirtd until the node ends."""
    socket.sethostname(name)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run"], check=True)
    Path("/run/lock").mkdir()
    let_handle_page_faults(Path(root).with_name("qemu"))
    return libvirtd.main(["--root", root])


def let_handle_page_faults(copy: Path) -> None:
    """What the sysctl vm.unprivileged_userfaultfd lets QEMU do for post-copy; no node has a kernel of its own."""
    shutil.copy(QEMU, copy)
    _allow(copy)
    subprocess.run(["mount", "--bind", str(copy), str(QEMU)], check=True)
    usual = libvirt_config.qemu_conf

    def keeping(owner: Owner) -> str:
        return f"{usual(owner)}clear_emulator_capabilities = 0\n"

    libvirt_config.qemu_conf = keeping


def _allow(copy: Path) -> None:
    os.setxattr(copy, _XATTR, _CAPABILITIES.pack(0x02000001, 1 << _CAP_SYS_PTRACE, 0, 0, 0))


@contextmanager
def qemu_that_handles_no_page_faults(folder: Path) -> Iterator[None]:
    """The next QEMU of the node of that folder may not, as long as the block runs."""
    copy = folder / "qemu"
    os.removexattr(copy, _XATTR)
    try:
        yield
    finally:
        _allow(copy)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
