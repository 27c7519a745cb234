"""What people and programs read from `hyperctl k8s vm`."""

import json
from datetime import UTC, datetime

import pytest
import yaml

from hyperctl.k8s.output import age, details, machine_readable, table
from hypersdk.model.virtualmachine import VirtualMachine

NOW = datetime(2026, 2, 4, 12, 0, tzinfo=UTC)


def machine(**status: object) -> VirtualMachine:
    return VirtualMachine.model_validate(
        {
            "apiVersion": "hypersdk.io/v1alpha1",
            "kind": "VirtualMachine",
            "metadata": {"name": "web", "namespace": "prod", "creationTimestamp": "2026-02-04T10:00:00Z", "x": 1},
            "spec": {"cpus": 2, "memory": "4Gi"},
            "status": status,
        }
    )


def test_table_shows_a_line_a_machine() -> None:
    running = machine(phase="Running", nodeName="n1", ipAddresses=["10.0.0.5", "10.0.0.6"])
    assert table([running], NOW, namespaces=False, wide=False) == (
        "NAME   STATUS    CPUS   MEMORY   NODE   IP         AGE\n"
        "web    Running   2      4Gi      n1     10.0.0.5   2h\n"
    )


def test_wide_table_says_why_a_machine_is_not_ready() -> None:
    failed = machine(
        phase="Failed",
        conditions=[{"type": "Ready", "status": "False", "reason": "StartFailed", "message": "no space"}],
    )
    assert "StartFailed: no space" in table([failed], NOW, namespaces=True, wide=True)


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_lists_are_kubernetes_lists_with_every_field_of_the_server(output: str) -> None:
    text = machine_readable([machine(phase="Running")], output, as_list=True)
    parsed = json.loads(text) if output == "json" else yaml.safe_load(text)
    assert parsed["kind"] == "List"
    assert parsed["items"][0]["metadata"]["x"] == 1
    assert parsed["items"][0]["spec"] == {"cpus": 2, "memory": "4Gi"}


def test_escape_sequences_never_reach_the_terminal() -> None:
    assert "\x1b" not in details(machine(phase="Running", ipAddresses=["\x1b[2J"]), NOW)


@pytest.mark.parametrize(
    ("since", "words"), [("11:59:30", "30s"), ("11:58:00", "2m"), ("09:00:00", "3h"), ("00:00:00", "12h")]
)
def test_age_is_short(since: str, words: str) -> None:
    assert age(datetime.fromisoformat(f"2026-02-04T{since}+00:00"), NOW) == words
