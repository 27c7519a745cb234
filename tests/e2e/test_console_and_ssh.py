"""`hyperctl`'s own consoles: the raw serial port, and ssh through the API's address."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.build import Binaries
from tests.e2e.conftest import Stack
from tests.terminal import Terminal

NAME = "reached"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh ssh key."""
    path = tmp_path_factory.mktemp("ssh") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture(scope="module")
def guest(stack: Stack, key: Path) -> Iterator[str]:
    """A running guest that lets `admin` in with the key."""
    data = key.with_name("user-data")
    public = key.with_suffix(".pub").read_text().strip()
    data.write_text(f"#cloud-config\nusers:\n  - name: admin\n    ssh-authorized-keys:\n      - {public}\n")
    words = ["-name", NAME, "-image", "demo", "-memory", "256Mi", "-user-data", str(data), "--wait"]
    made = stack.hyperctl("k8s", "vm", "create", *words)
    assert made.returncode == 0, made.stderr
    yield NAME
    assert stack.hyperctl("k8s", "vm", "delete", NAME).returncode == 0


@pytest.mark.timeout(180, func_only=True)
def test_serial_console_begins_with_history_types_and_leaves(stack: Stack, guest: str) -> None:
    command = [*stack.command("hyperctl"), "k8s", "vm", "console", guest, "--serial"]
    with Terminal(command, stack.environ) as terminal:
        terminal.wait_for(f"root@{guest}:~#", 120)
        terminal.press("echo $((40+2))", "enter")
        terminal.wait_for(r"(?m)^42")
        terminal.press("ctrl+]")
        assert terminal.wait_end() == 0
    with Terminal(command, stack.environ) as terminal:
        terminal.wait_for(r"(?m)^42")  # what was there before we came
        terminal.press("ctrl+]")
        assert terminal.wait_end() == 0


@pytest.mark.timeout(180, func_only=True)
def test_ssh_reaches_the_guest_through_the_api_and_ends_with_its_exit_code(
    stack: Stack, guest: str, key: Path, binaries_of_kubernetes: Binaries
) -> None:
    stack.wait(binaries_of_kubernetes.kubectl, "jsonpath={.status.ipAddresses[0]}", guest)
    words = ["k8s", "vm", "ssh", guest, "-user", "admin", "-key", str(key)]
    done = stack.hyperctl(*words, "--", "echo $((40+2)) from $(whoami)@$(hostname); exit 7")
    assert (done.stdout, done.returncode) == (f"42 from admin@{guest}\n", 7), done.stderr
