"""Whether `hyperctl up`, `status` and `down` do what they say, on real parts with real guests."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyperctl.stack.part import Part
from hyperctl.stack.process import identify
from hyperctl.stack.supervisor import lock_holder
from hypersdk.settings import Places, places

pytestmark = [pytest.mark.libvirt, pytest.mark.timeout(420), pytest.mark.usefixtures("private_network")]

_NO_KVM = ("--virt-type", "qemu")
"""Where KVM hangs, finding that out takes 5 s each time."""


@dataclass(frozen=True)
class Stack:
    """A local stack in a folder of its own, driven by its command line."""

    here: Places

    def __call__(self, *words: str, code: int = 0, headless: str = "0") -> str:
        """What the command printed, all of it; it must end with that code."""
        environ = {**os.environ, "HYPERSDK_STATE": str(self.here.state), "HEADLESS": headless}
        done = subprocess.run(
            [sys.executable, "-m", "hyperctl", *words],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def pids(self) -> dict[str, int]:
        """The pid of each part, as `status` has it."""
        return {part["name"]: part["pid"] for part in json.loads(self("status", "-o", "json"))["parts"]}

    def started(self) -> set[int]:
        """The pids of the two guests, once both are there."""
        words = ("k8s", "vm", "wait", "-for", "phase=Running", "-timeout", "120s")
        for name in ("demo-1", "demo-2"):
            self(*words, name)
        guests = self.guests()
        assert len(guests) == 2
        return guests

    def guests(self) -> set[int]:
        """The pids of the guests."""
        return {int(file.read_text()) for file in (self.here.libvirt / "run/qemu").glob("*.pid") if "." in file.stem}


@pytest.fixture
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="hs") as folder:
        Path(folder).chmod(0o711)
        one = Stack(Places(Path(folder) / "s", places(os.environ).cache))
        yield one
        if one.here.state.exists():
            one("down", "--purge", "--wait", "1")


def test_stack_lives_through_its_life(stack: Stack) -> None:
    # Without HEADLESS nobody waits for the guests: they boot while all this goes on.
    assert "No terminal here" in stack("up")
    assert stack("kubeconfig").strip() == str(stack.here.kubeconfig)
    assert stack.here.kubeconfig.stat().st_mode & 0o777 == 0o600
    pids, guests = stack.pids(), stack.started()

    stack("up", *_NO_KVM)
    assert (stack.pids(), stack.guests()) == (pids, guests)

    told = stack("agent", "selftest", "--kill", "2")
    assert "selftest: all well" in told, told
    assert told.count("controller killed 1 times") == 2, told
    _interrupted(stack)
    assert stack.guests() == guests
    pids = stack.pids()

    os.kill(pids["controller"], signal.SIGKILL)
    assert "controller" in stack("status", code=1)
    stack("up", *_NO_KVM)
    revived = stack.pids()
    assert revived["controller"] != pids["controller"]
    assert (revived["libvirt"], revived["api"], stack.guests()) == (pids["libvirt"], pids["api"], guests)

    stack("down")
    assert not any(identify(pid) for pid in {*guests, *revived.values()})
    stack("status", code=1)
    stack("down")

    told = stack("up", "--wait", "300", *_NO_KVM, headless="1")
    assert "demo-1 1" in told
    assert len(stack.guests()) == 2

    os.kill(lock_holder(stack.here.libvirt / "run/libvirtd.pid"), signal.SIGSTOP)
    assert f"removed {stack.here.state}" in stack("down", "--purge", "--wait", "1")
    assert not stack.here.state.exists()


def _interrupted(stack: Stack) -> None:
    """Ctrl-C in the middle of a self-test leaves nothing of it behind, and the controller running."""
    command = [sys.executable, "-m", "hyperctl", "agent", "selftest", "--kill", "20"]
    environ = {**os.environ, "HYPERSDK_STATE": str(stack.here.state), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.lstrip().startswith("seed"))
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    assert process.returncode == 130, rest
    assert "FAIL" not in rest
    stack("status")
    assert "selftest" not in stack("k8s", "vm", "list", "-A")
    assert not list((stack.here.node / "library").glob("selftest-*"))


def test_port_in_use_is_told_before_anything_waits(stack: Stack) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = str(holder.getsockname()[1])

        assert f"port {port} is in use" in stack("up", "--port", port, code=1)
    assert Part.of(stack.here, "api").process is None


def test_libvirtd_that_is_named_is_used_and_must_answer(stack: Stack) -> None:
    uri = f"qemu+unix:///system?socket={stack.here.state}/none"

    assert f"no libvirtd answers at {uri}" in stack("up", "--libvirt-uri", uri, code=1)
    assert Part.of(stack.here, "libvirt").process is None
