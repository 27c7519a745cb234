"""Is the shortest sentence the right one, and does the verb mend it?"""

from datetime import UTC, datetime, timedelta

import pytest

from hypersdk.model.base import JsonObject, rfc3339
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation
from hypersdk.verbs.table import VERBS
from hypersdk.why.diagnosis import Level, Verdict
from hypersdk.why.facts import Facts
from hypersdk.why.verdict import diagnose

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def condition(kind: str, status: str, reason: str, message: str = "") -> JsonObject:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def machine(phase: str, *conditions: JsonObject, running: bool = True, **status: object) -> VirtualMachine:
    wire: dict[str, object] = {
        "metadata": {"name": "web", "namespace": "default", "uid": "u", "generation": 2},
        "spec": {"cpus": 1, "memory": "1Gi", "running": running},
        "status": {"phase": phase, "nodeName": "n1", "observedGeneration": 2, "conditions": list(conditions)} | status,
    }
    return VirtualMachine.model_validate(wire)


def node(*, ready: str = "True", silent_s: float = 5) -> VMNode:
    beat = rfc3339(NOW - timedelta(seconds=silent_s))
    conditions = [condition("Ready", ready, "LibvirtUnreachable", "libvirtd does not answer")]
    return VMNode.model_validate(
        {"metadata": {"name": "n1"}, "status": {"conditions": conditions, "lastHeartbeatTime": beat}}
    )


def operation(phase: str, message: str) -> VMOperation:
    wire = {
        "metadata": {"name": "op", "namespace": "default"},
        "spec": {"vmRef": {"name": "web"}, "operation": "restart"},
        "status": {"phase": phase, "progress": 40, "message": message, "completionTime": rfc3339(NOW)},
    }
    return VMOperation.model_validate(wire)


WELL = machine("Running", condition("Ready", "True", "Running"), ipAddresses=["10.0.0.5"], qemuPid=77)
CRASHED = condition(
    "Ready", "False", "GuestCrashed", "QEMU ended without the guest's power-off\nterminating on signal 9"
)


@pytest.mark.parametrize(
    ("vm", "sentence", "verb"),
    [
        pytest.param(WELL, "Nothing is wrong with it.", "", id="well"),
        pytest.param(machine("Failed", CRASHED), "The guest crashed.", "vm.start", id="crashed"),
        pytest.param(
            machine("Stopped", condition("Ready", "False", "GuestShutdown", "…")),
            "The guest powered itself off.",
            "vm.start",
            id="powered itself off",
        ),
        pytest.param(
            machine("Stopped", condition("Ready", "False", "Stopped", "…"), running=False),
            "It is off, as wanted.",
            "vm.start",
            id="off as wanted",
        ),
        pytest.param(
            machine("Paused", condition("Ready", "False", "Paused", "disk root is full")),
            "It is paused: disk root is full.",
            "vm.resume",
            id="paused",
        ),
        pytest.param(
            machine("Failed", condition("Ready", "False", "StartFailed", "no room for QEMU\nmore words")),
            "no room for QEMU.",
            "vm.start",
            id="start failed",
        ),
        pytest.param(
            machine("Failed", condition("Ready", "False", "ImageNotFound", "image x does not exist")),
            "image x does not exist.",
            "",
            id="image missing",
        ),
        pytest.param(
            machine(
                "Running",
                condition("Ready", "False", "Stopping"),
                condition("Stopping", "True", "GuestAsked", "the power is cut at 12:02:00 UTC"),
            ),
            "The guest was asked to power off and has not yet.",
            "vm.stop",
            id="stopping",
        ),
        pytest.param(
            machine("Running", condition("RestartRequired", "True", "SpecChanged", "changed: memory")),
            "A restart is due: changed: memory.",
            "vm.restart",
            id="restart required",
        ),
        pytest.param(
            machine("Running", condition("AgentConnected", "False", "AgentNotConnected", "no agent runs in the guest")),
            "It runs, but no agent runs in the guest.",
            "",
            id="no agent",
        ),
        pytest.param(
            machine("Pending", condition("Ready", "False", "Unschedulable", "n1: cordoned"), nodeName=None),
            "No node takes it.",
            "",
            id="no node",
        ),
    ],
)
def test_sentence_and_verb_fit_what_is_wrong(vm: VirtualMachine, sentence: str, verb: str) -> None:
    found = diagnose(Facts(vm, NOW, node=node()))

    assert (found.sentence, found.mend.verb) == (sentence, verb)
    assert not verb or verb in {one.id for one in VERBS}


@pytest.mark.parametrize(
    ("node_seen", "known", "sentence"),
    [
        pytest.param(node(silent_s=300), True, "Node n1 has not been heard of since 11:55:00 UTC.", id="silent"),
        pytest.param(node(ready="False"), True, "Node n1 is not ready: libvirtd does not answer.", id="not ready"),
        pytest.param(None, True, "Node n1 does not exist any more.", id="gone"),
        pytest.param(None, False, "Nothing is wrong with it.", id="nodes may not be read"),
    ],
)
def test_node_is_named_before_its_guests(node_seen: VMNode | None, known: bool, sentence: str) -> None:
    assert diagnose(Facts(WELL, NOW, node=node_seen, nodes_known=known)).sentence.startswith(sentence)


def test_chain_goes_from_the_wish_to_the_guest() -> None:
    found = diagnose(Facts(WELL, NOW, [operation("Succeeded", "runs again")], node()))

    assert [link.level for link in found.chain] == list(Level)
    assert {link.verdict for link in found.chain} == {Verdict.WELL}


def test_words_of_qemu_follow_the_link_of_qemu() -> None:
    found = diagnose(Facts(machine("Failed", CRASHED), NOW, node=node()))

    link = next(link for link in found.chain if link.level is Level.QEMU)
    assert link.detail == ("terminating on signal 9",)


def test_operation_that_goes_on_is_told() -> None:
    found = diagnose(Facts(WELL, NOW, [operation("Running", "waiting for the guest")], node()))

    link = next(link for link in found.chain if link.level is Level.OPERATION)
    assert (link.verdict, link.words) == (Verdict.BUSY, "restart is Running 40%: waiting for the guest")
