"""One node: its namespaces, from the first process on, and its libvirtd. All of it is gone with that process."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hyperctl.stack.libvirtd import libvirt_uri, wait_ready

NAMESPACES = ("--mount", "--net", "--uts", "--ipc", "--pid")
READY_WITHIN_S = 60.0


@dataclass
class Node:
    """A host."""

    number: int
    folder: Path
    """Of its libvirtd, its controller and their logs; short, for a socket's path may have 107 bytes."""
    process: subprocess.Popen[bytes] | None = None
    init: int = 0
    """The pid of its first process, as the test sees it."""

    @property
    def name(self) -> str:
        """Its host name, and the name of its VMNode."""
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        """On the wire."""
        return f"10.78.0.{self.number}"

    @property
    def uri(self) -> str:
        """Its libvirtd, for the test; the node's own processes have it as `qemu:///system`."""
        return libvirt_uri(self.folder / "l")

    @property
    def inside(self) -> tuple[str, ...]:
        """What a command begins with that is to run in the node."""
        return ("nsenter", "--target", str(self.init), *NAMESPACES, "--")

    def begin(self) -> None:
        """Start its first process."""
        self.folder.mkdir()
        self.folder.chmod(0o755)
        fresh = ("unshare", *NAMESPACES, "--fork", "--kill-child=KILL", "--mount-proc")
        first = (sys.executable, "-m", "tests.nodes.inside", self.name, str(self.folder / "l"))
        with (self.folder / "libvirtd.log").open("wb") as log:
            # Whatever becomes of the test: nothing of the node outlives it.
            command = ["setpriv", "--pdeathsig", "KILL", "--", *fresh, *first]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def wait(self) -> None:
        """Until libvirtd answers."""
        assert self.process is not None
        try:
            wait_ready(self.folder / "l", READY_WITHIN_S)
        except TimeoutError as error:
            raise AssertionError(f"{error}\n{(self.folder / 'libvirtd.log').read_text()}") from error
        self.init = only_child(self.process.pid)

    def run(self, *words: str) -> str:
        """What a command says that runs in the node."""
        done = subprocess.run([*self.inside, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{self.name}: {words}: {done.stderr}"
        return done.stdout

    def kill_libvirtd(self) -> None:
        """kill -9; it is started again at once."""
        self.run("sh", "-c", "kill -9 $(cat /run/libvirt/libvirtd.pid)")

    def end(self) -> None:
        """As if the power was cut: the kernel ends every process in the node with the first."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def only_child(pid: int) -> int:
    """The one child of a process."""
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
