"""When `hyperctl up` may say that a guest answers."""

import os
import subprocess
import sys

import pytest

from hyperctl.stack.example import answers
from hypersdk.model.virtualmachine import VirtualMachine


def machine(**status: object) -> VirtualMachine:
    spec = {"cpus": 1, "memory": "1Gi"}
    return VirtualMachine.model_validate({"metadata": {"name": "demo-1"}, "spec": spec, "status": status})


def ended_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


UP = {"guestAgent": {"connected": True}, "ipAddresses": ["10.0.0.5"]}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param({}, False, id="nothing is known"),
        pytest.param(UP, True, id="an agent and an address"),
        pytest.param({"guestAgent": {"connected": True}}, False, id="no address"),
        pytest.param({"ipAddresses": ["10.0.0.5"]}, False, id="no agent"),
        pytest.param(UP | {"qemuPid": os.getpid()}, True, id="its process lives"),
        pytest.param(UP | {"qemuPid": ended_pid()}, False, id="said of a process that has gone"),
    ],
)
def test_guest_answers(status: dict[str, object], expected: bool) -> None:
    assert answers(machine(**status)) is expected
