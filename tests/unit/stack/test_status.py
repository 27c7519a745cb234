"""What `hyperctl status` prints, and what of the example's VMs is said."""

import json
from pathlib import Path

import pytest

from hyperctl.stack.example import answers, documents, keys, manifest, progress
from hyperctl.stack.status import Health, as_json, as_table, short_age
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.settings import Places

_WELL = Health("api", 42, 130, True, "https://127.0.0.1:1", "/readyz: ok", "/s/log/api.log")
_DOWN = Health("controller", 0, 0, False, "/s/run/gateway.sock", "does not run", "/s/log/controller.log")


def test_table_is_for_people() -> None:
    assert as_table([_WELL, _DOWN]).splitlines() == [
        "PART         PID   AGE   HEALTH   ADDRESS               DETAIL",
        "api          42    2m    ok       https://127.0.0.1:1   /readyz: ok",
        "controller   -     -     down     /s/run/gateway.sock   does not run",
    ]


def test_json_is_for_programs() -> None:
    told = json.loads(as_json(Places(Path("/s"), Path("/c")), [_WELL]))

    assert told["kubeconfig"] == "/s/kubeconfig"
    assert told["parts"][0]["pid"] == 42
    assert told["parts"][0]["ageSeconds"] == 130
    assert told["parts"][0]["healthy"] is True


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (7300, "2h"), (200000, "2d")])
def test_age_is_short(seconds: int, text: str) -> None:
    assert short_age(seconds) == text


def test_example_has_two_machines() -> None:
    assert keys(documents(manifest().read_text())) == [("default", "demo-1"), ("default", "demo-2")]


@pytest.mark.parametrize(
    ("status", "text", "is_up"),
    [
        pytest.param({}, "demo-1 Pending", False, id="not seen yet"),
        pytest.param({"phase": "Running"}, "demo-1 boots", False, id="no agent"),
        pytest.param({"phase": "Running", "guestAgent": {"connected": True}}, "demo-1 boots", False, id="no address"),
        pytest.param(
            {"phase": "Running", "guestAgent": {"connected": True}, "ipAddresses": ["10.0.2.15"]},
            "demo-1 10.0.2.15",
            True,
            id="up",
        ),
    ],
)
def test_guest_answers_with_agent_and_address(status: dict[str, object], text: str, is_up: bool) -> None:
    vm = VirtualMachine.model_validate(
        {"metadata": {"name": "demo-1"}, "spec": {"cpus": 1, "memory": "256Mi"}, "status": status}
    )

    assert progress(vm) == text
    assert answers(vm) is is_up
