"""A person at a terminal of 80 by 24, with a keyboard and nothing else."""

from collections.abc import Iterator

import pytest

from tests.controlplane.build import Binaries
from tests.e2e.conftest import Stack
from tests.terminal import Terminal


@pytest.fixture
def console(stack: Stack) -> Iterator[Terminal]:
    """The console as its user starts it."""
    with Terminal(stack.command("hypersdk"), stack.environ) as terminal:
        terminal.wait_for(r"HyperSDK\s+default @", 30)
        terminal.wait_for(r"demo-1|[Nn]o VMs")
        yield terminal


@pytest.mark.timeout(300, func_only=True)
def test_a_machine_is_created_watched_typed_into_stopped_and_deleted_by_keys(console: Terminal) -> None:
    console.press("c")
    console.wait_for("Create a VM in default")
    console.press("web")
    console.wait_for("hyperctl k8s vm create -name web ")
    console.press("enter")
    console.wait_for(r"web\s+\S+ (Pending|Creating|Running)")

    console.press("/", "web", "enter")
    console.wait_gone("demo-1")
    console.press("x")
    console.wait_for(r"\[ +\d+\.\d+\] ", 90)  # the kernel's lines: its boot is being read
    console.wait_for("root@web:~#", 90)
    console.press("echo $((6*7))-$(hostname)", "enter")
    console.wait_for(r"(?m)^42-web", 20)

    before = len(console.received)
    console.press("ctrl+]", "!")  # raw: the whole terminal is the guest's
    console.wait_heard("; Ctrl-] leaves, ", before)  # the history may scroll it away
    console.press("clear; echo $((7*7))-$(hostname)", "enter")
    console.wait_for(r"(?m)^49-web", 20)
    console.press("ctrl+]")
    console.wait_for("web ttyS0 .*history: ")
    console.wait_for(r"(?m)^49-web", 20)  # attached again
    console.press("escape")
    console.wait_for(r"web\s+\S+ Running")

    console.press("t")
    console.wait_for("Stop web")
    console.wait_for(r"hyperctl k8s vm stop web -n default")
    console.press("y")
    console.wait_for(r"web\s+\S+ Stopped", 60)

    console.press("s")
    console.wait_for(r"web\s+\S+ Running", 60)

    console.press("d")
    console.wait_for("Delete web")
    console.press("web", "enter")
    console.wait_gone(r"web\s+\S+ (Running|Stopped|Pending)", 60)

    console.press("q")
    assert console.wait_end() == 0


@pytest.mark.timeout(120, func_only=True)
def test_the_command_line_of_the_document_works_on_a_running_guest(
    stack: Stack, binaries_of_kubernetes: Binaries
) -> None:
    name = "by-line"
    made = stack.hyperctl("k8s", "vm", "create", "-name", name, "-image", "demo", "-memory", "256Mi", "--wait")
    assert made.returncode == 0, made.stderr
    listed = stack.hyperctl("k8s", "vm", "list", "-o", "name")
    assert f"virtualmachine.hypersdk.io/{name}\n" in listed.stdout
    assert "Running" in stack.hyperctl("k8s", "vm", "get", name).stdout
    # A guest that has not booted yet hears no request to power off, and has two minutes' grace.
    stack.wait(binaries_of_kubernetes.kubectl, "condition=AgentConnected", name)
    for words, word in (
        (["restart", name], "restart"),
        (["stop", name, "--force"], "stop"),
        (["start", name], "start"),
    ):
        done = stack.hyperctl("k8s", "vm", *words)
        assert (done.returncode, word) == (0, word), done.stderr
    assert stack.hyperctl("k8s", "vm", "delete", name).returncode == 0
    assert stack.hyperctl("k8s", "vm", "get", name).returncode == 3
