"""Which node takes a VM, and what each other says against it."""

from datetime import timedelta
from typing import Any

import pytest

from controller.cluster.placement import Refusal, place, words
from controller.cluster.retention import KEPT, expired
from hypersdk.model.virtualmachine import VirtualMachine
from hypersdk.model.vmnode import VMNode
from hypersdk.model.vmoperation import VMOperation
from tests.unit.node.builders import NOW, machine, operation


def node(name: str = "one", **changes: Any) -> VMNode:
    """A node with room for 20 CPUs and 4 GiB."""
    status: dict[str, Any] = {
        "conditions": [{"type": "Ready", "status": changes.pop("ready", "True"), "message": "libvirt is away"}],
        "lastHeartbeatTime": changes.pop("beat", NOW).isoformat(),
        "allocatable": {"cpus": 20, "memory": changes.pop("memory", "4Gi")},
        "gpus": [
            {"address": "0000:01:00.0", "name": "t4", "available": False},
            {"address": "0000:02:00.0", "available": True},
            *({"address": f"0000:0{n}:01.0", "name": "t4", "available": True} for n in range(changes.pop("gpus", 0))),
        ],
    }
    labels = {"kubernetes.io/hostname": name} | changes.pop("labels", {})
    return VMNode.model_validate({"metadata": {"name": name, "labels": labels}, "spec": changes, "status": status})


def gpus(count: int) -> dict[str, Any]:
    """So many GPUs, asked for in two parts."""
    asked = [{"name": "t4", "count": count - 1}] if count > 1 else []
    return {"devices": {"gpus": [*asked, {"name": "t4"}]}}


def placed(name: str, on: str, **spec: Any) -> VirtualMachine:
    return machine(metadata={"name": name, "uid": name}, status={"nodeName": on}, **spec)


@pytest.mark.parametrize(
    ("spec", "nodes", "there", "found"),
    [
        ({}, [node()], [], "one"),
        ({}, [node("a"), node("b", memory="8Gi")], [], "b"),
        ({}, [node("a"), node("b")], [], "a"),
        ({}, [node("a"), node("b")], [placed("x", "a")], "b"),
        ({"nodeSelector": {"kubernetes.io/hostname": "a"}}, [node("a"), node("b", memory="8Gi")], [], "a"),
        ({"nodeSelector": {"disk": "fast"}}, [node("a", labels={"disk": "fast"}), node("b")], [], "a"),
        ({"memory": "4Gi"}, [node()], [placed("x", "elsewhere")], "one"),
        (gpus(1), [node("a", memory="8Gi"), node("b", gpus=1)], [placed("x", "a", memory="1Gi")], "b"),
    ],
)
def test_fitting_node_with_the_most_memory_left_takes_it(
    spec: dict[str, Any], nodes: list[VMNode], there: list[VirtualMachine], found: str
) -> None:
    assert place(machine(**spec), nodes, there, NOW) == found


@pytest.mark.parametrize(
    ("spec", "node", "there", "why"),
    [
        ({}, node(unschedulable=True), [], "it is cordoned (spec.unschedulable)"),
        ({}, node(ready="False"), [], "it is not ready (libvirt is away)"),
        ({}, node(beat=NOW - timedelta(seconds=91)), [], "its controller has gone silent"),
        ({"nodeSelector": {"disk": "fast"}}, node(), [], "it lacks the label disk=fast"),
        ({"cpus": 21}, node(), [], "20 of the 21 CPUs are left"),
        ({"cpus": 1}, node(), [placed("x", "one", cpus=20, memory="1Gi")], "0 of the 1 CPUs are left"),
        ({"memory": "5Gi"}, node(), [], "4.0Gi of the 5.0Gi memory are left"),
        ({"memory": "2Gi"}, node(), [placed("x", "one", memory="3Gi")], "1.0Gi of the 2.0Gi memory are left"),
        (gpus(1), node(), [], "0 of the 1 GPUs t4 are left"),
        (gpus(3), node(gpus=2), [], "2 of the 3 GPUs t4 are left"),
        (gpus(2), node(gpus=2), [placed("x", "one", memory="1Gi", **gpus(1))], "1 of the 2 GPUs t4 are left"),
    ],
)
def test_node_that_does_not_take_it_says_why(
    spec: dict[str, Any], node: VMNode, there: list[VirtualMachine], why: str
) -> None:
    assert place(machine(**spec), [node], there, NOW) == [Refusal("one", why)]


def test_refusals_are_one_sentence() -> None:
    assert words([]) == "no node runs a controller yet: there is no VMNode"
    assert words([Refusal("a", "x"), Refusal("b", "y")]) == "no node takes it: a: x; b: y"


def finished(number: int, age: timedelta, vm: str = "web") -> VMOperation:
    status = {"phase": "Succeeded", "completionTime": (NOW - age).isoformat()}
    return operation(f"{vm}-{number:02}", status, vmRef={"name": vm})


def test_old_operations_beyond_the_last_of_their_machine_go() -> None:
    ttl, there = timedelta(hours=1), {("default", "web")}
    old = [finished(n, timedelta(hours=2, minutes=n)) for n in range(KEPT + 3)]
    gone = [finished(n, timedelta(hours=2), "gone") for n in range(2)]
    young = [finished(n, timedelta(minutes=59), "gone") for n in range(10, 12)]
    unfinished = operation("z", {"phase": "Running"}, vmRef={"name": "gone"})
    found = expired([*old, *gone, *young, unfinished], there, ttl, NOW)
    assert {op.metadata.name for op in found} == {"web-20", "web-21", "web-22", "gone-00", "gone-01"}
