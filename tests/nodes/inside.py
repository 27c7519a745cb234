"""The first process of a node: `python -m tests.nodes.inside NAME ROOT`, in fresh namespaces, becomes its libvirtd."""

import socket
import subprocess
import sys
from pathlib import Path

from hyperctl.stack import libvirtd


def main(name: str, root: str) -> int:
    """A host name and a /run of its own, then libvirtd until the node ends."""
    socket.sethostname(name)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "run", "/run"], check=True)
    Path("/run/lock").mkdir()
    return libvirtd.main(["--root", root])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
